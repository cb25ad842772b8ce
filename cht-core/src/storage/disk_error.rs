//! Errors of a disk in one table: what each says, and so whether it may pass.
//!
//! Two readers ask it different questions. A stage waits for the errors that are known to pass
//! ([`may_pass`], by [`patience`](super::patience)); the recorder, which must not stop, waits for
//! every error that is not its own mistake, and heeds a signal meanwhile.

use std::io;

use rustix::io::Errno;

use super::regular;

/// Meaning of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The disk or the quota has no room.
    Full,
    /// The disk is read-only: some file systems turn so for a moment.
    ReadOnly,
    /// The disk has gone.
    NoDevice,
    /// The disk, the way to it, or a machine short of memory or descriptors fails.
    Failing,
    /// Something else has the name, or nothing has it.
    Name,
    /// The user may not do that.
    Denied,
    /// The call makes no sense, and no disk mends that.
    Mistake,
    /// Anything else.
    Other,
}

const TABLE: [(Cause, &[Errno]); 7] = [
    (Cause::Full, &[Errno::NOSPC, Errno::DQUOT]),
    (Cause::ReadOnly, &[Errno::ROFS]),
    (Cause::NoDevice, &[Errno::NODEV]),
    (
        Cause::Failing,
        &[
            Errno::IO,
            Errno::STALE,
            Errno::TIMEDOUT,
            Errno::UCLEAN,
            Errno::BADMSG,
            Errno::NXIO,
            Errno::REMOTEIO,
            Errno::NOTCONN,
            Errno::CONNRESET,
            Errno::CONNABORTED,
            Errno::SHUTDOWN,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::NOLCK,
            Errno::BUSY,
            Errno::NOMEM,
            Errno::NOBUFS,
            Errno::MFILE,
            Errno::NFILE,
        ],
    ),
    (
        Cause::Name,
        &[Errno::EXIST, Errno::ISDIR, Errno::LOOP, Errno::NAMETOOLONG, Errno::NOENT, Errno::NOTDIR],
    ),
    (Cause::Denied, &[Errno::ACCESS, Errno::PERM]),
    (Cause::Mistake, &[Errno::BADF, Errno::FAULT, Errno::INVAL, Errno::NOTTY, Errno::SPIPE]),
];

/// Returns the meaning of an error.
#[must_use]
pub fn cause(error: &io::Error) -> Cause {
    match error.raw_os_error() {
        Some(raw) => {
            let is_it = |errno: &Errno| errno.raw_os_error() == raw;
            let found = TABLE.iter().find(|(_, errors)| errors.iter().any(is_it));
            found.map_or(Cause::Other, |(cause, _)| *cause)
        }
        None if regular::is_refusal(error) => Cause::Name,
        // A path with a NUL, or the like.
        None if error.kind() == io::ErrorKind::InvalidInput => Cause::Mistake,
        None => Cause::Other,
    }
}

/// Returns whether an error is one of the disk that is known to pass, or to be mended by people.
#[must_use]
pub fn may_pass(error: &io::Error) -> bool {
    use Cause::{Failing, Full, NoDevice, ReadOnly};
    matches!(cause(error), Full | ReadOnly | NoDevice | Failing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_one_cause() {
        let mut errors: Vec<_> = TABLE.iter().flat_map(|(_, errors)| *errors).collect();
        let all = errors.len();
        errors.sort_by_key(|errno| errno.raw_os_error());
        errors.dedup();
        assert_eq!(errors.len(), all);
    }

    #[test]
    fn mistake_never_passes() {
        for (is_passing, errno) in [
            (true, Errno::NOSPC),
            (true, Errno::MFILE),
            (false, Errno::NOENT),
            (false, Errno::ACCESS),
            (false, Errno::BADF),
            (false, Errno::AGAIN),
        ] {
            assert_eq!(may_pass(&errno.into()), is_passing, "{errno}");
        }
        assert_eq!(cause(&io::ErrorKind::WriteZero.into()), Cause::Other);
        let folder = regular::open(std::path::Path::new("/dev")).unwrap_err();
        assert_eq!(cause(&folder), Cause::Name);
        assert_eq!(cause(&std::fs::write("a\0b", b"").unwrap_err()), Cause::Mistake);
    }
}
