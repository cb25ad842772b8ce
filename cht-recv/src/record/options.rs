//! Options of the command line that say where segments end and which ones are removed.

use std::time::Duration;

use anyhow::{Result, ensure};
use cht_core::process::cli::seconds;
use clap::Args;

use super::{limits::SegmentLimits, retention::Limits};
use cht_core::process::units::{self, Size};

/// Options of the recording.
#[derive(Debug, Args)]
pub(crate) struct RecordOptions {
    /// Minimum length of a segment; it ends before the next keyframe. 0: end before each keyframe
    #[arg(long, value_name = "SECONDS", env = "CHT_SEGMENT_TIME", default_value_t = 60.0, value_parser = seconds)]
    pub segment_time: f64,
    /// Maximum size of a segment; it ends before a picture where possible
    #[arg(long, value_name = "SIZE", env = "CHT_SEGMENT_MAX_BYTES", default_value = "1G", value_parser = units::size_from_64k)]
    pub segment_max_bytes: Size,
    /// Maximum length of a segment, with or without a keyframe [default: ten times --segment-time,
    /// at least 60]
    #[arg(long, value_name = "SECONDS", env = "CHT_SEGMENT_MAX_TIME", value_parser = seconds)]
    pub segment_max_time: Option<f64>,
    #[command(flatten)]
    pub retention: Limits,
}

/// How a session is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Minimum length of a segment, in seconds.
    pub segment_time: f64,
    /// Where a segment ends at the latest.
    pub bounds: SegmentLimits,
    /// Which segments are removed.
    pub retention: Limits,
}

impl RecordOptions {
    /// Returns the plan. Fails if the maximum length is below the minimum.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let max_time = self.segment_max_time.unwrap_or((self.segment_time * 10.0).max(60.0));
        ensure!(
            max_time > 0.0 && max_time >= self.segment_time,
            "--segment-max-time {max_time}: must be above 0, and not below --segment-time"
        );
        ensure!(
            !self.retention.are_reversed(),
            "--retain-frames-age: shorter than --retain-age; the segments of a session go with its pictures"
        );
        let time = Duration::from_secs_f64(max_time);
        Ok(Plan {
            segment_time: self.segment_time,
            bounds: SegmentLimits { bytes: self.segment_max_bytes.0, time },
            retention: self.retention,
        })
    }
}
