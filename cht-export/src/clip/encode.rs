//! Encodes pictures at the edges of a clip again, in the codec of the recording.

use std::{
    collections::HashMap,
    io,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, bail};
use cht_core::{session::pictures::Part, terminal::units};
use cht_ts::{Codec, Pts, SingleStream, Unit, Units};

use super::run::Run;
use crate::ffmpeg::Ffmpeg;

/// PID of the video that ffmpeg's muxer writes first.
const FIRST_PID: u16 = 0x100;

/// Rows below pictures of lossless H.264, which no decoder shows. Without another coded size,
/// ffmpeg's decoder keeps the scan order of blocks from before (its `init_scan_tables`).
const PAD: u32 = 32;

/// Largest number of pictures that an encoder of this module delays one by.
const MOST_DELAYED: usize = 2;

/// Quality of pictures that are encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    /// From 1 (best) to 51.
    Factor(u8),
    /// Each sample as the recording has it.
    Lossless,
}

/// Encodes the pictures at these places of a run, which are in display order, and gives each to
/// `take`, with its place among them, in decoding order. No picture is delayed by more than `delay`
/// others, as in the recording: decoders take the delay for that of the whole stream.
pub(crate) fn encode(
    ffmpeg: &Ffmpeg,
    run: &Run,
    places: &[usize],
    delay: usize,
    quality: Quality,
    mut take: impl FnMut(usize, Unit) -> io::Result<()>,
) -> Result<()> {
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return Ok(()) };
    let options = options(run.codec, delay, quality)?;
    let all = &run.pictures.all;
    let from = run.pictures.access(first, 0).unwrap_or(0);
    // One that is shown earlier may be decoded later.
    let part = run.pictures.between(from, places.iter().copied().max().unwrap_or(last));
    let length = all[last].tick.unwrap_or(0) - all[first].tick.unwrap_or(0);
    let wrap = Pts::WRAP;
    let since_first = format!("mod(pts-{}+{wrap}*4\\,{wrap})", all[first].pts);
    let mut command = ffmpeg.command();
    decoding(&mut command, run);
    let is_padded = run.codec == Codec::H264 && quality == Quality::Lossless;
    let pad = if is_padded { format!(",pad=iw:ih+{PAD}") } else { String::new() };
    let filter = format!("select='lte({since_first}\\,{length})'{pad}");
    command.args(["-loglevel", "error", "-vf", &filter]);
    command.args(ffmpeg.passthrough()).args(options);
    // Field macroblocks without loss are decoded wrong by ffmpeg.
    if quality != Quality::Lossless && is_interlaced(ffmpeg, run, &part)? {
        command.args(["-flags", "+ilme+ildct"]);
    }
    command.args(["-f", "mpegts", "pipe:1"]);
    let mut process = ffmpeg.start(&command)?;
    let mut single = SingleStream::of(FIRST_PID);
    let (mut units, mut packets) = (Units::new(run.codec), Vec::new());
    let order = Order::of(run, places);
    let (mut begun, mut count, mut taken) = (None, 0, Ok(()));
    let mut found = |unit: Unit| {
        let Some(pts) = unit.pts else { return };
        let since = pts.since(*begun.get_or_insert(pts));
        // Without a delay they come in order, and their time stamps do not count.
        let place = if delay == 0 { Some(count) } else { order.place(since) };
        if let Some(place) = place.filter(|place| *place < places.len() && taken.is_ok()) {
            count += 1;
            taken = take(place, unit);
        }
    };
    process.run_through(
        |stdin| run.feed(&part, stdin),
        |bytes| {
            packets.clear();
            single.push(bytes, &mut packets);
            units.push(&packets, &mut found);
            Ok(())
        },
    )?;
    packets.clear();
    single.finish(&mut packets);
    units.push(&packets, &mut found);
    units.finish(&mut found);
    process.finish()?;
    taken?;
    if count != places.len() {
        bail!(
            "{count} of {} at an edge of the clip can be decoded; cut at keyframes with --copy",
            units::count(places.len() as u64, "picture")
        );
    }
    Ok(())
}

/// Returns the options of the encoder of `codec`.
fn options(codec: Codec, delay: usize, quality: Quality) -> Result<Vec<String>> {
    // Each picture keeps its own time stamp, at any frame rate.
    let text = match codec {
        Codec::H264 => {
            let bframes = if delay == 0 { 0 } else { 3 };
            let pyramid = if delay < MOST_DELAYED { "none" } else { "normal" };
            let quality = match quality {
                // Of the profile High 4:4:4 Predictive, and so with parameter sets of its own.
                Quality::Lossless => format!("-qp 0 -x264-params sps-id=1:crop-rect=0,0,0,{PAD}"),
                Quality::Factor(factor) => format!("-crf {factor}"),
            };
            format!("libx264 {quality} -bf {bframes} -b-pyramid {pyramid} -enc_time_base 1:90000")
        }
        Codec::Hevc => {
            let quality = match quality {
                Quality::Lossless => "lossless=1".to_owned(),
                Quality::Factor(factor) => format!("crf={factor}"),
            };
            format!(
                "libx265 -enc_time_base 1:90000 -x265-params {quality}:bframes=0:repeat-headers=1:log-level=error"
            )
        }
        // Its quantisers are 1 to 31, and its time base is the frame rate.
        Codec::Mpeg2Video => match quality {
            Quality::Lossless => {
                bail!(
                    "MPEG-2 has no lossless coding; --crf 1 is the nearest, and --copy cuts at \
                     keyframes without encoding"
                )
            }
            Quality::Factor(factor) => {
                format!("mpeg2video -q:v {} -bf 0 -maxrate 300M -bufsize 60M", (factor / 6).max(1))
            }
        },
        codec => bail!(
            "{codec}: pictures at an edge cannot be encoded again; cut at keyframes with --copy"
        ),
    };
    Ok(["-c:v"].into_iter().chain(text.split(' ')).map(str::to_owned).collect())
}

/// Places of pictures by their distance from the first one.
struct Order(HashMap<i64, usize>);

impl Order {
    fn of(run: &Run, places: &[usize]) -> Self {
        let tick = |at: usize| run.pictures.all[at].tick.unwrap_or(0);
        let first = places.first().map_or(0, |&at| tick(at));
        Self(places.iter().zip(0..).map(|(&at, place)| (tick(at) - first, place)).collect())
    }

    fn place(&self, since: i64) -> Option<usize> {
        self.0.get(&since).copied()
    }
}

/// Returns the delay, in pictures, with which a stream is encoded whose own is `delay`.
///
/// ffmpeg's decoder of H.264 loses a picture where the delay grows from none. That of HEVC loses
/// the pictures that wait before an end of sequence, as ISO/IEC 23008-2 §C.5.2.2 says.
pub(crate) fn delay_of(codec: Codec, delay: usize) -> usize {
    if codec == Codec::H264 { delay.min(MOST_DELAYED) } else { 0 }
}

/// Adds the options that decode a run from stdin.
fn decoding(command: &mut Command, run: &Run) {
    command.args(["-copyts", "-f", "mpegts", "-i", "pipe:0"]);
    if let Some(pid) = run.pictures.pid {
        command.args(["-map", &format!("0:i:{pid}")]);
    }
}

/// Tells whether the first picture of a part is interlaced.
fn is_interlaced(ffmpeg: &Ffmpeg, run: &Run, part: &Part) -> Result<bool> {
    let mut command = ffmpeg.command();
    decoding(&mut command, run);
    // It prints its findings at this level.
    command.args(["-loglevel", "info", "-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"]);
    let found = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&found);
    let mut process = ffmpeg.start_and_listen(&command, move |line| {
        let is_field_first = line.contains(" i:T ") || line.contains(" i:B ");
        seen.fetch_or(is_field_first && line.contains("showinfo"), Ordering::Relaxed);
        false
    })?;
    process.run_through(|stdin| run.feed(part, stdin), |_| Ok(()))?;
    process.finish()?;
    Ok(found.load(Ordering::Relaxed))
}
