//! Paths from the session's folder on: they hold wherever that is moved, copied or served. Pure.

use serde::Serialize;

use super::{Body, Frame};

/// Paths of an event relative to its session's folder. Absent for files elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Relative<'a> {
    /// Path of the segment, picture or piece of sound.
    #[serde(rename = "relative_path", skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// Path of the small picture.
    #[serde(rename = "relative_thumbnail", skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<&'a str>,
    /// Path of the segment of a picture or piece of sound.
    #[serde(rename = "relative_segment", skip_serializing_if = "Option::is_none")]
    pub segment: Option<&'a str>,
}

impl<'a> Relative<'a> {
    /// Returns the paths of a frame of `session`.
    #[must_use]
    pub fn of_frame(session: Option<&str>, frame: &'a Frame) -> Self {
        Self {
            path: within(session, &frame.path),
            thumbnail: frame.thumbnail.as_deref().and_then(|path| within(session, path)),
            segment: within(session, &frame.segment),
        }
    }

    /// Returns the paths of an event of `session` that names a file of it.
    pub(super) fn of(session: Option<&str>, body: &'a Body) -> Self {
        let path = match body {
            Body::Frame(frame) => return Self::of_frame(session, frame),
            Body::Audio(audio) => {
                return Self {
                    path: audio.path.as_deref().and_then(|path| within(session, path)),
                    thumbnail: None,
                    segment: within(session, &audio.segment),
                };
            }
            Body::SegmentOpen(open) => &open.path,
            Body::SegmentClosed(closed) => &closed.path,
            Body::Deleted(deleted) => &deleted.path,
            _ => return Self { path: None, thumbnail: None, segment: None },
        };
        Self { path: within(session, path), thumbnail: None, segment: None }
    }
}

fn within<'a>(session: Option<&str>, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(session?)?.strip_prefix('/')
}
