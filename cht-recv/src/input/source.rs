//! Where senders come from: one at a time, whatever the way.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use rustix::event::PollFd;

use super::{
    address::{self, Scheme},
    ffmpeg::{input::Way, source::FfmpegSource},
    listener::SocketSource,
    sender::Sender,
    spec::Input,
    stdin::StdinSource,
    tcp::Tcp,
    tls,
    udp::UdpSource,
    unix::Unix,
};
use crate::args::{Args, SecondSender};

/// The end of the message about an address that is open to all networks.
const OPEN: &str = "whoever reaches it may send (--allow CIDR names who may)";

/// A place that senders come from. Nothing here blocks.
pub(crate) trait Source {
    /// Adds what to wait for.
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>);

    /// When to look here again, even if no descriptor is ready.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Nobody is served now: the next one may be prepared.
    fn vacant(&mut self, _now: Instant) {}

    /// Looks who is there, and lets one in. While the place is `taken`, everybody is sent away.
    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>>;

    /// Goes on with those who have come, while another sender is served. Whether [`Self::admit`] has something to do then.
    fn prepare(&mut self, _now: Instant, _taken: bool) -> bool {
        true
    }

    /// What has to be said as an `error` event: a code and a message.
    fn complaint(&mut self) -> Option<(&'static str, String)> {
        None
    }

    /// Whether nobody will come after the one that was let in last.
    fn is_done(&self) -> bool {
        false
    }
}

/// What is done at an address, in words.
pub(crate) fn way(args: &Args) -> &'static str {
    match Input::parse(&args.listen) {
        Ok(Input::StdinSource) => "reading",
        Ok(Input::Fetched(place)) => match place.way() {
            Way::Listens => "listening on",
            Way::Calls => "calling",
            Way::Reads => "reading",
        },
        _ => "listening on",
    }
}

/// Opens what `--listen` or `--input` names, and its address for people.
pub(crate) fn open(args: &Args) -> Result<(Box<dyn Source>, String)> {
    let input = Input::parse(&args.listen)?;
    check(args, &input)?;
    Ok(match input {
        Input::Streams => {
            let (scheme, listener) = address::bind(&args.listen)?;
            let local = listener.local_addr()?;
            let address = scheme.url(local);
            if args.client_ca.is_none() {
                tell_if_open(args, &address, local.ip());
            }
            let keepalive = Duration::from_secs(args.keepalive);
            let tls = handshake(args, scheme)?;
            let patience = idle_timeout(args);
            let tcp = Tcp::new(listener, args.allow.clone(), keepalive, tls);
            (Box::new(SocketSource::new(tcp, patience)), address)
        }
        Input::Unix(path) => {
            let door = SocketSource::new(Unix::bind(&path)?, idle_timeout(args));
            (Box::new(door), format!("unix:{}", path.display()))
        }
        Input::StdinSource => (Box::new(StdinSource::open()?), "stdin".to_owned()),
        Input::Datagrams(group) => {
            let replace = args.second_sender == SecondSender::Replace && !args.once;
            let port = UdpSource::open(&group, args.allow.clone(), replace)?;
            let address = port.url();
            tell_if_open(args, &address, group.address.ip());
            (Box::new(port), address)
        }
        Input::Fetched(place) => {
            let address = place.shown().to_owned();
            if let Some(open) = place.open_to_all() {
                address::tell_if_open(
                    &address,
                    open,
                    "whoever reaches it may send (a firewall, or SRT's passphrase, bounds that)",
                );
            }
            let fetch = FfmpegSource::prepare(place, &args.ffmpeg, args.realtime, args.transcode)?;
            (Box::new(fetch), address)
        }
    })
}

/// Says that everybody may send, if nothing on the command line bounds it.
fn tell_if_open(args: &Args, url: &str, address: IpAddr) {
    if args.allow.is_empty() {
        address::tell_if_open(url, address, OPEN);
    }
}

/// Refuses options that could not be kept.
fn check(args: &Args, input: &Input) -> Result<()> {
    let url = input.shown(&args.listen);
    let streams = matches!(input, Input::Streams);
    let datagrams = matches!(input, Input::Datagrams(_));
    ensure!(streams || args.cert.is_none(), "{url}: --cert, --key and --client-ca are for tls://");
    ensure!(
        streams || datagrams || args.allow.is_empty(),
        "{url}: --allow cannot be kept here; it is for tcp://, tls://, udp:// and rtp://"
    );
    ensure!(
        !datagrams || args.max_bitrate.is_none(),
        "{url}: --max-bitrate makes a sender wait, and one of datagrams cannot"
    );
    ensure!(
        !args.transcode || matches!(input, Input::Fetched(_)),
        "{url}: --transcode is for inputs that ffmpeg reads; this one is recorded bit for bit"
    );
    ensure!(
        !args.realtime || matches!(input, Input::Fetched(place) if place.is_stored()),
        "{url}: --realtime is for files and http://; others come as fast as they come"
    );
    Ok(())
}

/// How long a sender may be silent, if that was not said.
pub(crate) fn idle_timeout(args: &Args) -> Option<Duration> {
    let seconds = args.idle_timeout.unwrap_or_else(|| {
        // What opened could be parsed.
        Input::parse(&args.listen).map_or(0.0, |input| input.idle_timeout())
    });
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

/// What TLS needs, if it is wanted.
fn handshake(args: &Args, scheme: Scheme) -> Result<Option<(rustls::ServerConfig, Duration)>> {
    match (scheme, &args.cert, &args.key) {
        (Scheme::Tls, Some(cert), Some(key)) => {
            let config = tls::config(cert, key, args.client_ca.as_deref())?;
            Ok(Some((config, Duration::from_secs_f64(args.handshake_timeout))))
        }
        (Scheme::Tls, ..) => bail!("--listen {}: needs --cert FILE and --key FILE", args.listen),
        (Scheme::Tcp, None, None) if args.client_ca.is_none() => Ok(None),
        (Scheme::Tcp, ..) => {
            bail!("--listen {}: --cert, --key and --client-ca are for tls://", args.listen)
        }
    }
}
