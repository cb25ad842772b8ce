//! Writes pictures and sound of a clip as transport streams of one PID each, on the clip's own
//! clock.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write},
    ops::Range,
};

use cht_ts::{
    Begins, Codec, PACKET_LEN, Pts, SingleStream, Unit, begins, restamp, time::TICKS_PER_SECOND,
    write_video,
};

use super::{
    plan::Copied,
    run::{Run, Sound, Times},
};

/// Where the first picture of a clip lies on its clock, in ticks: decoding times and the beginnings
/// of sound lie before it.
pub(crate) const BEGIN: i64 = 10 * TICKS_PER_SECOND;

/// PID of each transport stream that is written.
const PID: u16 = 0x100;

/// End of sequence of HEVC (ISO/IEC 23008-2 §7.3.2.6): the next access point begins anew.
const HEVC_END: &[u8] = &[0, 0, 0, 1, 36 << 1, 1];

/// Writes one elementary stream.
pub(crate) struct Track<W> {
    out: W,
    counter: u8,
    packets: Vec<u8>,
}

impl<W: Write> Track<W> {
    /// Begins a video.
    pub(crate) fn video(codec: Codec, out: W) -> io::Result<Self> {
        let mut tables = Vec::new();
        let _ = SingleStream::begin(PID, codec, &mut tables).ok_or_else(|| unknown(codec))?;
        Self::begin(&tables, out)
    }

    /// Begins a sound.
    pub(crate) fn sound(sound: &Sound, out: W) -> io::Result<Self> {
        let mut tables = Vec::new();
        let begun = SingleStream::begin_sound(PID, sound.codec, sound.channels, &mut tables);
        let _ = begun.ok_or_else(|| unknown(sound.codec))?;
        Self::begin(&tables, out)
    }

    fn begin(tables: &[u8], mut out: W) -> io::Result<Self> {
        out.write_all(tables)?;
        Ok(Self { out, counter: 0, packets: Vec::new() })
    }

    /// Writes a picture, which is shown and decoded at these ticks of the clip's clock, or another
    /// slice of the one before.
    fn picture(&mut self, payload: &[u8], times: Option<(i64, i64)>) -> io::Result<()> {
        self.packets.clear();
        let stamps = times.map(|(shown, decoded)| (Pts::new(shown), Pts::new(decoded)));
        write_video(PID, &mut self.counter, stamps, payload, &mut self.packets);
        self.out.write_all(&self.packets)
    }

    /// Writes an encoded picture, which is shown and decoded at these ticks of the clip's clock.
    /// Another coded sequence comes after the last one.
    pub(crate) fn encoded(
        &mut self,
        unit: &Unit,
        codec: Codec,
        times: (i64, i64),
        is_last: bool,
    ) -> io::Result<()> {
        let end = if is_last && codec == Codec::Hevc { HEVC_END } else { &[] };
        self.picture(&[unit.payload(), end].concat(), Some(times))
    }

    /// Copies pictures of a run. `offset` leads from the session's ticks to the clip's.
    pub(crate) fn copied(&mut self, run: &Run, copied: &Copied, offset: i64) -> io::Result<()> {
        let mut times: HashMap<i64, VecDeque<Times>> = HashMap::new();
        for it in run.times(copied) {
            times.entry(it.stamped).or_default().push_back(it);
        }
        let part = run.pictures.between(copied.places.start, copied.places.end - 1);
        // Slices in PES packets of their own follow their picture.
        let mut is_taken = false;
        run.units(&part, &mut |unit| {
            let Some(pts) = unit.pts else {
                return if is_taken { self.picture(unit.payload(), None) } else { Ok(()) };
            };
            let times = times.get_mut(&run.anchor.place(pts)).and_then(VecDeque::pop_front);
            is_taken = times.is_some();
            let Some(times) = times else { return Ok(()) };
            self.picture(unit.payload(), Some((times.shown + offset, times.decoded + offset)))
        })
    }

    /// Copies the sound of a run up to the end of `span`, and what lies before in the same bytes.
    /// `offset` leads from the session's ticks to the clip's. Returns the number of PES packets.
    pub(crate) fn sounds(
        &mut self,
        run: &Run,
        sound: &Sound,
        span: &Range<i64>,
        offset: i64,
    ) -> io::Result<usize> {
        let (mut is_taken, mut count, mut last) = (false, 0, None);
        run.pictures.packets(&run.sound_part(span), sound.pid, &mut |packet| {
            let mut packet = *packet;
            if let Begins::Stamped { pts, dts } = begins(&packet) {
                let place = |stamp| run.anchor.place(stamp) + offset;
                let (shown, decoded) = (place(pts), place(dts.unwrap_or(pts)));
                is_taken = decoded > 0 && shown < span.end + offset;
                count += usize::from(is_taken);
                restamp(&mut packet, Pts::new(shown), Pts::new(decoded));
            }
            if is_taken {
                // A gap stays one, so that its PES packet can be left out.
                let is_next = last.is_none_or(|last| (last + 1) & 15 == packet[3] & 15);
                self.counter = (self.counter + u8::from(!is_next)) & 15;
                last = Some(packet[3] & 15);
                self.number(&mut packet);
                self.out.write_all(&packet)?;
            } else {
                last = None;
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Gives a packet the PID of this stream, and its next counter.
    fn number(&mut self, packet: &mut [u8; PACKET_LEN]) {
        packet[1] = packet[1] & 0xE0 | (PID >> 8) as u8;
        packet[2] = PID as u8;
        // A packet without payload repeats the counter (ISO/IEC 13818-1 §2.4.3.3).
        let has_payload = packet[3] & 0x10 != 0;
        packet[3] = packet[3] & 0xF0 | self.counter.wrapping_sub(u8::from(!has_payload)) & 15;
        self.counter = (self.counter + u8::from(has_payload)) & 15;
    }
}

fn unknown(codec: Codec) -> io::Error {
    io::Error::other(format!("{codec} cannot be written as a transport stream of its own"))
}
