//! Events as the stages before cht-index emit them.

use std::path::Path;

use serde_json::{Value, json};

use crate::rng::Rng;

/// An event, as its line.
#[derive(Debug)]
pub(super) struct Event {
    pub line: String,
    /// Number of the frame that it is.
    pub frame: Option<u64>,
}

/// Returns the id of a frame by its number.
pub(super) fn id(number: u64) -> String {
    format!("F{number:06}")
}

/// Makes frames with their text, and speech.
pub(super) fn some(session: &Path, rng: &mut Rng) -> Vec<Event> {
    let mut events = Vec::new();
    for n in 1..=rng.between(40, 120) {
        events.push(event(session, &frame(session, n), Some(n)));
        if rng.chance(50) {
            let text = json!({"type": "text", "id": id(n), "text": format!("words of {n}")});
            events.push(event(session, &text, None));
        }
        if rng.chance(30) {
            let (start, end) = (n as f64 + 0.25, n as f64 + 0.75);
            let said = json!({"type": "transcript", "start": start, "end": end, "text": "said"});
            events.push(event(session, &said, None));
        }
    }
    events
}

fn frame(session: &Path, n: u64) -> Value {
    json!({
        "type": "frame", "id": id(n), "timestamp": n as f64, "pts": n,
        "path": session.join(format!("frames/{}.jpg", id(n))),
        "segment": session.join("stream/segment_000001.ts"), "reason": "scene",
        "scores": {"scene": 0.5}, "width": 1, "height": 1, "bytes": 1, "hash": format!("{n:064x}"),
    })
}

fn event(session: &Path, fields: &Value, frame: Option<u64>) -> Event {
    let mut event = fields.clone();
    event["v"] = 1.into();
    event["session"] = session.to_str().unwrap().into();
    Event { line: cht_tests::line(&event), frame }
}
