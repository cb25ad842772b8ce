//! Reads the frames of a decoder: each has a description, small luma and a picture.

use std::{
    io,
    sync::{Arc, Mutex},
};

use cht_core::process::lock::lock;
use cht_detect::measure::Plane;
use cht_picture::FrameFormat;

use super::{ffmpeg_log::DecodedFrame, filter::small_size, pipes::Outputs};

/// Holds a decoded frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub decoded: DecodedFrame,
    /// Luma at a quarter of the width and height, if it is measured.
    pub small: Option<Plane>,
    /// Picture, if the decoder handed it over.
    pub picture: Option<Picture>,
}

/// Holds a picture as decoded.
#[derive(Debug)]
pub(crate) struct Picture {
    pub samples: Vec<u8>,
    pub format: FrameFormat,
    /// Pool that its memory returns to.
    pool: Pool,
}

/// Reuses the memory of pictures: getting megabytes from the system for each picture costs as much
/// as copying it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// Reads the frames of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pool: Pool,
    /// Width and height of the small luma, after those of the last picture.
    size: (usize, usize),
}

impl Reader {
    /// Creates a reader that takes its memory from `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, size: (0, 0) }
    }

    /// Reads the samples of a frame. Fails as [`Outputs::read`] does.
    pub(crate) fn read(&mut self, decoded: DecodedFrame, outputs: &Outputs) -> io::Result<Frame> {
        let mut picture = decoded.picture.map(|format| self.pool.picture(format));
        if let Some(format) = &decoded.picture {
            self.size = small_size(format.width, format.height);
        }
        let (width, height) = self.size;
        let mut small =
            outputs.has_small().then(|| Plane { width, height, samples: vec![0; width * height] });
        outputs.read(
            picture.as_mut().map_or(&mut [], |picture| &mut picture.samples),
            small.as_mut().map_or(&mut [], |small| &mut small.samples),
        )?;
        Ok(Frame { decoded, small, picture })
    }
}

impl Pool {
    /// Returns a picture in memory that an earlier one has freed, or in new memory.
    fn picture(&self, format: FrameFormat) -> Picture {
        let free = lock(&self.0).pop();
        let mut samples = free.unwrap_or_default();
        samples.resize(format.bytes(), 0);
        Picture { samples, format, pool: self.clone() }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        lock(&self.pool.0).push(samples);
    }
}

impl Frame {
    /// Returns the size of the samples, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.small.as_ref().map_or(0, |small| small.samples.len())
            + self.picture.as_ref().map_or(0, |picture| picture.samples.len())
    }
}

impl Picture {
    /// Returns the luma at a quarter of the width and height, as it is measured.
    pub(crate) fn small(&self) -> Plane {
        const PART: usize = 4;
        let (width, height) = small_size(self.format.width, self.format.height);
        let (bytes, depth) = (self.format.sample(), self.format.samples.depth);
        let row = self.format.width as usize * bytes;
        let level = |sample: &[u8]| {
            let wide = sample.iter().rev().fold(0, |wide, &byte| wide << 8 | u32::from(byte));
            wide >> (depth - 8)
        };
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &self.samples[y * PART * row..][..width * PART * bytes];
            samples.extend(row.chunks_exact(PART * bytes).map(|part| {
                let sum: u32 = part.chunks_exact(bytes).map(level).sum();
                ((sum + PART as u32 / 2) / PART as u32) as u8
            }));
        }
        Plane { width, height, samples }
    }
}
