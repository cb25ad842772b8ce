//! The session to show, and the one after it.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use cht_core::{
    live,
    ndjson::{self, Line},
    process::{clock, report},
    session::{Session, watch::Watch},
    terminal::Rows,
};

use crate::args::Args;

/// Time within which a recorder that ends a session begins the next one.
const NEXT_WITHIN: Duration = Duration::from_secs(2);

/// Where sessions come from.
pub(crate) enum Sessions {
    /// A session by its name, and whether those that follow it are shown.
    Named(Session, bool),
    /// The newest below a folder, and those that follow it. Of what comes now, the session of a
    /// recorder that waits for a sender is the newest; `false`: of what is there.
    Newest(PathBuf, bool),
    /// Those that events on stdin name.
    Events(Receiver<Session>),
}

impl Sessions {
    /// Returns the sessions that the command line names, and the reader of events.
    pub(crate) fn of(args: &Args) -> Result<(Self, Option<Reader>)> {
        if args.reads_events() {
            let (sessions, received) = channel();
            let passes_on = !args.stdout && !args.print_command;
            return Ok((Self::Events(received), Some(Reader::start(sessions, passes_on)?)));
        }
        let Some(named) = &args.session else {
            return Ok((Self::Newest(args.sessions.clone(), args.from.is_none()), None));
        };
        let session = Session::open(named)?;
        let is_live = session.is_recording() && args.from.is_none() && !args.stdout;
        Ok((Self::Named(session, is_live), None))
    }

    /// Returns the first session. Waits for the first event.
    pub(crate) fn first(&mut self) -> Result<Session> {
        match self {
            Self::Named(session, _) => Ok(session.clone()),
            Self::Newest(folder, is_live) => {
                let newest = if *is_live { live::newest_live } else { live::newest };
                let newest = newest(folder).with_context(|| {
                    format!(
                        "{}: no sessions there; name a SESSION or its folder with --sessions",
                        folder.display()
                    )
                })?;
                match newest {
                    Some(session) => Ok(session),
                    None => {
                        bail!("{}: no session there yet; start cht-recv first", folder.display())
                    }
                }
            }
            Self::Events(received) => {
                let named = received.recv();
                named
                    .map_err(|_| anyhow!("no event on stdin names a session; pipe cht-recv into -"))
            }
        }
    }

    /// Returns the session that follows `shown`, which has ended; waits for it a moment.
    pub(crate) fn next(&mut self, shown: &Session) -> Result<Option<Session>> {
        match self {
            Self::Named(_, false) => Ok(None),
            Self::Named(_, true) => match shown.root().parent() {
                Some(folder) => newer(folder, shown),
                None => Ok(None),
            },
            Self::Newest(folder, _) => newer(folder, shown),
            Self::Events(received) => Ok(received.recv().ok()),
        }
    }
}

/// Waits for another session below `folder` that is being recorded.
fn newer(folder: &Path, shown: &Session) -> Result<Option<Session>> {
    let watch = Watch::new();
    watch.add_names(folder).with_context(|| folder.display().to_string())?;
    let limit = clock::monotonic() + NEXT_WITHIN;
    loop {
        let newest = live::newest_live(folder).with_context(|| folder.display().to_string())?;
        let next = newest.filter(|next| next.root() != shown.root() && next.is_recording());
        let rest = limit.saturating_duration_since(clock::monotonic());
        if next.is_some() || rest.is_zero() {
            return Ok(next);
        }
        // A session is locked shortly after its folder is made.
        watch.wait(None, rest.min(Duration::from_millis(100)))?;
    }
}

/// Reads events on a thread of its own, and passes them on.
pub(crate) struct Reader(JoinHandle<Result<()>>);

impl Reader {
    fn start(sessions: Sender<Session>, passes_on: bool) -> Result<Self> {
        let reader = thread::Builder::new().name("stdin".to_owned());
        let reader = reader.spawn(move || read_events(&sessions, passes_on));
        Ok(Self(reader.context("a thread for stdin")?))
    }

    /// Waits for the end of stdin: the stages after this one need its events, player or not.
    pub(crate) fn finish(self) -> Result<()> {
        self.0.join().unwrap_or(Ok(()))
    }
}

fn read_events(sessions: &Sender<Session>, passes_on: bool) -> Result<()> {
    let mut out = ndjson::stdout_of_stage(Rows::Passed).context("stdout")?;
    let mut shown: Option<String> = None;
    for line in ndjson::Lines::new(BufReader::new(std::io::stdin())) {
        let name = match line.context("stdin")? {
            Line::Event { raw, event } => {
                if passes_on {
                    out.pass(&raw).context("stdout")?;
                }
                event.and_then(|event| event.session)
            }
            Line::Path(path) => path.to_str().map(str::to_owned),
            Line::Bad(bad) => {
                report::warn(bad);
                None
            }
        };
        let Some(name) = name.filter(|name| shown.as_ref() != Some(name)) else { continue };
        match Session::open(Path::new(&name)) {
            Ok(session) => {
                // A player that was closed needs none.
                let _ = sessions.send(session);
            }
            Err(error) => report::warn(error),
        }
        shown = Some(name);
    }
    Ok(())
}
