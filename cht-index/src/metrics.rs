//! `--metrics`: the counters for Prometheus. This stage sees the events of all others, so it can
//! answer for them.

use std::sync::Arc;

use cht_core::{
    event::{Event, Metrics},
    metrics::{self, Exposition, Result, ServeError, seconds},
    process::report,
};

use crate::counters::{Counters, Counts};

/// Serves the counters at `HOST:PORT`, as long as the process lives. Returns the event that says
/// where.
pub(crate) fn serve(
    place: &str,
    counters: &Arc<Counters>,
) -> std::result::Result<Event, ServeError> {
    let counters = Arc::clone(counters);
    let url = metrics::serve(place, "127.0.0.1:9445", move |exposition, _| {
        expose(exposition, &counters.snapshot())
    })?;
    Ok(Event::new(None, Metrics { stage: report::stage().to_owned(), url }))
}

fn expose(exposition: &Exposition, counts: &Counts) -> Result<()> {
    events(exposition, counts)?;
    stages(exposition, counts)?;
    snapshots(exposition, counts)
}

fn events(exposition: &Exposition, counts: &Counts) -> Result<()> {
    exposition.counters(
        "cht_events_total",
        "Events that came, by type; a stage that was started again repeats some.",
        ["type"],
        counts.events.iter().map(|(kind, count)| ([*kind], *count as f64)),
    )?;
    exposition.counters(
        "cht_frames_total",
        "Frames that were added to an index, each once, by the reason why they were kept.",
        ["reason"],
        counts.frames.iter().map(|(reason, count)| ([*reason], *count as f64)),
    )?;
    exposition.counters(
        "cht_errors_total",
        "Error events of all stages.",
        ["stage", "code"],
        counts.errors.iter().map(|((stage, code), count)| ([&**stage, &**code], *count as f64)),
    )?;
    let Some(at) = counts.newest_frame else { return Ok(()) };
    let help = "Wall clock of the newest frame, since the epoch.";
    exposition.gauge("cht_newest_frame_timestamp_seconds", help, seconds(at))
}

/// Adds what the stages say of themselves.
fn stages(exposition: &Exposition, counts: &Counts) -> Result<()> {
    exposition.counters(
        "cht_segments_done_total",
        "Segments that the stage has done; one that was started again repeats some.",
        ["stage"],
        counts.done.iter().map(|(stage, (count, _))| ([&**stage], *count as f64)),
    )?;
    exposition.gauges(
        "cht_last_segment_done_timestamp_seconds",
        "When the stage did its last segment, since the epoch.",
        ["stage"],
        counts.done.iter().map(|(stage, (_, at))| ([&**stage], seconds(*at))),
    )?;
    let Counts { recv, scenes, audio, .. } = counts;
    let lags = [
        ("cht-scenes", scenes.as_ref().and_then(|scenes| scenes.lag)),
        ("cht-audio", audio.as_ref().and_then(|audio| audio.lag)),
    ];
    exposition.gauges(
        "cht_lag_seconds",
        "Seconds of a live stream that have arrived and were not worked on yet.",
        ["stage"],
        lags.iter().filter_map(|(stage, lag)| Some(([*stage], (*lag)?))),
    )?;
    recv.iter().try_for_each(|(recv, at)| metrics::recv(exposition, recv, *at))?;
    scenes.iter().try_for_each(|scenes| metrics::scenes(exposition, scenes))?;
    audio.iter().try_for_each(|audio| metrics::audio(exposition, audio))
}

fn snapshots(exposition: &Exposition, counts: &Counts) -> Result<()> {
    let counter = |name, help, value| exposition.counter(name, help, value);
    counter("cht_index_snapshots_total", "Files index.json written.", counts.snapshots)?;
    counter("cht_index_snapshot_bytes_total", "Sum of their sizes.", counts.snapshot_bytes)?;
    exposition.counters(
        "cht_index_snapshot_seconds_total",
        "Time from the beginning of each to its rename.",
        [],
        [([], counts.snapshot_time.as_secs_f64())],
    )?;
    let Some((size, at)) = counts.snapshot else { return Ok(()) };
    let help = "Size of the last index.json that was written.";
    exposition.gauge("cht_index_last_snapshot_bytes", help, size as f64)?;
    let help = "When it was written, since the epoch.";
    exposition.gauge("cht_index_last_snapshot_timestamp_seconds", help, seconds(at))
}
