//! Files that results name. Their kind, length and identity are known without opening them, and to
//! which result they belong.

use std::{collections::HashMap, fs, path::PathBuf, sync::OnceLock};

use jiff::Timestamp;

use super::{find::File, probe::Probe};
use crate::{
    root::Root,
    unit::{Input, Unit},
};

/// Inputs of results.
#[derive(Debug, Default)]
pub(crate) struct Known {
    root: Root,
    /// Inputs by path, each with the key of its result.
    inputs: HashMap<String, (Input, String)>,
    /// Keys of results by the identity and the wall clock of their inputs: several recordings may
    /// begin alike, and a copy under another name may have another wall clock.
    holders: HashMap<(String, Option<Timestamp>), Vec<String>>,
    results: HashMap<String, Held>,
    /// Results that begin with an identity.
    first: HashMap<String, Vec<String>>,
}

/// Files of one result.
#[derive(Debug)]
struct Held {
    /// Where its files lay, and their sizes.
    files: Vec<(PathBuf, u64)>,
    /// Whether none of them is at its place any more.
    is_gone: OnceLock<bool>,
}

impl Held {
    fn is_gone(&self) -> bool {
        let is_there = |(path, bytes): &(PathBuf, u64)| {
            fs::metadata(path).is_ok_and(|found| found.len() == *bytes)
        };
        *self.is_gone.get_or_init(|| !self.files.iter().any(is_there))
    }
}

impl Known {
    /// Returns that nothing is known yet of the files in a folder.
    pub(crate) fn new(root: &Root) -> Self {
        Self { root: root.clone(), ..Self::default() }
    }

    /// Adds the inputs of a result.
    pub(crate) fn add(&mut self, unit: &Unit) {
        let file = |input: &Input| (self.root.place(&input.path), input.bytes);
        let files = unit.inputs.iter().map(file).collect();
        self.results.insert(unit.key.clone(), Held { files, is_gone: OnceLock::new() });
        if let Some(first) = unit.inputs.first() {
            self.first.entry(first.id.clone()).or_default().push(unit.key.clone());
        }
        for input in &unit.inputs {
            let content = (input.id.clone(), input.at);
            self.holders.entry(content).or_default().push(unit.key.clone());
            self.inputs.insert(input.path.clone(), (input.clone(), unit.key.clone()));
        }
    }

    /// Returns the findings of an earlier run about a file that has not changed since.
    pub(crate) fn probe(&self, file: &File) -> Option<Probe> {
        let (known, _) = self.inputs.get(self.root.name(&file.path)?.to_str()?)?;
        let is_same = known.bytes == file.bytes && known.modified == file.modified;
        is_same.then(|| Probe {
            kind: known.kind,
            id: known.id.clone(),
            duration: known.duration,
            clock: known.clock,
        })
    }

    /// Returns the key of the result that these inputs belong to: the one that holds the first of
    /// them by its path, or else, where recordings were moved, most of them by their content.
    pub(crate) fn key(&self, inputs: &[Input]) -> Option<&str> {
        if let Some(key) = self.key_by_path(inputs) {
            return Some(key);
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for key in inputs.iter().flat_map(|input| self.moved(input)) {
            *counts.entry(key).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(key, count)| (*count, std::cmp::Reverse(*key)));
        most.filter(|(_, count)| count * 2 > inputs.len()).map(|(key, _)| key)
    }

    /// Returns the key of the result that holds the first of these inputs by its path.
    pub(crate) fn key_by_path(&self, inputs: &[Input]) -> Option<&str> {
        inputs.iter().find_map(|input| self.by_path(input))
    }

    /// Returns the key of the result that holds an input.
    pub(crate) fn holder(&self, input: &Input) -> Option<&str> {
        self.by_path(input).or_else(|| self.moved(input).next())
    }

    fn by_path(&self, input: &Input) -> Option<&str> {
        let (known, key) = self.inputs.get(&input.path)?;
        (known.id == input.id).then_some(key)
    }

    /// Returns the keys of the results that hold the content of an input, and whose files have
    /// gone. While these are at their places, it is a copy, and no file that was moved.
    fn moved(&self, input: &Input) -> impl Iterator<Item = &str> {
        let keys = self.holders.get(&(input.id.clone(), input.at)).into_iter().flatten();
        let is_gone = |key: &&String| self.results.get(*key).is_some_and(Held::is_gone);
        keys.filter(is_gone).map(String::as_str)
    }

    /// Returns whether some result has this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.results.contains_key(key)
    }

    /// Returns whether the result `key` begins with an input.
    pub(crate) fn begins_with(&self, key: &str, input: &Input) -> bool {
        self.first.get(&input.id).is_some_and(|keys| keys.iter().any(|known| known == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::tests::unit;

    #[test]
    fn result_of_inputs_is_told_by_path_and_by_most_of_the_content() {
        let mut known = Known::default();
        let alike = |paths: &[&str]| {
            let mut unit = unit("", paths);
            unit.inputs[0].id = "intro".to_owned();
            unit
        };
        for (key, paths) in [("a", ["/a/1", "/a/2"]), ("b", ["/b/1", "/b/2"])] {
            known.add(&Unit { key: key.to_owned(), ..alike(&paths) });
        }
        assert_eq!(known.key(&alike(&["/b/1", "/b/2"]).inputs), Some("b"));
        assert_eq!(known.key(&alike(&["/c/1", "/c/2"]).inputs), None, "another that begins alike");
        let mut moved = alike(&["/c/1", "/c/2"]);
        moved.inputs[1].id = "/b/2-id".to_owned();
        assert_eq!(known.key(&moved.inputs), Some("b"));
        assert!(known.has("a") && !known.has("c"));
    }
}
