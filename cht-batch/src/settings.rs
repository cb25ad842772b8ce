//! Settings that results depend on, and the fingerprint of a unit's result. Pure, but for the
//! environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// Version of cht: another one may choose other frames.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version of the folders and files of a result.
const FORM: u32 = 2;

/// Variables of the environment that change no result.
const WITHOUT_EFFECT: [&str; 12] = [
    "CHT_BATCH_JOBS",
    "CHT_BLESS",
    "CHT_CACHE",
    "CHT_FFMPEG",
    "CHT_FOOTAGE",
    "CHT_HWACCEL",
    "CHT_INDEX_FORMAT",
    "CHT_JOBS",
    "CHT_LAG_LIMIT",
    "CHT_ON_LAG",
    "CHT_SESSION",
    "CHT_STATS_INTERVAL",
];

/// Options of the stages that change no result, each with its value.
const OPTIONS_WITHOUT_EFFECT: [&str; 5] =
    ["--jobs", "--hwaccel", "--stats-interval", "--decoder-timeout", "--ffmpeg"];

/// Options of cht-scenes that decide on measures of frames: another value needs no decoding where
/// the measures were kept.
const DECISIONS: [&str; 9] = [
    "--detect",
    "--threshold",
    "--max-interval",
    "--min-gap",
    "--max-frames",
    "--settle",
    "--max-wait",
    "--min-change",
    "--quality",
];

/// Variables that do.
const DECISION_VARIABLES: [&str; 6] = [
    "CHT_DETECT",
    "CHT_THRESHOLD",
    "CHT_MAX_INTERVAL",
    "CHT_MIN_GAP",
    "CHT_MAX_FRAMES",
    "CHT_QUALITY",
];

/// Work that is done on each unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Frames, by cht-scenes
    Scenes,
    /// Sound, by cht-audio
    Audio,
}

/// Settings of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub form: u32,
    pub version: String,
    pub stages: Vec<Stage>,
    /// Options of cht-scenes.
    pub scenes: Vec<String>,
    /// Options of cht-audio.
    pub audio: Vec<String>,
    /// Variables of the environment that the stages read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

impl Settings {
    /// Returns the settings of a command line and an environment.
    pub(crate) fn new(
        stages: &[Stage],
        scenes: &[String],
        audio: &[String],
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut stages = stages.to_vec();
        stages.sort();
        stages.dedup();
        let of = |stage, options: &[String]| {
            if stages.contains(&stage) {
                without(options, &OPTIONS_WITHOUT_EFFECT)
            } else {
                Vec::new()
            }
        };
        let (scenes, audio) = (of(Stage::Scenes, scenes), of(Stage::Audio, audio));
        let is_read = |name: &str| name.starts_with("CHT_") && !WITHOUT_EFFECT.contains(&name);
        let environment = environment.filter(|(name, _)| is_read(name)).collect();
        Self { form: FORM, version: VERSION.to_owned(), stages, scenes, audio, environment }
    }

    /// Returns whether a part of a result is made.
    pub(crate) fn makes(&self, part: &str) -> bool {
        // The index lies next to the frames.
        part == "frames" || self.stages.contains(&Stage::Audio)
    }

    /// Returns whether a result with the settings `old` can be gone on with: they are the same, but
    /// for stages that are new.
    pub(crate) fn go_on_from(&self, old: &Self) -> bool {
        let has = |stage| old.stages.contains(&stage);
        let mut known = old.clone();
        known.stages.clone_from(&self.stages);
        if !has(Stage::Scenes) {
            known.scenes.clone_from(&self.scenes);
        }
        if !has(Stage::Audio) {
            known.audio.clone_from(&self.audio);
        }
        known == *self && old.stages.iter().all(|stage| self.stages.contains(stage))
    }

    /// Returns whether cht-scenes is told to use the detector `scene` alone.
    pub(crate) fn detects_scene_alone(&self) -> bool {
        let scenes = &self.scenes;
        let after = |at: usize| scenes.get(at + 1).map(String::as_str);
        let place = scenes.iter().position(|option| option == "--detect");
        let given = place.and_then(after);
        let given = given.or_else(|| scenes.iter().find_map(|it| it.strip_prefix("--detect=")));
        let variable = || self.environment.get("CHT_DETECT").map(String::as_str);
        given.or_else(variable) == Some("scene")
    }

    /// Returns whether frames can be chosen on the measures of a result with the settings `old`:
    /// only decisions differ, and nothing says how to decode.
    pub(crate) fn decide_again(&self, old: &Self) -> bool {
        let measured = |settings: &Self| {
            let mut settings = settings.clone();
            settings.scenes = without(&settings.scenes, &DECISIONS);
            settings.environment.retain(|name, _| !DECISION_VARIABLES.contains(&&**name));
            settings
        };
        let (new, old) = (measured(self), measured(old));
        self.stages == [Stage::Scenes] && new == old && new.scenes.is_empty()
    }

    /// Returns the fingerprint of the result of a unit: equal inputs under equal settings give
    /// equal results.
    pub(crate) fn fingerprint(&self, unit: &Unit) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        // Strings and numbers only.
        add(&serde_json::to_string(self).unwrap_or_default());
        for input in &unit.inputs {
            add(&input.id);
            add(&input.at.map(|at| at.to_string()).unwrap_or_default());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// Returns options without those of these names, and without their values.
fn without(options: &[String], names: &[&str]) -> Vec<String> {
    let mut left = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let name = option.split_once('=').map_or(&**option, |(name, _)| name);
        if !names.contains(&name) {
            left.push(option.clone());
        } else if name.len() == option.len() {
            options.next();
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::tests::unit;

    fn settings(scenes: &[&str], environment: &[(&str, &str)]) -> Settings {
        let scenes: Vec<_> = scenes.iter().map(|&option| option.to_owned()).collect();
        let environment =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Settings::new(&[Stage::Scenes], &scenes, &["--rate=8000".to_owned()], environment)
    }

    #[test]
    fn fingerprint_differs_where_results_may() {
        let one = unit("a", &["/x/1.ts", "/x/2.ts"]);
        let of = |settings: &Settings| settings.fingerprint(&one);
        let plain = settings(&[], &[]);
        assert!(plain.audio.is_empty(), "no sound is made");
        for same in [
            settings(&["--jobs", "4", "--hwaccel=cuda"], &[]),
            settings(&[], &[("CHT_CACHE", "/c"), ("HOME", "/h")]),
        ] {
            assert_eq!(of(&same), of(&plain));
        }
        for other in
            [settings(&["--threshold", "0.3"], &[]), settings(&[], &[("CHT_DETECT", "scene")])]
        {
            assert_ne!(of(&other), of(&plain));
        }
        let moved = unit("a", &["/x/1.ts", "/x/2.ts"]);
        let mut moved = Unit { key: "b".into(), ..moved };
        moved.inputs[0].path = "/y/1.ts".into();
        assert_eq!(plain.fingerprint(&moved), of(&plain), "wherever it lies");
        moved.inputs.pop();
        assert_ne!(plain.fingerprint(&moved), of(&plain));
    }

    #[test]
    fn stage_is_added_to_a_result_and_no_option_changed() {
        let options = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let of = |stages: &[Stage], scenes: &str| {
            Settings::new(stages, &options(scenes), &options("--rate keep"), std::iter::empty())
        };
        let (scenes, both) = ([Stage::Scenes], [Stage::Scenes, Stage::Audio]);
        assert!(of(&both, "--dedupe").go_on_from(&of(&scenes, "--dedupe")));
        assert!(!of(&scenes, "--dedupe").go_on_from(&of(&both, "--dedupe")), "one less");
        assert!(!of(&both, "--dedupe").go_on_from(&of(&scenes, "--min-gap 1")));
    }

    #[test]
    fn only_decisions_are_made_again_on_measures() {
        let old = settings(&["--threshold", "0.3"], &[("CHT_MIN_GAP", "1")]);
        assert!(settings(&["--detect=scene", "--threshold", "0.1"], &[]).decide_again(&old));
        for other in [
            settings(&["--threshold", "0.1", "--decode", "fast"], &[]),
            settings(&["--threshold", "0.1", "--crop", "0,0,9x9"], &[]),
            settings(&[], &[("CHT_DECODE", "keyframes")]),
        ] {
            assert!(!other.decide_again(&old), "{other:?}");
        }
    }
}
