//! Work on one unit: finished work is recognised, the stages run, and the result gets its name.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, Result};
use cht_core::storage::{
    disk_error::{Cause, cause},
    durable, regular,
};
use serde::{Deserialize, Serialize};

use super::{
    carry::Carried,
    inputs::{FOLDER, Inputs},
    outcome::{End, Outcome},
    pipeline::{self, Ended, Job},
    rescore,
    rules::Rules,
    running::{OTHER_OPTIONS, Running},
    tools::Tools,
    translate::{Counts, Names},
};
use crate::{
    settings::{Settings, Stage},
    store::{self, Earlier, Failed, Failure, Record, SCORES, Site, Store},
    unit::{Input, Unit},
};

/// Name of the file that says which result is in the making.
const MARKER: &str = "work.json";

/// What a folder holds a result in the making of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Marker {
    settings: Settings,
    /// Identities of the inputs.
    inputs: Vec<String>,
}

/// Where the progress of a unit is shown.
pub(crate) trait Watch: Sync {
    /// Shows the counts of a unit at work.
    fn progress(&self, counts: &Counts);
    /// Shows what a stage says.
    fn said(&self, line: &str);
}

/// What the work on any unit needs.
pub(crate) struct Shop<'a> {
    pub rules: &'a Rules,
    pub store: &'a Store,
    pub tools: &'a Tools,
}

/// Does the rest of the work on a unit.
pub(crate) fn work(unit: &Unit, shop: &Shop<'_>, running: &Running, watch: &dyn Watch) -> Outcome {
    let work = || {
        let site = shop.store.site(unit)?;
        Work { unit, shop, running, watch, site: &site }.lock_and_run()
    };
    work().unwrap_or_else(|error: anyhow::Error| of_error(&error))
}

/// Returns how an earlier run ended the work on a unit, if nothing is left to do.
pub(crate) fn known_end(unit: &Unit, rules: &Rules, earlier: &Earlier) -> Option<Outcome> {
    let of = |end: End, failures: &[Failure]| {
        let counts = Counts { failures: failures.to_vec(), ..Counts::default() };
        Some(Outcome { counts, ..Outcome::new(end) })
    };
    let Earlier { record, failed } = earlier;
    let is_it = |record: &&Record| record.settings == rules.settings && record.holds(unit);
    if let Some(record) = record.as_ref().filter(is_it) {
        return match (record.failures.is_empty(), rules.only_failed) {
            (true, _) => of(End::Before, &[]),
            (false, false) => of(End::PartialBefore, &record.failures),
            (false, true) => None,
        };
    }
    let failed = failed.as_ref().filter(|_| !rules.only_failed);
    let failed = failed.filter(|it| it.fingerprint == rules.settings.fingerprint(unit));
    failed.and_then(|failed| of(End::FailedBefore, &failed.failures))
}

/// Work on one unit.
struct Work<'a> {
    unit: &'a Unit,
    shop: &'a Shop<'a>,
    running: &'a Running,
    watch: &'a dyn Watch,
    site: &'a Site,
}

/// How a result is made.
struct Making {
    /// Folder in which the stages work.
    folder: PathBuf,
    /// Inputs of an older result that it goes on with, and that are gone.
    gone: Vec<Input>,
    /// Where its inputs begin on the timeline, in ticks, by path.
    offsets: HashMap<String, i64>,
    /// Measures on which frames are chosen again.
    scores: Option<PathBuf>,
    carried: Carried,
}

impl Work<'_> {
    fn settings(&self) -> &Settings {
        &self.shop.rules.settings
    }

    fn lock_and_run(&self) -> Result<Outcome> {
        let Self { unit, shop, site, .. } = self;
        site.create()?;
        let Some(_lock) = site.try_lock()? else { return Ok(Outcome::new(End::Busy)) };
        // Another run may have done it since.
        let earlier = site.earlier();
        if let Some(outcome) = known_end(unit, shop.rules, &earlier) {
            return Ok(outcome);
        }
        let old = earlier.record;
        let result = &site.result;
        if !site.is_in_place && result.symlink_metadata().is_ok() && old.is_none() {
            let message = format!(
                "{}: no result of cht-batch; move it away, or name another --out",
                result.display()
            );
            let failure = Failure { code: "obstructed".to_owned(), message, path: None };
            let counts = Counts { failures: vec![failure], ..Counts::default() };
            return Ok(Outcome { counts, ..Outcome::new(End::Failed) });
        }
        let is_same = |old: &Record| self.settings().go_on_from(&old.settings);
        if site.is_in_place && !site.work.exists() && old.as_ref().is_none_or(is_same) {
            let carried = Carried::default();
            let folder = result.clone();
            let (gone, offsets) = (Vec::new(), HashMap::new());
            let making = Making { folder, gone, offsets, scores: None, carried };
            let outcome = self.run(&making)?;
            let refuses = |failure: &Failure| failure.message.contains(OTHER_OPTIONS);
            if outcome.end != End::Failed || !outcome.counts.failures.iter().any(refuses) {
                return Ok(outcome);
            }
            site.forget_failed()?;
        }
        let making = self.prepare(old.as_ref())?;
        self.run(&making)
    }

    /// Prepares the folder of a result in the making, or goes on in the one that an earlier run
    /// left, if that was of the same inputs and settings.
    fn prepare(&self, old: Option<&Record>) -> Result<Making> {
        let (site, work) = (self.site, &self.site.work);
        let ids: Vec<_> = self.unit.inputs.iter().map(|input| input.id.clone()).collect();
        let marker = Marker { settings: self.settings().clone(), inputs: ids };
        let path = work.join(MARKER);
        let known: Option<Marker> = store::read(&path).ok().flatten();
        let goes_on = known.is_some_and(|known| {
            known.settings == marker.settings && marker.inputs.starts_with(&known.inputs)
        });
        let same = old.filter(|old| self.settings().go_on_from(&old.settings));
        // In a session, a folder of work means that what is there cannot be gone on with.
        let same = same.filter(|_| !site.is_in_place);
        let grown = same.and_then(|old| old.leads_to(self.unit));
        let prepare = || -> io::Result<()> {
            if !goes_on {
                durable::remove_folder(work)?;
                fs::create_dir_all(work)?;
                if grown.is_some() {
                    store::copy(site)?;
                }
            }
            store::write(&path, &marker)
        };
        prepare().with_context(|| work.display().to_string())?;
        let other = old.filter(|_| grown.is_none());
        let scores = site.result.join(SCORES);
        let decide = other.is_some_and(|old| {
            old.unit.inputs == self.unit.inputs && self.settings().decide_again(&old.settings)
        });
        let has_same_sound = other.is_some_and(|old| {
            let sound = |settings: &Settings| (settings.stages.clone(), settings.audio.clone());
            sound(&old.settings) == sound(self.settings())
        });
        let carried = if grown.is_some() {
            Carried::default()
        } else {
            let journal = site.result.join("frames").join(cht_core::session::INDEX_JOURNAL);
            Carried::read(&journal, has_same_sound)
                .with_context(|| journal.display().to_string())?
        };
        let scores = Some(scores).filter(|scores| decide && scores.is_file());
        let gone = same.map_or(&[][..], |old| &old.unit.inputs[..grown.unwrap_or(0)]).to_vec();
        let folder = work.clone();
        // On a timeline of its own, a result that begins with the first input needs none.
        let offsets = match old {
            Some(old) if !gone.is_empty() || scores.is_some() => old.places(),
            _ => HashMap::new(),
        };
        Ok(Making { folder, gone, offsets, scores, carried })
    }

    /// Runs the stages, and gives the result its name.
    fn run(&self, making: &Making) -> Result<Outcome> {
        let Self { unit, shop, running, watch, site } = self;
        let has_sound = self.settings().stages.contains(&Stage::Audio);
        let folder = &making.folder;
        let inputs = Inputs::new(unit, folder, making.gone.len(), shop.rules, shop.tools, running)?;
        let names = Names {
            inputs: inputs.names().into_iter().collect(),
            work: folder.to_string_lossy().into_owned(),
            result: site.result.to_string_lossy().into_owned(),
            offsets: making.offsets.clone(),
            shift: OnceLock::new(),
            has_changes: !self.settings().detects_scene_alone(),
            last_stage: if has_sound { "cht-audio" } else { "cht-scenes" },
        };
        let kept = folder.join(SCORES);
        let job = Job {
            tools: shop.tools,
            stages: &self.settings().stages,
            scenes: &shop.rules.scenes,
            audio: &shop.rules.audio,
            decoders: shop.rules.decoders(),
            work: folder,
            names: &names,
            carried: &making.carried,
            scores: Some(&*kept).filter(|_| shop.rules.keep_scores && !site.is_in_place),
        };
        let progress = |counts: &Counts| watch.progress(counts);
        let said = |line: &str| watch.said(line);
        let ended = match &making.scores {
            Some(scores) => rescore::run(&job, inputs, scores, running, &progress, &said)?,
            None => pipeline::run(&job, inputs, running, &progress, &said)?,
        };
        if let Some(scores) = &making.scores {
            link_again(scores, &kept).with_context(|| kept.display().to_string())?;
        }
        self.conclude(making, ended)
    }

    fn conclude(&self, making: &Making, ended: Ended) -> Result<Outcome> {
        let Ended { mut counts, retry, failed, is_spoilt } = ended;
        if is_spoilt {
            // In a session, an empty folder of work tells the next run to begin anew in it.
            durable::remove_folder(&self.site.work)?;
            fs::create_dir_all(&self.site.work)?;
        }
        if self.shop.rules.stop.is_stopping() || retry.is_some() {
            // None of them is for good.
            counts.failures.clear();
        }
        if self.shop.rules.stop.is_stopping() {
            return Ok(Outcome { counts, ..Outcome::retry("interrupted") });
        }
        if let Some(reason) = retry {
            return Ok(Outcome { counts, ..Outcome::retry(reason) });
        }
        if let Some(message) = failed {
            counts.fail(Failure { code: "stage".to_owned(), message, path: None });
            return self.fail(making, counts);
        }
        if self.settings().stages.len() > 1 {
            counts.excuse();
        }
        if counts.segments == 0 {
            return self.fail(making, counts);
        }
        let index = making.folder.join("frames/index.json");
        counts.indexed = frames_in(&index).with_context(|| index.display().to_string())?;
        let record = self.record(making, &counts);
        let (site, is_apart) = (self.site, making.folder == self.site.work);
        let publish = || -> io::Result<()> {
            if is_apart {
                durable::remove_folder(&site.work.join(FOLDER))?;
                durable::remove(&site.work.join(MARKER))?;
            }
            store::publish(site, &record)
        };
        publish().with_context(|| site.result.display().to_string())?;
        if site.is_in_place && is_apart {
            // Speech has files of its own in a session.
            rescore::bring_up_to_date(self.shop.tools, &site.result)?;
        }
        site.forget_failed()?;
        let end = if counts.failures.is_empty() { End::Done } else { End::Partial };
        Ok(Outcome { counts, ..Outcome::new(end) })
    }

    fn record(&self, making: &Making, counts: &Counts) -> Record {
        let mut unit = self.unit.clone();
        if let Some(first) = making.gone.first() {
            unit.at = first.at;
            unit.inputs = [&*making.gone, &unit.inputs].concat();
        }
        let place = |input: &Input| {
            let known = counts.offsets.get(&input.path).or_else(|| making.offsets.get(&input.path));
            known.copied()
        };
        Record {
            offsets: unit.inputs.iter().map(place).collect(),
            fingerprint: self.settings().fingerprint(&unit),
            settings: self.settings().clone(),
            frames: counts.indexed,
            pieces: counts.pieces(),
            decoded: counts.decoded,
            failures: counts.failures.clone(),
            lacks: counts.lacks.clone(),
            unit,
        }
    }

    /// Notes that the unit fails for good.
    fn fail(&self, making: &Making, counts: Counts) -> Result<Outcome> {
        let fingerprint = self.settings().fingerprint(self.unit);
        let failed = Failed { fingerprint, failures: counts.failures.clone() };
        self.site.set_failed(&failed)?;
        if making.folder == self.site.work {
            let _ = durable::remove_folder(&making.folder);
        }
        Ok(Outcome { counts, ..Outcome::new(End::Failed) })
    }
}

/// Returns the number of frames in an index: each has a line.
fn frames_in(index: &Path) -> io::Result<u64> {
    let lines = BufReader::new(regular::open(index)?).split(b'\n');
    let is_frame =
        |line: &io::Result<Vec<u8>>| line.as_ref().is_ok_and(|line| line.starts_with(b"{\"id\""));
    Ok(lines.filter(is_frame).count() as u64)
}

/// Links a file under another name, in place of whatever is there.
fn link_again(file: &Path, to: &Path) -> io::Result<()> {
    durable::remove(to)?;
    fs::hard_link(file, to)
}

/// Returns the outcome of an error of this program: the disk may serve later.
fn of_error(error: &anyhow::Error) -> Outcome {
    let is_full = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| cause(error) == Cause::Full);
    let message = format!("{error:#}");
    Outcome::retry(if is_full { format!("no room: {message}") } else { message })
}
