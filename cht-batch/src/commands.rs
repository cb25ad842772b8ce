//! The commands.

use std::{
    fs::{self, File},
    io::{self, BufReader, IsTerminal as _, stdin, stdout},
    path::PathBuf,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    ndjson::{self, Line, Lines, Writer},
    process::{clock, lock::lock, report, stat, status, verbosity},
    terminal::units,
};
use jiff::tz::TimeZone;

use crate::{
    args::{PlanArgs, RunArgs, Search},
    interrupt::{end_by, until_stopped},
    plan::{Examined, Known, Plan, Planner, is_missing},
    progress::{Progress, Total},
    root::Root,
    run::{self, End, Outcome, Report, Rules, Shop, Stop, Tools, processors},
    settings::Settings,
    store::Store,
    summary::{self, Summary},
    unit::Unit,
};

/// Prints units.
pub(crate) fn plan(args: &PlanArgs) -> Result<()> {
    let store = Store::open(args.out.as_deref())?;
    let root = Root::open(args.search.root.as_deref())?;
    let known = store.known(&root)?;
    insist(&args.paths)?;
    let examined = Examined::default();
    let planner = planner(&args.search, &known, &root, &store, &examined);
    let mut output = ndjson::stdout()?;
    let (plan, stop) = until_stopped(&examined, || planner.plan(&args.paths))?;
    end_by(stop)?;
    let plan = plan?;
    for unit in &plan.units {
        print(unit, &mut output)?;
    }
    report_bad(&plan, &mut output)?;
    report_left(&plan, args.search.settle);
    if plan.is_empty() {
        report::note("no recordings there");
    }
    Ok(())
}

/// Returns whether people read stdout, and asked for no JSON.
pub(crate) fn is_for_people() -> bool {
    stdout().is_terminal() && !verbosity::wants_json()
}

/// Returns whether events come out at a terminal, between which bars would be lost.
fn shows_json() -> bool {
    stdout().is_terminal() && verbosity::wants_json()
}

/// Prints a unit.
fn print(unit: &Unit, output: &mut Writer<File>) -> Result<()> {
    let line = if is_for_people() { unit.to_text().into_bytes() } else { unit.to_line() };
    output.pass(&line).context("stdout")
}

/// Returns the rules by which units are made.
pub(crate) fn planner<'a>(
    search: &'a Search,
    known: &'a Known,
    root: &'a Root,
    store: &'a Store,
    examined: &'a Examined,
) -> Planner<'a> {
    Planner {
        known,
        root,
        ffmpeg: &search.ffmpeg,
        settle: Duration::from_secs_f64(search.settle),
        out: store.root(),
        since: search.since,
        zone: TimeZone::system(),
        examined,
    }
}

/// Fails where the command line names nothing that is there. Where some of it is, that is done.
pub(crate) fn insist(paths: &[PathBuf]) -> Result<()> {
    match paths.first() {
        Some(first) if paths.iter().all(|path| is_missing(path)) => {
            bail!("{}: no such file or folder", first.display())
        }
        _ => Ok(()),
    }
}

/// Names the inputs that belong to no unit.
fn report_bad(plan: &Plan, output: &mut Writer<File>) -> Result<()> {
    for bad in &plan.bad {
        report::warn(&bad.message);
        if !is_for_people() {
            output.emit(&bad.event()).context("stdout")?;
        }
    }
    Ok(())
}

/// Counts the units left out, and the files left for a later run.
pub(crate) fn report_left(plan: &Plan, settle: f64) {
    if plan.same > 0 {
        report::note(format_args!(
            "{} left out: others have the same content",
            units::count(plan.same, "unit")
        ));
    }
    if plan.young > 0 {
        report::note(format_args!(
            "{} changed less than {settle} s ago; left for a later run (--settle 0 takes them)",
            units::count(plan.young, "file")
        ));
    }
    if plan.recording > 0 {
        report::note(format_args!(
            "{} still recorded; left for a later run",
            units::count(plan.recording, "session")
        ));
    }
}

/// Where a run reports.
struct Reporter<'a> {
    /// Number of units that no earlier run has done.
    waiting: usize,
    progress: Progress,
    store: &'a Store,
    output: Mutex<Writer<File>>,
    summary: Mutex<Summary>,
}

impl Report for Reporter<'_> {
    fn begin(&self, place: usize, unit: &Unit) {
        self.progress.begin(place, unit);
    }

    fn progress(&self, place: usize, unit: &Unit, counts: &run::Counts) {
        self.progress.progress(place, unit, counts);
    }

    fn said(&self, unit: &Unit, line: &str) {
        self.progress.print(|| report::note(format_args!("{}: {line}", unit.key)));
    }

    fn stopping(&self) {
        self.progress.print(|| {
            report::note(
                "stopping after the segments at work; Ctrl-C again stops at once, and the same command \
                 goes on in both cases",
            );
        });
    }

    fn stopped(&self) {
        let done = lock(&self.summary).done();
        self.progress.finish();
        report::note(format_args!(
            "stopped at once: {done} of {} done; the same command does the rest, and goes on after the last \
             segment that is done",
            units::count(self.waiting as u64, "unit")
        ));
    }

    fn end(&self, place: usize, unit: &Unit, outcome: &Outcome, took: Duration) {
        self.progress.end(place, unit, outcome, took);
        self.tell(unit, outcome, took);
    }
}

impl Reporter<'_> {
    /// Adds a unit to the sums, and writes its line.
    fn tell(&self, unit: &Unit, outcome: &Outcome, took: Duration) {
        lock(&self.summary).add(outcome);
        let told = match outcome.end {
            End::Failed => Some(("", "")),
            End::FailedBefore | End::PartialBefore => {
                Some((" before", " (--only failed tries again)"))
            }
            _ => None,
        };
        if let Some((before, hint)) = told {
            for failure in &outcome.counts.failures {
                self.progress.print(|| {
                    report::note(format_args!(
                        "{}: {}{before}: {}{hint}",
                        unit.key, failure.code, failure.message
                    ));
                });
            }
        }
        let Ok(site) = self.store.site(unit) else { return };
        if outcome.end == End::Before {
            return;
        }
        let line = summary::unit_line(unit, &site.result.to_string_lossy(), outcome, took);
        if outcome.end.is_work() {
            site.add_to_log(&line);
        }
        // People have the bars and the sums; a reader that has gone stops no work.
        if !is_for_people() {
            let _ = lock(&self.output).pass(&line);
        }
    }
}

/// Leaves the processor to programs that are less nice. Where Linux gives each session its share
/// of the processor, a nice value says nothing to programs of other sessions (sched(7), autogroup):
/// one without a terminal, as of cron, gets the value too. A terminal is of other programs as well.
fn give_way(nice: i32) -> io::Result<()> {
    rustix::process::nice(nice)?;
    let has_terminal = stat::own().is_none_or(|stat| stat::has_terminal(&stat));
    if nice > 0 && !has_terminal {
        // Not every kernel has it, nor takes a second change at once.
        let _ = fs::write("/proc/self/autogroup", nice.to_string());
    }
    Ok(())
}

/// Works on units. Returns the sums.
pub(crate) fn run(args: &RunArgs) -> Result<Summary> {
    let began = clock::monotonic();
    let rules = rules(args)?;
    let store = Store::open(args.out.as_deref())?;
    if rules.root.is_set() && store.root().is_none() {
        bail!("--root needs --out DIR: results are made in a folder of their own then");
    }
    store.create()?;
    let tools = Tools::find(&args.search.ffmpeg)?;
    tools.check(&rules.settings.stages, &rules.scenes, &rules.audio)?;
    if let Some(nice) = args.nice {
        give_way(nice).context("--nice")?;
    }
    let mut output = ndjson::stdout()?;
    let mut summary = Summary::default();
    let examined = Examined::default();
    let (units, stop) = until_stopped(&examined, || {
        find_units(args, &rules.root, &store, &examined, &mut output, &mut summary)
    })?;
    let units = units?;
    let mut left = Vec::new();
    for unit in units {
        let site = store.site(&unit)?;
        let earlier = site.earlier();
        match run::known_end(&unit, &rules, &earlier) {
            Some(outcome) => left.push((unit, Some(outcome))),
            None if rules.only_failed && earlier.failures().next().is_none() => {}
            None => left.push((unit, None)),
        }
    }
    let waiting = || left.iter().filter(|(_, outcome)| outcome.is_none()).map(|(unit, _)| unit);
    if args.dry_run {
        end_by(stop)?;
        for unit in waiting() {
            print(unit, &mut output)?;
        }
        report::note(format_args!(
            "{} of {} would be done",
            waiting().count(),
            units::count(left.len() as u64, "unit")
        ));
        return Ok(summary);
    }
    let total = Total { units: waiting().count(), seconds: waiting().map(Unit::seconds).sum() };
    let has_bars = status::is_wanted() && !shows_json() && total.units > 0;
    let reporter = Reporter {
        waiting: total.units,
        progress: Progress::new(has_bars, rules.jobs, total),
        store: &store,
        output: Mutex::new(output),
        summary: Mutex::new(summary),
    };
    let mut units = Vec::new();
    for (unit, outcome) in left {
        match outcome {
            // It is no part of what the bars show.
            Some(outcome) => reporter.tell(&unit, &outcome, Duration::ZERO),
            None => units.push(unit),
        }
    }
    if !units.is_empty() {
        let shop = Shop { rules: &rules, store: &store, tools: &tools };
        run::run(units.into_iter(), &shop, &reporter, stop)?;
    }
    reporter.progress.finish();
    let Reporter { summary, output, .. } = reporter;
    let summary = std::mem::take(&mut *lock(&summary));
    let (took, cpu) = (began.elapsed(), cpu_of_children());
    report::note(summary.text(took, cpu));
    if !is_for_people() {
        lock(&output).pass(&summary.line(took, cpu)).context("stdout")?;
    }
    if rules.stop.is_stopping() {
        report::note("stopped by a signal; run it again, and it goes on");
    }
    Ok(summary)
}

/// Returns the rules of a run.
fn rules(args: &RunArgs) -> Result<Rules> {
    let mut scenes = args.scenes.clone();
    if let Some(decode) = &args.decode {
        scenes.extend(["--decode".to_owned(), decode.clone()]);
    }
    let audio: Vec<_> = args.audio.split_whitespace().map(str::to_owned).collect();
    Ok(Rules {
        root: Root::open(args.search.root.as_deref())?,
        settings: Settings::new(&args.stages, &scenes, &audio, std::env::vars()),
        scenes,
        audio,
        jobs: args.jobs.map_or_else(processors, usize::from),
        max_load: args.max_load,
        only_failed: args.only.is_some(),
        keep_scores: args.keep_scores,
        stop: Stop::default(),
    })
}

/// Returns the units that the command line or stdin names.
fn find_units(
    args: &RunArgs,
    root: &Root,
    store: &Store,
    examined: &Examined,
    output: &mut Writer<File>,
    summary: &mut Summary,
) -> Result<Vec<Unit>> {
    let (mut found, mut paths, mut reads) = (Vec::new(), Vec::new(), args.units.is_empty());
    for argument in &args.units {
        match argument.as_str() {
            "-" => reads = true,
            line if line.starts_with('{') => {
                let unit = Unit::parse(line.as_bytes()).with_context(|| format!("unit {line}"))?;
                found.extend(unit);
            }
            path => paths.push(PathBuf::from(path)),
        }
    }
    insist(&paths)?;
    if reads {
        if stdin().is_terminal() {
            bail!("name units or folders, or pipe the lines of cht-batch plan into it");
        }
        for line in Lines::new(BufReader::new(stdin().lock())) {
            match line.context("stdin")? {
                Line::Event { raw, event } => match Unit::parse(&raw) {
                    Ok(Some(unit)) => found.push(unit),
                    // A fault that `plan` has named.
                    Ok(None) => {
                        if let Some(cht_core::event::Body::Failure(failure)) =
                            event.map(|event| event.body)
                        {
                            summary.add_bad(&failure.code);
                        }
                    }
                    Err(error) => {
                        summary.add_bad("bad_line");
                        report::warn(format_args!("stdin: no unit: {error}"));
                    }
                },
                Line::Path(path) => paths.push(path),
                Line::Bad(bad) => {
                    summary.add_bad("bad_line");
                    report::warn(format_args!("stdin, {bad}"));
                }
            }
        }
    }
    if !paths.is_empty() {
        let known = store.known(root)?;
        let plan = planner(&args.search, &known, root, store, examined).plan(&paths)?;
        examined.finish();
        report_bad(&plan, output)?;
        report_left(&plan, args.search.settle);
        plan.bad.iter().for_each(|bad| summary.add_bad(bad.code));
        found.extend(plan.units);
    } else if found.is_empty() && reads {
        report::note("nothing to do: neither units nor paths came on stdin");
    }
    Ok(found)
}

/// Returns the processor time of children that have ended, and of theirs, in seconds.
fn cpu_of_children() -> f64 {
    /// Clock ticks of `/proc/PID/stat`, in a second: a constant of Linux for programs.
    const TICKS: f64 = 100.0;
    let stat = cht_core::storage::regular::read_to_string("/proc/self/stat".as_ref());
    let stat = stat.unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<f64>);
    ticks.map(Result::unwrap_or_default).sum::<f64>() / TICKS
}
