//! The writer: cht-index, fed line by line, killed, and started again.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    sync::atomic::Ordering,
    time::Duration,
};

use cht_core::process::clock;

use super::{Shared, events::Event};
use crate::rng::Rng;

/// Feeds all events, and ends the input.
pub(super) fn run(shared: &Shared, events: &[Event], mut rng: Rng) {
    let mut at = 0;
    while at < events.len() {
        // A stage that was started again repeats what it has emitted.
        at = rng.between(0, at as u64 + 1) as usize;
        let until = at + rng.between(1, events.len() as u64) as usize;
        let is_killed = until < events.len();
        let mut index = shared.command("cht-index", "");
        let index = index.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        at = feed(shared, index.unwrap(), events, at..until.min(events.len()), is_killed, &mut rng);
    }
}

/// Feeds some events. Returns the number of events that the journal has, at least.
fn feed(
    shared: &Shared,
    mut index: Child,
    events: &[Event],
    range: std::ops::Range<usize>,
    is_killed: bool,
    rng: &mut Rng,
) -> usize {
    let mut stdin = index.stdin.take().unwrap();
    let mut stdout = BufReader::new(index.stdout.take().unwrap());
    let (mut at, mut passed_on, until) = (range.start, range.start, range.end);
    while at < until {
        let batch = &events[at..until.min(at + rng.between(1, 6) as usize)];
        for event in batch {
            stdin.write_all(event.line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).unwrap();
        }
        at += batch.len();
        if is_killed && at == until {
            // At a moment between their arrival and that of the next ones.
            clock::rest(Duration::from_micros(rng.below(30_000)));
            index.kill().unwrap();
            shared.kills.fetch_add(1, Ordering::SeqCst);
        }
        for event in batch {
            let mut passed = String::new();
            if stdout.read_line(&mut passed).unwrap() == 0 {
                break;
            }
            if passed.trim_end() != event.line {
                shared.find(format!("cht-index passed on {passed:?} for {:?}", event.line));
            }
            passed_on += 1;
            if let Some(number) = event.frame {
                shared.passed.fetch_max(number as usize, Ordering::SeqCst);
            }
        }
        clock::rest(Duration::from_micros(rng.below(40_000)));
    }
    drop(stdin);
    let status = index.wait().unwrap();
    if !is_killed && !status.success() {
        shared.find(format!("cht-index ended with {status}"));
    }
    // Events that were not passed on come again.
    passed_on
}
