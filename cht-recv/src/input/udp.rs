//! A UDP socket: datagrams of one sender after another. A connection is the datagrams of one
//! address until a long silence.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::process::{
    clock,
    report::{self, Limited},
};
use rustix::{
    event::{PollFd, PollFlags},
    net::{
        AddressFamily, SocketFlags, SocketType, bind, netdevice, socket_with,
        sockopt::{
            set_ip_add_membership, set_ip_add_membership_with_ifindex, set_ipv6_add_membership,
            set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_reuseaddr,
            socket_recv_buffer_size,
        },
    },
};

use super::{
    allow::{self, Cidr},
    foreign,
    losses::Losses,
    payload::{Bare, Payload, Rtp},
    refusals::Refusals,
    sender::{Received, Sender, Stream, Write},
    source::Source,
    takeover::Takeovers,
    udp_address::{Interface, UdpAddress},
};
use cht_core::net::is_passing;

/// Receive buffer that the system is asked for, in bytes: a second of 64 Mbit/s.
const BUFFER: usize = 8 << 20;

/// Size of the largest datagram.
const DATAGRAM: usize = 1 << 16;

/// Bytes taken per call.
const TAKE: usize = 256 * 1024;

/// Bytes kept of a new sender while another one sends.
const HELD: usize = 4 << 20;

/// Silence of the current sender after which a new one replaces it.
const GIVE_WAY: Duration = Duration::from_secs(1);

/// Time between two reads of the system's drop counter.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A UDP socket, shared with the sender that is served.
#[derive(Debug)]
pub(crate) struct UdpSource {
    url: String,
    rtp: bool,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: UdpSocket,
    state: RefCell<State>,
}

/// State that outlasts a sender.
#[derive(Debug)]
struct State {
    networks: Vec<Cidr>,
    /// Present if a new sender may replace the current one.
    takeovers: Option<Takeovers>,
    /// A sender that has begun, but is not served yet.
    newcomer: Option<Newcomer>,
    strangers: Limited,
    seconds: Limited,
    refusals: Refusals,
    dropped: Dropped,
    /// Buffer for one datagram.
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Newcomer {
    from: SocketAddr,
    datagrams: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl UdpSource {
    /// Receives at an address of this machine, or from a multicast group.
    pub(crate) fn open(group: &UdpAddress, networks: Vec<Cidr>, replace: bool) -> Result<Self> {
        let url = group.url(group.address);
        let socket = open(group).with_context(|| {
            format!("{url}: cannot receive there; is another program receiving there?")
        })?;
        let url = group.url(socket.local_addr()?);
        enlarge(&socket, &url)?;
        let dropped = Dropped::of(&socket, &url)?;
        let state = State {
            networks,
            takeovers: replace.then(Takeovers::default),
            newcomer: None,
            strangers: Limited::default(),
            seconds: Limited::default(),
            refusals: Refusals::default(),
            dropped,
            buffer: vec![0; DATAGRAM].into(),
        };
        let shared = Rc::new(Shared { socket, state: RefCell::new(state) });
        Ok(Self { url, rtp: group.rtp, shared })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

/// Opens a non-blocking socket, bound, and joined to its group.
fn open(group: &UdpAddress) -> Result<UdpSocket> {
    let UdpAddress { address, interface, .. } = group;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.ip().is_multicast() {
        // Several programs may receive a group, but only one an address of this machine.
        set_socket_reuseaddr(&socket, true)?;
    }
    // Bound to the group itself: a socket bound to any address gets the datagrams of all groups.
    bind(&socket, address)?;
    let index = match interface {
        Some(Interface::Name(name)) => {
            Some(netdevice::name_to_index(&socket, name).with_context(|| format!("iface={name}"))?)
        }
        _ => None,
    };
    match (address.ip(), interface) {
        (ip, _) if !ip.is_multicast() => {}
        (IpAddr::V4(ip), Some(Interface::Address(IpAddr::V4(interface)))) => {
            set_ip_add_membership(&socket, &ip, interface)
                .with_context(|| format!("iface={interface}"))?;
        }
        (IpAddr::V4(ip), _) => {
            let any = Ipv4Addr::UNSPECIFIED;
            set_ip_add_membership_with_ifindex(&socket, &ip, &any, index.unwrap_or(0))
                .context("joining the group (name an interface with ?iface=)")?;
        }
        (IpAddr::V6(ip), _) => set_ipv6_add_membership(&socket, &ip, index.unwrap_or(0))
            .context("joining the group (name an interface with ?iface=)")?,
    }
    Ok(socket.into())
}

/// Asks the system for a larger receive buffer than usual.
fn enlarge(socket: &UdpSocket, url: &str) -> io::Result<()> {
    // The first call needs a capability; the second is silently cut to the system's limit.
    if set_socket_recv_buffer_size_force(socket, BUFFER).is_err() {
        set_socket_recv_buffer_size(socket, BUFFER)?;
    }
    // Linux doubles it for its own bookkeeping.
    let got = socket_recv_buffer_size(socket)? / 2;
    if got < BUFFER {
        report::note(format_args!(
            "{url}: the system holds {} KiB for us, not {} KiB; sysctl -w net.core.rmem_max={BUFFER} would allow it",
            got >> 10,
            BUFFER >> 10
        ));
    }
    Ok(())
}

impl Source for UdpSource {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        // While a sender is served, its stream reads the socket and finds the others.
        if Rc::strong_count(&self.shared) == 1 {
            descriptors.push(PollFd::new(&self.shared.socket, PollFlags::IN));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.shared.state.borrow();
        let waits = Rc::strong_count(&self.shared) == 1 && state.newcomer.is_some();
        waits.then(clock::monotonic)
    }

    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>> {
        let mut state = self.shared.state.borrow_mut();
        if taken {
            return Ok(None);
        }
        let first = match state.newcomer.take() {
            Some(newcomer) => newcomer,
            None => {
                match state.receive(&self.shared.socket, now, None).context(self.url.clone())? {
                    Some((from, datagram)) => {
                        Newcomer { from, bytes: datagram.len(), datagrams: [datagram].into() }
                    }
                    None => return Ok(None),
                }
            }
        };
        let from = first.from;
        let datagrams = Datagrams {
            shared: Rc::clone(&self.shared),
            from,
            first: first.datagrams,
            heard: now,
            out: Vec::new(),
            payload: if self.rtp { Box::new(Rtp::of(from)) } else { Box::new(Bare::of(from)) },
        };
        Ok(Some(Sender::new(from.to_string(), datagrams)))
    }

    fn complaint(&mut self) -> Option<(&'static str, String)> {
        self.shared.state.borrow_mut().refusals.take()
    }
}

impl State {
    /// Receives the next datagram from an allowed address, if there is one. A sender other than the
    /// one `served` must not begin with a foreign protocol.
    fn receive(
        &mut self,
        socket: &UdpSocket,
        now: Instant,
        served: Option<SocketAddr>,
    ) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
        loop {
            match socket.recv_from(&mut self.buffer) {
                Ok((_, from)) if !allow::allows(&self.networks, from.ip()) => self.strangers.note(
                    now,
                    format_args!("{from} was not heard: --allow does not name its address"),
                ),
                Ok((length, from)) => {
                    let datagram = &self.buffer[..length];
                    let begins = served != Some(from)
                        && self.newcomer.as_ref().is_none_or(|newcomer| newcomer.from != from);
                    match foreign::of_datagram(datagram).filter(|_| begins) {
                        None => return Ok(Some((from, datagram.to_vec()))),
                        Some(protocol) => self.refusals.note(now, from, protocol),
                    }
                }
                Err(error) if is_passing(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps a datagram of a sender that is not served, in case the current one falls silent.
    fn keep(&mut self, from: SocketAddr, datagram: Vec<u8>, now: Instant) {
        let newcomer = self.newcomer.get_or_insert_with(|| Newcomer {
            from,
            datagrams: VecDeque::new(),
            bytes: 0,
        });
        if newcomer.from == from && newcomer.bytes + datagram.len() <= HELD {
            newcomer.bytes += datagram.len();
            newcomer.datagrams.push_back(datagram);
        } else {
            self.send_away(from, now);
        }
    }

    fn send_away(&mut self, from: SocketAddr, now: Instant) {
        let message = match self.takeovers {
            None => format!(
                "{from} was not heard: another sender sends (--second-sender replace would change over)"
            ),
            Some(_) => format!("{from} was not heard: another sender has taken over, and goes on"),
        };
        self.seconds.note(now, message);
    }

    /// Returns whether `from` replaces a sender that goes on.
    fn takes_over(&mut self, from: SocketAddr, now: Instant) -> bool {
        let may = self.takeovers.as_mut().is_some_and(|takeovers| takeovers.allows(from, now));
        if may && let Some(other) = self.newcomer.take_if(|newcomer| newcomer.from != from) {
            self.send_away(other.from, now);
        }
        may
    }
}

/// The datagrams of one sender.
#[derive(Debug)]
pub(crate) struct Datagrams {
    shared: Rc<Shared>,
    from: SocketAddr,
    /// Datagrams that came before it was served.
    first: VecDeque<Vec<u8>>,
    /// When it was last heard.
    heard: Instant,
    /// Bytes to hand out.
    out: Vec<u8>,
    payload: Box<dyn Payload>,
}

impl Stream for Datagrams {
    /// Takes the datagrams that have arrived, in order, up to [`TAKE`] bytes.
    fn receive<'a>(&'a mut self, _buffer: &'a mut [u8]) -> Received<'a> {
        let now = clock::monotonic();
        let mut state = self.shared.state.borrow_mut();
        self.out.clear();
        let mut raw = 0;
        let mut end = None;
        for datagram in self.first.drain(..) {
            raw += datagram.len();
            self.payload.take(&datagram, now, &mut self.out);
        }
        while raw < TAKE && end.is_none() {
            match state.receive(&self.shared.socket, now, Some(self.from)) {
                Ok(Some((from, datagram))) if from == self.from => {
                    raw += datagram.len();
                    self.heard = now;
                    // This sender goes on, so the new one came in vain.
                    if let Some(newcomer) = state.newcomer.take() {
                        state.send_away(newcomer.from, now);
                    }
                    self.payload.take(&datagram, now, &mut self.out);
                }
                Ok(Some((from, datagram))) => {
                    let takes_over = state.takes_over(from, now);
                    state.keep(from, datagram, now);
                    if takes_over || self.heard + GIVE_WAY <= now {
                        end = Some("replaced".to_owned());
                        if let Some(takeovers) = &mut state.takeovers {
                            takeovers.note(self.from, from, now);
                        }
                    }
                }
                Ok(None) => break,
                Err(error) => end = Some(error.to_string()),
            }
        }
        state.dropped.ask(now);
        if end.is_some() {
            self.payload.flush(now, &mut self.out);
        }
        Received { bytes: &self.out, raw, end }
    }

    fn finish(&mut self, _buffer: &mut [u8], record: &mut Write<'_>) -> Result<()> {
        self.out.clear();
        self.payload.flush(clock::monotonic(), &mut self.out);
        record(&self.out)
    }

    fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.shared.socket, PollFlags::IN)
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let mut state = self.shared.state.borrow_mut();
        state.dropped.asked = None;
        state.dropped.ask(clock::monotonic());
    }
}

/// Datagrams that the system dropped because they were not read in time.
#[derive(Debug)]
struct Dropped {
    inode: u64,
    table: &'static str,
    known: u64,
    asked: Option<Instant>,
    losses: Losses,
}

impl Dropped {
    fn of(socket: &UdpSocket, url: &str) -> io::Result<Self> {
        let file = fs::File::from(socket.as_fd().try_clone_to_owned()?);
        let table = if socket.local_addr()?.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        let what = format!(
            "datagrams to {url} were dropped by the system before they were read \
             (a larger net.core.rmem_max, or a faster disk, would have kept them)"
        );
        let inode = file.metadata()?.ino();
        Ok(Self { inode, table, known: 0, asked: None, losses: Losses::of(what) })
    }

    fn ask(&mut self, now: Instant) {
        if self.asked.is_some_and(|asked| now < asked + ASK_EVERY) {
            return;
        }
        self.asked = Some(now);
        let count = fs::read_to_string(self.table).ok().and_then(|text| drops(&text, self.inode));
        let count = count.unwrap_or(self.known);
        self.losses.add(count.saturating_sub(self.known), now);
        self.known = count;
    }
}

/// Returns the drops of a socket from the table of proc(5): the inode is the tenth column, the
/// drops are the last.
fn drops(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        (columns.get(9) == Some(&inode.as_str())).then(|| columns.last()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
            2417: 0100007F:1F40 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 34242 2 0000000000000000 17\n";
        assert_eq!(drops(table, 34242), Some(17));
        assert_eq!(drops(table, 3424), None);
    }
}
