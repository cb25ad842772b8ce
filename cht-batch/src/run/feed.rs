//! Gives the inputs to the stages, each when it is ready. Copies are made little before they are
//! needed, and removed soon after, so that a day of video does not take twice its room.

use std::{
    io::Write,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use cht_core::process::clock;

use super::inputs::Inputs;
use crate::store::Failure;

/// Copies that the stages are ahead of their word: a piece of sound may reach into many short ones.
const AHEAD: Ahead = Ahead { files: 64, bytes: 2 << 30, seconds: 300.0 };

/// Copies that stay after the stages are done with them: a decoder that starts again reads the one
/// before.
const KEPT: usize = 3;

/// Time after which the stages get more inputs, even if they have reported none as done.
const PATIENCE: Duration = Duration::from_secs(30);

/// Amount of copies.
#[derive(Debug, Clone, Copy, Default)]
struct Ahead {
    files: usize,
    bytes: u64,
    seconds: f64,
}

/// Tells how many inputs the stages have done.
#[derive(Debug)]
pub(crate) struct Done(Sender<u64>);

impl Done {
    /// Returns both ends.
    pub(crate) fn pair() -> (Self, Receiver<u64>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    pub(crate) fn set(&self, done: u64) {
        // The other end may have nothing left to give.
        let _ = self.0.send(done);
    }
}

/// Writes the paths of the inputs to cht-segwatch. Calls `fail` with each that cannot be used, and
/// `say` with what people should know of the others.
pub(crate) fn feed(
    mut inputs: Inputs<'_>,
    mut to: impl Write,
    done: &Receiver<u64>,
    mut fail: impl FnMut(Failure),
    say: impl Fn(&str),
) {
    let (mut settled, mut failed, mut removed) = (0, 0, 0);
    for n in 0..inputs.len() {
        while inputs.are_copies() && is_enough(&inputs, settled..n) {
            match clock::receive_within(done, PATIENCE) {
                Ok(count) => settled = (count as usize + failed).min(n),
                Err(_) => break,
            }
        }
        while removed + KEPT < settled {
            inputs.remove(removed);
            removed += 1;
        }
        let ready = inputs.ready(n);
        inputs.notices().iter().for_each(|notice| say(notice));
        match ready {
            Ok((path, fault)) => {
                fault.map(&mut fail);
                if writeln!(to, "{path}").is_err() {
                    return;
                }
            }
            Err(failure) => {
                failed += 1;
                fail(failure);
            }
        }
    }
}

/// Returns whether these copies are enough for the stages to go on.
fn is_enough(inputs: &Inputs<'_>, range: std::ops::Range<usize>) -> bool {
    let mut sum = Ahead::default();
    for n in range {
        let (bytes, seconds) = inputs.size(n);
        sum.files += 1;
        sum.bytes += bytes;
        sum.seconds += seconds;
    }
    let is_much = sum.files >= AHEAD.files || (sum.files >= 2 && sum.bytes >= AHEAD.bytes);
    is_much && sum.seconds >= AHEAD.seconds
}
