//! State of each PID: a few bytes for all of them, for packets that need no look, and more for
//! those that carry tables or PES packets.
use super::es::Es;
use crate::section::Assembler;

/// Number of PIDs.
pub(crate) const PIDS: usize = 0x2000;

/// Flag: the payload is read.
const WATCHED: u8 = 1;
/// Flag: the last packet was a permitted duplicate.
const DUPLICATED: u8 = 2;
/// Flag: PSI or SI, which may be part of the run before a keyframe.
pub(crate) const TABLES: u8 = 4;
/// `Pid::next` before any packet; equal to no counter.
const UNKNOWN: u8 = 0x10;

/// State that every packet touches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pid {
    pub(crate) packets: u64,
    /// The `continuity_counter` to come.
    next: u8,
    /// If any flag is set, packets are looked at.
    pub(crate) flags: u8,
    /// Index of its `State`, if it has one.
    pub(crate) state: Option<std::num::NonZeroU16>,
}

/// How a packet with payload follows the one before it (ISO/IEC 13818-1 §2.4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    Yes,
    Duplicate,
    No { expected: u8 },
}

impl Pid {
    pub(crate) const fn new(flags: u8) -> Self {
        Self { packets: 0, next: UNKNOWN, flags, state: None }
    }

    /// Counts the expected packet of a PID that is not read, in one comparison. Returns `false` for
    /// any other packet.
    #[inline]
    pub(crate) const fn plain(&mut self, continuity: u8) -> bool {
        let plain = (self.next ^ continuity) | self.flags == 0;
        if plain {
            self.packets += 1;
            self.next = (continuity + 1) & 15;
        }
        plain
    }

    /// Compares the counter with the expected one. After an announced `discontinuity` any counter
    /// is right.
    pub(crate) const fn follows(&mut self, continuity: u8, discontinuity: bool) -> Follows {
        let expected = self.next;
        let duplicated = self.flags & DUPLICATED != 0;
        self.flags &= !DUPLICATED;
        self.next = (continuity + 1) & 15;
        if discontinuity || expected == UNKNOWN || expected == continuity {
            Follows::Yes
        } else if expected == self.next && !duplicated {
            self.flags |= DUPLICATED;
            Follows::Duplicate
        } else {
            Follows::No { expected }
        }
    }

    pub(crate) const fn watch(&mut self, watched: bool) {
        self.flags = if watched { self.flags | WATCHED } else { self.flags & !WATCHED };
    }
}

/// Contents of a PID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An elementary stream or unknown: PES packets are recognised by their prefix.
    Stream,
    /// PAT or PMT.
    Psi,
    /// Another table, which is not read.
    Si,
}

/// State of a PID that carries tables or PES packets.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pid: u16,
    pub(crate) role: Role,
    pub(crate) es: Es,
    pub(crate) sections: Assembler,
}

impl State {
    pub(crate) fn new(pid: u16) -> Self {
        let role = if pid < 0x20 { Role::Si } else { Role::Stream };
        Self { pid, role, es: Es::new(), sections: Assembler::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_duplicate_is_permitted() {
        let mut pid = Pid::new(0);
        assert_eq!(pid.follows(15, false), Follows::Yes);
        assert_eq!(pid.follows(0, false), Follows::Yes);
        assert_eq!(pid.follows(0, false), Follows::Duplicate);
        assert_eq!(pid.follows(0, false), Follows::No { expected: 1 });
        assert_eq!(pid.follows(1, false), Follows::Yes);
        assert_eq!(pid.follows(1, false), Follows::Duplicate);
        assert_eq!(pid.follows(2, false), Follows::Yes);
        assert_eq!(pid.follows(4, false), Follows::No { expected: 3 });
        assert_eq!(pid.follows(9, true), Follows::Yes);
    }

    #[test]
    fn plain_packets() {
        let mut pid = Pid::new(0);
        assert!(!pid.plain(3));
        assert_eq!(pid.follows(3, false), Follows::Yes);
        assert!(pid.plain(4) && pid.plain(5) && !pid.plain(5));
        assert_eq!(pid.follows(5, false), Follows::Duplicate);
        assert!(!pid.plain(6));
        assert_eq!(pid.follows(6, false), Follows::Yes);
        assert!(pid.plain(7));
    }
}
