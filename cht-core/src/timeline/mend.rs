//! Corrects outliers among time stamps for a decoder.
//!
//! A decoder passes a wild time stamp on, and some follow decoding times ever after. So its input
//! is corrected, by the rule that places a recording: the packets of a picture that the next one
//! has to confirm wait for that one, all others pass at once.

use std::time::{Duration, Instant};

use cht_ts::{Begins, PACKET_LEN, Pts, begins, restamp, with_stamp};

use super::live::{Placed, Stamp, Timeline};
use crate::event::Anchor;

/// Largest number of bytes that wait, and longest time for which a picture waits for the next one
/// on request.
const MAX_HELD: usize = 4 << 20;
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Mends the packets of one PID, of 188 bytes each, on one line of time.
#[derive(Debug, Default)]
pub struct Mender {
    timeline: Timeline,
    /// The PTS of the first picture, where a recording is placed by it.
    first: Option<Pts>,
    /// Packets from the first picture on that is not decided.
    held: Vec<u8>,
    /// Where pictures begin in `held` that have no place: those before the first one, oldest first.
    lost: Vec<usize>,
    /// Where the picture begins that waits for the next one, and its arrival.
    doubt: Option<(usize, Instant)>,
}

impl Mender {
    /// Returns a mender for a recording that was placed by the PTS `first`: if the first picture
    /// has it, no other one has to confirm it.
    #[must_use]
    pub fn from_first(first: Pts) -> Self {
        Self { first: Some(first), ..Self::default() }
    }

    /// Appends packets to `out`: the new ones, which arrived at `now`, and those that waited for
    /// them.
    pub fn push(&mut self, packets: &[u8], now: Instant, out: &mut Vec<u8>) {
        for packet in packets.as_chunks::<PACKET_LEN>().0 {
            let begins = begins(packet);
            match begins {
                Begins::Stamped { pts, dts } => {
                    let is_known = self.first.take() == Some(pts) && !self.waits();
                    // The recorder may have waited this long for a confirmation.
                    let at = now.checked_sub(MAX_WAIT).filter(|_| is_known).unwrap_or(now);
                    let stamp = Stamp { pts, dts, at };
                    let expected = self.timeline.expected(Some(&stamp));
                    let observed = self.timeline.observe(stamp, true);
                    if let Some(placed) = observed.before {
                        self.decide(placed, expected);
                    }
                    if is_known {
                        self.timeline.settle(false);
                    } else if observed.this.is_none() {
                        self.doubt = Some((self.held.len(), now));
                    }
                }
                // A picture without PTS gets a time, unless none had one before: ffmpeg would
                // invent one.
                Begins::Unstamped if self.timeline.anchor().is_none() && self.doubt.is_none() => {
                    self.timeline.observe_unstamped();
                    self.lost.push(self.held.len());
                }
                Begins::Unstamped | Begins::Nothing => {}
            }
            if self.waits() {
                self.held.extend_from_slice(packet);
            } else {
                self.release(out);
                out.extend_from_slice(packet);
            }
        }
        if self.held.len() > MAX_HELD {
            self.finish(out);
        }
    }

    /// Ends the wait of a picture in doubt if nothing came up to `now` of a live stream, as its
    /// recorder did. Returns whether one waited.
    pub fn rest(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let is_late = |since| now.saturating_duration_since(since) >= MAX_WAIT;
        let goes_on = self.doubt.is_some_and(|(_, since)| is_late(since));
        if goes_on {
            self.finish(out);
        }
        goes_on
    }

    /// Appends the packets that wait: no more come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let expected = self.timeline.expected(None);
        if let Some(placed) = self.timeline.settle(false) {
            self.decide(placed, expected);
        }
        self.release(out);
    }

    fn waits(&self) -> bool {
        self.doubt.is_some() || !self.lost.is_empty()
    }

    /// Corrects the picture in doubt, which was `placed` or should have had the `expected` times.
    fn decide(&mut self, placed: Placed, expected: Option<(Pts, Pts)>) {
        let Some((at, _)) = self.doubt.take() else { return };
        if self.timeline.anchor().is_none() {
            self.lost.push(at);
        } else if let Placed::At(_, anchor) = placed {
            self.mend_lost(anchor);
        } else if let Some(mut packet) =
            self.held.get(at..).and_then(|held| held.first_chunk().copied())
        {
            mend(&mut packet, expected);
            self.held[at..at + PACKET_LEN].copy_from_slice(&packet);
        }
    }

    /// Corrects the pictures before the line, which begins at `first`: their times count from its
    /// beginning.
    fn mend_lost(&mut self, first: Anchor) {
        let lost = std::mem::take(&mut self.lost);
        let frame = self.timeline.frame();
        // From the last one on, because packets may be added.
        for (n, at) in (0..).zip(lost).collect::<Vec<_>>().into_iter().rev() {
            let pts = Pts::new(first.pts_at(frame * n));
            let Some(packet) = self.held.get(at..).and_then(|held| held.first_chunk()) else {
                continue;
            };
            let mut packet = *packet;
            if begins(&packet) == Begins::Unstamped {
                let mut with = Vec::new();
                with_stamp(&packet, pts, &mut with);
                self.held.splice(at..at + PACKET_LEN, with);
            } else {
                restamp(&mut packet, pts, pts);
                self.held[at..at + PACKET_LEN].copy_from_slice(&packet);
            }
        }
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.lost.clear();
        self.doubt = None;
    }
}

/// Gives a stray the times that it should have.
fn mend(packet: &mut [u8; PACKET_LEN], expected: Option<(Pts, Pts)>) {
    if let Some((pts, dts)) = expected {
        restamp(packet, pts, dts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::testutil::{packets, pes};

    /// Returns the time stamps of a stream of 25 pictures a second after correction, some of which
    /// are wild or absent.
    fn mended(wild: impl Fn(i64) -> Option<i64>) -> Vec<i64> {
        let (mut mender, mut out, mut counter) = (Mender::default(), Vec::new(), 0);
        let now = crate::process::clock::monotonic();
        for n in 0..20 {
            let picture = pes(0xE0, wild(n), None, &[0x55; 500]);
            let packets = packets(0x51, &mut counter, None, &picture).concat();
            mender.push(&packets, now, &mut out);
        }
        mender.finish(&mut out);
        let packets = out.as_chunks::<PACKET_LEN>().0.iter();
        packets
            .filter_map(|packet| match begins(packet) {
                Begins::Stamped { pts, .. } => Some(pts.ticks()),
                Begins::Unstamped => Some(i64::MAX),
                Begins::Nothing => None,
            })
            .collect()
    }

    #[test]
    fn outliers_get_the_times_between() {
        let right = |n| 324_000_000 + n * 3600;
        let all: Vec<i64> = (0..20).map(right).collect();
        assert_eq!(mended(|n| Some(right(n))), all);
        for wild in [0, 324_000_000 + 30 * 90_000, 1 << 32] {
            for at in [0, 1, 7, 19] {
                let given = mended(|n| Some(if n == at { wild } else { right(n) }));
                // Of the last one the next would have to say that it has not rested.
                let rests = at == 19 && wild == 324_000_000 + 30 * 90_000;
                assert_eq!(given[..19], all[..19], "{wild} at {at}");
                assert!(rests || given == all, "{wild} at {at}: {given:?}");
            }
        }
    }

    #[test]
    fn first_picture_without_time_stamps_gets_one() {
        let right = |n| 324_000_000 + n * 3600;
        let all: Vec<i64> = (0..20).map(right).collect();
        assert_eq!(mended(|n| (n > 0).then(|| right(n))), all);
        let later = mended(|n| (n != 5).then(|| right(n)));
        assert_eq!((later[5], later[6]), (i64::MAX, right(6)), "a later one is the decoder's");
    }

    #[test]
    fn jump_and_rest_stay_what_they_are() {
        let stamps = |n: i64| if n < 10 { n * 3600 } else { 90_000 * 600 + n * 3600 };
        assert_eq!(mended(|n| Some(stamps(n))), (0..20).map(stamps).collect::<Vec<_>>());
        let jumps = |n: i64| if n < 10 { 90_000 * 600 + n * 3600 } else { n * 3600 };
        assert_eq!(mended(|n| Some(jumps(n))), (0..20).map(jumps).collect::<Vec<_>>());
    }

    #[test]
    fn first_picture_waits_for_none_if_a_recording_was_placed_by_it() {
        let (now, mut counter) = (crate::process::clock::monotonic(), 0);
        let mut picture = |pts| {
            packets(0x51, &mut counter, None, &pes(0xE0, Some(pts), None, &[0x55; 500])).concat()
        };
        let [first, wild, third] = [9000, 9000 + (1 << 31), 16_200].map(&mut picture);
        for (placed, goes_on) in [(9000, true), (9001, false)] {
            let (mut mender, mut out) = (Mender::from_first(Pts::new(placed)), Vec::new());
            mender.push(&first, now, &mut out);
            assert_eq!(out == first, goes_on);
            // A wild picture waits, as it does later on, and is corrected by the next one.
            mender.push(&wild, now, &mut out);
            assert_eq!(out == first, goes_on);
            mender.push(&third, now, &mut out);
            mender.finish(&mut out);
            assert_eq!(out.len(), first.len() + wild.len() + third.len());
        }
    }

    #[test]
    fn picture_in_doubt_goes_on_when_none_has_come_for_long() {
        let (start, mut counter) = (crate::process::clock::monotonic(), 0);
        let at = |seconds| start + Duration::from_secs_f64(seconds);
        let mut mender = Mender::default();
        let mut out = Vec::new();
        for (pts, seconds) in [(9000, 0.0), (909_000, 5.0)] {
            let picture =
                packets(0x51, &mut counter, None, &pes(0xE0, Some(pts), None, &[0x55; 500]));
            let picture = picture.concat();
            out.clear();
            mender.push(&picture, at(seconds), &mut out);
            assert!(out.is_empty() && !mender.rest(at(seconds + 2.9), &mut out));
            assert!(mender.rest(at(seconds + 3.0), &mut out) && out == picture, "{pts}");
        }
    }
}
