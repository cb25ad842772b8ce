//! `show`: one session in short, and the way to its page.

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Body, Frame},
    process::exit::Exit,
    session::Session,
    terminal::{near_to, units},
};

use crate::{
    args::Show,
    output, programs,
    received::Received,
    session::{self, Overview},
    sheet, words,
};

/// Number of pictures that are named.
const NEWEST: usize = 5;

/// Programs that open a page in the browser of the desktop.
const OPENERS: [&str; 3] = ["xdg-open", "gio", "open"];

/// Prints what there is of a session, or opens its page.
pub(crate) fn show(options: &Show) -> Result<Exit> {
    let session = session::find(options.session.as_deref(), &options.sessions)?;
    if options.open {
        return open(&session);
    }
    let frames = session::newest_frames(&session, NEWEST);
    let facts = Facts {
        speech_until: session::last_of(
            &session.root().join("transcript/transcript.ndjson"),
            |body| match body {
                Body::Transcript(words) => Some(words.end),
                _ => None,
            },
        ),
        sound: session::last_of(&session.audio().join("audio.ndjson"), |body| match body {
            Body::Audio(piece) => Some((session::number(&piece.id)?, piece.start + piece.duration)),
            _ => None,
        }),
        files: sheet::newest(session.root())
            .into_iter()
            .chain(Some(page(&session)).filter(|it| it.exists()))
            .collect(),
        here: env::current_dir().unwrap_or_default(),
    };
    output::print(&text(&Overview::of(&session, frames.last()), &frames, &facts))?;
    Ok(Exit::Done)
}

/// Contents of a session apart from its overview and frames.
#[derive(Debug, Default)]
struct Facts {
    /// Seconds at which the last words end.
    speech_until: Option<f64>,
    /// Number of pieces of sound, and the end of the last one in seconds.
    sound: Option<(u64, f64)>,
    /// Files to look at that are there.
    files: Vec<PathBuf>,
    /// Folder from which paths are shown.
    here: PathBuf,
}

impl Facts {
    /// Returns a path from the present folder on, if it leads into that.
    fn shown(&self, path: &Path) -> String {
        near_to(path, &self.here).to_string_lossy().into_owned()
    }
}

fn text(overview: &Overview, frames: &[Frame], facts: &Facts) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    let state = if overview.live { "  (recording now)" } else { "" };
    fact("session", &format!("{}{state}", facts.shown(overview.path.as_ref())));
    if let Some(began) = overview.started_at {
        fact("began", &words::clock(began));
    }
    let Received { bytes, bytes_of_last_connections_only } = overview.received;
    let length = words::time(overview.duration);
    if bytes > 0 {
        let more = if bytes_of_last_connections_only { "more than " } else { "" };
        fact("recorded", &format!("{length}, {more}{}", units::size(bytes)));
    } else {
        fact("until", &length);
    }
    if let Some(input) = &overview.part_of {
        fact("a part of", &format!("{input}; cht file records it again, to its end"));
    } else if overview.recorder_killed {
        fact("killed", "the recorder; the next one in this folder of sessions finishes the rest");
    }
    fact("frames", &overview.frames.to_string());
    if let Some((pieces, end)) = facts.sound {
        fact("sound", &format!("{} until {}", units::count(pieces, "piece"), words::time(end)));
    }
    if let Some(end) = facts.speech_until {
        fact("words", &format!("until {}", words::time(end)));
    }
    for (place, frame) in frames.iter().enumerate() {
        let name = if place == 0 { "newest" } else { "" };
        let at = words::time(frame.timestamp);
        let reason = serde_json::to_value(frame.reason).unwrap_or_default();
        let reason = reason.as_str().unwrap_or_default();
        fact(name, &format!("{at:>8}  {reason:<8}  {}", facts.shown(frame.path.as_ref())));
    }
    for (place, path) in facts.files.iter().enumerate() {
        let name = if place == 0 { "look at" } else { "" };
        fact(name, &facts.shown(path));
    }
    text
}

fn page(session: &Session) -> PathBuf {
    session.root().join("page/index.html")
}

/// Builds the page and opens it.
fn open(session: &Session) -> Result<Exit> {
    let mut build = Command::new(programs::tool("cht-page")?);
    let built = build.arg("build").arg(session.root()).status().context("cht-page")?;
    // With status 1 something is missing in the page, and cht-page has said what.
    if !matches!(built.code(), Some(0 | 1)) {
        return Ok(Exit::Failed);
    }
    let page = page(session);
    let Some(opener) = OPENERS.iter().find(|name| programs::in_path(name).is_some()) else {
        bail!("xdg-open is not there (package xdg-utils); open {} in a browser", page.display());
    };
    let mut command = Command::new(opener);
    if *opener == "gio" {
        command.arg("open");
    }
    let opened = command.arg(&page).status().context(*opener)?;
    if !opened.success() {
        bail!("{opener} ended with {opened}; open {} in a browser", page.display());
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_contents_that_are_there() {
        let overview = Overview {
            id: "call".into(),
            path: "/s/call".into(),
            live: true,
            started_at: None,
            duration: 65.0,
            received: Received { bytes: 1_500_000, bytes_of_last_connections_only: false },
            frames: 3,
            recorder_killed: false,
            part_of: None,
        };
        let bare = text(&overview, &[], &Facts::default());
        let expected = "session     /s/call  (recording now)\n\
                        recorded    1:05, 1.50 MB\n\
                        frames      3\n";
        assert_eq!(bare, expected);
        let facts = Facts {
            speech_until: Some(60.0),
            sound: Some((4, 64.0)),
            files: vec!["/s/call/contact-sheet.jpg".into()],
            here: "/s".into(),
        };
        let all = text(&overview, &[], &facts);
        assert!(
            all.contains("\nsound       4 pieces until 1:04\nwords       until 1:00\n"),
            "{all}"
        );
        assert!(all.ends_with("look at     call/contact-sheet.jpg\n"), "{all}");
        let killed = Overview { live: false, recorder_killed: true, ..overview };
        assert!(text(&killed, &[], &facts).contains("\nkilled      the recorder;"));
        let part = Overview { part_of: Some("/a/talk.mkv".into()), ..killed };
        assert!(text(&part, &[], &facts).contains("\na part of   /a/talk.mkv;"));
    }
}
