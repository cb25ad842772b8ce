//! The socket: who connects, and how long.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    os::{fd::AsFd, unix::net::UnixStream},
};

use anyhow::{Context as _, Result, anyhow};
use cht_core::{
    clock,
    event::{Connected, Disconnected, EndReason, Listening},
    session::Session,
    signals,
};
use rustix::event::{PollFd, PollFlags, poll};

use crate::{announce, args::Args, recorder::Recorder, recover::recover_others};

/// Bytes per read: large enough that a fast stream costs few calls, small enough to stay in the cache.
const READ: usize = 256 * 1024;

/// Runs the recorder until it is stopped, or with `--once` until the first connection has ended.
pub(crate) fn record(args: &Args) -> Result<()> {
    let listener = bind(&args.listen)?;
    let session = Session::create(&args.sessions, args.session_id.as_deref(), &clock::local())?;
    let _lock = session.lock()?;
    let stop = signals::stop_on_signal()?;
    let (announcer, announced) = announce::start()?;
    let mut recorder = Recorder::new(session, announcer.clone(), &stop, args.segment_time)?;
    recover_others(&args.sessions, recorder.session(), &announcer)?;
    // The queue ends with its last sender, the recorder.
    drop(announcer);
    let address = format!("tcp://{}", listener.local_addr()?);
    cht_core::report::note(format_args!(
        "recording into {}, listening on {address}",
        recorder.session().name()
    ));
    recorder.emit(Listening { address });
    let recorded = listen(&listener, &mut recorder, &stop, args.once);
    // Whatever happened: what was received is finished and announced first.
    let finished = recorder.finish();
    announced.wait();
    // The closing thread's error is the cause where both have one.
    finished.and(recorded)
}

/// Serves one connection after another.
fn listen(
    listener: &TcpListener,
    recorder: &mut Recorder,
    stop: &UnixStream,
    once: bool,
) -> Result<()> {
    while wait(listener, stop)? {
        let (socket, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            // The peer has gone again before it was served.
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error).context("accept"),
        };
        serve(recorder, socket, peer, stop)?;
        if once {
            break;
        }
    }
    Ok(())
}

/// Records one connection to its end, or until `stop`.
fn serve(
    recorder: &mut Recorder,
    mut socket: TcpStream,
    peer: SocketAddr,
    stop: &UnixStream,
) -> Result<()> {
    let mut buffer = vec![0; READ];
    let peer = peer.to_string();
    let mut connection = recorder.connection();
    let number = connection.number;
    connection.emit(Connected { connection: number, peer: peer.clone(), at: clock::wall() });
    let (end, reason) = loop {
        if !wait(&socket, stop)? {
            break (EndReason::Stopped, "stopped".to_owned());
        }
        match socket.read(&mut buffer) {
            Ok(0) => break (EndReason::Disconnected, "end of stream".to_owned()),
            Ok(count) => connection.push(&buffer[..count], clock::monotonic())?,
            Err(error) if is_passing(&error) => {}
            Err(error) => break (EndReason::Disconnected, error.to_string()),
        }
    };
    let bytes = connection.finish(end)?;
    recorder.emit_last(Disconnected { connection: number, peer, reason, bytes, at: clock::wall() });
    Ok(())
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

/// Waits for `source` to become readable; `false` if `stop` was first.
fn wait(source: &impl AsFd, stop: &UnixStream) -> Result<bool> {
    loop {
        let mut descriptors =
            [PollFd::new(source, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match poll(&mut descriptors, None) {
            Ok(_) if !descriptors[1].revents().is_empty() => return Ok(false),
            Ok(_) if !descriptors[0].revents().is_empty() => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
    }
}

fn bind(url: &str) -> Result<TcpListener> {
    let address = resolve(url)?;
    TcpListener::bind(address).with_context(|| {
        format!("--listen {url}: cannot listen on {address}; is another program listening there?")
    })
}

/// The address of `tcp://HOST:PORT`; without a host, the loopback address.
fn resolve(url: &str) -> Result<SocketAddr> {
    let wrong = || anyhow!("--listen {url}: must be tcp://HOST:PORT, as tcp://127.0.0.1:4444");
    let place = url.strip_prefix("tcp://").ok_or_else(wrong)?.trim_end_matches('/');
    let place = if place.starts_with(':') { format!("127.0.0.1{place}") } else { place.to_owned() };
    let mut addresses = place.to_socket_addrs().map_err(|error| wrong().context(error))?;
    addresses.next().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_unless_told_otherwise() {
        assert_eq!(resolve("tcp://:4444").unwrap().to_string(), "127.0.0.1:4444");
        assert_eq!(resolve("tcp://0.0.0.0:1").unwrap().to_string(), "0.0.0.0:1");
        assert_eq!(resolve("tcp://[::1]:1/").unwrap().to_string(), "[::1]:1");
        for wrong in ["udp://x:1", "tcp://127.0.0.1", "4444"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}
