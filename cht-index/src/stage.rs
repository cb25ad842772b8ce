//! The stage: every line is passed on, frames go into the index that they belong to.

use std::{
    collections::HashMap,
    io::{BufReader, stdin},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    cli,
    event::{Body, Event, Sent},
    ndjson::{self, Line, Lines},
    signals,
};

use crate::{args::Args, index::Index};

/// Runs to the end of stdin, or does what `--sent` asks.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.sent.is_empty() {
        return mark_sent(args);
    }
    cli::refuse_terminal("pipe the events of cht-scenes into it")?;
    signals::drain_on_interrupt()?;
    let mut output = ndjson::stdout()?;
    let mut indexes: HashMap<PathBuf, Index> = HashMap::new();
    if let Some(path) = path_of(args, None) {
        let index = Index::open(&path, args.overwrite)?;
        indexes.insert(path, index);
    }
    let mut lines = Lines::new(BufReader::new(stdin().lock()));
    while let Some(line) = lines.next() {
        match line.context("stdin")? {
            Line::Event { raw, event } => {
                output.pass(&raw).context("stdout")?;
                // Retention may reach into any session, and takes no frame away.
                let is_removal = |event: &Event| matches!(event.body, Body::Deleted(_));
                let Some(event) = event.filter(|event| !is_removal(event)) else { continue };
                if let Some(path) = path_of(args, event.session.as_deref()) {
                    // Any event of a session makes its index: that it is empty is worth reading, too.
                    if !indexes.contains_key(&path) {
                        let index = Index::open(&path, args.overwrite)?;
                        indexes.insert(path.clone(), index);
                    }
                    if let Some(index) = indexes.get_mut(&path) {
                        index.add(&event);
                    }
                } else if matches!(event.body, Body::Frame(_)) {
                    bail!(
                        "the frames belong to no session; say where the index goes with --out FILE"
                    );
                }
            }
            Line::Path(path) => {
                let message = format!(
                    "{}: a path on stdin; the index is made of events (pipe paths into cht-scenes)",
                    path.display()
                );
                output.fail(None, "bad_line", &message, path.to_str()).context("stdout")?;
            }
            Line::Bad(bad) => {
                let message = format!("stdin, {bad}");
                output.fail(None, "bad_line", &message, None).context("stdout")?;
            }
        }
        // While more lines wait, one writing serves them all.
        if !lines.has_buffered() {
            commit(&mut indexes)?;
        }
    }
    indexes.values_mut().try_for_each(Index::finish)
}

fn commit(indexes: &mut HashMap<PathBuf, Index>) -> Result<()> {
    indexes.values_mut().try_for_each(Index::commit)
}

/// The index that an event of `session` belongs in.
fn path_of(args: &Args, session: Option<&str>) -> Option<PathBuf> {
    let of_session = || {
        let session = session.map(Path::new).or(args.session.as_deref())?;
        Some(session.join("frames").join("index.json"))
    };
    args.out.clone().or_else(of_session)
}

fn mark_sent(args: &Args) -> Result<()> {
    let Some(path) = path_of(args, None) else {
        bail!("--sent: say which index with --session DIR or --out FILE");
    };
    if !path.exists() {
        bail!("{}: no such index; check --session or --out", path.display());
    }
    let mut index = Index::open(&path, false)?;
    for id in &args.sent {
        if !index.contains(id) {
            bail!("--sent {id}: no such frame in {}", path.display());
        }
        index.add(&Event::new(None, Sent { id: id.clone(), path: None }));
    }
    index.commit()
}
