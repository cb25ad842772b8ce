//! Opens an input: the one module that knows all kinds of them.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, bail, ensure};
use cht_core::net;

use super::{
    ffmpeg::source::FfmpegSource,
    listener::SocketSource,
    options::InputOptions,
    source::Source,
    spec::Input,
    stdin::StdinSource,
    tcp::Tcp,
    tcp_address::{self, Scheme},
    tls,
    udp::UdpSource,
    unix::Unix,
};

/// Consequence of an address that is open to all networks, for the message about it.
const OPEN: &str = "any machine that reaches it may send (--allow CIDR limits that)";

/// Opens `input`, which `url` stands for. Returns it, and its address to show.
pub(crate) fn open(
    input: Input,
    url: &str,
    options: &InputOptions,
) -> Result<(Box<dyn Source>, String)> {
    check(&input, url, options)?;
    let patience = options.idle_timeout(&input);
    Ok(match input {
        Input::Streams => {
            let (scheme, listener) = tcp_address::bind(url)?;
            let local = listener.local_addr()?;
            let address = scheme.url(local);
            if options.tls.client_ca.is_none() {
                tell_if_open(options, &address, local.ip());
            }
            let keepalive = Duration::from_secs(options.keepalive);
            let tls = handshake(url, options, scheme)?;
            let tcp = Tcp::new(listener, options.allow.clone(), keepalive, tls);
            (Box::new(SocketSource::new(tcp, patience)), address)
        }
        Input::Unix(path) => {
            let source = SocketSource::new(Unix::bind(&path)?, patience);
            (Box::new(source), format!("unix:{}", path.display()))
        }
        Input::Stdin => (Box::new(StdinSource::open()?), "stdin".to_owned()),
        Input::Datagrams(address) => {
            let source = UdpSource::open(&address, options.allow.clone(), options.replaces())?;
            let url = source.url();
            tell_if_open(options, &url, address.address.ip());
            (Box::new(source), url)
        }
        Input::Fetched(input) => {
            let address = input.shown().to_owned();
            if let Some(open) = input.open_to_all() {
                net::tell_if_open(
                    &address,
                    open,
                    "any machine that reaches it may send (a firewall, or SRT's passphrase, limits that)",
                );
            }
            let source = FfmpegSource::prepare(input, &options.ffmpeg, options.once)?;
            (Box::new(source), address)
        }
    })
}

/// Says that any machine may send, unless `--allow` limits it.
fn tell_if_open(options: &InputOptions, url: &str, address: IpAddr) {
    if options.allow.is_empty() {
        net::tell_if_open(url, address, OPEN);
    }
}

/// Refuses options that the input cannot keep.
fn check(input: &Input, url: &str, options: &InputOptions) -> Result<()> {
    let url = input.shown(url);
    let streams = matches!(input, Input::Streams);
    let datagrams = matches!(input, Input::Datagrams(_));
    let has_certificate = options.tls.cert.is_some();
    ensure!(streams || !has_certificate, "{url}: --cert, --key and --client-ca are for tls://");
    ensure!(
        streams || datagrams || options.allow.is_empty(),
        "{url}: --allow cannot be kept here; it is for tcp://, tls://, udp:// and rtp://"
    );
    ensure!(
        !datagrams || options.max_bitrate.is_none(),
        "{url}: --max-bitrate makes a sender wait, and one of datagrams cannot"
    );
    ensure!(
        !options.ffmpeg.transcode || matches!(input, Input::Fetched(_)),
        "{url}: --transcode is for inputs that ffmpeg reads; this one is recorded bit for bit"
    );
    ensure!(
        !options.ffmpeg.realtime || matches!(input, Input::Fetched(input) if input.is_stored()),
        "{url}: --realtime is for files and http://; others come as fast as they come"
    );
    Ok(())
}

/// Returns the configuration of TLS and the time limit of its handshake, for `tls://`.
fn handshake(
    url: &str,
    options: &InputOptions,
    scheme: Scheme,
) -> Result<Option<(rustls::ServerConfig, Duration)>> {
    let options = &options.tls;
    match (scheme, &options.cert, &options.key) {
        (Scheme::Tls, Some(cert), Some(key)) => {
            let config = tls::config(cert, key, options.client_ca.as_deref())?;
            Ok(Some((config, Duration::from_secs_f64(options.handshake_timeout))))
        }
        (Scheme::Tls, ..) => bail!("--listen {url}: needs --cert FILE and --key FILE"),
        (Scheme::Tcp, None, None) if options.client_ca.is_none() => Ok(None),
        (Scheme::Tcp, ..) => {
            bail!("--listen {url}: --cert, --key and --client-ca are for tls://")
        }
    }
}
