//! Which video and sound a session has, by the beginning of one of its segments: not every browser
//! plays every codec.

use std::io::Read as _;

use cht_core::storage::beneath::Beneath;
use cht_ts::{Media, Scanner};
use serde::Serialize;

/// Bytes of a segment that are scanned.
const HEAD: u64 = 1 << 20;

/// Codecs by ffmpeg's names, where they are known.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Streams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// PID of the sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound_pid: Option<u16>,
}

impl Streams {
    /// Reads the beginning of the segment at a path below `root`.
    pub(crate) fn of_segment(root: &Beneath, path: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        root.file(path).ok()?.take(HEAD).read_to_end(&mut bytes).ok()?;
        let mut scanner = Scanner::new();
        scanner.push(&bytes, &mut |_| {});
        let all: Vec<_> = scanner.programs().iter().flat_map(|it| &it.streams).collect();
        let first = |media| all.iter().find(|stream| stream.media() == media);
        let (video, sound) = (first(Media::Video), first(Media::Audio));
        let streams = Self {
            video: video.map(|stream| stream.codec.to_string()),
            sound: sound.map(|stream| stream.codec.to_string()),
            sound_pid: sound.map(|stream| stream.pid),
        };
        (streams != Self::default()).then_some(streams)
    }
}
