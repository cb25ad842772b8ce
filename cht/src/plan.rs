//! A plan: the programs to run and how they are joined, as data and as shell. Pure.
//!
//! One plan is run by `run` and printed by `--print`, so that both do the same.

use std::fmt::Write as _;

use crate::quote::quote;

/// Widest line of printed shell, in columns.
const WIDTH: usize = 100;

/// Part of the line of a frame in the journal of an index.
pub(crate) const FRAME: &str = r#""type":"frame""#;

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub program: &'static str,
    pub arguments: Vec<String>,
}

impl Stage {
    /// Returns a program without arguments.
    pub(crate) fn new(program: &'static str) -> Self {
        Self { program, arguments: Vec::new() }
    }

    /// Adds arguments.
    pub(crate) fn with<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an option with its value, if there is one.
    pub(crate) fn option(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with([name, value]),
            None => self,
        }
    }

    /// Adds an option without a value, before the arguments that are none.
    pub(crate) fn flag(&mut self, name: &str) {
        let end = self.arguments.iter().position(|it| it == "--");
        self.arguments.insert(end.unwrap_or(self.arguments.len()), name.to_owned());
    }

    fn shell(&self, name: &impl Fn(&str) -> String) -> String {
        let words = self.arguments.iter().map(|word| quote(word));
        std::iter::once(name(self.program)).chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// A part of a plan; the next one begins when it has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a folder, and those above it.
    Folder(String),
    /// Remove files and folders.
    Remove(Vec<String>),
    /// Run stages with pipes between them. The first one is the source, at whose end the others
    /// end.
    Pipe(Vec<Stage>),
    /// Run a program if this journal of an index has a frame.
    IfFrame(String, [Stage; 1]),
}

impl Step {
    /// Returns the stages of a pipe.
    pub(crate) fn pipe(&self) -> Option<&[Stage]> {
        match self {
            Self::Folder(_) | Self::Remove(_) => None,
            Self::Pipe(stages) => Some(stages),
            Self::IfFrame(_, stage) => Some(stage),
        }
    }
}

/// The programs to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// A server that runs from the first pipe to the end of the last one.
    pub server: Option<Stage>,
    pub steps: Vec<Step>,
}

impl Plan {
    /// Adds the options about messages to all stages, and `--json` to the last one of each
    /// pipeline.
    pub(crate) fn with_messages(mut self, option: Option<&str>, json: bool) -> Self {
        let pipes = self.steps.iter_mut().filter_map(|step| match step {
            Step::Folder(_) | Step::Remove(_) => None,
            Step::Pipe(stages) => Some(stages.as_mut_slice()),
            Step::IfFrame(_, stage) => Some(stage.as_mut_slice()),
        });
        for pipe in pipes {
            // A single program writes no events.
            if let (true, [_, .., last]) = (json, &mut *pipe) {
                last.flag("--json");
            }
            for stage in pipe {
                if let Some(option) = option {
                    stage.flag(option);
                }
            }
        }
        self
    }

    /// Leaves out the notes of a program.
    pub(crate) fn with_quiet(mut self, program: &str) -> Self {
        let stages = self.steps.iter_mut().flat_map(|step| match step {
            Step::Pipe(stages) => stages.as_mut_slice(),
            Step::IfFrame(_, stage) => stage.as_mut_slice(),
            Step::Folder(_) | Step::Remove(_) => &mut [],
        });
        for stage in stages.filter(|stage| stage.program == program) {
            stage.flag("--quiet");
        }
        self
    }

    /// Returns the plan as a script for sh. `name` gives the word for a program.
    pub(crate) fn shell(&self, name: impl Fn(&str) -> String) -> String {
        let mut script = String::new();
        let mut server = self.server.as_ref();
        for step in &self.steps {
            // It begins with the first pipe.
            if let Some(server) = server.take_if(|_| step.pipe().is_some()) {
                let _ = writeln!(script, "{} &\ntrap 'kill $!' EXIT", server.shell(&name));
            }
            let line = match step {
                Step::Folder(path) => format!("mkdir -p {}", quote(path)),
                Step::Remove(paths) => {
                    let paths: Vec<_> = paths.iter().map(|path| quote(path)).collect();
                    format!("rm -rf {}", paths.join(" "))
                }
                Step::IfFrame(file, [stage]) => {
                    let frame = quote(FRAME);
                    format!("! grep -qs {frame} {} ||\n    {}", quote(file), stage.shell(&name))
                }
                Step::Pipe(stages) => {
                    let stages: Vec<_> = stages.iter().map(|stage| stage.shell(&name)).collect();
                    let line = stages.join(" | ");
                    if line.len() <= WIDTH { line } else { stages.join(" |\n    ") }
                }
            };
            script.push_str(&line);
            script.push('\n');
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_is_printed_as_shell() {
        let source = Stage::new("cht-recv").option("--listen", Some("srt://:9000?mode=listener"));
        let plan = Plan {
            server: Some(Stage::new("cht-page").with(["serve"])),
            steps: vec![
                Step::Folder("my sessions".into()),
                Step::Pipe(vec![source.option("--sessions", None), Stage::new("cht-index")]),
            ],
        };
        let expected = "mkdir -p 'my sessions'\ncht-page serve &\ntrap 'kill $!' EXIT\n\
                        cht-recv --listen 'srt://:9000?mode=listener' | cht-index\n";
        assert_eq!(plan.shell(str::to_owned), expected);
    }

    #[test]
    fn long_pipeline_has_a_line_for_each_stage() {
        let stage = |name| Stage::new(name).with(["x".repeat(60)]);
        let steps = vec![Step::Pipe(vec![stage("one"), stage("two")])];
        let script = Plan { server: None, steps }.shell(str::to_owned);
        assert_eq!(script.lines().count(), 2);
        assert!(script.lines().next().unwrap().ends_with(" |"), "{script}");
    }
}
