//! The metrics of `stats` events: of a stage itself, or of one whose events another reads.

use jiff::Timestamp;

use super::exposition::{Exposition, Result, seconds};
use crate::event::{AudioStats, Decoded, RecvStats, ScenesStats};

/// Adds the metrics of cht-recv, as they were `at`.
pub fn recv(exposition: &Exposition, stats: &RecvStats, at: Timestamp) -> Result<()> {
    let counter = |name, help, value| exposition.counter(name, help, value);
    let gauge = |name, help, value| exposition.gauge(name, help, value);
    gauge("cht_recv_connected", "Whether a sender is connected.", stats.connected.into())?;
    counter("cht_recv_connections_total", "Connections so far.", stats.connections)?;
    counter("cht_recv_received_bytes_total", "Bytes received.", stats.bytes)?;
    counter("cht_recv_received_packets_total", "Transport packets received.", stats.packets)?;
    let segments = "Segments that got their final name.";
    counter("cht_recv_segments_closed_total", segments, stats.segments)?;
    let left_out = "Events left out because the reader of stdout had stalled.";
    counter("cht_recv_events_left_out_total", left_out, stats.left_out)?;
    if let Some(free) = stats.free_disk {
        let help = "Bytes that are free for cht-recv where the sessions are.";
        gauge("cht_recv_free_disk_bytes", help, free as f64)?;
    }
    if let Some(idle) = stats.idle {
        let help = "When the last byte was received, since the epoch.";
        gauge("cht_recv_last_byte_timestamp_seconds", help, seconds(at) - idle)?;
    }
    let listed = stats.pids.iter().map(|pid| (format!("0x{:04x}", pid.pid), pid.continuity_errors));
    let mut gaps: Vec<_> = listed.collect();
    let sum: u64 = gaps.iter().map(|(_, count)| count).sum();
    gaps.push(("other".to_owned(), stats.continuity_errors.saturating_sub(sum)));
    exposition.counters(
        "cht_recv_continuity_errors_total",
        "Gaps in continuity counters; pid=\"other\" is the sum of all but the first 64 PIDs.",
        ["pid"],
        gaps.iter().map(|(pid, count)| ([pid.as_str()], *count as f64)),
    )
}

/// Adds the metrics of cht-scenes but for its lag.
pub fn scenes(exposition: &Exposition, stats: &ScenesStats) -> Result<()> {
    let counter = |name, help, value| exposition.counter(name, help, value);
    let gauge = |name, help, value| exposition.gauge(name, help, value);
    counter("cht_scenes_decoded_frames_total", "Frames decoded and looked at.", stats.decoded)?;
    counter("cht_scenes_kept_frames_total", "Frames kept.", stats.kept)?;
    counter(
        "cht_scenes_skipped_frames_total",
        "Frames left out to catch up with a live stream.",
        stats.skipped,
    )?;
    exposition.counters(
        "cht_scenes_suppressed_frames_total",
        "Changes that were found and have no frame of their own, by cause.",
        ["cause"],
        stats.suppressed.iter().map(|(cause, count)| ([cause.as_str()], *count as f64)),
    )?;
    let keyframes = "Whether only keyframes are decoded at present.";
    let is_reduced = stats.decoding == Decoded::Keyframes;
    gauge("cht_scenes_decoding_keyframes_only", keyframes, is_reduced.into())?;
    let choices = "Chosen frames that wait for a picture.";
    gauge("cht_scenes_waiting_choices", choices, stats.choices_waiting as f64)?;
    let pictures = "Pictures that wait for a detector.";
    gauge("cht_scenes_waiting_pictures", pictures, stats.pictures_waiting as f64)
}

/// Adds the metrics of cht-audio but for its lag.
pub fn audio(exposition: &Exposition, stats: &AudioStats) -> Result<()> {
    exposition.counter("cht_audio_pieces_total", "Pieces of sound cut.", stats.pieces)?;
    let silent = "Pieces without speech among them.";
    exposition.counter("cht_audio_silent_pieces_total", silent, stats.silent)?;
    let cut = "Seconds of sound in the pieces.";
    exposition.counters("cht_audio_cut_seconds_total", cut, [], [([], stats.cut)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PidStats;

    #[test]
    fn gaps_without_a_pid_are_other_and_last_byte_is_a_time() {
        let at = "2026-11-23T00:00:10Z".parse().unwrap();
        let stats = RecvStats {
            connected: true,
            connections: 1,
            bitrate: 0,
            bytes: 1316,
            packets: 7,
            continuity_errors: 5,
            pids: vec![
                PidStats { pid: 256, continuity_errors: 2 },
                PidStats { pid: 257, continuity_errors: 0 },
            ],
            idle: Some(2.5),
            segments: 0,
            free_disk: None,
            left_out: 0,
        };
        let exposition = Exposition::of_process(at).unwrap();
        recv(&exposition, &stats, at).unwrap();
        let text = exposition.text().unwrap();
        for line in [
            "cht_recv_connected 1",
            "# TYPE cht_recv_received_bytes_total counter",
            "cht_recv_received_bytes_total 1316",
            "cht_recv_received_packets_total 7",
            "cht_recv_continuity_errors_total{pid=\"0x0100\"} 2",
            "cht_recv_continuity_errors_total{pid=\"0x0101\"} 0",
            "cht_recv_continuity_errors_total{pid=\"other\"} 3",
            "cht_recv_last_byte_timestamp_seconds 1795392007.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("free_disk"), "{text}");
    }
}
