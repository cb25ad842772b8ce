//! Fetches a picture that the decoder did not hand over: cuts its group of pictures out of the
//! segment and decodes it again.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::SegmentClosed,
    process::ffmpeg::Program,
    session::{Session, segment_log::SegmentLog},
};

use crate::{
    decode::{
        filter::Wanted,
        frame::Picture,
        job::{self, DecodeJob},
        mode::{Decode, Limits},
    },
    input::{Bytes, Source, open},
    track::gop_index::GopIndex,
};

/// Largest number of segments between a picture and its access point.
const MOST_BEFORE: usize = 32;

/// Number of access points before a picture that each attempt passes over.
const SKIPPED: [usize; 3] = [0, 1, ALL];

/// Passes over all access points: decodes from the beginning of the segment.
const ALL: usize = usize::MAX;

/// Fetches pictures.
#[derive(Debug)]
pub(crate) struct Refetcher {
    ffmpeg: Program,
    limits: Limits,
    /// GOP index of the last segment read.
    known: Option<(PathBuf, GopIndex)>,
}

impl Refetcher {
    /// Creates a refetcher that decodes with `ffmpeg`, within `limits`.
    pub(crate) fn new(ffmpeg: Program, limits: Limits) -> Self {
        Self { ffmpeg, limits, known: None }
    }

    /// Returns the pictures of the frames at `ticks` (of the session, rising) in the segment whose
    /// final path is `path`, without those that its bytes do not give.
    pub(crate) fn fetch(
        &mut self,
        source: &Source,
        path: &str,
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let mut pictures = self.fetch_in(source, path, ticks)?;
        // Where cht-recv had to cut within a group of pictures, a picture may lie in the segment
        // before or after.
        for neighbour in [before, after] {
            let is_found = |tick: i64| pictures.iter().any(|(found, _)| *found == tick);
            let missing: Vec<i64> = ticks.iter().copied().filter(|&tick| !is_found(tick)).collect();
            if !missing.is_empty()
                && let Some((source, path)) = neighbour(source, Path::new(path))
            {
                pictures.extend(self.fetch_in(&source, &path, &missing)?);
            }
        }
        pictures.sort_by_key(|(tick, _)| *tick);
        Ok(pictures)
    }

    /// Fetches the pictures whose bytes lie in the segment itself. If decoding from an access point
    /// does not give a picture, decodes from the one before, and at last from the beginning of the
    /// segment and its lead.
    fn fetch_in(
        &mut self,
        source: &Source,
        path: &str,
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let path = Path::new(path);
        let named = || path.display().to_string();
        let mut pictures: Vec<(i64, Picture)> = Vec::new();
        let (mut missing, mut tried) = (ticks.to_vec(), Vec::new());
        for skipped in SKIPPED {
            let gops = self.gops(path, source).with_context(named)?;
            let parts = parts(gops, &missing, skipped, source, path);
            if parts == tried {
                continue;
            }
            for (bytes, ticks) in &parts {
                pictures.extend(self.decode(source, bytes, ticks).with_context(named)?);
            }
            tried = parts;
            missing.retain(|tick| pictures.iter().all(|(found, _)| found != tick));
            if missing.is_empty() {
                break;
            }
        }
        Ok(pictures)
    }

    fn gops(&mut self, path: &Path, source: &Source) -> io::Result<&GopIndex> {
        let file = open(path)?;
        let length = file.metadata()?.len().min(source.bytes_until);
        let is_known = |(known, gops): &(PathBuf, GopIndex)| {
            known == path && (gops.begin, gops.length) == (source.bytes_from, length)
        };
        let gops = match self.known.take().filter(is_known) {
            Some((_, gops)) => gops,
            None => GopIndex::of(file, source)?,
        };
        Ok(&self.known.insert((path.to_owned(), gops)).1)
    }

    /// Decodes a part of a segment, and returns its pictures at `ticks`.
    fn decode(
        &self,
        source: &Source,
        bytes: &[Bytes],
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let wanted = Wanted::Exact(ticks);
        let first = bytes.first().map_or(Path::new(""), |(path, _)| path);
        let job = DecodeJob::of(&self.ffmpeg, self.limits, source, first, Decode::Full, wanted);
        let mut found = Vec::new();
        job.run(
            |decoder| {
                bytes.iter().try_for_each(|(path, bytes)| job::feed_file(decoder, path, bytes))
            },
            |frame| {
                if let (Some(picture), Some(pts)) = (frame.picture, frame.decoded.pts) {
                    found.push((source.anchor.place(pts), picture));
                }
            },
        )?;
        Ok(found)
    }
}

/// Returns the segment before one whose pictures need it: cht-recv had to cut within a group of
/// pictures, or where only later pictures are exact.
fn before(source: &Source, path: &Path) -> Option<(Source, String)> {
    let log = SegmentLog::since(&Session::of_segment(path)?, source.seq.saturating_sub(1));
    let before = log.get(source.seq.checked_sub(1)?)?;
    let own = log.get(source.seq).map(|own| own.connection).or(source.connection);
    let goes_on = own.is_none_or(|own| own == before.connection)
        && before.timeline.is_some_and(|anchor| anchor.continues(&source.anchor));
    goes_on.then(|| source_in(source, before)).flatten()
}

/// Returns the finished segment after one that ends within a group of pictures.
fn after(source: &Source, path: &Path) -> Option<(Source, String)> {
    let log = SegmentLog::since(&Session::of_segment(path)?, source.seq);
    let is_cut = log.get(source.seq)?.end_reason.is_within_pictures();
    let next = log.get(source.seq + 1).filter(|_| is_cut)?;
    let goes_on = next.timeline.is_some_and(|anchor| source.anchor.continues(&anchor));
    goes_on.then(|| source_in(source, next)).flatten()
}

/// Returns the source for a segment in which the video of `source` goes on.
fn source_in(source: &Source, segment: &SegmentClosed) -> Option<(Source, String)> {
    let source = Source::alone(segment.seq, segment.timeline?, source.pid, source.codec);
    Some((source, segment.path.clone()))
}

/// Returns the lead of a segment that begins within a group of pictures: the bytes from the last
/// access point of the segments before. Returns nothing if these do not lead to it.
fn lead(source: &Source, path: &Path) -> Vec<Bytes> {
    let mut lead = Vec::new();
    let (mut source, mut path) = (*source, path.to_owned());
    while lead.len() < MOST_BEFORE
        && let Some((earlier, earlier_path)) = before(&source, &path)
    {
        (source, path) = (earlier, earlier_path.into());
        let gops = open(&path).and_then(|file| GopIndex::of(file, &source));
        let Ok(gops) = gops else { break };
        let from = gops.last_access();
        lead.push((path.clone(), from.unwrap_or(0)..gops.length));
        if from.is_some() {
            lead.reverse();
            return lead;
        }
    }
    Vec::new()
}

/// Returns the bytes to decode and the pictures that they give; adds the lead where the beginning
/// of the segment is needed.
fn parts(
    gops: &GopIndex,
    ticks: &[i64],
    skipped: usize,
    source: &Source,
    path: &Path,
) -> Vec<(Vec<Bytes>, Vec<i64>)> {
    let with_lead = |(bytes, ticks): (Range<u64>, _)| {
        let is_whole = gops.has_access_at(bytes.start) && skipped != ALL;
        let lead = if is_whole || gops.begin > 0 { Vec::new() } else { lead(source, path) };
        ([lead, vec![(path.to_owned(), bytes)]].concat(), ticks)
    };
    together(gops, ticks, skipped).into_iter().map(with_lead).collect()
}

/// Returns the bytes to decode and the pictures that they give; joins ticks whose bytes overlap.
fn together(gops: &GopIndex, ticks: &[i64], skipped: usize) -> Vec<(Range<u64>, Vec<i64>)> {
    let mut parts: Vec<(Range<u64>, Vec<i64>)> = Vec::new();
    for &tick in ticks {
        let Some(bytes) = gops.bytes_for(tick, skipped) else { continue };
        match parts.last_mut() {
            Some((last, ticks)) if bytes.start < last.end => {
                last.end = last.end.max(bytes.end);
                ticks.push(tick);
            }
            _ => parts.push((bytes, vec![tick])),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::gop_index::Unit;
    use cht_ts::Entry;

    #[test]
    fn pictures_of_one_group_are_decoded_together() {
        let units = (0..8).map(|n| Unit {
            offset: n * 10,
            tick: n as i64,
            entry: (n % 4 == 0).then_some(Entry::Clean),
        });
        let gops = GopIndex { units: units.collect(), begin: 0, length: 80 };
        let expected = [(0..40, vec![1, 2]), (40..70, vec![5])];
        assert_eq!(together(&gops, &[1, 2, 5, 9], 0), expected);
    }
}
