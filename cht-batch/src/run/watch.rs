//! Events of the stages of a unit, as they pass: counted, and looked at for a disk without room.

use std::sync::Mutex;

use cht_core::{
    event::{Body, Event},
    process::lock::lock,
};

use super::{
    running::{Ended, Process, Running, conclude, end, without_waiting},
    translate::{Counts, Names},
};

/// Looks at the events of the stages.
pub(super) struct Watch<'a> {
    pub counts: Mutex<Counts>,
    /// Last words of each stage.
    pub words: Vec<Mutex<String>>,
    no_room: Mutex<Option<String>>,
    names: &'a Names,
    running: &'a Running,
    progress: &'a (dyn Fn(&Counts) + Sync),
}

impl<'a> Watch<'a> {
    /// Goes on from `counts`, for this number of stages.
    pub(super) fn new(
        counts: Counts,
        stages: usize,
        names: &'a Names,
        running: &'a Running,
        progress: &'a (dyn Fn(&Counts) + Sync),
    ) -> Self {
        let words = (0..stages).map(|_| Mutex::default()).collect();
        let (counts, no_room) = (Mutex::new(counts), Mutex::default());
        Self { counts, words, no_room, names, running, progress }
    }

    /// Takes an event. Where a disk is full, the stages would wait for ever: they are ended.
    pub(super) fn take(&self, event: &Event) {
        let mut counts = lock(&self.counts);
        counts.add(event, self.names);
        if let Body::Failure(failure) = &event.body
            && failure.code == "disk"
        {
            *lock(&self.no_room) = Some(without_waiting(&failure.message));
            self.running.kill();
        }
        (self.progress)(&counts);
    }

    /// Takes an event of a stage whose other events were counted before; only faults are new.
    pub(super) fn take_fault(&self, event: &Event) {
        if matches!(event.body, Body::Failure(_)) {
            self.take(event);
        }
    }

    /// Waits for the stages, whose outputs have ended.
    pub(super) fn end(self, processes: Vec<Process>) -> Ended {
        let statuses = end(processes, self.running);
        let into = |words: Mutex<String>| std::mem::take(&mut *lock(&words));
        let ends = statuses.into_iter().zip(self.words.into_iter().map(into));
        let no_room = lock(&self.no_room).take();
        let counts = std::mem::take(&mut *lock(&self.counts));
        conclude(counts, no_room, ends)
    }
}
