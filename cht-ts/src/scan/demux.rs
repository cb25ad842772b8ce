//! The demultiplexer: gives each packet to the tables or the elementary stream of its PID.
use super::es::{Es, Format};
use super::found::{Counters, Damage, Found, PidCounters};
use super::pid::{Follows, PIDS, Pid, Role, State, TABLES};
use super::psi::{Change, PAT_PID, Psi};
use crate::codec::{Codec, Media};
use crate::packet::{self, Body, Header, NULL_PID, Packet};
use crate::program::Stream;
use crate::section::Section;
use std::num::NonZeroU16;

/// Where findings go.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Found<'_>);

/// Distance after which a PES packet is decided without more of it, in bytes of the stream: a PID
/// that fell silent holds nothing back.
const MAX_UNDECIDED: u64 = 1 << 20;
/// Longest run of PSI and SI packets before a cut, in bytes.
const MAX_RUN: u64 = 64 << 10;

/// The state of each PID, and the tables that list their contents.
#[derive(Debug)]
pub(crate) struct Demux {
    pids: Box<[Pid]>,
    /// The first is never used, so that an index into it is not zero.
    states: Vec<State>,
    pub(crate) psi: Psi,
    pub(crate) counters: Counters,
    /// Start of the unbroken run of PSI and SI packets that ends here.
    run: Option<u64>,
    /// States whose PES packet is not decided, oldest first.
    undecided: Vec<NonZeroU16>,
    /// Offset from which on the oldest of them is decided anyway.
    deadline: u64,
}

impl Demux {
    pub(crate) fn new() -> Self {
        let pids = (0..PIDS).map(|pid| Pid::new(if pid < 0x20 { TABLES } else { 0 })).collect();
        let mut demux = Self {
            pids,
            states: vec![State::new(NULL_PID)],
            psi: Psi::default(),
            counters: Counters::default(),
            run: None,
            undecided: Vec::new(),
            deadline: u64::MAX,
        };
        demux.relist();
        demux
    }

    /// Begins with known tables.
    pub(crate) fn with_psi(psi: Psi) -> Self {
        let mut demux = Self { psi, ..Self::new() };
        demux.relist();
        demux
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = (u16, PidCounters)> {
        self.pids.iter().zip(0_u16..).filter(|(pid, _)| pid.packets > 0).map(|(pid, number)| {
            let state = pid.state.map(|index| &self.states[usize::from(index.get())]);
            let counters = state.map_or_else(PidCounters::default, |state| state.es.counters);
            (number, PidCounters { packets: pid.packets, ..counters })
        })
    }

    pub(crate) fn es_of(&self, pid: u16) -> Option<&Es> {
        let index = self.pids.get(usize::from(pid))?.state?;
        Some(&self.states[usize::from(index.get())].es)
    }

    pub(crate) fn video_pid(&self) -> Option<u16> {
        let listed = self.psi.programs().iter().flat_map(|program| &program.streams);
        let first = listed.clone().find(|stream| stream.media() == Media::Video);
        let is_listed = |pid| listed.clone().any(|stream| stream.pid == pid);
        let states = &self.states[1..];
        let of_video = |state: &&State| {
            state.role == Role::Stream
                && state.es.counters.pes_starts > 0
                && match listed.clone().find(|stream| stream.pid == state.pid) {
                    Some(stream) => stream.media() == Media::Video,
                    None => matches!(state.es.counters.stream_id, 0xE0..=0xEF),
                }
        };
        let rank = |state: &&State| {
            let counters = &state.es.counters;
            let listed = is_listed(state.pid);
            (listed, counters.pes_with_pts, counters.pes_starts, u16::MAX - state.pid)
        };
        let best = states.iter().filter(of_video).max_by_key(rank);
        best.map(|state| state.pid).or_else(|| first.map(|stream| stream.pid))
    }

    /// Returns the smallest offset that a later finding may name, if packets are read up to `at`.
    pub(crate) fn holdback(&self, at: u64) -> u64 {
        let pending = |index: &NonZeroU16| self.states[usize::from(index.get())].es.pending();
        let cuts = self.undecided.iter().filter_map(|index| Some(pending(index)?.cut));
        cuts.chain(self.run).fold(at, u64::min)
    }

    /// Counts the packet at offset `at` if it needs no look. Returns whether it did not.
    #[inline]
    pub(crate) fn is_plain(&mut self, at: u64, header: Header) -> bool {
        let is_plain = header.is_plain()
            && at < self.deadline
            && self.pids[usize::from(header.pid())].plain(header.continuity());
        if is_plain {
            self.run = None;
        }
        is_plain
    }

    /// Ends the run of tables: bytes follow that belong to no packet.
    pub(crate) fn end_run(&mut self) {
        self.run = None;
    }

    /// Ends the input: decides the undecided PES packets without more of them.
    pub(crate) fn finish(&mut self, found: Sink<'_>) {
        self.run = None;
        for index in std::mem::take(&mut self.undecided) {
            let state = &mut self.states[usize::from(index.get())];
            self.pids[usize::from(state.pid)].watch(false);
            if let Some(pes) = state.es.flush() {
                found(Found::Pes(pes));
            }
        }
        self.deadline = u64::MAX;
    }

    /// Takes the packet at `offset`, which needs a look.
    #[cold]
    pub(crate) fn packet(&mut self, offset: u64, header: Header, packet: &Packet, found: Sink<'_>) {
        let number = header.pid();
        self.expire(offset, found);
        if header.transport_error() {
            self.counters.transport_errors += 1;
            self.run = None;
            return found(Found::Damage(Damage::TransportError { offset, pid: number }));
        }
        if number == NULL_PID {
            self.counters.null_packets += 1;
            self.run = self.run.filter(|run| offset - run < MAX_RUN);
            return;
        }
        let index = self.state_of(number);
        let pid = &mut self.pids[usize::from(number)];
        let state = &mut self.states[usize::from(index.get())];
        pid.packets += 1;
        let run = self.run.take();
        let cut = run.unwrap_or(offset);
        if pid.flags & TABLES != 0 {
            self.run = Some(if offset - cut < MAX_RUN { cut } else { offset });
        }

        let body = packet::body(header, packet).unwrap_or_else(|| {
            self.counters.bad_adaptation_fields += 1;
            found(Found::Damage(Damage::AdaptationField { offset, pid: number }));
            Body::default()
        });
        self.counters.scrambled += u64::from(header.scrambled());
        if !header.has_payload() {
            return;
        }
        let mut broken = body.discontinuity;
        match pid.follows(header.continuity(), body.discontinuity) {
            Follows::Yes => {}
            Follows::Duplicate => {
                self.counters.duplicates += 1;
                state.es.counters.duplicates += 1;
                return;
            }
            Follows::No { expected } => {
                broken = true;
                self.counters.continuity_errors += 1;
                state.es.counters.continuity_errors += 1;
                let got = header.continuity();
                found(Found::Damage(Damage::Continuity { offset, pid: number, expected, got }));
            }
        }
        let unit_start = header.unit_start();
        match state.role {
            Role::Si => {}
            Role::Psi => {
                if broken || header.scrambled() {
                    state.sections.interrupt();
                }
                if !header.scrambled() {
                    self.sections(index, offset, packet, (body.payload, unit_start), found);
                }
            }
            Role::Stream => {
                let was_pending = state.es.pending().map(|pes| pes.offset);
                let closed = if unit_start { state.es.close() } else { None };
                if broken || header.scrambled() {
                    state.es.interrupt();
                }
                let mut decided = None;
                if !header.scrambled() {
                    if unit_start {
                        state.es.start(offset, cut, number, body.random_access);
                    }
                    decided = state.es.push(body.payload);
                }
                pid.watch(!state.es.is_idle());
                let pending_at = state.es.pending().map(|pes| pes.offset);
                let format = state.es.take_format();
                if let Some(format) = format {
                    self.set_format(number, format);
                }
                if was_pending != pending_at {
                    if was_pending.is_some() {
                        self.undecided.retain(|other| *other != index);
                    }
                    if pending_at.is_some() {
                        self.undecided.push(index);
                    }
                    self.set_deadline();
                }
                for pes in closed.into_iter().chain(decided) {
                    found(Found::Pes(pes));
                }
            }
        }
    }

    fn sections(
        &mut self,
        index: NonZeroU16,
        offset: u64,
        packet: &Packet,
        (payload, unit_start): (&[u8], bool),
        found: Sink<'_>,
    ) {
        let state = &mut self.states[usize::from(index.get())];
        let (pid, psi, counters) = (state.pid, &mut self.psi, &mut self.counters);
        let mut change = Change::Nothing;
        let mut take = |section: &Section<'_>| {
            if let Ok(what) = psi.section(pid, section) {
                change = change.max(what);
            } else {
                counters.psi_crc_errors += 1;
                found(Found::Damage(Damage::PsiCrc { offset: section.offset, pid }));
            }
        };
        state.sections.push(offset, packet, payload, unit_start, &mut take);
        if change != Change::Nothing {
            self.relist();
        }
        if change == Change::Streams {
            found(Found::Programs(self.psi.programs()));
        }
    }

    fn state_of(&mut self, pid: u16) -> NonZeroU16 {
        let states = &mut self.states;
        *self.pids[usize::from(pid)].state.get_or_insert_with(|| {
            states.push(State::new(pid));
            // There are fewer PIDs than u16 has values, and one state lies before this one.
            NonZeroU16::new((states.len() - 1) as u16).unwrap_or(NonZeroU16::MIN)
        })
    }

    /// Gives each PID the role that the tables list.
    fn relist(&mut self) {
        let tables: Vec<u16> = self.psi.pmt_pids().chain([PAT_PID]).collect();
        let nit = self.psi.nit_pid();
        let streams = self.psi.programs().iter().flat_map(|program| &program.streams);
        let mut listed: Vec<_> = streams.map(|stream| (stream.pid, listing(stream))).collect();
        // The sort is stable: of programs that share a stream the first one lists it.
        listed.sort_by_key(|(pid, _)| *pid);
        listed.dedup_by_key(|(pid, _)| *pid);
        for pid in tables.iter().copied().chain(listed.iter().map(|(pid, _)| *pid)) {
            self.state_of(pid);
        }
        for state in &mut self.states[1..] {
            let role = if tables.contains(&state.pid) {
                Role::Psi
            } else if state.pid < 0x20 || nit == Some(state.pid) {
                Role::Si
            } else {
                Role::Stream
            };
            if role != state.role {
                state.role = role;
                state.sections.interrupt();
                state.es.abandon();
            }
            let place = listed.binary_search_by_key(&state.pid, |(pid, _)| *pid);
            let (codec, wants_format) =
                place.map_or((None, true), |place| (Some(listed[place].1.0), listed[place].1.1));
            state.es.list(codec, wants_format);
            let pid = &mut self.pids[usize::from(state.pid)];
            pid.flags = if role == Role::Stream { pid.flags & !TABLES } else { pid.flags | TABLES };
            pid.watch(role == Role::Psi || !state.es.is_idle());
        }
        let states = &self.states;
        self.undecided.retain(|index| states[usize::from(index.get())].es.pending().is_some());
        self.set_deadline();
    }

    fn set_format(&mut self, pid: u16, format: Format) {
        let streams = self.psi.programs_mut().iter_mut().flat_map(|program| &mut program.streams);
        for stream in streams.filter(|stream| stream.pid == pid) {
            match format {
                Format::Video(video) => stream.video = Some(video),
                Format::Audio(codec, audio) => {
                    (stream.codec, stream.audio) = (codec, Some(audio));
                }
            }
        }
    }

    fn set_deadline(&mut self) {
        let oldest = self.undecided.first();
        let pes = oldest.and_then(|index| self.states[usize::from(index.get())].es.pending());
        self.deadline = pes.map_or(u64::MAX, |pes| pes.offset + MAX_UNDECIDED);
    }

    /// Decides the PES packets that have been undecided for too long at offset `at`.
    pub(crate) fn expire(&mut self, at: u64, found: Sink<'_>) {
        while at >= self.deadline && !self.undecided.is_empty() {
            let index = self.undecided.remove(0);
            let state = &mut self.states[usize::from(index.get())];
            self.pids[usize::from(state.pid)].watch(false);
            let pes = state.es.flush();
            self.set_deadline();
            if let Some(pes) = pes {
                found(Found::Pes(pes));
            }
        }
    }
}

/// Returns the codec that a PMT lists for a stream, and whether its format is known.
fn listing(stream: &Stream) -> (Codec, bool) {
    let known = match stream.media() {
        Media::Video => stream.video.is_some(),
        Media::Audio => stream.audio.is_some(),
        Media::Other => true,
    };
    (stream.codec, !known)
}
