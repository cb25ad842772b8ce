//! A picture that the decoder did not hand over: its group of pictures is cut out of the segment and decoded again.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{ffmpeg::Program, session::PART};

use crate::{
    decoder::Decoder,
    decoding::Decode,
    feed::{Source, WRITE},
    gops::Gops,
    measured::{Picture, Pool},
    pass::Pass,
    prefilter::Wanted,
};

/// Fetches pictures.
#[derive(Debug)]
pub(crate) struct Fetcher {
    ffmpeg: Program,
    timeout: Duration,
    /// Of the segment that was looked into last.
    known: Option<(PathBuf, Gops)>,
}

impl Fetcher {
    /// Decodes with `ffmpeg`, which is stopped when it does nothing for `timeout`.
    pub(crate) fn new(ffmpeg: Program, timeout: Duration) -> Self {
        Self { ffmpeg, timeout, known: None }
    }

    /// The pictures of the frames at `ticks` (of the session, rising) in the segment whose final path is `path`. Those that its
    /// bytes do not give are missing.
    pub(crate) fn fetch(
        &mut self,
        source: &Source,
        path: &str,
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let path = present(path);
        let named = || path.display().to_string();
        let gops = self.gops(&path, source).with_context(named)?;
        let mut pictures = Vec::new();
        for (bytes, ticks) in together(gops, ticks) {
            let decoded = self.decode(source, &path, bytes, &ticks).with_context(named)?;
            pictures.extend(decoded);
        }
        Ok(pictures)
    }

    fn gops(&mut self, path: &Path, source: &Source) -> io::Result<&Gops> {
        let length = path.metadata()?.len();
        let is_known = |(known, gops): &(PathBuf, Gops)| known == path && gops.length == length;
        let gops = match self.known.take().filter(is_known) {
            Some((_, gops)) => gops,
            None => Gops::of(path, source.pid, source.anchor)?,
        };
        Ok(&self.known.insert((path.to_owned(), gops)).1)
    }

    /// Decodes a part of a segment, and hands over what is wanted of it.
    fn decode(
        &self,
        source: &Source,
        path: &Path,
        bytes: Range<u64>,
        ticks: &[i64],
    ) -> Result<Vec<(i64, Picture)>> {
        let pass = Pass {
            ffmpeg: &self.ffmpeg,
            timeout: self.timeout,
            source,
            decode: Decode::Full,
            wanted: Wanted::Exact(ticks),
        };
        let mut found = Vec::new();
        pass.run(
            |decoder| feed(decoder, path, bytes),
            |frame, outputs| {
                let (Some(form), Some(pts)) = (frame.picture, frame.pts) else { return Ok(()) };
                let mut samples = vec![0; form.bytes()];
                outputs.read(&mut samples, &mut [])?;
                found.push((
                    source.anchor.place(pts),
                    Picture { samples, form, pool: Pool::default() },
                ));
                Ok(())
            },
        )?;
        Ok(found)
    }
}

/// The segment by the name that it has now.
fn present(path: &str) -> PathBuf {
    let finished = PathBuf::from(path);
    if finished.exists() { finished } else { format!("{path}{PART}").into() }
}

/// What is to be decoded, and which pictures it gives: ticks whose bytes overlap go together.
fn together(gops: &Gops, ticks: &[i64]) -> Vec<(Range<u64>, Vec<i64>)> {
    let mut parts: Vec<(Range<u64>, Vec<i64>)> = Vec::new();
    for &tick in ticks {
        let Some(bytes) = gops.bytes_for(tick) else { continue };
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

fn feed(decoder: &mut Decoder, path: &Path, bytes: Range<u64>) -> Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(bytes.start))?;
    let mut part = file.take(bytes.end - bytes.start);
    let mut buffer = vec![0; WRITE];
    loop {
        let count = part.read(&mut buffer)?;
        // One that has ended takes nothing; what it gave is what there is.
        if count == 0 || decoder.feed(&buffer[..count]).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gops::Unit;

    #[test]
    fn pictures_of_one_group_are_decoded_together() {
        let units =
            (0..6).map(|n| Unit { offset: n * 10, pts: n as i64, random_access: n % 3 == 0 });
        let gops = Gops { units: units.collect(), length: 60 };
        let expected = [(0..30, vec![1, 2]), (30..50, vec![4])];
        assert_eq!(together(&gops, &[1, 2, 4, 9]), expected);
    }
}
