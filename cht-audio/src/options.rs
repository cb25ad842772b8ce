//! Options that the pieces depend on: a run continues an earlier one only with the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    args::{Args, Channels, Format, Rate},
    select::Asked,
};

/// Options of a run, as its journal stores them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Options {
    pub rate: Rate,
    pub channels: Channels,
    pub format: Format,
    pub min: f64,
    pub max: f64,
    pub sound: Asked,
    pub fill: bool,
    pub skip_silent: bool,
}

impl Options {
    /// Takes them from the command line.
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            rate: args.rate,
            channels: args.channels,
            format: args.format,
            min: args.min,
            max: args.max,
            sound: args.sound(),
            fill: args.fill,
            skip_silent: args.skip_silent,
        }
    }
}

impl fmt::Display for Options {
    /// Writes the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = match self.channels {
            Channels::One => "1",
            Channels::Keep => "keep",
        };
        write!(
            f,
            "--rate {} --channels {channels} --format {} --min {} --max {}",
            self.rate,
            self.format.name(),
            self.min,
            self.max
        )?;
        if self.sound.is_any() {
            write!(f, " {}", self.sound)?;
        }
        let flags = [(self.fill, " --fill"), (self.skip_silent, " --skip-silent")];
        flags.iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, flag)| f.write_str(flag))
    }
}
