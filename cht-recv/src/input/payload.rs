//! The bytes in a datagram that are recorded: all of them, or what RTP carries.

use std::{fmt::Debug, net::SocketAddr, time::Instant};

use cht_core::process::report::{self, Limited};

use super::{
    losses::Losses,
    rtp::{Reorder, is_rtp},
};

/// Takes the datagrams of one sender apart.
pub(crate) trait Payload: Debug {
    /// Takes a datagram that arrived at `now`, and appends the bytes that are in order to `out`.
    fn take(&mut self, datagram: &[u8], now: Instant, out: &mut Vec<u8>);

    /// Appends the bytes that are held back to `out`.
    fn flush(&mut self, _now: Instant, _out: &mut Vec<u8>) {}
}

/// Datagrams that are recorded as they are.
#[derive(Debug)]
pub(crate) struct Bare {
    from: SocketAddr,
    /// Whether a note said that they look like RTP.
    hinted: bool,
}

impl Bare {
    /// Datagrams from `from`.
    pub(crate) fn of(from: SocketAddr) -> Self {
        Self { from, hinted: false }
    }
}

impl Payload for Bare {
    fn take(&mut self, datagram: &[u8], _now: Instant, out: &mut Vec<u8>) {
        if !self.hinted && is_rtp(datagram) {
            self.hinted = true;
            report::note(format_args!(
                "{} sends RTP; it is recorded with its headers (rtp:// instead of udp:// takes them off)",
                self.from
            ));
        }
        out.extend_from_slice(datagram);
    }
}

/// RTP packets, whose headers are taken off.
#[derive(Debug)]
pub(crate) struct Rtp {
    from: SocketAddr,
    reorder: Reorder,
    lost: Losses,
    /// How many of `reorder.lost` are in `lost`.
    counted: u64,
    foreign: Limited,
}

impl Rtp {
    /// Packets from `from`.
    pub(crate) fn of(from: SocketAddr) -> Self {
        let what = format!("RTP packets of {from} were lost on the way, or came too late");
        let (reorder, lost, foreign) = (Reorder::default(), Losses::of(what), Limited::default());
        Self { from, reorder, lost, counted: 0, foreign }
    }

    fn count_lost(&mut self, now: Instant) {
        self.lost.add(self.reorder.lost - self.counted, now);
        self.counted = self.reorder.lost;
    }
}

impl Payload for Rtp {
    fn take(&mut self, datagram: &[u8], now: Instant, out: &mut Vec<u8>) {
        let before = self.reorder.foreign;
        self.reorder.push(datagram, now, out);
        if self.reorder.foreign > before {
            self.foreign.note(now, format_args!(
                "{} sent something else than RTP with MPEG-TS (payload type 33); it is left out",
                self.from
            ));
        }
        self.count_lost(now);
    }

    fn flush(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.reorder.flush(out);
        self.count_lost(now);
    }
}
