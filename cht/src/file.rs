//! `file`: the pictures of recorded video, as a session that all other tools read.
//!
//! Segments of MPEG-TS are read where they lie. Anything else that ffmpeg opens is recorded by
//! cht-recv first, which keeps its times and copies its streams.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::{exit::Exit, report},
    session::{INDEX_JOURNAL, Session},
    terminal::units,
};

use crate::{
    args::File,
    live,
    material::Material,
    origin::{self, Origin, Work},
    output,
    plan::{Plan, Stage, Step},
    quote::quote,
    run, sheet,
};

/// Finds the pictures of each input.
pub(crate) fn file(options: &File) -> Result<Exit> {
    let materials = Material::of_all(&options.inputs)?;
    if options.out.is_some() && materials.len() > 1 {
        bail!(
            "--out is the folder of one recording, and these are {}; give --sessions, or run it for \
             each",
            materials.len()
        );
    }
    let (mut results, mut plans) = (Vec::new(), Vec::new());
    for material in &materials {
        let session = session_of(material, options)?;
        let origin = Origin::of(material)?;
        let work = origin.as_ref().map_or(Ok(Work::Begin), |it| it.work(session.as_ref()))?;
        results.push(Outcome { session, origin, material, options });
        plans.push(results[results.len() - 1].plan(work)?);
    }
    if options.print {
        run::print(&plans)?;
        return Ok(Exit::Done);
    }
    let mut stop = run::Stop::listen().context("signals")?;
    // All inputs have the same options.
    run::check(&choosing(options, None))?;
    let (mut worst, mut done) = (Exit::Done, 0);
    for result in &results {
        let exit = result.make(&mut stop)?;
        worst = worst.max(exit);
        if stop.is_signalled() {
            done += usize::from(exit == Exit::Done);
            break;
        }
        done += 1;
    }
    if done < results.len() {
        let (all, left) = (units::count(results.len() as u64, "input"), results.len() - done);
        report::note(format_args!("stopped: {left} of {all} left; the same command goes on"));
        return Ok(Exit::Failed);
    }
    Ok(worst)
}

/// The result of one input.
struct Outcome<'a> {
    /// Its folder.
    session: String,
    origin: Option<Origin>,
    material: &'a Material,
    options: &'a File,
}

impl Outcome<'_> {
    /// Returns the plan for the work that is left.
    fn plan(&self, work: Work) -> Result<Plan> {
        let plan = plan(self.material, &self.session, self.options, work)?;
        let mut plan = plan.with_messages(output::verbosity(), self.options.json);
        if output::is_for_people() && !self.options.print && output::verbosity().is_none() {
            plan = plan.with_quiet("cht-export");
            if work == Work::GoOn {
                // An earlier run has examined the segments.
                plan = plan.with_quiet("cht-segwatch");
            }
        }
        Ok(plan)
    }

    /// Runs the plan, and notes whether the input was read to its end.
    fn make(&self, stop: &mut run::Stop) -> Result<Exit> {
        let session = &self.session;
        if self.origin.is_some() {
            fs::create_dir_all(session).with_context(|| session.clone())?;
        }
        let _lock = origin::lock(session, DYING)?;
        let mut work = Work::Begin;
        if let Some(origin) = &self.origin {
            // Another run may have ended since.
            work = origin.work(session.as_ref())?;
            if Session::open(session.as_ref()).is_ok_and(|it| it.is_recording()) {
                bail!("{session}: is being recorded now; wait for its end, or give another --out");
            }
            if work != Work::GoOn {
                origin.note(session.as_ref())?;
            }
        }
        let mut refused = false;
        let mut at_end = |exit| match &self.origin {
            Some(origin) if exit == Exit::Failed => {
                refused = origin.segments.is_empty();
                Ok(())
            }
            Some(origin) => Origin { read_to_end: true, ..origin.clone() }.note(session.as_ref()),
            None => Ok(()),
        };
        let exit = run::run(&self.plan(work)?, stop, &mut at_end);
        let is_refused = origin::discard(session)? && refused;
        let exit = exit?;
        if is_refused {
            // The recorder has said why; other inputs are worked on.
            return Ok(Exit::Partial);
        }
        self.tell(exit);
        Ok(exit)
    }

    /// Says what there is.
    fn tell(&self, exit: Exit) {
        let Self { session, .. } = self;
        let path = Path::new(session);
        if let Some(origin) = Origin::noted(path).filter(Origin::is_cut) {
            report::warn(format_args!(
                "{session}: {} was not read to its end; the same command begins it again",
                origin.inputs.join(", ")
            ));
            return;
        }
        let has_frame = run::has_frame(Path::new(&journal(session)));
        if exit != Exit::Failed && matches!(has_frame, Ok(false)) && !self.options.choice.audio {
            report::warn(format_args!(
                "{session}: there is no picture in it; --audio cuts sound into pieces"
            ));
        }
        if let Some(sheet) = sheet::newest(path).filter(|_| output::is_for_people()) {
            report::note(format_args!("pictures     {session}/frames"));
            report::note(format_args!("at a glance  {}", sheet.display()));
            report::note(format_args!("look at it   cht show --open {}", quote(session)));
        }
    }
}

/// Time for which the stages of a killed run may still be at work.
const DYING: Duration = Duration::from_secs(10);

/// Returns the folder of the result.
fn session_of(material: &Material, options: &File) -> Result<String> {
    if let Material::Session(session) = material {
        if options.out.is_some() {
            bail!("{session}: a session, and its pictures go into it; leave out --out");
        }
        return Ok(session.clone());
    }
    let default = || {
        let folder = Path::new(&options.sessions).join(material.name());
        folder.to_str().map(str::to_owned)
    };
    let session = options.out.clone().or_else(default).context("the name of the session")?;
    // No option of a stage.
    Ok(if session.starts_with('-') { format!("./{session}") } else { session })
}

/// Returns the stages that choose frames and keep the index of a session.
fn choosing(options: &File, session: Option<&str>) -> Vec<Stage> {
    let mut stages = live::choosing(&options.choice, session);
    if let Some(scenes) = stages.iter_mut().find(|stage| stage.program == "cht-scenes") {
        *scenes = scenes.clone().option("--jobs", options.jobs.as_deref());
    }
    for stage in stages.iter_mut().filter(|_| options.overwrite) {
        stage.flag("--overwrite");
    }
    stages
}

fn plan(material: &Material, session: &str, options: &File, work: Work) -> Result<Plan> {
    let mut steps = Vec::new();
    if work == Work::BeginAgain {
        steps.push(Step::Remove(origin::made(session)));
    }
    let mut stages = match material {
        Material::Session(folder) => vec![Stage::new("cht-segwatch").with([folder])],
        Material::Segments(paths) => {
            steps.push(Step::Folder(format!("{session}/stream")));
            vec![Stage::new("cht-segwatch").with(["--"]).with(paths)]
        }
        Material::Foreign { .. } if work == Work::GoOn => {
            vec![Stage::new("cht-segwatch").with([session])]
        }
        Material::Foreign { input, .. } => {
            let (sessions, id) = split(session)?;
            let source = Stage::new("cht-recv").with(["--listen", input, "--once", "--transcode"]);
            let source = source.with(["--sessions", sessions]);
            let id = if id.starts_with('-') {
                vec![format!("--session-id={id}")]
            } else {
                vec!["--session-id".to_owned(), id.to_owned()]
            };
            vec![source.with(id), Stage::new("cht-segwatch")]
        }
    };
    let named = matches!(material, Material::Segments(_)).then_some(session);
    stages.extend(choosing(options, named));
    steps.push(Step::Pipe(stages));
    let sheet = Stage::new("cht-export").with(["sheet", session, &sheet::path(session)]);
    steps.push(Step::IfFrame(journal(session), [sheet]));
    Ok(Plan { server: None, steps })
}

/// Returns the path of the index of a session.
fn journal(session: &str) -> String {
    format!("{session}/frames/{INDEX_JOURNAL}")
}

/// Returns the folder of the sessions and the name of one.
fn split(session: &str) -> Result<(&str, &str)> {
    let path = Path::new(session);
    let id = path.file_name().and_then(|name| name.to_str());
    let id = id.with_context(|| format!("--out {session}: names no folder"))?;
    let parent = path.parent().and_then(Path::to_str).filter(|parent| !parent.is_empty());
    Ok((parent.unwrap_or("."), id))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn shell(material: &Material, session: &str, line: &str) -> String {
        let args = Args::try_parse_from(format!("cht file x {line}").split_whitespace()).unwrap();
        let Command::File(options) = args.command else { panic!("{line}") };
        plan(material, session, &options, Work::Begin).unwrap().shell(str::to_owned)
    }

    #[test]
    fn segments_are_read_where_they_lie() {
        let material = Material::Segments(vec!["old/*.ts".into()]);
        let script = shell(&material, "sessions/old", "--jobs 3");
        let expected = "mkdir -p sessions/old/stream\n\
            cht-segwatch -- 'old/*.ts' | cht-scenes --session sessions/old --jobs 3 | cht-index --session sessions/old\n\
            ! grep -qs '\"type\":\"frame\"' sessions/old/frames/index.ndjson || cht-export sheet sessions/old sessions/old/contact-sheet.jpg\n";
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined(&script), joined(expected));
    }

    #[test]
    fn other_files_are_recorded_into_the_session() {
        let material = Material::Foreign { input: "file:a talk.mp4".into(), name: "a talk".into() };
        let script = shell(&material, "talk", "");
        assert!(script.starts_with("cht-recv --listen 'file:a talk.mp4' --once --transcode"));
        assert!(script.contains(" --sessions . --session-id talk |"), "{script}");
    }
}
