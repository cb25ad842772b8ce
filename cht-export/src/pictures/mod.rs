//! Joins kept pictures: contact sheets, the pictures of a player's time bar, an animation.
//!
//! ffmpeg reads the pictures by a script of its `concat` demuxer, in which each has a text and a
//! duration of its own. `render` is the one place that runs it.

mod render;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{event::Frame, process::report};
use cht_ts::time::ticks;

use self::render::{Cell, Shot, render};
use crate::{
    args::{ChoiceArgs, Preview, Sheet, Thumbnails},
    check::hash_of,
    output,
    recording::Recording,
    timecode::{clock, short},
};

/// Columns and rows of a sheet of small pictures.
const SPRITES: (u32, u32) = (10, 10);

/// Height of a line of text below a picture, in pixels.
const TEXT: u32 = 24;

/// Writes contact sheets.
pub(crate) fn sheet(wanted: &Sheet) -> Result<()> {
    let encoder = still(&wanted.out)?;
    let ffmpeg = wanted.ffmpeg.find()?;
    let recording = Recording::open(&wanted.session, None)?;
    let shots = shots_of_scenes(&recording, &wanted.choice, &wanted.session)?;
    let cell = Cell::of(shots[0].frame, wanted.width);
    let labelled = format!(
        "{},pad={}:{}:0:0:0x101010,\
         drawtext=text='%{{metadata\\:text}}':font=sans:fontsize=16:fontcolor=white:x=(w-tw)/2:y={}",
        cell.fitted(),
        cell.width,
        cell.height + TEXT,
        cell.height + 4,
    );
    let columns = wanted.columns.min(shots.len() as u32);
    let pages: Vec<_> = shots.chunks((columns * wanted.rows) as usize).collect();
    for (number, page) in (1..).zip(&pages) {
        let path =
            if pages.len() == 1 { wanted.out.clone() } else { numbered(&wanted.out, number) };
        let rows = (page.len() as u32).div_ceil(columns);
        let filter = format!("{labelled},tile={columns}x{rows}:padding=8:margin=8:color=0x101010");
        write(&path, &render(&ffmpeg, page, &filter, encoder)?)?;
    }
    Ok(())
}

/// Writes the times and pictures of a player's time bar.
pub(crate) fn thumbnails(wanted: &Thumbnails) -> Result<()> {
    if wanted.out.extension().is_none_or(|extension| extension != "vtt") {
        bail!("{}: name it .vtt", wanted.out.display());
    }
    let ffmpeg = wanted.ffmpeg.find()?;
    let recording = Recording::open(&wanted.session, None)?;
    let frames = present(recording.frames.iter());
    let first = frames.first().with_context(|| NO_PICTURE)?;
    let cell = Cell::of(first, wanted.width);
    let (columns, rows) = SPRITES;
    let mut text = String::from("WEBVTT\n");
    for (number, page) in (1..).zip(frames.chunks((columns * rows) as usize)) {
        let path = numbered(&wanted.out.with_extension("jpg"), number);
        let shots: Vec<_> = page.iter().map(|frame| Shot::of(frame, String::new(), 1.0)).collect();
        let filled = (page.len() as u32).div_ceil(columns);
        let filter = format!("{},tile={columns}x{filled}", cell.fitted());
        write(&path, &render(&ffmpeg, &shots, &filter, JPEG)?)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let before = (number - 1) * (columns * rows) as usize;
        for (place, frame) in page.iter().enumerate() {
            let next = frames.get(before + place + 1).map(|next| ticks(next.timestamp));
            let at = |ticks: i64| clock(ticks - recording.start, '.');
            let (x, y) =
                (place as u32 % columns * cell.width, place as u32 / columns * cell.height);
            let end = next.unwrap_or(recording.end);
            let _ = writeln!(
                text,
                "\n{} --> {}\n{name}#xywh={x},{y},{},{}",
                at(ticks(frame.timestamp)),
                at(end),
                cell.width,
                cell.height
            );
        }
    }
    write(&wanted.out, text.as_bytes())
}

/// Writes an animation.
pub(crate) fn preview(wanted: &Preview) -> Result<()> {
    if wanted.out.extension().is_none_or(|extension| extension != "webp") {
        bail!("{}: name it .webp", wanted.out.display());
    }
    let ffmpeg = wanted.ffmpeg.find()?;
    let recording = Recording::open(&wanted.session, None)?;
    let mut shots = shots_of_scenes(&recording, &wanted.choice, &wanted.session)?;
    let (count, most) = (shots.len(), wanted.most as usize);
    if count > most {
        shots = (0..most).map(|n| shots[n * count / most].clone()).collect();
    }
    for shot in &mut shots {
        shot.lasts = wanted.each;
    }
    let filter = Cell::of(shots[0].frame, wanted.width).fitted();
    write(&wanted.out, &render(&ffmpeg, &shots, &filter, WEBP)?)
}

/// Why nothing is written.
const NO_PICTURE: &str = "no picture of it is there";

const JPEG: &[&str] = &["-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe"];
const PNG: &[&str] = &["-frames:v", "1", "-c:v", "png", "-f", "image2pipe"];
const WEBP: &[&str] = &["-c:v", "libwebp_anim", "-quality", "75", "-loop", "0", "-f", "webp"];

/// Returns the encoder of a still picture that a file's name asks for.
fn still(path: &Path) -> Result<&'static [&'static str]> {
    match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
        "jpg" | "jpeg" => Ok(JPEG),
        "png" => Ok(PNG),
        _ => bail!("{}: name it .jpg or .png", path.display()),
    }
}

/// Returns the pictures of the chosen scenes, with the times at which they begin.
fn shots_of_scenes<'a>(
    recording: &'a Recording,
    choice: &ChoiceArgs,
    session: &Path,
) -> Result<Vec<Shot<'a>>> {
    let scenes = choice.choice().scenes_of(recording);
    let there = present(scenes.iter().map(|scene| scene.frame));
    let is_there = |frame: &Frame| there.iter().any(|there| std::ptr::eq(*there, frame));
    let shown = scenes.iter().filter(|scene| is_there(scene.frame));
    let shots: Vec<_> = shown
        .map(|scene| Shot::of(scene.frame, short(scene.start - recording.start), 1.0))
        .collect();
    if shots.is_empty() {
        bail!("{}: {NO_PICTURE}; check --from and --to", session.display());
    }
    Ok(shots)
}

/// Returns the frames whose pictures are those of the index, and warns of the others.
fn present<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<&'a Frame> {
    let is_there = |frame: &&Frame| match fault(frame) {
        Some(fault) => {
            report::warn(format_args!("{}: {fault}; it is left out", frame.path));
            false
        }
        None => true,
    };
    frames.filter(is_there).collect()
}

/// Returns the fault of a frame's picture.
fn fault(frame: &Frame) -> Option<String> {
    match hash_of(Path::new(&frame.path)) {
        Ok(hash) if hash == frame.hash => None,
        Ok(_) => Some("its contents are not those of the index".to_owned()),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Returns `NAME-NUMBER.EXTENSION`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{number}.{extension}"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    output::refuse_recordings(path)?;
    output::write(path, bytes).with_context(|| path.display().to_string())?;
    report::note(format_args!("{}: written", output::named(path).display()));
    Ok(())
}
