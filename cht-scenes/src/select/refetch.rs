//! A picture that the decoder did not hand over: its group of pictures is cut out of the segment and decoded again.

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

/// So many segments may lie between a picture and its access point.
const MOST_BEFORE: usize = 32;

/// How many of the access points before a picture are passed over, in one attempt after another.
const SKIPPED: [usize; 3] = [0, 1, ALL];

/// All of them: from the segment's beginning.
const ALL: usize = usize::MAX;

/// Fetches pictures.
#[derive(Debug)]
pub(crate) struct Refetcher {
    ffmpeg: Program,
    limits: Limits,
    /// Of the segment that was looked into last.
    known: Option<(PathBuf, GopIndex)>,
}

impl Refetcher {
    /// Decodes with `ffmpeg`, within `limits`.
    pub(crate) fn new(ffmpeg: Program, limits: Limits) -> Self {
        Self { ffmpeg, limits, known: None }
    }

    /// The pictures of the frames at `ticks` (of the session, rising) in the segment whose final path is `path`. Those that its
    /// bytes do not give are missing.
    pub(crate) fn fetch(
        &mut self,
        source: &Source,
        path: &str,
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let mut pictures = self.fetch_in(source, path, ticks)?;
        // Where cht-recv had to cut within a group of pictures, a picture may lie on the other side.
        for neighbour in [before, behind] {
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

    /// Fetches those whose bytes lie in the segment itself. An access point that does not lead to a picture was none: what is
    /// missing is decoded from the one before, and at last from the segment's beginning and what leads up to it.
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

    /// Decodes a part of a segment, and hands over what is wanted of it.
    fn decode(
        &self,
        source: &Source,
        bytes: &[Bytes],
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let wanted = Wanted::Exact(ticks);
        let first = bytes.first().map_or(Path::new(""), |(path, _)| path);
        let pass = DecodeJob::of(&self.ffmpeg, self.limits, source, first, Decode::Full, wanted);
        let mut found = Vec::new();
        pass.run(
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

/// Returns the segment before one whose pictures need it: cht-recv had to cut within a group of pictures, or where only later
/// pictures are exact.
fn before(source: &Source, path: &Path) -> Option<(Source, String)> {
    let record = SegmentLog::since(&Session::of_segment(path)?, source.seq.saturating_sub(1));
    let before = record.get(source.seq.checked_sub(1)?)?;
    let own = record.get(source.seq).map(|own| own.connection).or(source.connection);
    let goes_on = own.is_none_or(|own| own == before.connection)
        && before.timeline.is_some_and(|anchor| anchor.continues(&source.anchor));
    goes_on.then(|| beside(source, before)).flatten()
}

/// The finished segment behind one that ends within a group of pictures.
fn behind(source: &Source, path: &Path) -> Option<(Source, String)> {
    let record = SegmentLog::since(&Session::of_segment(path)?, source.seq);
    let is_cut = record.get(source.seq)?.end_reason.is_within_pictures();
    let behind = record.get(source.seq + 1).filter(|_| is_cut)?;
    let goes_on = behind.timeline.is_some_and(|anchor| source.anchor.continues(&anchor));
    goes_on.then(|| beside(source, behind)).flatten()
}

/// A segment in which the video of `source` goes on.
fn beside(source: &Source, segment: &SegmentClosed) -> Option<(Source, String)> {
    let beside = Source::alone(segment.seq, segment.timeline?, source.pid, source.codec);
    Some((beside, segment.path.clone()))
}

/// What leads up to a segment that begins within a group of pictures: from the last access point of the segments before. Nothing if they
/// do not lead there.
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

/// Returns what is to be decoded, with what leads up to the segment where its beginning is needed, and which pictures it gives.
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

/// Returns what is to be decoded, and which pictures it gives: ticks whose bytes overlap go together.
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
            pts: n as i64,
            entry: (n % 4 == 0).then_some(Entry::Clean),
        });
        let gops = GopIndex { units: units.collect(), begin: 0, length: 80 };
        let expected = [(0..40, vec![1, 2]), (40..70, vec![5])];
        assert_eq!(together(&gops, &[1, 2, 5, 9], 0), expected);
    }
}
