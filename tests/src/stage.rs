//! Runs stages, and reads their events. Nothing here sleeps: a test waits for an event, for a
//! process to end, or for a file to change.

use std::{
    fmt::Display,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use crate::{bin, wire, words};

/// Returns a command of a tool, without a session from the environment and without a cache of
/// examined segments.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(bin(name));
    command.env_remove("CHT_SESSION").env("CHT_CACHE", "none");
    command
}

/// Running stage whose stdout is read line by line.
pub struct Stage {
    /// The process.
    pub child: Child,
    lines: BufReader<ChildStdout>,
    /// Events read so far.
    pub events: Vec<Value>,
}

impl Stage {
    /// Starts a command with stdout piped.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, events: Vec::new() }
    }

    /// Starts a command, and writes all of its stdin.
    pub fn fed<L: Display>(command: &mut Command, lines: impl IntoIterator<Item = L>) -> Self {
        let mut stage = Self::start(command.stdin(Stdio::piped()));
        let mut stdin = stage.child.stdin.take().unwrap();
        for line in lines {
            // A stage that refuses its options closes its stdin.
            let _ = writeln!(stdin, "{line}");
        }
        stage
    }

    /// Reads the next event; `None` at the end.
    pub fn next_event(&mut self) -> Option<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let event: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("no event on stdout: {error}: {line:?}"));
        // Every event of every test is read by the strict copy of the types as well.
        if let Err(error) = wire::parse(&line) {
            panic!("{error}: {line}");
        }
        self.events.push(event.clone());
        Some(event)
    }

    /// Reads until an event of this type.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next_event();
            let event = event.unwrap_or_else(|| panic!("ended without {kind}: {:#?}", self.events));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Reads to the end, and returns the exit status.
    pub fn finish(&mut self) -> ExitStatus {
        while self.next_event().is_some() {}
        self.child.wait().unwrap()
    }

    /// Reads to the end, which must be successful, and returns the events.
    pub fn succeed(&mut self) -> Vec<Value> {
        assert!(self.finish().success(), "{:#?}", self.of_type("error"));
        self.events.clone()
    }

    /// Returns the events of a type.
    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        of_type(&self.events, kind)
    }

    /// Returns the session of the first event.
    pub fn session(&self) -> PathBuf {
        self.events[0]["session"].as_str().unwrap().into()
    }

    /// Returns the lines of its stderr, which was piped.
    pub fn stderr(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.child.stderr.take().unwrap()).lines().map(Result::unwrap)
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Stops it by SIGTERM, and returns the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.finish()
    }

    /// Stops it by SIGTERM, which must be successful.
    pub fn stop(&mut self) {
        assert!(self.terminate().success(), "{:#?}", self.of_type("error"));
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the events of a type.
pub fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// Returns an event as its stage writes it: a line that begins with `v` and `type`.
pub fn line(event: &Value) -> String {
    let mut rest = event.as_object().unwrap().clone();
    let (v, kind) = (rest.remove("v").unwrap(), rest.remove("type").unwrap());
    format!(r#"{{"v":{v},"type":{kind},{}"#, &Value::Object(rest).to_string()[1..])
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.unwrap().success());
}

/// Returns the lines of cht-segwatch over a session.
pub fn examined(session: &Path) -> Vec<String> {
    let output = tool("cht-segwatch").arg(session).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Starts cht-scenes over paths, to the end of its input.
pub fn scenes<P: AsRef<Path>>(paths: &[P], out: &Path, options: &str) -> Stage {
    let mut command = tool("cht-scenes");
    command.arg("--out").arg(out).args(words(options));
    Stage::fed(&mut command, paths.iter().map(|path| path.as_ref().display()))
}
