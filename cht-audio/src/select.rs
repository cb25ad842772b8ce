//! Selects the sound of a stream: `--program` and `--stream`. Pure.

use std::{fmt::Write as _, str::FromStr};

use cht_core::{event::Segment, segment};
use cht_ts::{Codec, Media, Program};
use serde::{Deserialize, Serialize};

/// Options that select the sound; by default, it is the first that the tables list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// `program_number`.
    pub program: Option<u16>,
    pub stream: Option<Which>,
}

/// One of several sounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    Pid(u16),
    /// Index from 0, in the order of the tables.
    Index(u16),
    /// ISO 639-2 code.
    Language(String),
}

/// Sound that the tables list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sound {
    pub program: u16,
    pub pid: u16,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Channels by the tables or the first frame; 0 if they are not known.
    pub channels: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Self::Language(text.to_ascii_lowercase()));
        }
        match text.parse() {
            Ok(segment::Which::Pid(pid)) => Ok(Self::Pid(pid)),
            Ok(segment::Which::Index(index)) => Ok(Self::Index(index)),
            Err(_) => Err("must be a PID, as 257 or 0x101; 0, 1 … for the first, second … sound; \
                           or a language of three letters, as deu"
                .to_owned()),
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "{pid:#x}"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Language(language) => f.write_str(language),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.program.map(|program| format!("--program {program}"));
        let stream = self.stream.as_ref().map(|stream| format!("--stream {stream}"));
        let words: Vec<_> = program.into_iter().chain(stream).collect();
        f.write_str(&words.join(" "))
    }
}

impl Asked {
    /// Returns whether any option is set.
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Returns the sound of an examined segment; `Ok(None)` if there is none at all, and the list
    /// of its sounds if none matches.
    pub(crate) fn of_segment(&self, segment: &Segment) -> Result<Option<Sound>, String> {
        let sounds = segment.streams.iter().filter(|stream| is_sound(&stream.codec));
        let sounds = sounds.map(|stream| Sound {
            program: stream.program,
            pid: stream.pid,
            codec: stream.codec.clone(),
            channels: stream.channels.unwrap_or(0),
            language: stream.language.clone(),
        });
        self.of(sounds.collect())
    }

    /// Returns the sound of programs, likewise.
    pub(crate) fn of_programs(&self, programs: &[Program]) -> Result<Option<Sound>, String> {
        let streams = programs
            .iter()
            .flat_map(|program| program.streams.iter().map(move |stream| (program.number, stream)));
        let sounds = streams.filter(|(_, stream)| stream.media() == Media::Audio);
        let sounds = sounds.map(|(program, stream)| Sound {
            program,
            pid: stream.pid,
            codec: stream.codec.as_str().to_owned(),
            channels: stream.audio.map_or(0, |audio| audio.channels),
            language: stream.language.clone(),
        });
        self.of(sounds.collect())
    }

    fn of(&self, sounds: Vec<Sound>) -> Result<Option<Sound>, String> {
        let there = describe(&sounds);
        let is_silent = sounds.is_empty();
        let sounds = sounds
            .into_iter()
            .filter(|sound| self.program.is_none_or(|program| sound.program == program));
        let mut sounds: Vec<_> = sounds.collect();
        match &self.stream {
            None => {}
            Some(Which::Pid(pid)) => sounds.retain(|sound| sound.pid == *pid),
            Some(Which::Language(asked)) => sounds.retain(|sound| {
                sound.language.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(asked))
            }),
            Some(Which::Index(index)) => drop(sounds.drain(..sounds.len().min((*index).into()))),
        }
        match sounds.into_iter().next() {
            Some(sound) => Ok(Some(sound)),
            None if is_silent => Ok(None),
            None => Err(there),
        }
    }
}

impl Sound {
    /// Returns its codec, if it can be handed to a decoder.
    pub(crate) fn codec(&self) -> Option<Codec> {
        Codec::named(&self.codec)
    }

    /// Returns whether both are one stream for a decoder.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let layer = |codec: &str| matches!(codec, "mp1" | "mp2" | "mp3");
        let is_same_codec = self.codec == other.codec || layer(&self.codec) && layer(&other.codec);
        // Opus has its channels in the tables; other codecs have them in each frame.
        self.pid == other.pid
            && is_same_codec
            && (self.codec != "opus" || self.channels == other.channels)
    }
}

fn is_sound(codec: &str) -> bool {
    Codec::named(codec).is_some_and(|codec| codec.media() == Media::Audio)
}

/// Describes the sounds, for an error message.
fn describe(sounds: &[Sound]) -> String {
    let mut text = String::new();
    for Sound { program, pid, codec, language, .. } in sounds {
        let separator = if text.is_empty() { "" } else { ", " };
        let language = language.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
        let _ = write!(text, "{separator}program {program}: {pid:#x} ({codec}{language})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(program: u16, pid: u16, language: &str) -> Sound {
        let language = (!language.is_empty()).then(|| language.to_owned());
        Sound { program, pid, codec: "aac".to_owned(), channels: 2, language }
    }

    #[test]
    fn stream_is_a_number_or_a_language() {
        assert_eq!("1".parse(), Ok(Which::Index(1)));
        assert_eq!("257".parse(), Ok(Which::Pid(257)));
        assert_eq!("0x101".parse(), Ok(Which::Pid(0x101)));
        assert_eq!("Deu".parse(), Ok(Which::Language("deu".to_owned())));
        assert!("german".parse::<Which>().is_err() && "0x1fff".parse::<Which>().is_err());
    }

    #[test]
    fn options_select_one_sound() {
        let sounds = [sound(1, 0x101, "eng"), sound(1, 0x102, "deu"), sound(2, 0x201, "deu")];
        let pick = |program, stream: Option<&str>| {
            let stream = stream.map(|stream| stream.parse().unwrap());
            Asked { program, stream }.of(sounds.to_vec()).map(|it| it.map(|it| it.pid))
        };
        assert_eq!(pick(None, None), Ok(Some(0x101)));
        assert_eq!(pick(None, Some("deu")), Ok(Some(0x102)));
        assert_eq!(pick(Some(2), None), Ok(Some(0x201)));
        assert_eq!(pick(None, Some("2")), Ok(Some(0x201)));
        assert_eq!(pick(None, Some("0x102")), Ok(Some(0x102)));
        let there = pick(Some(2), Some("eng")).unwrap_err();
        assert!(there.starts_with("program 1: 0x101 (aac, eng), "), "{there}");
        assert_eq!(Asked::default().of(Vec::new()), Ok(None));
    }
}
