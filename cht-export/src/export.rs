//! Does what the command line asks.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event,
    process::report,
    storage::disk_error::{Cause, cause},
    terminal::units,
};

use crate::{
    args::{self, Args, Command, List, Split},
    check,
    clip::{self, Clip, Reader},
    output, pictures, rebuild,
    recording::Recording,
    segments,
};

/// Why there is nothing to write.
const NO_SCENE: &str = "no scene is left; check --from and --to";

/// Why there are no subtitles to write.
const NO_WORDS: &str = "no words are left; check --from and --to";

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::List(list) => write_list(list),
        Command::Clip(wanted) => cut(wanted),
        Command::Split(wanted) => split(wanted),
        Command::Sheet(wanted) => pictures::sheet(wanted),
        Command::Thumbnails(wanted) => pictures::thumbnails(wanted),
        Command::Preview(wanted) => pictures::preview(wanted),
        Command::Rebuild(wanted) => rebuild::run(&wanted.place),
        Command::Check(wanted) => check::run(wanted),
    }
}

fn write_list(list: &List) -> Result<()> {
    list.out.as_deref().map_or(Ok(()), output::refuse_recordings)?;
    let mut recording = Recording::open(&list.session, list.rate)?;
    if let Some(media) = &list.media {
        recording.media = Some(event::clean(media)?);
    }
    if recording.media.is_none() && list.format.names_media() {
        bail!(
            "{}: of several segments; join them into one file, and name it with --media",
            list.session.display()
        );
    }
    let (session, span) = (list.session.display(), list.choice.span.range());
    if list.format.is_of_transcript() && recording.transcript.is_empty() {
        bail!(
            "{session}: no transcript; let a transcriber emit `transcript` events into cht-index"
        );
    }
    recording.cut_words(&span);
    if list.format.is_of_transcript() && recording.transcript.is_empty() {
        bail!("{session}: {NO_WORDS}");
    }
    let scenes = list.choice.choice().scenes_of(&recording);
    if !list.format.is_of_transcript() && scenes.is_empty() {
        bail!("{session}: {NO_SCENE}");
    }
    let text = list.format.write(&recording, &scenes, &span);
    match &list.out {
        Some(path) => {
            output::write(path, text.as_bytes()).with_context(|| path.display().to_string())
        }
        None => match io::stdout().lock().write_all(text.as_bytes()) {
            // A reader that wants no more is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("stdout"),
        },
    }
}

fn cut(wanted: &args::Clip) -> Result<()> {
    let segments = segments::of(&wanted.source)?;
    let span = wanted.span.range();
    if span.is_empty() {
        bail!("--from has to be before --to");
    }
    let ffmpeg = wanted.way.ffmpeg.find()?;
    let mut reader = Reader::new(&segments);
    print(&clip::make(&mut reader, &span, wanted.way.way(), &ffmpeg, &wanted.out)?)
}

fn split(wanted: &Split) -> Result<()> {
    let recording = Recording::open(&wanted.session, None)?;
    let scenes = wanted.choice.choice().scenes_of(&recording);
    let segments = segments::of(&wanted.session)?;
    let ffmpeg = wanted.way.ffmpeg.find()?;
    if scenes.is_empty() {
        bail!("{}: {NO_SCENE}", wanted.session.display());
    }
    let folder = &wanted.out;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut reader = Reader::new(&segments);
    for scene in &scenes {
        let name = format!("{}-Scene-{:03}.{}", recording.name, scene.number, wanted.format);
        let span = scene.start..scene.end;
        match clip::make(&mut reader, &span, wanted.way.way(), &ffmpeg, &folder.join(name)) {
            Ok(made) => print(&made)?,
            // The next one would fail alike.
            Err(error) if is_full_disk(&error) => return Err(error),
            Err(error) => report::warn(format_args!("scene {}: {error:#}", scene.number)),
        }
    }
    Ok(())
}

fn is_full_disk(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|it| cause(it) == Cause::Full)
}

/// Describes a clip: to people by a message, to programs on stdout.
fn print(made: &Clip) -> Result<()> {
    report::note(format_args!(
        "{}: {:.3} to {:.3} s, {}, {} of them encoded again",
        made.path,
        made.start,
        made.end,
        units::count(made.pictures as u64, "picture"),
        made.encoded
    ));
    if io::stdout().is_terminal() {
        return Ok(());
    }
    let mut line = serde_json::to_vec(made)?;
    line.push(b'\n');
    io::stdout().lock().write_all(&line).context("stdout")
}
