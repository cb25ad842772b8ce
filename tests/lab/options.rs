//! Command line of the lab, which `cargo test` runs like any test.

use std::path::PathBuf;

use crate::plan::Fault;

/// Seed and number of the rounds that `cargo test` runs, in less than two minutes.
const USUAL: (u64, u64) = (7, 20);

/// Options of the lab.
#[derive(Debug)]
pub(crate) struct Options {
    seed: u64,
    first: u64,
    count: u64,
    repeat: u64,
    pub jobs: usize,
    pub keep: bool,
    pub binaries: Option<PathBuf>,
    only: Vec<String>,
    without: Vec<String>,
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
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument}: of what?"));
            let number = |text: String| -> u64 {
                text.parse().unwrap_or_else(|_| panic!("{text}: must be a number"))
            };
            let list = |text: String| text.split(',').map(str::to_owned).collect();
            match argument.as_str() {
                "--seed" => options.seed = number(value()),
                "--rounds" => options.count = number(value()),
                "--first" => options.first = number(value()),
                "--round" => (options.first, options.count) = (number(value()), 1),
                "--repeat" => options.repeat = number(value()),
                "--jobs" => options.jobs = number(value()) as usize,
                "--keep" => options.keep = true,
                "--bin" => options.binaries = Some(std::path::absolute(value()).unwrap()),
                "--only" => options.only = list(value()),
                "--without" => options.without = list(value()),
                // `cargo test NAME` gives each test the name, and cargo's own flags.
                name if !name.starts_with('-') && !"lab".contains(name) => return None,
                "--list" | "--ignored" => return None,
                _ => {}
            }
        }
        Some(options)
    }

    /// Returns seeds and numbers of the rounds to run.
    pub(crate) fn rounds(&self) -> Vec<(u64, u64)> {
        let numbers = self.first..self.first + self.count;
        let rounds = numbers.flat_map(|n| (0..self.repeat).map(move |_| n));
        rounds.map(|round| (self.seed, round)).collect()
    }

    /// Returns whether plans may contain a fault.
    pub(crate) fn is_wanted(&self, fault: Fault) -> bool {
        let is_in = |list: &[String]| list.iter().any(|kind| kind == fault.kind());
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.without)
    }
}
