//! Kind of a file, by its first bytes. Pure.

use cht_ts::Scanner;
use serde::{Deserialize, Serialize};

/// Container of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// MPEG transport stream, which the stages read as it is.
    Ts,
    /// MP4, `QuickTime`, and fragments of either.
    Mp4,
    /// Matroska and `WebM`.
    Matroska,
    Flv,
    /// Another container that ffmpeg reads: AVI, MPEG program stream, ASF.
    Other,
}

/// Types of the boxes that an MP4 file, or a fragment of one, begins with (ISO/IEC 14496-12).
const BOXES: [&[u8]; 9] =
    [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"mdat", b"free", b"skip", b"wide"];

/// First bytes of the other containers.
const MAGIC: [(&[u8], Kind); 5] = [
    (&[0x1a, 0x45, 0xdf, 0xa3], Kind::Matroska),
    (b"FLV\x01", Kind::Flv),
    (b"RIFF", Kind::Other),
    (&[0, 0, 1, 0xba], Kind::Other),
    (&[0x30, 0x26, 0xb2, 0x75], Kind::Other),
];

/// Returns the kind of the file that begins with `head`; `None` if it is no video.
pub(crate) fn kind_of(head: &[u8]) -> Option<Kind> {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        let is_it = *magic_of(head) != *b"RIFF" || head.get(8..12) == Some(b"AVI ");
        return is_it.then_some(*kind);
    }
    if head.get(4..8).is_some_and(|found| BOXES.contains(&found)) {
        return Some(Kind::Mp4);
    }
    let mut scanner = Scanner::new();
    scanner.push(head, &mut |_| {});
    scanner.finish(&mut |_| {});
    (scanner.counters().packets > 0).then_some(Kind::Ts)
}

fn magic_of(head: &[u8]) -> &[u8] {
    head.get(..4).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_kind_under_any_name() {
        let packet = [&[0x47, 0x1f, 0xff, 0x10][..], &[0; 184]].concat();
        for (head, kind) in [
            (packet.repeat(5), Some(Kind::Ts)),
            (b"\0\0\0\x18ftypisom".to_vec(), Some(Kind::Mp4)),
            (b"\0\0\0\x18moof".to_vec(), Some(Kind::Mp4)),
            (b"\x1a\x45\xdf\xa3\x01".to_vec(), Some(Kind::Matroska)),
            (b"FLV\x01\x05".to_vec(), Some(Kind::Flv)),
            (b"RIFF\0\0\0\0AVI ".to_vec(), Some(Kind::Other)),
            (b"RIFF\0\0\0\0WAVE".to_vec(), None),
            (b"#EXTM3U\n".to_vec(), None),
            (vec![0; 4096], None),
            (Vec::new(), None),
        ] {
            assert_eq!(kind_of(&head), kind, "{:?}", head.get(..12));
        }
    }
}
