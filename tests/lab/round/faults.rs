//! Injects the planned faults into stages and files.

use std::{fs, process::Stdio, time::Duration};

use cht_core::{process::clock, session};
use rustix::process::Signal;

use super::{Later, Order, Round, State, UNUSED};
use crate::{
    meddle,
    plan::{After, Fault, Moment, Stage, name_of},
};

impl Round<'_> {
    /// Injects the faults that are due.
    pub(super) fn fire(&mut self) {
        let (sent, events) = (self.sender.progress(), self.arrivals.count);
        for (moment, fault) in std::mem::take(&mut self.pending) {
            let is_due = match moment {
                Moment::Sent(part) => sent >= part,
                Moment::Events(count) => events >= count,
            };
            if !is_due || !self.inflict(fault) {
                self.pending.push((moment, fault));
            } else {
                self.outcome.faults += 1;
            }
        }
    }

    /// Injects a fault; `false` if it is not possible yet.
    fn inflict(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Kill(stage, after) => return self.kill(stage, after),
            Fault::KillAll(damage) => {
                self.remember_parts();
                self.pipeline.kill_all();
                self.is_torn = true;
                if let Some(written) = damage {
                    meddle::tear(self.place, written);
                }
                self.break_with(After::Kill);
            }
            Fault::KillAt { stage, operation, mode, first, after } => {
                let operations = operation.to_string();
                return self.order(stage, mode, 0, first, &operations, (0, Some(after)));
            }
            Fault::Refuse { stage, errno, operations, mode, milliseconds } => {
                // Only `open` returns EMFILE.
                let operations = if name_of(errno) == "EMFILE" { "o" } else { operations };
                return self.order(stage, mode, errno, 0, operations, (milliseconds, None));
            }
            Fault::Unreadable { errno, milliseconds } => {
                return self.order(Stage::Scenes, 'f', errno, 0, "dp", (milliseconds, None));
            }
            Fault::Stop(stage, milliseconds) => {
                if let Some(process) = self.pipeline.get(stage) {
                    process.signal(Signal::STOP);
                    self.after(milliseconds, Later::Continue(stage));
                }
            }
            Fault::SlowReader(milliseconds) => {
                self.is_slow = true;
                self.after(milliseconds, Later::ReadOn);
            }
            Fault::Vanish(milliseconds) => {
                let Some(seq) = meddle::vanish(self.place, &mut self.done) else { return false };
                self.after(milliseconds, Later::ComeBack(seq));
            }
            Fault::Truncate => return meddle::truncate(self.place, &mut self.done),
            Fault::Link => return meddle::link(self.place, &mut self.done),
            Fault::Edit => return meddle::edit(self.place, &mut self.done),
            Fault::Sent(microseconds) => {
                let Some(id) = meddle::unmarked(self.place, &self.done) else { return false };
                let mut command = self.place.command(Stage::Index);
                command.arg("--session").arg(self.place.session()).args(["--sent", &id]);
                let said = self.place.append_to_said(Stage::Index);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
                let kill_at =
                    microseconds.map(|micros| clock::monotonic() + Duration::from_micros(micros));
                self.done.perhaps_marked.insert(id.clone());
                self.marking.push((command.spawn().unwrap(), id, kill_at));
            }
            Fault::Plant => meddle::plant(self.place, &mut self.done),
            Fault::KillDecoder => {
                let Some(scenes) = self.pipeline.get(Stage::Scenes) else { return true };
                return meddle::kill_decoder(scenes.id());
            }
        }
        true
    }

    fn order(
        &mut self,
        stage: Stage,
        mode: char,
        errno: i32,
        first: u64,
        operations: &str,
        (milliseconds, kills): (u64, Option<After>),
    ) -> bool {
        if self.place.shim.is_none() {
            return true;
        }
        // One order per stage at a time; a recorder that was asked to stop is not disturbed.
        let is_leaving = matches!(self.state, State::Draining | State::Ending);
        if self.orders.iter().any(|order| order.stage == stage)
            || is_leaving && stage == Stage::Recv && kills.is_none()
        {
            return false;
        }
        self.place.control(stage).order(mode, errno, first, operations);
        let unused_after = clock::monotonic() + UNUSED;
        self.orders.push(Order { stage, until: None, unused_after, milliseconds, kills });
        true
    }

    fn kill(&mut self, stage: Stage, after: After) -> bool {
        if stage == Stage::Recv {
            self.remember_parts();
        }
        let Some(process) = self.pipeline.get(stage) else { return true };
        if process.has_ended() {
            return matches!(self.state, State::Ending | State::Draining);
        }
        process.kill();
        self.is_torn = true;
        self.break_with(after);
        true
    }

    pub(super) fn remember_parts(&mut self) {
        let stream = self.place.session().join("stream");
        for entry in fs::read_dir(stream).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_part = path.extension().is_some_and(|extension| extension == "part");
            if let (true, Some(seq), Ok(size)) =
                (is_part, session::sequence(&path), entry.metadata())
            {
                self.done.parts.push((seq, size.len()));
            }
        }
    }

    /// Notes that the supervisor has seen a dead stage.
    pub(super) fn break_with(&mut self, after: After) {
        if self.state == State::Running {
            let wait = if let After::Leave(milliseconds) = after { milliseconds } else { 0 };
            let at = clock::monotonic() + Duration::from_millis(wait);
            self.state = State::Broken(after, at);
        }
    }
}
