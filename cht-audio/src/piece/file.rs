//! Makes the file of a piece, and measures it.

use std::{
    io::{Read as _, Write as _},
    thread,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::rounded,
    process::ffmpeg::{Process, Program},
};
use ebur128::{EbuR128, Mode};

use crate::{
    args,
    sound::{stretch::Format, wav},
};

/// Returns the file of interleaved samples.
pub(crate) fn encode(
    ffmpeg: &Program,
    samples: &[f32],
    format: Format,
    kind: args::Format,
) -> Result<Vec<u8>> {
    let samples = wav::quantized(samples);
    let Format { rate, channels } = format;
    match kind {
        args::Format::Wav => Ok(wav::file(&samples, rate, channels)),
        args::Format::Flac => {
            let mut file = by_ffmpeg(ffmpeg, &samples, format, &["-c:a", "flac", "-f", "flac"])?;
            set_flac_length(&mut file, (samples.len() / usize::from(channels)) as u64);
            Ok(file)
        }
        args::Format::Opus => {
            by_ffmpeg(ffmpeg, &samples, format, &["-c:a", "libopus", "-f", "ogg"])
        }
    }
}

/// Lets ffmpeg encode samples. The same samples give the same bytes.
fn by_ffmpeg(
    ffmpeg: &Program,
    samples: &[i16],
    format: Format,
    output: &[&str],
) -> Result<Vec<u8>> {
    let mut command = ffmpeg.command();
    command.args(["-loglevel", "warning", "-threads", "1", "-f", "s16le"]);
    command.args(["-ar", &format.rate.to_string(), "-ac", &format.channels.to_string()]);
    command.input("pipe:0").args(["-fflags", "+bitexact", "-flags:a", "+bitexact"]);
    command.args(output).output("pipe:1");
    let mut process = Process::spawn(command.as_inner_mut(), |_| false)?;
    let mut stdin = process.stdin().context("ffmpeg has no stdin")?;
    let mut stdout = process.stdout().context("ffmpeg has no stdout")?;
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    // The file is read meanwhile. An encoder that has ended says why by its exit status.
    let writer = thread::spawn(move || stdin.write_all(&bytes));
    let mut file = Vec::new();
    stdout.read_to_end(&mut file).context("ffmpeg")?;
    if writer.join().is_err() {
        bail!("the writing thread panicked");
    }
    process.finish()?;
    Ok(file)
}

/// Writes the number of samples into a FLAC file, where an encoder that writes to a pipe cannot: 36
/// bits in STREAMINFO, which is the first block (RFC 9639, section 8.2).
fn set_flac_length(file: &mut [u8], samples: u64) {
    const AT: usize = 21;
    if !file.starts_with(b"fLaC") || file.len() < AT + 5 {
        return;
    }
    let [_, _, _, high, rest @ ..] = samples.to_be_bytes();
    file[AT] = file[AT] & 0xF0 | high & 0x0F;
    file[AT + 1..AT + 5].copy_from_slice(&rest);
}

/// Returns the integrated loudness of samples in LUFS; `None` where it is too quiet to measure.
pub(crate) fn loudness(samples: &[f32], format: Format) -> Option<f64> {
    let mut meter = EbuR128::new(format.channels.into(), format.rate, Mode::I).ok()?;
    meter.add_frames_f32(samples).ok()?;
    let loudness = meter.loudness_global().ok()?;
    loudness.is_finite().then(|| rounded(loudness * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_tone_has_its_loudness_and_silence_has_none() {
        let format = Format { rate: 16_000, channels: 1 };
        let tone = |at: usize| (at as f32 * 997.0 * 2.0 * std::f32::consts::PI / 16_000.0).sin();
        let samples: Vec<f32> = (0..48_000).map(tone).collect();
        // EBU Tech 3341: one channel at 0 dBFS is -3 LUFS.
        let loudness = loudness(&samples, format).unwrap();
        assert!((loudness + 3.0).abs() < 0.2, "{loudness}");
        assert_eq!(super::loudness(&vec![0.0; 48_000], format), None);
        assert_eq!(super::loudness(&samples[..100], format), None);
    }

    #[test]
    fn flac_length_is_36_bits() {
        let mut file = [b"fLaC".to_vec(), vec![0xFF; 40]].concat();
        set_flac_length(&mut file, 0x1_2345_6789);
        assert_eq!(file[20..27], [0xFF, 0xF1, 0x23, 0x45, 0x67, 0x89, 0xFF]);
    }
}
