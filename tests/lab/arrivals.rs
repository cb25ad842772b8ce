//! Checks each event of the pipeline on arrival.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cht_tests::wire::{self, Body};

/// Events so far.
#[derive(Debug)]
pub(crate) struct Arrivals {
    session: PathBuf,
    /// Whether a frame came before it was in the index, with a message.
    is_early: bool,
    pub count: usize,
    /// Number of `listening` events.
    pub listening: usize,
}

impl Arrivals {
    pub(crate) fn new(session: PathBuf) -> Self {
        Self { session, is_early: false, count: 0, listening: 0 }
    }

    /// Takes a line of the last stage, and returns its errors; `is_there` if no files are meddled
    /// with.
    pub(crate) fn take(&mut self, line: &[u8], is_there: bool) -> Vec<String> {
        self.count += 1;
        // A killed stage may leave an unfinished line.
        let Some(line) = line.strip_suffix(b"\n") else { return Vec::new() };
        let text = String::from_utf8_lossy(line);
        let event = match wire::parse(&text) {
            Ok(event) => event,
            Err(error) => return vec![format!("an event: {error}")],
        };
        if let Some(session) = &event.session
            && Path::new(session) != self.session
        {
            return vec![format!("an event of another session: {text}")];
        }
        let mut findings = Vec::new();
        let named = match &event.body {
            Body::SegmentClosed(closed) => Some(&closed.path),
            Body::Segment(segment) => Some(&segment.path),
            Body::Frame(frame) => Some(&frame.path),
            Body::Listening(_) => {
                self.listening += 1;
                None
            }
            _ => None,
        };
        if let Some(path) = named
            && is_there
            && !Path::new(&**path).exists()
        {
            findings.push(format!("an event names what is not there: {text}"));
        }
        if let Body::Frame(frame) = &event.body {
            let index = fs::read_to_string(self.session.join("frames/index.json"));
            let id = format!("\"id\":\"{}\"", &*frame.id);
            // An edit by the lab may have put spaces there.
            let spaced = format!("\"id\": \"{}\"", &*frame.id);
            let is_early = !index.is_ok_and(|index| index.contains(&id) || index.contains(&spaced));
            if is_early && !std::mem::replace(&mut self.is_early, true) {
                findings.push(format!("{}: passed on before it is in the index", &*frame.id));
            }
        }
        findings
    }
}
