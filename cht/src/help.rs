//! `help`: the manual page of a command, a tool or a format where it is installed, or else the help
//! of the program itself.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};
use cht_core::process::exit::Exit;

use crate::{args::Help, output, programs};

/// Commands of this program.
const COMMANDS: [&str; 6] = ["live", "file", "show", "sessions", "doctor", "help"];

/// Pages about formats, with their sections of the manual.
const FORMATS: [(&str, u8); 1] = [("cht-events", 5)];

const OVERVIEW: &str = "\
For people at a terminal:
  cht live         record a live stream, with pictures and index while it runs
  cht file         find the pictures of files, old segments or a URL
  cht show         show what there is of a session
  cht sessions     list the sessions
  cht doctor       check whether everything is there that the tools need

The tools under it, for scripts and services; each reads and writes lines of JSON:
  cht-recv         records a stream, bit for bit, in segments
  cht-segwatch     finds finished segments of any recorder
  cht-scenes       keeps the frames where the picture changed
  cht-audio        cuts the sound into pieces for a transcriber
  cht-index        keeps the index of a session
  cht-agent        hands frames and words to agents, by command and by MCP
  cht-page         shows sessions in a browser
  cht-export       clips, contact sheets, chapters, cut lists, subtitles, a database
  cht-batch        goes over thousands of old recordings
  cht-monitor      plays a session live

cht help NAME shows the page of one of them, and cht help events that of the lines.
";

/// Shows a page.
pub(crate) fn help(options: &Help) -> Result<Exit> {
    let Some(topic) = &options.topic else {
        output::print(OVERVIEW)?;
        return Ok(Exit::Done);
    };
    let page = Page::of(topic);
    if let Some(found) = page.installed() {
        let error = Command::new("man").arg(&found).exec();
        return Err(error).context("man");
    }
    let mut program = match &page {
        Page::Command(name) => {
            let mut us = Command::new(env::current_exe().context("cht")?);
            us.arg(name);
            us
        }
        Page::Format(name, section) => bail!(
            "{name}({section}): no such manual page is installed, or no man; docs/{}.md of the \
             sources has the same",
            name.trim_start_matches("cht-")
        ),
        Page::Tool(name) => Command::new(programs::tool(name).map_err(|_| {
            anyhow!("{topic}: neither a command, nor a tool that is installed; cht help names them")
        })?),
    };
    Err(program.arg("--help").exec()).context("--help")
}

/// A page of the manual.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    Command(String),
    Tool(String),
    Format(&'static str, u8),
}

impl Page {
    /// Returns the page about a topic, named with or without `cht-`.
    fn of(topic: &str) -> Self {
        let short = topic.strip_prefix("cht-").unwrap_or(topic);
        let format = FORMATS.iter().find(|(name, _)| name.strip_prefix("cht-") == Some(short));
        match format {
            Some((name, section)) => Self::Format(name, *section),
            None if COMMANDS.contains(&short) => Self::Command(short.to_owned()),
            None if short == "cht" => Self::Tool(short.to_owned()),
            None => Self::Tool(format!("cht-{short}")),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Command(name) => format!("cht-{name}"),
            Self::Tool(name) => name.clone(),
            Self::Format(name, _) => (*name).to_owned(),
        }
    }

    /// Returns the argument by which man shows it: of our own installation, or of the system.
    fn installed(&self) -> Option<PathBuf> {
        programs::in_path("man")?;
        let section = if let Self::Format(_, section) = self { *section } else { 1 };
        let ours = env::current_exe()
            .ok()
            .and_then(|exe| below(exe.parent()?.parent()?, &self.name(), section));
        let is_known = || {
            let mut man = Command::new("man");
            man.arg("-w").arg(section.to_string()).arg(self.name());
            man.stdout(Stdio::null()).stderr(Stdio::null());
            man.status().is_ok_and(|status| status.success())
        };
        ours.or_else(|| is_known().then(|| self.name().into()))
    }
}

/// Returns the file of a page below a prefix.
fn below(prefix: &Path, name: &str, section: u8) -> Option<PathBuf> {
    let folder = prefix.join(format!("share/man/man{section}"));
    let files = ["", ".gz"].map(|end| folder.join(format!("{name}.{section}{end}")));
    files.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_is_named_with_or_without_prefix() {
        for (topic, name) in [
            ("live", "cht-live"),
            ("scenes", "cht-scenes"),
            ("cht-scenes", "cht-scenes"),
            ("cht", "cht"),
        ] {
            assert_eq!(Page::of(topic).name(), name, "{topic}");
        }
        assert_eq!(Page::of("events"), Page::Format("cht-events", 5));
        assert_eq!(Page::of("cht-live"), Page::Command("live".into()));
    }

    #[test]
    fn page_of_an_installation_is_found_packed_or_not() {
        let prefix = tempfile::tempdir().unwrap();
        let folder = prefix.path().join("share/man/man5");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(below(prefix.path(), "cht-events", 5), None);
        let page = folder.join("cht-events.5.gz");
        std::fs::write(&page, "").unwrap();
        assert_eq!(below(prefix.path(), "cht-events", 5), Some(page));
    }

    #[test]
    fn overview_names_every_command() {
        for name in &COMMANDS[..5] {
            assert!(OVERVIEW.contains(&format!("  cht {name} ")), "{name}");
        }
    }
}
