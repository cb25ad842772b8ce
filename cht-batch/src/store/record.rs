//! Records: what a result says of itself, and why a unit has none.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use cht_core::storage::durable;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{settings::Settings, unit::Unit};

/// Name of the record in the folder of a result.
pub(crate) const RECORD: &str = "batch.json";

/// Name of the file with the measures of each frame.
pub(crate) const SCORES: &str = "scores.ndjson";

/// Largest record that is read, in bytes: a unit of a million files.
const LARGEST: u64 = 1 << 30;

/// Record of a result. It depends on inputs and settings alone, so that two machines make the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub fingerprint: String,
    pub settings: Settings,
    pub frames: u64,
    /// Pieces of sound.
    pub pieces: u64,
    /// Frames decoded.
    pub decoded: u64,
    /// Inputs that could not be used, or not all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What the inputs lack, though a stage looked for it: `sound` or `video`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    pub unit: Unit,
    /// Where each input begins on the timeline of the result, in ticks.
    pub offsets: Vec<Option<i64>>,
}

/// A fault of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A unit that failed for good: with the same inputs and settings it is not tried again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub fingerprint: String,
    pub failures: Vec<Failure>,
}

/// What earlier runs have left of a unit.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub record: Option<Record>,
    /// Why it failed for good.
    pub failed: Option<Failed>,
}

impl Earlier {
    /// Returns the faults of its inputs, under any settings.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        let record = self.record.iter().flat_map(|record| &record.failures);
        record.chain(self.failed.iter().flat_map(|failed| &failed.failures))
    }
}

impl Record {
    /// Returns the path of the record of the result in `folder`.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(RECORD)
    }

    /// Returns whether the result holds all inputs of a unit. It may hold more, which are gone.
    pub(crate) fn holds(&self, unit: &Unit) -> bool {
        let mut known = self.unit.inputs.iter();
        unit.inputs
            .iter()
            .all(|input| known.any(|known| known.id == input.id && known.at == input.at))
    }

    /// Returns where the inputs begin on the timeline, in ticks, by path.
    pub(crate) fn places(&self) -> HashMap<String, i64> {
        let places = self.unit.inputs.iter().zip(&self.offsets);
        places.filter_map(|(input, offset)| Some((input.path.clone(), (*offset)?))).collect()
    }

    /// Returns the place of a unit's first input among those of the result, if the unit goes on
    /// from there: its first inputs are the last ones of the result.
    pub(crate) fn leads_to(&self, unit: &Unit) -> Option<usize> {
        let first = unit.inputs.first()?;
        let known = &self.unit.inputs;
        let place = known.iter().position(|input| input.id == first.id)?;
        let mut pairs = known[place..].iter().zip(&unit.inputs);
        let is_same = pairs.all(|(known, input)| known.id == input.id && known.at == input.at);
        (is_same && known.len() - place <= unit.inputs.len()).then_some(place)
    }

    /// Reads the record of the result in `folder`; `None` if there is none.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        read(&Self::path(folder))
    }

    /// Writes it into `folder`, durably.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        write(&Self::path(folder), self)
    }
}

/// Reads a file of JSON; `None` if there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match durable::read(path, LARGEST) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file of JSON, durably.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    durable::replace(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{settings::Stage, unit::tests::unit};

    fn record(paths: &[&str]) -> Record {
        let settings = Settings::new(&[Stage::Scenes], &[], &[], std::iter::empty());
        let unit = unit("a", paths);
        let fingerprint = settings.fingerprint(&unit);
        Record {
            fingerprint,
            settings,
            frames: 0,
            pieces: 0,
            decoded: 0,
            failures: Vec::new(),
            lacks: Vec::new(),
            unit,
            offsets: Vec::new(),
        }
    }

    #[test]
    fn result_holds_inputs_that_are_left_and_goes_on_with_new_ones() {
        let record = record(&["1", "2", "3"]);
        for (inputs, holds, place) in [
            (&["1", "2", "3"][..], true, Some(0)),
            (&["2", "3"], true, Some(1)),
            (&["1", "3"], true, None),
            (&["1", "2", "3", "4"], false, Some(0)),
            (&["3", "4", "5"], false, Some(2)),
            (&["4"], false, None),
            (&["3", "2"], false, Some(2)),
        ] {
            let unit = unit("a", inputs);
            assert_eq!((record.holds(&unit), record.leads_to(&unit)), (holds, place), "{inputs:?}");
        }
    }
}
