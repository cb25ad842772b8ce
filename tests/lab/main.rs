//! The lab: the live pipeline over a generated stream, with faults at moments that a seed decides.
//!
//! Each round records into a session of its own, while stages are killed, stopped or kept from
//! their disk and files are meddled with. Afterwards the invariants of `ARCHITECTURE.md` are
//! checked, and the frames compared with those of one run over the same segments. Rounds of readers
//! kill programs that read a session and acknowledge its frames instead. `cargo test` runs a few
//! rounds of both; by hand:
//!
//! ```sh
//! cargo test -p cht-tests --release --test lab -- --rounds 500 --seed 1 --jobs 2
//! cargo test -p cht-tests --release --test lab -- --readers --rounds 200 --seed 1 --jobs 2
//! cargo test -p cht-tests --release --test lab -- --seed 1 --round 17 --keep
//! ```
//!
//! A round with a finding prints its plan and keeps its folder. The plan is the same each time; the
//! moments are those of a real machine, so that a finding may take a few tries (`--repeat`).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking and printing"
)]

mod arrivals;
mod check;
mod leftovers;
mod material;
mod meddle;
mod options;
mod pipeline;
mod plan;
mod readers;
mod rng;
mod round;
mod sender;
mod shim;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    material::Stream,
    options::{Options, Which},
    pipeline::Place,
    plan::Plan,
    round::Outcome,
};

/// State that all rounds share.
struct Lab {
    options: Options,
    binaries: PathBuf,
    shim: Option<PathBuf>,
    streams: BTreeMap<&'static str, Arc<Vec<u8>>>,
    /// Folder that keeps the folders of rounds with findings.
    kept: PathBuf,
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        return ExitCode::SUCCESS;
    };
    let binaries = options.binaries.clone();
    let binaries = binaries.unwrap_or_else(|| cht_tests::bin_folder().to_owned());
    let folder = cht_tests::root().join("target/lab");
    std::fs::create_dir_all(&folder).unwrap();
    let tools = tempfile::tempdir().unwrap();
    let streams = material::ALL
        .map(|stream| (name_of(stream), Arc::new(material::bytes_of(&folder, stream))));
    let lab = Lab {
        binaries,
        shim: shim::build(tools.path()),
        streams: streams.into(),
        kept: folder.join("found"),
        options,
    };
    if lab.shim.is_none() {
        println!("without a C compiler: no refusals of the disk");
    }
    run(&lab)
}

fn name_of(stream: Stream) -> &'static str {
    match stream {
        Stream::Film => "film",
        Stream::Slides => "slides",
        Stream::Mixed => "mixed",
    }
}

/// Runs the rounds in parallel, and prints the findings.
fn run(lab: &Lab) -> ExitCode {
    let rounds = lab.options.rounds();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let started = cht_core::process::clock::monotonic();
    std::thread::scope(|scope| {
        for _ in 0..lab.options.jobs {
            scope.spawn(|| {
                while let Some(round) = rounds.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let is_good = match round {
                        Which::Pipeline(round) => play(lab, lab.options.seed, *round),
                        Which::Readers(round) => play_readers(lab, lab.options.seed, *round),
                    };
                    if !is_good {
                        failed.lock().unwrap().push(*round);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let seconds = started.elapsed().as_secs();
    println!("{} rounds in {seconds} s, {} with findings: {failed:?}", rounds.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a round, prints its result, and returns whether there were no findings.
fn play(lab: &Lab, seed: u64, round: u64) -> bool {
    let plan = Plan::of(seed, round, &|fault| lab.options.is_wanted(fault));
    let folder = tempfile::Builder::new().prefix("cht-lab-").tempdir().unwrap();
    let place = Place {
        root: folder.path().canonicalize().unwrap(),
        binaries: lab.binaries.clone(),
        shim: lab.shim.clone(),
    };
    let begun = cht_core::process::clock::monotonic();
    let stream = &lab.streams[name_of(plan.stream)];
    let outcome = catch_unwind(AssertUnwindSafe(|| round::run(&plan, &place, stream)));
    let outcome = outcome.unwrap_or_else(|_| Outcome {
        findings: vec!["the lab itself gave up: see above".to_owned()],
        ..Outcome::default()
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("{}", line(&plan, &outcome, seconds));
    if outcome.findings.is_empty() && !lab.options.keep {
        return true;
    }
    let kept = keep(lab, folder.path(), &format!("{seed}-{round}"));
    println!("  {}\n  kept: {}", plan.describe(), kept.display());
    for finding in &outcome.findings {
        println!("    * {finding}");
    }
    outcome.findings.is_empty()
}

/// Runs a round of readers, prints its result, and returns whether there were no findings.
fn play_readers(lab: &Lab, seed: u64, round: u64) -> bool {
    let folder = tempfile::Builder::new().prefix("cht-lab-").tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let begun = cht_core::process::clock::monotonic();
    let played = catch_unwind(|| readers::play(seed, round, &root, &lab.binaries));
    let gave_up = |_| (vec!["the lab itself gave up: see above".to_owned()], 0);
    let (findings, kills) = played.unwrap_or_else(gave_up);
    let (seconds, is_good) = (begun.elapsed().as_secs_f64(), findings.is_empty());
    let verdict = if is_good { "ok" } else { "FOUND" };
    println!("seed {seed} readers {round}: {verdict} {seconds:.1} s, {kills} kills");
    if !is_good || lab.options.keep {
        let kept = keep(lab, &root, &format!("{seed}-readers-{round}"));
        println!("  kept: {}", kept.display());
    }
    for finding in &findings {
        println!("    * {finding}");
    }
    is_good
}

/// Keeps the folder of a round, and returns its new path.
fn keep(lab: &Lab, folder: &std::path::Path, name: &str) -> PathBuf {
    let kept = lab.kept.join(name);
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir_all(&lab.kept).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(folder).arg(&kept).status();
    assert!(copied.unwrap().success());
    kept
}

fn line(plan: &Plan, outcome: &Outcome, seconds: f64) -> String {
    format!(
        "seed {} round {}: {} {:.1} s, {} starts, {} of {} faults, {} events, {} frames, {} MiB",
        plan.seed,
        plan.round,
        if outcome.findings.is_empty() { "ok" } else { "FOUND" },
        seconds,
        outcome.starts,
        outcome.faults,
        plan.faults.len(),
        outcome.events,
        outcome.frames,
        outcome.memory,
    )
}
