//! Result of a check, and its text. Pure.

use std::fmt::Write as _;

/// Narrowest text next to the names, in columns.
const NARROW: usize = 30;

/// How much the tools can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// All that this is for.
    Fine,
    /// Not all; the text says which part is missing.
    Limited,
    /// Nothing, or nothing reliable.
    Missing,
}

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Subject of the check.
    pub name: &'static str,
    pub state: State,
    /// The facts.
    pub text: String,
    /// How to mend it.
    pub remedy: Option<String>,
}

impl Finding {
    /// Returns a finding that needs nothing.
    pub(crate) fn fine(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Fine, text: text.into(), remedy: None }
    }

    /// Returns a finding about a part that is missing.
    pub(crate) fn limited(
        name: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { name, state: State::Limited, text: text.into(), remedy }
    }

    /// Returns a finding about a need.
    pub(crate) fn missing(
        name: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { state: State::Missing, ..Self::limited(name, text, remedy) }
    }
}

/// Returns all findings as lines, no wider than a terminal where there is one, and the verdict.
pub(crate) fn text(findings: &[Finding], width: Option<usize>) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.state {
            State::Fine => "ok",
            State::Limited => "limited",
            State::Missing => "MISSING",
        };
        let head = format!("{mark:<9}{:<13}", finding.name);
        paragraph(&mut text, &head, &finding.text, width);
        if let Some(remedy) = &finding.remedy {
            paragraph(&mut text, &format!("{:<22}", ""), &format!("-> {remedy}"), width);
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let verdict = match (count(State::Missing), count(State::Limited)) {
        (0, 0) => "Everything is there.",
        (0, _) => "Everything that is needed is there.",
        _ => "Something that is needed is missing.",
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

/// Adds a text after its head; further lines stand under it.
fn paragraph(all: &mut String, head: &str, text: &str, width: Option<usize>) {
    let room = width.map_or(usize::MAX, |it| it.saturating_sub(head.len()).max(NARROW));
    let (mut line, mut lines) = (String::new(), Vec::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let indent = " ".repeat(head.len());
    for (place, line) in lines.iter().enumerate() {
        let _ = writeln!(all, "{}{line}", if place == 0 { head } else { &indent });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_is_that_of_the_worst_finding() {
        let fine = Finding::fine("disk", "9 GB free");
        let limited = Finding::limited("players", "none", "install mpv");
        let missing = Finding::missing("ffmpeg", "not there", "install it");
        let all = text(&[fine.clone(), limited.clone(), missing], None);
        assert!(all.contains("\nMISSING  ffmpeg       not there\n"), "{all}");
        assert!(all.ends_with("\nSomething that is needed is missing.\n"), "{all}");
        assert!(text(&[fine.clone(), limited], None).ends_with("that is needed is there.\n"));
        assert!(text(&[fine], None).ends_with("\nEverything is there.\n"));
    }

    #[test]
    fn lines_are_no_wider_than_the_terminal() {
        let limited = Finding::limited("players", "none of a b c d e f", "install mpv or vlc");
        let all = text(&[limited], Some(60));
        assert!(all.lines().all(|line| line.chars().count() <= 60), "{all}");
        let all = text(&[Finding::fine("disk", "word ".repeat(30).trim())], Some(60));
        assert!(all.lines().all(|line| line.chars().count() <= 60), "{all}");
        assert!(all.lines().count() > 4 && all.contains("\n                      word"), "{all}");
    }
}
