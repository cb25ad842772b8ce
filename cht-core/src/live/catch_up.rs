//! Keeps a player live: squeezes pictures that it would play late, and leaves out their sound.
//!
//! A player plays at the speed of the stream's clock. So any delay stays for ever: the age of the
//! first keyframe, the time to open its window, and every network pause that was made up for
//! afterwards. No option of ffplay or mpv removes it where there is sound. Here the clock of the
//! stream is rewritten instead: pictures that come faster than they are played get times close
//! together, so that the player runs through them at once. Every picture reaches the player, which
//! needs them to decode the next ones.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cht_ts::{PACKET_LEN, Pts, time::TICKS_PER_SECOND};

use super::{
    continuity::Continuity,
    lateness::Lateness,
    playout::Playout,
    stamps::{self, Packet, PesStart},
};

/// Longest time from the start of a player to its first picture. Until then everything is squeezed.
const STARTUP: Duration = Duration::from_millis(1500);

/// Longest backlog that is left alone, in ticks: network jitter.
const SLACK: i64 = TICKS_PER_SECOND / 2;

/// Longest slack for a sender whose pictures come in bursts, in ticks.
const MAX_SLACK: i64 = 8 * TICKS_PER_SECOND;

/// Longest backlog that counts as live, in ticks.
const LIVE: i64 = TICKS_PER_SECOND / 20;

/// Backlog that is squeezed if it was never shorter during `WINDOW`, in ticks.
const RESIDUE: i64 = TICKS_PER_SECOND / 8;

/// Time over which the shortest backlog is measured, in ticks.
const WINDOW: i64 = 2 * TICKS_PER_SECOND;

/// Time within which catching up again means that pictures come in bursts, in ticks.
const LUMPS: i64 = 10 * TICKS_PER_SECOND;

/// Difference between the stream's clock and ours, from one picture to the next, that counts as a
/// jump, in ticks.
const JUMP: i64 = 5 * TICKS_PER_SECOND;

/// Longest step back of a DTS that is not a jump of the clock, in ticks.
const STEP_BACK: i64 = TICKS_PER_SECOND / 2;

/// Time without a picture after which the position of the player says nothing, in ticks.
const PAUSE: i64 = TICKS_PER_SECOND;

/// Player's time between the pictures before and after a jump, in ticks.
const FRAME: i64 = TICKS_PER_SECOND / 25;

/// Longest time from a PCR to the picture that comes with it, in ticks. Multiplexers have 0.7 s, so
/// that a decoder's buffer never runs dry; VLC shows a picture when its clock, the PCR, is there.
const LEAD: i64 = TICKS_PER_SECOND / 10;

/// Rewrites a stream for a player, packet by packet.
#[derive(Debug)]
pub struct CatchUp {
    began: Instant,
    /// Beginning of an incomplete packet.
    rest: Vec<u8>,
    /// Whether the last read found the end.
    was_at_end: bool,
    /// Whether there is no video, so that the sound's clock counts.
    is_sound: bool,
    /// Whether packets were left out since the last picture.
    rejoins: bool,
    /// `None` before the first picture: everything passes unchanged.
    clock: Option<Clock>,
    /// Time until which the player is squeezed at its start, in ticks since `began`.
    ready: i64,
    slack: i64,
    /// End of the last squeezed stretch, in ticks since `began`.
    caught_up: Option<i64>,
    tracks: HashMap<u16, Track>,
    /// Of the player, by its own word.
    lateness: Lateness,
}

/// The video whose clock counts, or the sound where there is no video.
#[derive(Debug)]
struct Clock {
    pid: u16,
    playout: Playout,
    /// The last DTS, unwrapped, and the player's time for it.
    dts: i64,
    placed: i64,
    /// When it was read, and when the player plays it, in ticks since `began`.
    read: i64,
    due: i64,
    /// Shortest backlog since the time `window`.
    shortest: i64,
    window: i64,
}

/// One PID.
#[derive(Debug, Default)]
struct Track {
    continuity: Continuity,
    /// Whether the current PES packet is left out.
    is_out: bool,
    /// Whether a PES packet has passed: players recognise a track by its first one.
    is_known: bool,
    /// Whether its time stamps have been near those of the video.
    is_near: bool,
}

impl CatchUp {
    /// Creates the state for a player that starts now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            rest: Vec::new(),
            was_at_end: false,
            is_sound: false,
            rejoins: false,
            clock: None,
            ready: ticks_of(STARTUP),
            slack: SLACK,
            caught_up: None,
            tracks: HashMap::new(),
            lateness: Lateness::default(),
        }
    }

    /// Creates the state for a player of a stream without video. Of sound there is nothing to show
    /// while the player starts, so none is left out then.
    #[must_use]
    pub fn of_sound(now: Instant) -> Self {
        Self { is_sound: true, ready: 0, ..Self::new(now) }
    }

    /// Continues at the keyframe that is pushed next, after others were left out: the player did
    /// not take them. Appends the `tables` of the stream to `out`. The player's clock continues
    /// without a gap, and all is squeezed until it has had time to play what it still holds.
    pub fn rejoin(&mut self, tables: &[u8], now: Instant, out: &mut Vec<u8>) {
        self.rest.clear();
        self.rejoins = true;
        if !self.is_sound {
            self.ready = ticks_of(now.saturating_duration_since(self.began) + STARTUP);
        }
        self.tracks.values_mut().for_each(Track::rejoin);
        self.push(tables, now, false, out);
        // The stream's own tables follow these.
        self.tracks.values_mut().for_each(|track| track.continuity.rejoin());
    }

    /// Squeezes from the next picture on: the player is late, and there is no keyframe to skip to.
    pub fn hurry(&mut self) {
        if let Some(clock) = &mut self.clock
            && !clock.playout.is_squeezing()
        {
            clock.playout.squeeze(clock.dts);
        }
    }

    /// Notes that the player was at `position` of its time, in seconds, at the time `at`, and got
    /// its last bytes when they had `waited` for it. If it is too late for a while, squeezes from
    /// the next picture on.
    pub fn observe(&mut self, position: f64, at: Instant, waited: Duration) {
        let at = ticks_of(at.saturating_duration_since(self.began));
        let Some(clock) = &mut self.clock else { return };
        // Less than zero for a position from before the last picture was read.
        let rests = at - clock.read;
        if clock.playout.is_squeezing() || at < self.ready || rests.abs() > PAUSE {
            self.lateness.clear();
            return;
        }
        let played = Pts::new(cht_ts::time::ticks(position)).near(clock.placed);
        let late = clock.placed + rests - played + ticks_of(waited);
        if let Some(excess) = self.lateness.note(at, late) {
            clock.due = clock.due.max(at + excess);
            clock.playout.squeeze(clock.dts);
        }
    }

    /// Returns how late the player plays the last picture, by what it was given until `now`.
    #[must_use]
    pub fn backlog(&self, now: Instant) -> Duration {
        let now = ticks_of(now.saturating_duration_since(self.began));
        let due = self.clock.as_ref().map_or(now, |clock| clock.due);
        Duration::from_micros((due - now).max(0) as u64 * 100 / 9)
    }

    /// Appends the rewritten `bytes`, which were read at `now`, to `out`. With `at_end`, there was
    /// nothing more to read.
    pub fn push(&mut self, bytes: &[u8], now: Instant, at_end: bool, out: &mut Vec<u8>) {
        let now = ticks_of(now.saturating_duration_since(self.began));
        if self.was_at_end {
            // The player has played its backlog meanwhile.
            self.resume(now);
        }
        self.was_at_end = at_end;
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut bytes = rest.as_slice();
        while !bytes.is_empty() {
            if bytes[0] != 0x47 {
                // Not packets, or of another length: unchanged, up to a possible packet.
                let end = bytes.iter().position(|byte| *byte == 0x47).unwrap_or(bytes.len());
                out.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end..];
                continue;
            }
            let Some((packet, behind)) = bytes.split_first_chunk::<PACKET_LEN>() else { break };
            let mut packet = *packet;
            if self.packet(&mut packet, now) {
                out.extend_from_slice(&packet);
            }
            bytes = behind;
        }
        self.rest = bytes.to_vec();
        if at_end {
            self.resume(now);
        }
    }

    /// Appends an incomplete packet to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.rest);
    }

    /// Rewrites a packet. Returns `false` if it is left out.
    fn packet(&mut self, packet: &mut Packet, now: i64) -> bool {
        let pid = stamps::pid(packet);
        let start = PesStart::of(packet);
        if let Some(start) = start.filter(|start| start.is_video || self.is_sound) {
            self.picture(pid, start, now);
        }
        let track = self.tracks.entry(pid).or_default();
        let Some(clock) = &self.clock else { return track.pass(packet) };
        if let Some(start) = start {
            if !start.is_video {
                track.begin(clock, start);
            }
            let place = |stamp| clock.playout.place_stamp(clock.dts, stamp);
            start.write(packet, place(start.pts), place(start.dts));
        }
        let earliest = clock.dts - LEAD;
        stamps::place_pcr(packet, |pcr| {
            clock.playout.place_stamp(clock.dts, Pts::new(pcr.near(clock.dts).max(earliest)))
        });
        track.pass(packet)
    }

    /// Ends the squeezed stretch where the player has become live.
    fn resume(&mut self, now: i64) {
        let Some(clock) = &mut self.clock else { return };
        let backlog = clock.due - now;
        if clock.playout.is_squeezing() && backlog <= LIVE && now >= self.ready {
            clock.playout.resume(clock.dts);
            (clock.shortest, clock.window) = (i64::MAX, now);
            self.caught_up = Some(now);
        }
    }

    /// Notes the time of a picture, and decides whether to squeeze from it on.
    fn picture(&mut self, pid: u16, start: PesStart, now: i64) {
        let rejoins = std::mem::take(&mut self.rejoins);
        let Some(clock) = &mut self.clock else {
            self.clock = Some(Clock::new(pid, start.dts.ticks(), now));
            return;
        };
        if rejoins {
            clock.rejoin(pid, start.dts, now);
            return;
        }
        if !clock.advance(pid, start.dts, now) {
            return;
        }
        let backlog = clock.due - now;
        if clock.playout.is_squeezing() {
            return;
        }
        let rests = clock.rests(backlog, now);
        if backlog > self.slack {
            if self.caught_up.is_some_and(|at| now - at < LUMPS) {
                self.slack = (self.slack * 2).min(MAX_SLACK);
            }
            clock.playout.squeeze(clock.dts);
        } else if rests {
            clock.playout.squeeze(clock.dts);
        }
    }
}

impl Clock {
    fn new(pid: u16, dts: i64, now: i64) -> Self {
        Self {
            pid,
            playout: Playout::begin(dts),
            dts,
            placed: dts,
            read: now,
            due: now,
            shortest: i64::MAX,
            window: now,
        }
    }

    /// Notes the next picture. Returns `false` if it is of another video.
    fn advance(&mut self, pid: u16, dts: Pts, now: i64) -> bool {
        let waited = now - self.read;
        if pid != self.pid {
            if waited < JUMP {
                return false;
            }
            self.pid = pid;
        }
        let dts = dts.near(self.dts);
        let step = dts - self.dts;
        self.dts = dts;
        if step < -STEP_BACK || (step - waited).abs() > JUMP {
            let gap = if self.playout.is_squeezing() { 1 } else { FRAME };
            self.playout.jump(self.dts, self.placed + gap);
        }
        let placed = self.playout.place(self.dts);
        self.due = now.max(self.due + (placed - self.placed));
        (self.placed, self.read) = (placed, now);
        true
    }

    /// Continues with a picture that follows pictures left out.
    fn rejoin(&mut self, pid: u16, dts: Pts, now: i64) {
        let dts = dts.near(self.dts);
        self.playout = Playout::begin_at(dts, self.placed + FRAME);
        let due = now.max(self.due + FRAME);
        (self.pid, self.dts, self.placed) = (pid, dts, self.placed + FRAME);
        (self.read, self.due, self.shortest) = (now, due, i64::MAX);
    }

    /// Returns whether the backlog was never short over a whole window.
    fn rests(&mut self, backlog: i64, now: i64) -> bool {
        self.shortest = self.shortest.min(backlog);
        if now - self.window < WINDOW {
            return false;
        }
        let shortest = std::mem::replace(&mut self.shortest, i64::MAX);
        self.window = now;
        shortest > RESIDUE
    }
}

impl Track {
    /// Leaves out the rest of a PES packet of which the player has the beginning.
    fn rejoin(&mut self) {
        self.continuity.rejoin();
        self.is_out = self.is_known;
    }

    /// Decides whether there is time to play the PES packet that starts.
    fn begin(&mut self, clock: &Clock, start: PesStart) {
        let is_near = (start.pts.near(clock.dts) - clock.dts).abs() <= JUMP;
        let is_stray = self.is_near && !is_near;
        self.is_near |= is_near;
        let is_squeezed = is_near && clock.playout.is_squeezed(clock.dts, start.pts);
        self.is_out = is_stray || (is_squeezed && self.is_known);
        self.is_known = true;
    }

    /// Renumbers a packet. Returns `false` if it is left out.
    fn pass(&mut self, packet: &mut Packet) -> bool {
        if self.is_out {
            self.continuity.leave_out(packet);
        } else {
            self.continuity.pass(packet);
        }
        !self.is_out
    }
}

fn ticks_of(duration: Duration) -> i64 {
    (duration.as_micros() as i64).saturating_mul(9) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::stamps::tests::pes;

    const VIDEO: u16 = 256;
    const SOUND: u16 = 257;

    struct Player {
        catch_up: CatchUp,
        began: Instant,
    }

    impl Player {
        fn start() -> Self {
            let began = crate::process::clock::monotonic();
            Self { catch_up: CatchUp::new(began), began }
        }

        /// Gives the player pictures and sound of these seconds, all at once, at a second since its
        /// start. Returns PID, DTS in seconds and counter of each packet it gets.
        fn get(&mut self, at: f64, seconds: &[f64]) -> Vec<(u16, f64, u8)> {
            let mut bytes = Vec::new();
            for second in seconds {
                let ticks = cht_ts::time::ticks(*second);
                bytes.extend(pes(VIDEO, 0xE0, ticks + 100, ticks));
                bytes.extend(pes(SOUND, 0xC0, ticks, ticks));
            }
            let mut out = Vec::new();
            let now = self.began + Duration::from_secs_f64(at);
            // In two pieces that are not packets.
            let (begin, end) = bytes.split_at(bytes.len().min(100));
            self.catch_up.push(begin, now, false, &mut out);
            self.catch_up.push(end, now, true, &mut out);
            let (packets, rest) = out.as_chunks::<PACKET_LEN>();
            assert!(rest.is_empty());
            let got = packets.iter().map(|packet| {
                let start = PesStart::of(packet).unwrap();
                assert!(start.pts.since(start.dts) >= 0);
                (
                    stamps::pid(packet),
                    start.dts.ticks() as f64 / 90_000.0,
                    stamps::continuity(packet),
                )
            });
            got.collect()
        }

        /// Returns the times of its pictures.
        fn pictures(&mut self, at: f64, seconds: &[f64]) -> Vec<f64> {
            let got = self.get(at, seconds);
            got.iter().filter(|(pid, ..)| *pid == VIDEO).map(|(_, dts, _)| *dts).collect()
        }

        /// Plays ten pictures a second in real time, from `from` to `to` of the stream, at `at`.
        fn live(&mut self, at: f64, from: f64, to: f64) -> Vec<f64> {
            let count = ((to - from) * 10.0).round() as u32;
            let steps = (0..count).map(|n| f64::from(n) / 10.0);
            steps.flat_map(|step| self.pictures(at + step, &[from + step])).collect()
        }
    }

    fn tenths(from: f64, count: u32) -> Vec<f64> {
        (0..count).map(|n| from + f64::from(n) / 10.0).collect()
    }

    #[test]
    fn pcr_is_shortly_before_its_picture() {
        let mut player = Player::start();
        player.live(0.0, 0.0, 5.0);
        let now = player.began + Duration::from_secs(5);
        for (at, lead, expected) in [(450_000, 63_000, LEAD), (459_000, 2000, 2000)] {
            let mut packet = pes(VIDEO, 0xE0, at, at);
            stamps::place_pcr(&mut packet, |dts| dts - lead);
            let mut out = Vec::new();
            player.catch_up.push(&packet, now, false, &mut out);
            let packet = out.first_chunk_mut().unwrap();
            let dts = PesStart::of(packet).unwrap().dts;
            assert_eq!(dts.since(stamps::tests::pcr(packet)), expected);
        }
    }

    #[test]
    fn old_keyframe_does_not_delay_player() {
        let mut player = Player::start();
        let backlog = player.get(0.0, &tenths(5.0, 100));
        // All pictures, in order, and only the first sound.
        let pictures: Vec<_> = backlog.iter().filter(|got| got.0 == VIDEO).collect();
        assert_eq!((pictures.len(), backlog.len()), (100, 101));
        assert!(pictures.is_sorted_by(|a, b| a.1 < b.1));
        assert!(pictures[99].1 - pictures[0].1 < 0.1, "{pictures:?}");
        // The player opens its window; then the stream continues in real time, with sound.
        let opening = player.live(0.1, 15.0, 16.6);
        assert!(opening[15] - pictures[0].1 < 0.5, "{opening:?}");
        assert_eq!(player.get(1.7, &[16.6]).len(), 2);
        let live = player.live(1.8, 16.7, 26.7);
        assert!((live[99] - live[0] - 9.9).abs() < 1e-3, "{live:?}");
    }

    #[test]
    fn backlog_of_network_pause_is_squeezed_without_sound() {
        let mut player = Player::start();
        player.live(0.0, 0.0, 5.0);
        let before = player.get(5.0, &[5.0]);
        // Five seconds of nothing, and then all at once.
        let burst = player.get(10.1, &tenths(5.1, 50));
        let pictures: Vec<_> = burst.iter().filter(|got| got.0 == VIDEO).collect();
        assert_eq!(pictures.len(), 50);
        let length = pictures[49].1 - before[0].1;
        assert!(length < 0.8, "{length}");
        let sound = burst.len() - 50;
        assert!((1..10).contains(&sound), "{sound}");
        player.live(10.2, 10.1, 12.0);
        let after = player.get(12.1, &[12.0]);
        assert_eq!(after.len(), 2);
        // The player sees no missing packet: the counter of its sound has no gap.
        let counter = |got: &[(u16, f64, u8)]| got.iter().rfind(|got| got.0 == SOUND).unwrap().2;
        assert_eq!(counter(&burst).wrapping_sub(counter(&before)) & 15, 0);
        assert_ne!(counter(&after), counter(&before));
        let live = player.live(12.2, 12.1, 22.1);
        assert!((live[99] - live[0] - 9.9).abs() < 1e-3, "{live:?}");
    }

    #[test]
    fn lasting_residue_below_slack_is_squeezed() {
        let mut player = Player::start();
        player.live(0.0, 0.0, 3.0);
        // Pictures come 0.3 s earlier than they are played, and continue like that.
        let ahead = player.pictures(3.0, &tenths(3.0, 4))[3];
        let live = player.live(3.1, 3.4, 9.4);
        assert!((5.55..5.85).contains(&(live[59] - ahead)), "{}", live[59] - ahead);
    }

    #[test]
    fn bursts_are_played_in_real_time_after_a_while() {
        let mut player = Player::start();
        let mut lump = |n: i32| player.get(f64::from(n) * 2.0, &tenths(f64::from(n) * 2.0, 20));
        for n in 0..5 {
            lump(n);
        }
        let (one, next) = (lump(5), lump(6));
        assert_eq!((one.len(), next.len()), (40, 40));
        assert!((next[0].1 - one[0].1 - 2.0).abs() < 1e-3);
    }

    #[test]
    fn restarted_sender_with_other_clock_plays_on() {
        let mut player = Player::start();
        player.live(0.0, 1000.0, 1003.0);
        let last = player.pictures(3.0, &[1003.0])[0];
        let restarted = player.live(4.0, 1.4, 6.4);
        assert!((restarted[0] - last - 0.04).abs() < 1e-3, "{last} {restarted:?}");
        assert!((restarted[49] - restarted[0] - 4.9).abs() < 1e-3);
        // A screen that sends a picture every ten seconds does not jump.
        let rare = player.pictures(19.0, &[16.4])[0];
        assert!((rare - restarted[49] - 10.1).abs() < 1e-3, "{rare}");
    }

    #[test]
    fn player_continues_without_gap_after_pictures_left_out() {
        let mut player = Player::start();
        player.live(0.0, 0.0, 5.0);
        let before = player.get(5.0, &[5.0]);
        // Stopped for a minute; the bytes read meanwhile are left out.
        player.catch_up.rejoin(&[], player.began + Duration::from_secs(65), &mut Vec::new());
        let after = player.get(65.0, &tenths(64.5, 6));
        let pictures: Vec<_> = after.iter().filter(|got| got.0 == VIDEO).collect();
        assert!((pictures[0].1 - before[0].1 - 0.04).abs() < 1e-3, "{before:?} {after:?}");
        assert!(pictures[5].1 - pictures[0].1 < 0.01, "{pictures:?}");
        let counter = |pid, got: &[(u16, f64, u8)]| got.iter().find(|got| got.0 == pid).unwrap().2;
        for pid in [VIDEO, SOUND] {
            let next = player.get(67.0, &[67.0]);
            let later = player.get(67.1, &[67.1]);
            assert_eq!(counter(pid, &later).wrapping_sub(counter(pid, &next)) & 15, 0, "{pid}");
        }
        let live = player.live(67.2, 67.2, 72.2);
        assert!((live[49] - live[0] - 4.9).abs() < 1e-3, "{live:?}");
    }

    #[test]
    fn player_that_says_it_is_late_is_squeezed() {
        let mut player = Player::start();
        player.live(0.0, 0.0, 4.0);
        // Its sound had stopped for a second: what it plays is that old.
        let (mut ahead, mut at) = (0.0, 4.0);
        for n in 40..70 {
            at = f64::from(n) / 10.0;
            ahead = player.pictures(at, &[at])[0];
            // It tells its position just before the picture comes.
            let told = player.began + Duration::from_secs_f64(at - 0.01);
            player.catch_up.observe(ahead - 0.51, told, Duration::from_millis(500));
            if player.catch_up.clock.as_ref().unwrap().playout.is_squeezing() {
                break;
            }
        }
        assert!(player.catch_up.clock.as_ref().unwrap().playout.is_squeezing());
        let after = player.live(at + 0.1, at + 0.1, at + 3.1);
        // All but the usual fifth of a second.
        let lost = 3.0 - (after[29] - ahead);
        assert!((0.5..1.0).contains(&lost), "{lost}");
    }

    #[test]
    fn late_player_of_sound_alone_gets_newest_sound() {
        let began = crate::process::clock::monotonic();
        let mut player = Player { catch_up: CatchUp::of_sound(began), began };
        let sound = |player: &mut Player, at: f64, seconds: &[f64]| {
            let mut out = Vec::new();
            for (at_second, second) in seconds.iter().enumerate() {
                let ticks = cht_ts::time::ticks(*second);
                let packet = pes(SOUND, 0xC0, ticks, ticks);
                let now = player.began + Duration::from_secs_f64(at);
                player.catch_up.push(&packet, now, at_second + 1 == seconds.len(), &mut out);
            }
            out.len() / PACKET_LEN
        };
        let live = |player: &mut Player, from: u32| -> usize {
            (from..from + 30).map(|n| f64::from(n) / 10.0).map(|at| sound(player, at, &[at])).sum()
        };
        assert_eq!(live(&mut player, 0), 30);
        // A pause of the network of 5 s, and then all at once.
        let burst = sound(&mut player, 8.0, &tenths(3.0, 50));
        assert!((1..10).contains(&burst), "{burst}");
        // Half a second of it was given to the player before.
        let after = live(&mut player, 81);
        assert!((20..30).contains(&after), "{after}");
        assert!(live(&mut player, 111) >= 28);
    }

    #[test]
    fn other_bytes_than_packets_pass_unchanged() {
        let mut catch_up = CatchUp::new(crate::process::clock::monotonic());
        let mut out = Vec::new();
        let bytes = [vec![1; 500], vec![0x47; 100]].concat();
        catch_up.push(&bytes, crate::process::clock::monotonic(), true, &mut out);
        catch_up.finish(&mut out);
        assert_eq!(out, bytes);
    }
}
