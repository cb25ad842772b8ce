//! Descriptors of an elementary stream (ISO/IEC 13818-1 §2.6, ETSI EN 300 468 §6).
use crate::codec::Codec;
use crate::program::AudioFormat;

/// Contents of the descriptors of one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) codec: Option<Codec>,
    pub(crate) language: Option<String>,
    pub(crate) audio: Option<AudioFormat>,
}

/// Reads a loop of descriptors; stops at one that is longer than the loop.
pub(crate) fn read(mut bytes: &[u8]) -> Described {
    let mut described = Described::default();
    while let [tag, len, rest @ ..] = bytes {
        let Some((data, behind)) = rest.split_at_checked(usize::from(*len)) else { break };
        described.add(*tag, data);
        bytes = behind;
    }
    described
}

impl Described {
    fn add(&mut self, tag: u8, data: &[u8]) {
        let codec = match tag {
            0x05 => data.first_chunk().and_then(|&id| Codec::of_registration(id)),
            0x56 => Some(Codec::DvbTeletext),
            0x59 => Some(Codec::DvbSubtitle),
            0x6A => Some(Codec::Ac3),
            0x7A => Some(Codec::Eac3),
            0x7B => Some(Codec::Dts),
            // ffmpeg and others write the extension with tag 0x80 for Opus.
            0x7F if data.first() == Some(&0x80) => {
                self.audio = data.get(1).and_then(|&channels| opus(channels));
                Some(Codec::Opus)
            }
            _ => None,
        };
        // The first descriptor that names a coding wins.
        self.codec = self.codec.or(codec);
        if matches!(tag, 0x0A | 0x56 | 0x59) && self.language.is_none() {
            self.language = data.first_chunk().copied().and_then(language);
        }
    }
}

fn opus(channels: u8) -> Option<AudioFormat> {
    (1..=8).contains(&channels).then_some(AudioFormat { sample_rate: 48_000, channels })
}

fn language(code: [u8; 3]) -> Option<String> {
    let letters = code.iter().all(u8::is_ascii_alphabetic);
    letters.then(|| code.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_and_language_are_read() {
        let described = read(b"\x0A\x04deu\x00\x6A\x01\x00");
        assert_eq!(described.codec, Some(Codec::Ac3));
        assert_eq!(described.language.as_deref(), Some("deu"));
        assert_eq!(read(b"\x05\x04EAC3").codec, Some(Codec::Eac3));
        assert_eq!(read(b"\x59\x08eng\x10\0\x01\0\x01").language.as_deref(), Some("eng"));
    }

    #[test]
    fn opus_of_ffmpeg_is_read() {
        let described = read(b"\x05\x04Opus\x7F\x02\x80\x02");
        assert_eq!(described.codec, Some(Codec::Opus));
        assert_eq!(described.audio, Some(AudioFormat { sample_rate: 48_000, channels: 2 }));
    }

    #[test]
    fn descriptor_longer_than_loop_ends_it() {
        assert_eq!(read(b"\x0A\xFFeng\x00"), Described::default());
        assert_eq!(read(b"\x0A\x04e\x01g\x00").language, None);
    }
}
