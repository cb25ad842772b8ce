//! WAV files of 16-bit samples: a header of 44 bytes, and the samples.

use multiversion::multiversion;

/// Length of the header in bytes.
const HEADER: u32 = 44;

/// Returns samples as 16-bit numbers, rounded and clipped as ffmpeg does.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn quantized(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round_ties_even() as i16).collect()
}

/// Returns the file of interleaved samples.
pub(crate) fn file(samples: &[i16], rate: u32, channels: u16) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let frame = channels * 2;
    let mut file = Vec::with_capacity((HEADER + bytes) as usize);
    file.extend(b"RIFF");
    file.extend((HEADER - 8 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    let begin = file.len();
    file.resize(begin + samples.len() * 2, 0);
    let (places, _) = file[begin..].as_chunks_mut::<2>();
    places.iter_mut().zip(samples).for_each(|(place, sample)| *place = sample.to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_describes_samples() {
        let file = file(&[1, -2, 3, -4], 16_000, 2);
        assert_eq!(file.len(), 44 + 8);
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(file[4..8], 44_u32.to_le_bytes());
        assert_eq!(file[28..32], 64_000_u32.to_le_bytes());
        assert_eq!(file[44..], [1, 0, 254, 255, 3, 0, 252, 255]);
    }

    #[test]
    fn samples_are_rounded_and_clipped() {
        let samples = [0.0, 0.5 / 32_768.0, 1.5 / 32_768.0, 1.0, -1.0, -2.0, f32::NAN];
        assert_eq!(quantized(&samples), [0, 0, 2, 32_767, -32_768, -32_768, 0]);
    }
}
