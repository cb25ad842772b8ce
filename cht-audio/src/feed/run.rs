//! Runs decoders over the sound of consecutive segments, and the thread that follows them.
//!
//! After [`LONGEST`], another decoder takes over, with some sound before its first sample. So a
//! restart begins with a decoder that began a few minutes before, and gives the same samples as if
//! it had not been needed: what decoders fill noisy bands with depends on all frames before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, bail};
use cht_core::session::Position;
use cht_ts::{
    AudioFormat, Begins, PACKET_LEN, Pts, SingleStream, begins, pcr_of, restamp, sound_codec,
    sound_format,
};

use super::{
    codec::{Heard, Verdict},
    packets::{AFTER, Group, Judged, Recent, Times},
    stopped::Stopped,
};
use crate::{
    counters::Counters,
    decode::decoder::{self, Decoders, Input},
    piece::{
        entry::{Place, Resume, Source},
        follower::{Decoding, Follower, Message},
        writer::Writer,
    },
    select::Sound,
    sound::pieces::{Pieces, Settings},
};

/// Time after which another decoder takes over, in ticks: 10 minutes are decoded in a second, and
/// starting a decoder takes as long as decoding one or two of them.
const LONGEST: i64 = 600 * cht_ts::time::TICKS_PER_SECOND;

/// Time of the first packet for a decoder, in ticks: no time stamp near it wraps.
const FIRST: i64 = 10 * cht_ts::time::TICKS_PER_SECOND;

/// A decoder that runs.
#[derive(Debug)]
struct Running {
    input: Input,
    /// Ticks taken off each time stamp.
    base: i64,
    /// PTS of the first sample that counts; `from` if another decoder gives those before it.
    begin: i64,
    from: Option<i64>,
    until: Arc<AtomicI64>,
    /// PTS from which on the next decoder takes over.
    handover: Option<i64>,
}

/// A run, and the thread that follows it.
#[derive(Debug)]
pub(crate) struct Run {
    decoders: Decoders,
    heard: Heard,
    sound: Sound,
    is_live: bool,
    counters: Arc<Counters>,
    single: SingleStream,
    times: Times,
    stopped: Stopped,
    recent: Recent,
    format: Option<AudioFormat>,
    decoder: Option<Running>,
    /// Whether the rest of the segment is left out: a decoder hung.
    is_left_out: bool,
    /// Place of the first decoder, where a restart goes on.
    resume: Option<Place>,
    /// Packets to be fed next.
    buffer: Vec<u8>,
    /// Packets that may be for a decoder of another codec.
    held: Vec<u8>,
    is_in_doubt: bool,
    found: Vec<(u64, [u8; PACKET_LEN])>,
    /// The segment that is fed, and its number in the run.
    source: Source,
    number: u64,
    from: u64,
    keys: Vec<String>,
    /// Bytes of the tables and packets before the first PES packet.
    messages: Sender<Message>,
    follower: JoinHandle<(Writer, Result<()>)>,
    abandoned: Arc<AtomicBool>,
}

impl Run {
    /// Starts a run with the segment `source`; the pieces go to `writer`. With `resume`, it goes on
    /// from there, and `source` is the segment of that place.
    pub(crate) fn start(
        decoders: Decoders,
        settings: Settings,
        source: Source,
        writer: Writer,
        resume: Option<Resume>,
        is_live: bool,
    ) -> Result<Self> {
        let sound = source.sound.clone().context("no sound was selected")?;
        let codec = sound.codec().context("an unknown codec")?;
        let anchor = source.anchor.context("no place on the timeline")?;
        let mut buffer = Vec::new();
        let single = SingleStream::begin_sound(sound.pid, codec, sound.channels, &mut buffer)
            .context("no tables for the codec")?
            .with_clock();
        let (messages, received) = channel();
        let counters = Arc::clone(&writer.counters);
        let abandoned = Arc::new(AtomicBool::new(false));
        let pieces = Pieces::new(settings, resume.as_ref().map_or(0, |resume| resume.skip));
        let begin = resume.clone();
        let follower = Follower::new(writer, pieces, begin, received, Arc::clone(&abandoned));
        let follower = std::thread::spawn(move || follower.run());
        let pts = resume.as_ref().map_or(anchor.pts, |resume| resume.at.pts);
        Ok(Self {
            decoders,
            heard: Heard::new(codec),
            sound,
            is_live,
            counters,
            single,
            times: Times::new(pts),
            stopped: Stopped::default(),
            recent: Recent::default(),
            format: None,
            decoder: None,
            is_left_out: false,
            resume: resume.map(|resume| resume.at),
            buffer: Vec::new(),
            held: Vec::new(),
            is_in_doubt: false,
            found: Vec::new(),
            source,
            number: 0,
            from: 0,
            keys: Vec::new(),
            messages,
            follower,
            abandoned,
        })
    }

    /// Returns whether the run goes on with a segment.
    pub(crate) fn goes_on(&self, next: &Source) -> bool {
        leads(&self.source, next) && next.sound.as_ref().is_some_and(|it| self.sound.is_as(it))
    }

    /// Returns the segment that is fed.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Returns its byte from which on it is fed.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// Notes that the bytes of a segment follow, from byte `from` on.
    pub(crate) fn enter(&mut self, source: Source, from: u64, is_done: bool) {
        self.single.finish_to(&mut |_, _| {});
        self.single.begin_at(from);
        self.keys.push(source.key.clone());
        self.number = self.keys.len() as u64 - 1;
        self.source = source.clone();
        (self.from, self.is_left_out) = (from, false);
        let _ = self.messages.send(Message::Segment { source, is_done });
    }

    /// Feeds the next bytes of the segment.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        self.single.push_to(bytes, &mut |at, packet| found.push((at, *packet)));
        for (at, packet) in found.drain(..) {
            self.packet(at, packet)?;
        }
        self.found = found;
        self.flush();
        Ok(())
    }

    /// Notes that the segment was fed to its end.
    pub(crate) fn fed(&mut self, bytes: u64) -> Result<()> {
        let mut last = None;
        self.single.finish_to(&mut |at, packet| last = Some((at, *packet)));
        if let Some((at, packet)) = last {
            self.packet(at, packet)?;
            self.flush();
        }
        let _ = self.messages.send(Message::Fed(bytes));
        Ok(())
    }

    /// Ends the run; returns the writer when all pieces are written. `is_open`: the sound may
    /// continue.
    pub(crate) fn end(mut self, is_open: bool) -> Result<Writer> {
        self.release();
        self.flush();
        self.decoder = None;
        let _ = self.messages.send(Message::Ended { is_open });
        drop(self.messages);
        let Ok((writer, followed)) = self.follower.join() else { bail!("the follower panicked") };
        followed.map(|()| writer)
    }

    /// Stops the run at once, without its last pieces.
    pub(crate) fn abandon(self) -> Result<Writer> {
        self.abandoned.store(true, Ordering::SeqCst);
        if let Some(decoder) = &self.decoder {
            decoder.input.kill();
        }
        drop(self.decoder);
        drop(self.messages);
        let Ok((writer, followed)) = self.follower.join() else { bail!("the follower panicked") };
        followed.map(|()| writer)
    }

    /// Returns whether the follower has ended, with an error.
    pub(crate) fn has_failed(&self) -> bool {
        self.follower.is_finished()
    }

    fn packet(&mut self, at: u64, mut packet: [u8; PACKET_LEN]) -> Result<()> {
        if let Some((pid, pcr)) = pcr_of(&packet)
            && pid != self.sound.pid
        {
            if self.stopped.clock((pid, pcr)) {
                self.end_decoder();
                self.recent.clear();
                let _ = self.messages.send(Message::Stopped);
            }
            return Ok(());
        }
        self.stopped.sound();
        if self.is_left_out {
            return Ok(());
        }
        let Begins::Stamped { pts, .. } = begins(&packet) else {
            self.recent.add(&packet);
            if self.decoder.is_some() {
                self.put(&packet);
            }
            return Ok(());
        };
        let is_other = self.is_other_format(&packet);
        let judged = if is_other { self.times.begin_again(pts) } else { self.times.judge(pts) };
        let (pts, is_jump) = match judged {
            Judged::At(pts) => (pts, false),
            Judged::Jump(pts) => (pts, true),
            Judged::Foreign => return Ok(()),
        };
        let _ = self.messages.send(Message::First(pts));
        if self.is_live {
            self.counters.fed(pts);
        }
        if is_jump || is_other {
            self.end_decoder();
            self.recent.clear();
            self.heard.clear();
        }
        let handover = self.decoder.as_ref().and_then(|decoder| decoder.handover);
        let group = Group { segment: self.number, byte: at, pts, packets: vec![packet] };
        self.recent.begin(group, handover.unwrap_or(pts));
        match self.heard.judge(sound_codec(&packet), pts) {
            Verdict::Same => self.release(),
            Verdict::Doubt => self.is_in_doubt = self.decoder.is_some(),
            Verdict::Changed(first) => return self.change_codec(first),
        }
        match (&mut self.decoder, handover) {
            (None, _) => return self.begin_decoder(pts),
            (Some(_), Some(handover)) if pts >= handover + AFTER => {
                self.end_decoder();
                return self.take_over(handover);
            }
            (Some(decoder), None) if pts - decoder.begin >= LONGEST => {
                decoder.handover = Some(pts);
                decoder.until.store(pts, Ordering::SeqCst);
            }
            (Some(_), _) => {}
        }
        if let Some(decoder) = &self.decoder {
            restamp_by(&mut packet, pts - decoder.base);
        }
        self.put(&packet);
        Ok(())
    }

    /// Takes a packet for the decoder that runs.
    fn put(&mut self, packet: &[u8; PACKET_LEN]) {
        let buffer = if self.is_in_doubt { &mut self.held } else { &mut self.buffer };
        buffer.extend(packet);
    }

    /// Lets the decoder have the packets that were held back.
    fn release(&mut self) {
        self.is_in_doubt = false;
        self.buffer.append(&mut self.held);
    }

    /// Returns whether the PES packet in `packet` begins sound of another format.
    fn is_other_format(&mut self, packet: &[u8; PACKET_LEN]) -> bool {
        let Some(format) = sound_format(packet, self.heard.codec()) else { return false };
        let before = self.format.replace(format);
        before.is_some_and(|before| {
            before.sample_rate != format.sample_rate
                || !self.decoders.mono && before.channels != format.channels
        })
    }

    /// Starts a decoder of another codec, with the PES packets from `first` on. The one before
    /// could not decode them.
    fn change_codec(&mut self, first: i64) -> Result<()> {
        let is_void = |decoder: &&Running| decoder.begin >= first;
        let mut from = None;
        if let Some(decoder) = self.decoder.as_ref().filter(is_void) {
            decoder.until.store(i64::MIN, Ordering::SeqCst);
            from = decoder.from;
        }
        self.end_decoder();
        self.format = None;
        let groups: Vec<_> = self.recent.groups().filter(|it| it.pts >= first).cloned().collect();
        self.start_decoder(&groups, from.unwrap_or(first), from)
    }

    /// Starts a decoder with the PES packet that came last, where no other one was.
    fn begin_decoder(&mut self, pts: i64) -> Result<()> {
        let Some(group) = self.recent.groups().last().cloned() else { return Ok(()) };
        let from = match self.resume.take() {
            Some(place) => place.from,
            None => None,
        };
        let begin = from.unwrap_or(pts);
        self.recent.clear();
        self.recent.begin(group.clone(), pts);
        self.start_decoder(&[group], begin, from)
    }

    /// Starts the decoder that takes over at `from`, with the sound before and after that.
    fn take_over(&mut self, from: i64) -> Result<()> {
        let groups: Vec<Group> = self.recent.groups().cloned().collect();
        self.start_decoder(&groups, from, Some(from))
    }

    fn start_decoder(&mut self, groups: &[Group], begin: i64, from: Option<i64>) -> Result<()> {
        let Some(first) = groups.first() else { return Ok(()) };
        self.is_in_doubt = false;
        self.held.clear();
        let (input, output) = decoder::start(&self.decoders, self.is_live)?;
        let until = Arc::new(AtomicI64::new(i64::MAX));
        let base = first.pts - FIRST;
        let key = self.keys.get(first.segment as usize).cloned().unwrap_or_default();
        let at = Place { key, byte: first.byte, pts: first.pts, from };
        let decoding = Decoding { output, at, base, until: Arc::clone(&until) };
        let _ = self.messages.send(Message::Decoder(Box::new(decoding)));
        let Sound { pid, channels, .. } = self.sound;
        let _ = SingleStream::begin_sound(pid, self.heard.codec(), channels, &mut self.buffer);
        for group in groups {
            for (n, packet) in group.packets.iter().enumerate() {
                let mut packet = *packet;
                if n == 0 {
                    restamp_by(&mut packet, group.pts - base);
                }
                self.buffer.extend(packet);
            }
        }
        self.decoder = Some(Running { input, base, begin, from, until, handover: None });
        Ok(())
    }

    /// Ends the input of the decoder.
    fn end_decoder(&mut self) {
        self.flush();
        self.decoder = None;
    }

    /// Writes the packets that wait. A decoder that has ended is replaced at the next PES packet;
    /// the follower reports it.
    fn flush(&mut self) {
        if let Some(decoder) = &mut self.decoder
            && decoder.input.feed(&self.buffer).is_err()
        {
            self.is_left_out = decoder.input.has_hung();
            self.decoder = None;
        }
        self.buffer.clear();
    }
}

/// Returns whether a segment continues another one.
pub(crate) fn leads(from: &Source, to: &Source) -> bool {
    let position = |source: &'_ Source| source.anchor;
    let (Some(before), Some(after)) = (position(from), position(to)) else { return false };
    let before = Position { path: &from.path, anchor: before };
    before.leads_to(&Position { path: &to.path, anchor: after }) && from.connection == to.connection
}

fn restamp_by(packet: &mut [u8; PACKET_LEN], pts: i64) {
    restamp(packet, Pts::new(pts), Pts::new(pts));
}
