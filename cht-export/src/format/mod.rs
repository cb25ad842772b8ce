//! The formats: each is a pure function of a recording and its scenes.

mod chapters;
mod cut_list;
mod sql;
mod subtitles;
mod table;
mod title;
mod xml;

use std::ops::Range;

use clap::ValueEnum;

use crate::{recording::Recording, scene::Scene};

/// A format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Scenes, in the columns of PySceneDetect
    Csv,
    /// Scenes, a JSON object a line
    Ndjson,
    /// Cut list for editing programs, CMX 3600
    Edl,
    /// Cut list for Final Cut Pro, DaVinci Resolve
    Fcpxml,
    /// Cut list as OpenTimelineIO
    Otio,
    /// Keyframes for x264 and x265 (--qpfile)
    Qp,
    /// Chapters for ffmpeg, as metadata of a second input
    Ffmetadata,
    /// Chapters as WebVTT
    Chapters,
    /// Chapters for mkvmerge and mkvpropedit
    Matroska,
    /// Chapters for the description of a YouTube video
    Youtube,
    /// Frames, scenes and words as a database with full-text search, for sqlite3
    Sql,
    /// Subtitles from the transcript, SubRip
    Srt,
    /// Subtitles from the transcript, WebVTT
    Vtt,
}

impl Format {
    /// Returns the list. `span` is the part of the timeline that scenes and words are cut to.
    pub(crate) fn write(
        self,
        recording: &Recording,
        scenes: &[Scene<'_>],
        span: &Range<i64>,
    ) -> String {
        match self {
            Self::Csv => table::csv(recording, scenes),
            Self::Ndjson => table::ndjson(recording, scenes),
            Self::Edl => cut_list::edl(recording, scenes),
            Self::Fcpxml => cut_list::fcpxml(recording, scenes),
            Self::Otio => cut_list::otio(recording, scenes),
            Self::Qp => cut_list::qp(recording, scenes),
            Self::Ffmetadata => chapters::ffmetadata(recording, scenes),
            Self::Chapters => chapters::webvtt(recording, scenes),
            Self::Matroska => chapters::matroska(recording, scenes),
            Self::Youtube => chapters::youtube(recording, scenes),
            Self::Sql => sql::write(recording, scenes, span),
            Self::Srt => subtitles::srt(recording),
            Self::Vtt => subtitles::webvtt(recording),
        }
    }

    /// Returns whether it names the file that it is about.
    pub(crate) fn names_media(self) -> bool {
        matches!(self, Self::Edl | Self::Fcpxml | Self::Otio)
    }

    /// Returns whether it lists words and not scenes.
    pub(crate) fn is_of_transcript(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt)
    }
}
