//! `sessions`: a table of what there is.

use anyhow::Result;
use cht_core::{
    process::{exit::Exit, report},
    terminal::units,
};

use crate::{
    args::Sessions,
    output,
    session::{self, Overview},
    table::{self, Align, Table},
    words,
};

/// Prints the sessions, the newest last.
pub(crate) fn sessions(options: &Sessions) -> Result<Exit> {
    let folder = options.sessions.path();
    let sessions = session::all(folder)?;
    if sessions.is_empty() {
        let folder = folder.display();
        report::note(format_args!(
            "{folder}: no session there; record one with cht live or cht file"
        ));
        return Ok(Exit::Done);
    }
    let overviews =
        sessions.iter().map(|it| Overview::of(it, session::newest_frames(it, 1).last()));
    if options.json {
        let mut text = String::new();
        for overview in overviews {
            text += &(serde_json::to_string(&overview)? + "\n");
        }
        output::print(&text)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        ("session", Align::Left),
        ("began", Align::Left),
        ("length", Align::Right),
        ("received", Align::Right),
        ("frames", Align::Right),
        ("", Align::Left),
    ]);
    overviews.for_each(|overview| table.row(row(&overview)));
    output::print(&table.text(table::width()))?;
    Ok(Exit::Done)
}

fn row(overview: &Overview) -> Vec<String> {
    let or_none = |is_there: bool, text: String| if is_there { text } else { "-".to_owned() };
    let received = overview.received;
    let more = if received.bytes_of_last_connections_only { "> " } else { "" };
    vec![
        overview.id.clone(),
        overview.started_at.map_or("-".to_owned(), words::clock),
        // The end of loose segments is in no log.
        or_none(received.bytes > 0 && overview.duration > 0.0, words::time(overview.duration)),
        or_none(received.bytes > 0, more.to_owned() + &units::size(received.bytes)),
        overview.frames.to_string(),
        match overview {
            Overview { live: true, .. } => "live".to_owned(),
            Overview { part_of: Some(_), .. } => "a part".to_owned(),
            Overview { recorder_killed: true, .. } => "killed".to_owned(),
            _ => String::new(),
        },
    ]
}
