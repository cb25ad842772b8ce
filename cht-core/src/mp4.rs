//! The header of an MP4 or MOV file (ISO/IEC 14496-12): how long it is, and what its edit list
//! hides from players. It reads the boxes that say so, and no media.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use crate::terminal::units;

/// Largest number of boxes that are read; the boxes that this reader needs come before more.
const MOST_BOXES: usize = 4096;

/// Largest number of entries of an edit list that are read.
const MOST_EDITS: u32 = 256;

/// Shortest time that counts as hidden, in seconds: others are rounded times.
const LEAST: f64 = 0.06;

/// Findings in the header of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Movie {
    /// Seconds that it plays, where the header says so: that of a fragmented file does not.
    pub duration: Option<f64>,
    /// Seconds of video that players leave out at its beginning and at its end.
    pub hidden: [f64; 2],
}

impl Movie {
    /// Returns a warning about what players leave out, if they leave out anything.
    #[must_use]
    pub fn hidden_in_words(&self) -> Option<String> {
        let places = self.hidden_places()?;
        Some(format!(
            "its edit list hides {places} from players; that is used as well, and times count it"
        ))
    }

    /// Returns what players leave out, in words: `1.3 s at its beginning`.
    fn hidden_places(&self) -> Option<String> {
        let places = self.hidden.into_iter().zip(["beginning", "end"]);
        let places = places.filter(|(hidden, _)| *hidden > 0.0);
        let places =
            places.map(|(hidden, place)| format!("{} at its {place}", units::span(hidden)));
        Some(places.collect::<Vec<_>>().join(" and ")).filter(|places| !places.is_empty())
    }
}

/// Bytes of a file: an offset and a length in, those that are there out.
type Read<'a> = &'a dyn Fn(u64, usize) -> io::Result<Vec<u8>>;

/// A box: its kind, and where its contents are.
#[derive(Debug, Clone, Copy)]
struct Contents {
    kind: [u8; 4],
    begin: u64,
    end: u64,
}

/// Reads the header of a file of this length by `read`, which returns bytes at an offset, fewer at
/// the end of the file. `None` where there is none that can be read.
pub fn read(read: Read<'_>, length: u64) -> io::Result<Option<Movie>> {
    let mut reader = Reader { read, left: MOST_BOXES };
    let Some(movie) = reader.find(Contents { kind: *b"file", begin: 0, end: length }, *b"moov")?
    else {
        return Ok(None);
    };
    reader.movie(movie)
}

/// Reads the header of a file.
pub fn of_file(file: &File) -> io::Result<Option<Movie>> {
    let part = |at, length| {
        let mut part = vec![0; length];
        let count = file.read_at(&mut part, at)?;
        part.truncate(count);
        Ok(part)
    };
    read(&part, file.metadata()?.len())
}

/// Walks through boxes.
struct Reader<'a> {
    read: Read<'a>,
    left: usize,
}

impl Reader<'_> {
    fn movie(&mut self, movie: Contents) -> io::Result<Option<Movie>> {
        let Some(head) = self.find(movie, *b"mvhd")? else { return Ok(None) };
        let Some((scale, length)) = self.clock(head)? else { return Ok(None) };
        let is_fragmented = self.find(movie, *b"mvex")?.is_some();
        let duration = (!is_fragmented && length > 0).then(|| length as f64 / scale);
        let mut hidden = [0.0; 2];
        for track in self.all(movie)?.into_iter().filter(|it| &it.kind == b"trak") {
            if let Some(found) = self.hidden(track, scale)? {
                hidden = found;
                break;
            }
        }
        Ok(Some(Movie { duration, hidden }))
    }

    /// Returns what players leave out of a track of video; `None` for another one.
    fn hidden(&mut self, track: Contents, movie_scale: f64) -> io::Result<Option<[f64; 2]>> {
        let Some(media) = self.find(track, *b"mdia")? else { return Ok(None) };
        let handler = self.find(media, *b"hdlr")?;
        let handler = handler.map(|it| self.bytes(it, 8, 4)).transpose()?;
        if handler.as_deref() != Some(b"vide") {
            return Ok(None);
        }
        let Some(head) = self.find(media, *b"mdhd")? else { return Ok(None) };
        let Some((scale, length)) = self.clock(head)? else { return Ok(None) };
        let edits = match self.find(track, *b"edts")? {
            Some(edits) => self.find(edits, *b"elst")?,
            None => None,
        };
        let Some(list) = edits else { return Ok(Some([0.0; 2])) };
        let Some((first, played)) = self.edits(list)? else { return Ok(Some([0.0; 2])) };
        // The first picture is shown later than it is decoded where pictures are reordered.
        let delay = self.delay(media)? as f64;
        let begin = (first as f64 - delay) / scale;
        let all = length as f64 / scale;
        let end = if length > 0 { all - begin.max(0.0) - played as f64 / movie_scale } else { 0.0 };
        Ok(Some([begin, end].map(|hidden| if hidden < LEAST { 0.0 } else { hidden })))
    }

    /// Returns the first media time of an edit list, and the time that its edits play, both in the
    /// units of their clocks. Empty edits delay the track.
    fn edits(&self, list: Contents) -> io::Result<Option<(i64, u64)>> {
        let head = self.bytes(list, 0, 8)?;
        let (Some(version), Some(count)) = (head.first(), number(&head, 4, 4)) else {
            return Ok(None);
        };
        let width = if *version == 1 { 8 } else { 4 };
        let (mut first, mut played) = (None, 0_u64);
        for n in 0..count.min(u64::from(MOST_EDITS)) {
            let entry = self.bytes(list, 8 + n * (2 * width as u64 + 4), 2 * width)?;
            let (Some(length), Some(time)) =
                (number(&entry, 0, width), number(&entry, width, width))
            else {
                break;
            };
            let time = if width == 4 { i64::from(time as u32 as i32) } else { time as i64 };
            if time >= 0 {
                first.get_or_insert(time);
                played = played.saturating_add(length);
            }
        }
        Ok(first.map(|first| (first, played)))
    }

    /// Returns how much later than its decoding the first picture is shown.
    fn delay(&mut self, media: Contents) -> io::Result<i64> {
        let mut place = media;
        for kind in [*b"minf", *b"stbl", *b"ctts"] {
            let Some(found) = self.find(place, kind)? else { return Ok(0) };
            place = found;
        }
        let entry = self.bytes(place, 8, 8)?;
        Ok(number(&entry, 4, 4).map_or(0, |offset| i64::from(offset as u32 as i32)))
    }

    /// Returns the units in a second, and the length in units, of a box that has both after two
    /// times.
    fn clock(&self, head: Contents) -> io::Result<Option<(f64, u64)>> {
        let bytes = self.bytes(head, 0, 32)?;
        let (scale, length) = match bytes.first() {
            Some(0) => (number(&bytes, 12, 4), number(&bytes, 16, 4)),
            Some(1) => (number(&bytes, 20, 4), number(&bytes, 24, 8)),
            _ => (None, None),
        };
        let is_known = |length: &u64| ![u64::from(u32::MAX), u64::MAX].contains(length);
        let scale = scale.filter(|scale| *scale > 0);
        Ok(scale.map(|scale| (scale as f64, length.filter(is_known).unwrap_or(0))))
    }

    fn find(&mut self, parent: Contents, kind: [u8; 4]) -> io::Result<Option<Contents>> {
        let mut at = parent.begin;
        while let Some(found) = self.at(at, parent.end)? {
            if found.kind == kind {
                return Ok(Some(found));
            }
            at = found.end;
        }
        Ok(None)
    }

    fn all(&mut self, parent: Contents) -> io::Result<Vec<Contents>> {
        let (mut all, mut at) = (Vec::new(), parent.begin);
        while let Some(found) = self.at(at, parent.end)? {
            at = found.end;
            all.push(found);
        }
        Ok(all)
    }

    /// Returns the box at an offset, which ends at `end` at the latest; `None` if there is none.
    fn at(&mut self, at: u64, end: u64) -> io::Result<Option<Contents>> {
        if self.left == 0 || at >= end {
            return Ok(None);
        }
        self.left -= 1;
        let head = (self.read)(at, 16)?;
        let Some(size) = number(&head, 0, 4) else { return Ok(None) };
        let Some(kind) = head.get(4..8).and_then(|kind| kind.try_into().ok()) else {
            return Ok(None);
        };
        let (header, size) = match size {
            // Up to the end of the file.
            0 => (8, end - at),
            1 => (16, number(&head, 8, 8).unwrap_or(0)),
            size => (8, size),
        };
        let is_whole = size >= header && size <= end - at;
        Ok(is_whole.then(|| Contents { kind, begin: at + header, end: at + size }))
    }

    /// Returns bytes of the contents of a box, fewer at its end.
    fn bytes(&self, of: Contents, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let begin = of.begin.saturating_add(at).min(of.end);
        let length = length.min(usize::try_from(of.end - begin).unwrap_or(length));
        (self.read)(begin, length)
    }
}

/// Returns a number of `width` bytes, the most significant first.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a box.
    fn of(kind: [u8; 4], contents: &[u8]) -> Vec<u8> {
        let length = (contents.len() as u32 + 8).to_be_bytes();
        [&length[..], &kind, contents].concat()
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// Returns a file of 12 s whose video plays by these edits: their lengths at 1000 and their
    /// times at 25 units in a second.
    fn file(edits: &[(u32, u32)]) -> Vec<u8> {
        let entries: Vec<u32> = edits.iter().flat_map(|edit| [edit.0, edit.1, 1 << 16]).collect();
        let list = [numbers(&[0, edits.len() as u32]), numbers(&entries)].concat();
        let table = of(*b"stbl", &of(*b"ctts", &numbers(&[0, 1, 300, 2])));
        let media = [
            of(*b"mdhd", &numbers(&[0, 0, 0, 25, 300, 0])),
            of(*b"hdlr", &[&numbers(&[0, 0])[..], b"vide", &[0; 12]].concat()),
            of(*b"minf", &table),
        ];
        let video = [of(*b"edts", &of(*b"elst", &list)), of(*b"mdia", &media.concat())];
        let sound = of(*b"mdia", &of(*b"hdlr", &[&numbers(&[0, 0])[..], b"soun"].concat()));
        let played = edits.iter().map(|edit| edit.0).sum();
        let movie = [
            of(*b"mvhd", &numbers(&[0, 0, 0, 1000, played])),
            of(*b"trak", &sound),
            of(*b"trak", &video.concat()),
        ];
        [of(*b"ftyp", b"isom"), of(*b"mdat", &[7; 300]), of(*b"moov", &movie.concat())].concat()
    }

    fn movie(file: &[u8]) -> Option<Movie> {
        let part = |at: u64, length: usize| {
            let begin = (at as usize).min(file.len());
            Ok(file[begin..(begin + length).min(file.len())].to_vec())
        };
        read(&part, file.len() as u64).unwrap()
    }

    #[test]
    fn edit_list_tells_what_players_leave_out() {
        let of = |edits: &[(u32, u32)]| movie(&file(edits)).unwrap();
        // The delay of reordered pictures is not hidden.
        assert_eq!(of(&[(12_000, 2)]), Movie { duration: Some(12.0), hidden: [0.0; 2] });
        assert_eq!(of(&[(10_720, 34)]), Movie { duration: Some(10.72), hidden: [1.28, 0.0] });
        // An empty edit delays the video.
        let delayed = of(&[(500, u32::MAX), (10_000, 2)]);
        assert_eq!(delayed, Movie { duration: Some(10.5), hidden: [0.0, 2.0] });
        assert_eq!(of(&[]), Movie { duration: None, hidden: [0.0; 2] });
    }

    #[test]
    fn header_that_is_cut_or_lies_is_none() {
        let whole = file(&[(10_720, 34)]);
        for length in 0..whole.len() {
            assert_eq!(movie(&whole[..length]), None, "{length}");
        }
        // Each byte may be anything.
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                let _ = movie(&other);
            }
        }
    }
}
