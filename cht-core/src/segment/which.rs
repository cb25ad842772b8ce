//! One of several streams, as `--stream` names it. Pure.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Lowest PID of an elementary stream (ISO/IEC 13818-1 table 2-3).
const FIRST_PID: u16 = 0x10;

/// One of several streams, by PID or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Its PID.
    Pid(u16),
    /// Index from 0 among those of its kind, in the order of the tables.
    Index(u16),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text.strip_prefix("0x") {
            Some(hex) => u16::from_str_radix(hex, 16),
            None => text.parse(),
        };
        match number {
            Ok(index) if index < FIRST_PID => Ok(Self::Index(index)),
            Ok(pid) if pid < 0x1FFF => Ok(Self::Pid(pid)),
            _ => Err("must be a PID, as 257 or 0x101, or 0, 1 … for the first, second … video"
                .to_owned()),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "{pid:#x}"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_below_first_pid_is_an_index() {
        assert_eq!("1".parse(), Ok(Which::Index(1)));
        assert_eq!("16".parse(), Ok(Which::Pid(16)));
        assert_eq!("0x101".parse(), Ok(Which::Pid(0x101)));
        assert!("0x1fff".parse::<Which>().is_err() && "video".parse::<Which>().is_err());
    }
}
