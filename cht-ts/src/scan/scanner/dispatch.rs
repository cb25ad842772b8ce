//! What is done with one packet.
use super::{Scanner, Sink};
use crate::codec::Codec;
use crate::packet::{self, Body, Header, NULL_PID, Packet};
use crate::program::Stream;
use crate::scan::es::Format;
use crate::scan::found::{Damage, Found, Media};
use crate::scan::pid::{Follows, Role, State, TABLES};
use crate::scan::psi::{Change, PAT_PID};
use crate::section::Section;
use std::num::NonZeroU16;

/// Stream bytes after which a PES packet is decided with what is known, so that a PID that fell silent
/// holds nothing back for ever.
const MAX_UNDECIDED: u64 = 1 << 20;
/// Longest run of PSI and SI packets that a cut reaches back over, in bytes.
const MAX_RUN: u64 = 64 << 10;

impl Scanner {
    /// A packet that needs a look.
    #[cold]
    pub(crate) fn packet(&mut self, header: Header, packet: &Packet, found: Sink<'_>) {
        let (offset, number) = (self.at, header.pid());
        if offset >= self.deadline {
            self.expire(found);
        }
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
                    self.sections(index, packet, body.payload, unit_start, found);
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
        packet: &Packet,
        payload: &[u8],
        unit_start: bool,
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
        state.sections.push(self.at, packet, payload, unit_start, &mut take);
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

    /// Makes each PID what the tables say it is.
    pub(crate) fn relist(&mut self) {
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

    /// Decides the PES packets that have been undecided for too long.
    pub(crate) fn expire(&mut self, found: Sink<'_>) {
        while self.at >= self.deadline && !self.undecided.is_empty() {
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

/// What a PMT says of a PID: its coding, and whether its format is still to be found.
fn listing(stream: &Stream) -> (Codec, bool) {
    let known = match stream.media() {
        Media::Video => stream.video.is_some(),
        Media::Audio => stream.audio.is_some(),
        Media::Other => true,
    };
    (stream.codec, !known)
}
