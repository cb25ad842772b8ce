//! Messages to the service manager, if there is one: `sd_notify(3)`, in its plain form.
//!
//! Each message is one datagram that is never waited for: a service manager that hangs must not
//! stop a recording. ffmpeg does not inherit the address (`die_with_parent`).

use std::{
    cell::Cell,
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::{OsStrExt as _, OsStringExt},
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::{Duration, Instant},
};

use cht_core::process::report;

/// Environment variables that name its requests.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The service manager.
#[derive(Debug)]
pub(crate) struct Systemd {
    /// Its socket and ours; `None` without a service manager.
    manager: Option<(UnixDatagram, SocketAddr)>,
    /// Interval of the watchdog.
    watchdog: Option<Duration>,
    fed: Cell<Instant>,
    /// Whether the last message could not be sent.
    deaf: Cell<bool>,
}

impl Systemd {
    /// Returns the service manager that the environment names.
    pub(crate) fn of_environment(now: Instant) -> Self {
        let address = env::var_os("NOTIFY_SOCKET").map(OsStringExt::into_vec);
        let manager = address.and_then(|path| match open(&path) {
            Ok(manager) => Some(manager),
            Err(error) => {
                let path = String::from_utf8_lossy(&path).into_owned();
                report::note(format_args!(
                    "NOTIFY_SOCKET={path}: {error}; the service manager hears nothing of us"
                ));
                None
            }
        });
        let number = |name| env::var_os(name)?.to_str()?.parse::<u64>().ok();
        // It may be meant for the process that started us.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        let watchdog = watchdog.filter(|_| manager.is_some()).map(Duration::from_micros);
        Self { manager, watchdog, fed: Cell::new(now), deaf: Cell::new(false) }
    }

    /// Sends assignments, one per line.
    pub(crate) fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.manager else { return };
        let sent = socket.send_to_addr(state.as_bytes(), address);
        let was_deaf = self.deaf.replace(sent.is_err());
        if let (Err(error), false) = (sent, was_deaf) {
            report::note(format_args!("the service manager was not told {state:?}: {error}"));
        }
    }

    /// Returns when the next sign of life is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // Half of the interval, as `sd_watchdog_enabled(3)` advises.
        self.watchdog.map(|time| self.fed.get() + time / 2)
    }

    /// Sends a sign of life, if it is due.
    pub(crate) fn feed(&self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.tell("WATCHDOG=1");
            self.fed.set(now);
        }
    }
}

/// Opens a socket, and resolves the manager's address: a path, or `@` and an abstract name.
fn open(path: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
        _ => return Err(io::Error::other("neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
