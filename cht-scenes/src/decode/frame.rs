//! A frame as a decoder gives it: what is said about it, its small luma, its picture.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use cht_detect::measure::Plane;

use super::{ffmpeg_log::Decoded, filter::small_size, pipes::Outputs};
use crate::picture::FrameFormat;

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub decoded: Decoded,
    /// Its luma at a quarter of the width and height, where it is measured.
    pub small: Option<Plane>,
    /// Where it was handed over.
    pub picture: Option<Picture>,
}

/// A picture as it came from the decoder.
#[derive(Debug)]
pub(crate) struct Picture {
    pub samples: Vec<u8>,
    pub form: FrameFormat,
    /// Where its memory goes.
    pool: Pool,
}

/// Memory for pictures, which is used again: to get megabytes from the system for each picture costs as much as to copy it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// Reads the frames of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pool: Pool,
    /// Width and height of the small luma: those of the last picture tell.
    size: (usize, usize),
}

impl Reader {
    /// With memory from `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, size: (0, 0) }
    }

    /// Reads what belongs to a frame. Fails as [`Outputs::read`].
    pub(crate) fn read(&mut self, decoded: Decoded, outputs: &Outputs) -> io::Result<Frame> {
        let mut picture = decoded.picture.map(|form| self.pool.picture(form));
        if let Some(form) = &decoded.picture {
            self.size = small_size(form.width, form.height);
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
    /// Memory of a picture that is gone, or new one.
    fn picture(&self, form: FrameFormat) -> Picture {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut samples = free.unwrap_or_default();
        samples.resize(form.bytes(), 0);
        Picture { samples, form, pool: self.clone() }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(samples);
    }
}

impl Frame {
    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.small.as_ref().map_or(0, |small| small.samples.len())
            + self.picture.as_ref().map_or(0, |picture| picture.samples.len())
    }
}

impl Picture {
    /// Its luma at a quarter of the width and height, as it is measured.
    pub(crate) fn small(&self) -> Plane {
        const PART: usize = 4;
        let (width, height) = small_size(self.form.width, self.form.height);
        let (bytes, depth) = (self.form.sample(), self.form.samples.depth);
        let row = self.form.width as usize * bytes;
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
