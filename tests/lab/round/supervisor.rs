//! Supervises the stages: notices their end, and restarts them with the same command line.

use std::process::Stdio;

use cht_core::process::clock;
use rustix::process::Signal;

use super::{Later, Round, State};
use crate::{
    pipeline::Pipeline,
    plan::{After, Stage},
};

impl Round<'_> {
    /// Starts, stops and waits, and returns whether all is over.
    pub(super) fn supervise(&mut self) -> bool {
        match self.state {
            State::Running => {
                let ended: Vec<_> = self
                    .pipeline
                    .processes
                    .iter_mut()
                    .filter_map(|process| process.has_ended().then_some(process.stage))
                    .collect();
                if !ended.is_empty() {
                    // One may have died by an order since the last check.
                    self.look_at_orders();
                    if self.state != State::Running {
                        return false;
                    }
                    let names: Vec<_> = ended.iter().map(|stage| stage.name()).collect();
                    self.find(format!("ended by themselves: {names:?}"));
                    self.break_with(After::Drain);
                } else if self.sender.is_done() && self.may_stop() {
                    self.stop_recorder();
                    self.state = State::Ending;
                }
            }
            State::Broken(after, at) => {
                if clock::monotonic() >= at {
                    self.recover(after);
                }
            }
            State::Draining => {
                if self.pipeline.has_ended() {
                    self.start_again();
                }
            }
            State::Ending => {
                if self.pipeline.has_ended() {
                    if !self.is_torn {
                        self.complain();
                        return true;
                    }
                    self.start_again();
                }
            }
        }
        false
    }

    /// Returns whether the recorder may be stopped; while its disk refuses, it would lose the bytes
    /// that it holds.
    fn may_stop(&mut self) -> bool {
        // Without a handler, the signal would end it at once; before its `listening` event, no
        // stage after it knows the session.
        let is_whole = self.pipeline.processes.iter_mut().all(|process| !process.has_ended());
        let is_known = self.arrivals.listening >= self.listening;
        let is_ready = (is_known || !is_whole)
            && self
                .pipeline
                .get(Stage::Recv)
                .is_none_or(|recv| recv.has_ended() || recv.heeds_term());
        let refuses =
            self.orders.iter().any(|order| order.stage == Stage::Recv && order.kills.is_none());
        let stands = self.later.iter().any(|(_, later)| matches!(later, Later::Continue(_)));
        is_ready && !refuses && !stands
    }

    fn stop_recorder(&mut self) {
        if let Some(recv) = self.pipeline.get(Stage::Recv) {
            recv.signal(Signal::TERM);
        }
    }

    fn recover(&mut self, after: After) {
        match after {
            After::Kill => {
                self.remember_parts();
                self.pipeline.kill_all();
                self.start_again();
            }
            After::Drain | After::Leave(_) => {
                if self.may_stop() {
                    self.stop_recorder();
                    self.state = State::Draining;
                }
            }
            After::Follow => self.follow(),
        }
    }

    /// Restarts the stages after the recorder, on the session's folder.
    fn follow(&mut self) {
        let is_alive = self.pipeline.get(Stage::Recv).is_some_and(|recv| !recv.has_ended());
        if !is_alive {
            self.state = State::Draining;
            return;
        }
        // The stages after the dead one drain; one before it has no reader.
        if let Some(segwatch) = self.pipeline.get(Stage::Segwatch) {
            segwatch.kill();
        }
        let mut rest = self.pipeline.processes.split_off(1);
        if rest.iter_mut().all(crate::pipeline::Process::has_ended) {
            let complaints: Vec<_> =
                rest.iter().filter_map(crate::pipeline::Process::complaint).collect();
            self.outcome.findings.extend(complaints);
            let session = self.place.session();
            let (place, plan) = (self.place, self.plan);
            let lines = self.lines.0.clone();
            self.pipeline.start_rest(place, plan, Stdio::null(), Some(&session), &lines);
            self.outcome.starts += 1;
            self.listening = 0;
            self.state = State::Running;
        } else {
            self.pipeline.processes.append(&mut rest);
        }
    }

    fn complain(&mut self) {
        let complaints: Vec<_> = self
            .pipeline
            .processes
            .iter()
            .filter_map(crate::pipeline::Process::complaint)
            .collect();
        self.outcome.findings.extend(complaints);
    }

    /// Starts the same command line again.
    fn start_again(&mut self) {
        self.complain();
        self.done.is_restarted = true;
        self.later.retain(|(_, later)| !matches!(later, Later::Continue(_)));
        self.pipeline = Pipeline::start(self.place, self.plan, &self.address, &self.lines.0);
        self.outcome.starts += 1;
        self.listening = self.arrivals.listening + 1;
        self.is_torn = false;
        self.state = State::Running;
    }
}
