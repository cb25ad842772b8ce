//! Command line of the lab, which `cargo test` runs like any test.

use std::path::PathBuf;

use crate::plan::Fault;

/// Seed and number of the rounds that `cargo test` runs, in less than two minutes.
const USUAL: (u64, u64) = (7, 20);

/// Number of rounds of readers after them.
const READERS: u64 = 4;

/// Options of the lab.
#[derive(Debug)]
pub(crate) struct Options {
    pub seed: u64,
    first: u64,
    count: u64,
    repeat: u64,
    pub jobs: usize,
    pub keep: bool,
    pub binaries: Option<PathBuf>,
    only: Vec<String>,
    without: Vec<String>,
    /// Whether rounds are of readers instead of the pipeline; `None` for those of `cargo test`.
    is_of_readers: Option<bool>,
}

/// Round to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The live pipeline.
    Pipeline(u64),
    /// Readers of a session.
    Readers(u64),
}

impl Options {
    /// Parses a command line; `None` if another test is meant.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            seed: USUAL.0,
            first: 0,
            count: USUAL.1,
            repeat: 1,
            jobs: 1,
            keep: false,
            binaries: None,
            only: Vec::new(),
            without: Vec::new(),
            is_of_readers: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument}: of what?"));
            let number = |text: String| -> u64 {
                text.parse().unwrap_or_else(|_| panic!("{text}: must be a number"))
            };
            let list = |text: String| text.split(',').map(str::to_owned).collect();
            match argument.as_str() {
                "--seed" => options.seed = number(value()),
                "--rounds" => options.choose(0, number(value())),
                "--round" => options.choose(number(value()), 1),
                "--first" => options.first = number(value()),
                "--repeat" => options.repeat = number(value()),
                "--jobs" => options.jobs = number(value()) as usize,
                "--keep" => options.keep = true,
                "--bin" => options.binaries = Some(std::path::absolute(value()).unwrap()),
                "--only" => options.only = list(value()),
                "--without" => options.without = list(value()),
                "--readers" => options.is_of_readers = Some(true),
                // `cargo test NAME` gives each test the name, and cargo's own flags.
                name if !name.starts_with('-') && !"lab".contains(name) => return None,
                "--list" | "--ignored" => return None,
                _ => {}
            }
        }
        Some(options)
    }

    /// Chooses rounds by their numbers.
    fn choose(&mut self, first: u64, count: u64) {
        (self.first, self.count) = (first, count);
        self.is_of_readers.get_or_insert(false);
    }

    /// Returns the rounds to run.
    pub(crate) fn rounds(&self) -> Vec<Which> {
        let of = |which: fn(u64) -> Which, numbers: std::ops::Range<u64>| {
            numbers.flat_map(move |n| (0..self.repeat).map(move |_| which(n)))
        };
        let numbers = self.first..self.first + self.count;
        match self.is_of_readers {
            Some(true) => of(Which::Readers, numbers).collect(),
            Some(false) => of(Which::Pipeline, numbers).collect(),
            None => of(Which::Pipeline, numbers).chain(of(Which::Readers, 0..READERS)).collect(),
        }
    }

    /// Returns whether plans may contain a fault.
    pub(crate) fn is_wanted(&self, fault: Fault) -> bool {
        let is_in = |list: &[String]| list.iter().any(|kind| kind == fault.kind());
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.without)
    }
}
