//! `serve`: the pages of all sessions, and everything in them that a browser asks for.
//!
//! One thread answers all requests; reading files goes on a few others. Connections, streams and
//! what waits for them are bounded, and a client that takes nothing is left alone after a while, so
//! clients hold neither memory nor descriptors. Nothing here is known to the recorder.
//!
//! In order, each using only those before it: `body` (contents of answers), `route` (paths),
//! `gate` (who may ask), `ranges`, `files`, `sessions`, `events`, `live`, `marks`, `answers`,
//! `stall`, `listener`.

mod answers;
mod body;
mod events;
mod files;
mod gate;
mod listener;
mod live;
mod marks;
mod ranges;
mod route;
mod sessions;
mod stall;

use anyhow::{Context as _, Result, bail};
use cht_core::process::report;

use crate::{args::Serve, assets};
use answers::Answers;
use gate::Gate;
use listener::Listener;

/// Fewest characters of a token.
const TOKEN: usize = 16;

/// Threads that read files.
const READERS: usize = 8;

/// Serves until the process ends.
pub(crate) fn run(options: &Serve) -> Result<()> {
    if options.token.as_ref().is_some_and(|token| token.chars().count() < TOKEN) {
        bail!("--token: must have {TOKEN} characters or more, such as the output of uuidgen");
    }
    let (listener, is_open) = Listener::bind(&options.listen)?;
    if is_open && options.token.is_none() {
        bail!(
            "--listen {}: other machines reach this address, so it needs --token; or listen at \
             127.0.0.1, or at unix:PATH for a proxy",
            options.listen
        );
    }
    let gate = Gate::new(options.token.as_deref(), listener.is_tcp());
    let answers = Answers::new(&options.sessions, gate)?;
    if !assets::has_players() {
        report::caution(format_args!(
            "pages show pictures and no video: this program was built without the players; build \
             it by `{}`",
            assets::FETCH
        ));
    }
    let query = if options.token.is_some() { "?token=TOKEN" } else { "" };
    report::note(format_args!("serving {}{query}", listener.place()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .build()
        .context("threads that read files")?;
    runtime.block_on(listener.serve(answers))
}
