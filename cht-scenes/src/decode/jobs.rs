//! Number of decoders next to each other (`--jobs`).

use std::{
    fmt::{self, Display},
    str::FromStr,
};

use super::mode::Decode;

/// Number of decoders for finished segments (`--jobs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// One for each processor, while a list of segments is decoded in full.
    Auto,
    Exactly(u8),
}

impl Jobs {
    /// Largest number that can be asked for.
    const MOST: u8 = 64;

    /// Largest number without being asked. The frames of all decoders go through one thread, which
    /// measures six times as fast as one decoder decodes, and more where it only compares scores.
    const MOST_AUTO: usize = 16;

    /// Returns the number for a list of segments.
    pub(crate) fn of_list(self, decode: Decode) -> u8 {
        match self {
            Self::Exactly(jobs) => jobs,
            Self::Auto if decode == Decode::Full => std::thread::available_parallelism()
                .map_or(1, |cores| cores.get().min(Self::MOST_AUTO))
                as u8,
            // Threads of one decoder cost more than they gain.
            Self::Auto => 1,
        }
    }
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(jobs @ 1..=Self::MOST) => Ok(Self::Exactly(jobs)),
            _ if text == "auto" => Ok(Self::Auto),
            _ => Err(format!("must be auto or a number from 1 to {}", Self::MOST)),
        }
    }
}

impl Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exactly(jobs) => Display::fmt(jobs, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_a_number_or_auto() {
        for text in ["auto", "1", "64"] {
            assert_eq!(text.parse::<Jobs>().map(|jobs| jobs.to_string()), Ok(text.to_owned()));
        }
        for text in ["0", "65", "many", ""] {
            assert!(text.parse::<Jobs>().is_err(), "{text}");
        }
    }

    #[test]
    fn decoder_of_keyframes_has_one_thread_unless_asked() {
        assert_eq!(Jobs::Auto.of_list(Decode::Keyframes), 1);
        assert_eq!(Jobs::Exactly(4).of_list(Decode::Keyframes), 4);
    }
}
