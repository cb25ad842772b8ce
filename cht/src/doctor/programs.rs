//! Programs: the tools themselves, players, and helpers of the examples.

use super::finding::Finding;
use crate::programs;

/// The tools that this one runs.
const TOOLS: [&str; 10] = [
    "cht-recv",
    "cht-segwatch",
    "cht-scenes",
    "cht-audio",
    "cht-index",
    "cht-agent",
    "cht-export",
    "cht-page",
    "cht-batch",
    "cht-monitor",
];

/// Players that cht-monitor knows.
const PLAYERS: [&str; 3] = ["ffplay", "mpv", "vlc"];

/// The tools.
#[derive(Debug)]
pub(crate) struct Tools {
    missing: Vec<&'static str>,
}

impl Tools {
    pub(crate) fn look() -> Self {
        Self { missing: TOOLS.into_iter().filter(|name| programs::tool(name).is_err()).collect() }
    }

    pub(crate) fn judge(&self) -> Finding {
        if self.missing.is_empty() {
            return Finding::fine("tools", format!("all {} are there", TOOLS.len()));
        }
        let text = format!("neither next to cht nor in PATH: {}", self.missing.join(", "));
        Finding::missing(
            "tools",
            text,
            "install all of them together: make install, or the package",
        )
    }
}

/// Players in `PATH`.
#[derive(Debug)]
pub(crate) struct Players {
    found: Vec<&'static str>,
}

impl Players {
    pub(crate) fn look() -> Self {
        Self { found: in_path(&PLAYERS) }
    }

    pub(crate) fn judge(&self) -> Finding {
        if self.found.is_empty() {
            let text = format!("none of {}; cht-monitor serves others", PLAYERS.join(", "));
            return Finding::limited(
                "players",
                text,
                "install mpv, vlc, or ffmpeg with its ffplay",
            );
        }
        Finding::fine("players", self.found.join(", "))
    }
}

/// Programs that examples and recipes use.
#[derive(Debug)]
pub(crate) struct Helpers {
    found: Vec<&'static str>,
}

impl Helpers {
    pub(crate) fn look() -> Self {
        Self { found: in_path(&["jq"]) }
    }

    pub(crate) fn judge(&self) -> Finding {
        if self.found.is_empty() {
            return Finding::limited("helpers", "no jq; examples with jq do not run", "install jq");
        }
        Finding::fine("helpers", self.found.join(", "))
    }
}

fn in_path(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| programs::in_path(name).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn missing_tool_is_needed_and_missing_player_is_not() {
        assert_eq!(Tools { missing: vec![] }.judge().state, State::Fine);
        let finding = Tools { missing: vec!["cht-page"] }.judge();
        assert!(finding.state == State::Missing && finding.text.ends_with(": cht-page"));
        assert_eq!(Players { found: vec![] }.judge().state, State::Limited);
        assert_eq!(Players { found: vec!["mpv"] }.judge().text, "mpv");
        assert_eq!(Helpers { found: vec![] }.judge().state, State::Limited);
    }
}
