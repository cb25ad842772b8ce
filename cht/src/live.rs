//! `live`: the whole pipeline on a stream that is sent now. `plan` is pure.

use std::{env, path::Path};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    net::resolve,
    process::{exit::Exit, report},
    session::Session,
};

use crate::{
    args::{Choice, Live},
    output,
    plan::{Plan, Stage, Step},
    quote::quote,
    received::{self, Received},
    run, session,
};

/// Records until Ctrl-C, or to the end of the input.
pub(crate) fn live(options: &Live) -> Result<Exit> {
    let plan = plan(options).with_messages(output::verbosity(), options.json);
    if let Some(hint) = hint(options).filter(|_| !options.print && output::is_for_people()) {
        report::note(hint);
    }
    if options.print {
        run::print(&[plan])?;
        return Ok(Exit::Done);
    }
    check_page(options)?;
    let before = Newest::of(options);
    let mut stop = run::Stop::listen().context("signals")?;
    run::check(&choosing(&options.choice, None))?;
    let exit = run::run(&plan, &mut stop, &mut |_| Ok(()))?;
    let newest = Newest::of(options).filter(|it| Some(it) != before.as_ref());
    if let Some(Newest { session, .. }) = newest {
        let session = quote(session.name());
        if exit == Exit::Failed {
            let what = if stop.insists() { "stopped at once" } else { "a stage ended early" };
            report::note(format_args!("{what}: cht file {session} does the rest of the work"));
        } else if output::is_for_people() {
            report::note(format_args!("look at it: cht show {session}"));
        }
    }
    Ok(exit)
}

/// Refuses an address of pages before the recording starts.
fn check_page(options: &Live) -> Result<()> {
    let is_wrong = |address: &&str| {
        !address.is_empty() && !address.starts_with("unix:") && resolve(address).is_err()
    };
    if let Some(address) = options.page.as_deref().filter(is_wrong) {
        bail!("--page={address}: must be HOST:PORT or unix:PATH, as 127.0.0.1:8080");
    }
    Ok(())
}

/// The newest session, by which one tells whether something was recorded.
#[derive(Debug, PartialEq, Eq)]
struct Newest {
    session: Session,
    received: Received,
}

impl Newest {
    fn of(options: &Live) -> Option<Self> {
        let sessions = options.sessions.clone().or_else(|| env::var("CHT_SESSIONS").ok());
        let sessions = sessions.unwrap_or_else(|| "sessions".to_owned());
        let named = options.session_id.as_deref().map(Path::new);
        let session = session::find(named, sessions.as_ref()).ok()?;
        Some(Self { received: received::of(&session), session })
    }
}

/// Returns the command that sends to a recorder that listens for TCP.
fn hint(options: &Live) -> Option<String> {
    let url = options.listen.as_deref().unwrap_or("tcp://127.0.0.1:4444");
    let is_address = url.starts_with("tcp://") && !url.ends_with(":0");
    let command = format!("ffmpeg -re -i FILE -c copy -f mpegts {}", quote(url));
    is_address.then(|| format!("send to it, from another terminal: {command}"))
}

fn plan(options: &Live) -> Plan {
    let mut source = Stage::new("cht-recv")
        .option("--listen", options.listen.as_deref())
        .option("--sessions", options.sessions.as_deref())
        .option("--session-id", options.session_id.as_deref())
        .option("--segment-time", options.segment_time.as_deref());
    if options.once {
        source = source.with(["--once"]);
    }
    let mut stages = vec![source, Stage::new("cht-segwatch")];
    stages.extend(choosing(&options.choice, None));
    let server = options.page.as_ref().map(|address| {
        let address = Some(address.as_str()).filter(|address| !address.is_empty());
        let page = Stage::new("cht-page").with(["serve"]).with(options.sessions.clone());
        page.option("--listen", address)
    });
    let mut steps = vec![Step::Pipe(stages)];
    if server.is_some() {
        // The server starts first.
        let sessions = options.sessions.clone().unwrap_or_else(|| "sessions".to_owned());
        steps.insert(0, Step::Folder(sessions));
    }
    Plan { server, steps }
}

/// Returns the stages that choose frames and keep the index of a session.
pub(crate) fn choosing(choice: &Choice, session: Option<&str>) -> Vec<Stage> {
    let stage = |program| Stage::new(program).option("--session", session);
    let scenes = stage("cht-scenes")
        .option("--detect", choice.detect.as_deref())
        .option("--max-interval", choice.max_interval.as_deref())
        .option("--max-frames", choice.max_frames.as_deref());
    let mut stages = vec![scenes];
    if choice.audio {
        stages.push(stage("cht-audio"));
    }
    stages.push(stage("cht-index"));
    stages
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn shell(line: &str) -> String {
        let args = Args::try_parse_from(format!("cht live {line}").split_whitespace()).unwrap();
        let Command::Live(options) = args.command else { panic!("{line}") };
        plan(&options).shell(str::to_owned)
    }

    #[test]
    fn pipeline_has_no_option_that_was_not_given() {
        assert_eq!(shell(""), "cht-recv | cht-segwatch | cht-scenes | cht-index\n");
    }

    #[test]
    fn option_goes_to_the_stage_that_knows_it() {
        let script = shell("--listen :5000 --once --detector scene --max-interval 10 --audio");
        let expected = "cht-recv --listen :5000 --once | cht-segwatch | \
                        cht-scenes --detect scene --max-interval 10 | cht-audio | cht-index\n";
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined(&script), joined(expected));
    }

    #[test]
    fn address_of_pages_is_refused_before_the_start() {
        let check = |line: &str| {
            let args = Args::try_parse_from(["cht", "live", line]).unwrap();
            let Command::Live(options) = args.command else { panic!("{line}") };
            check_page(&options)
        };
        for right in ["--page", "--page=127.0.0.1:0", "--page=:8080", "--page=unix:/run/page"] {
            check(right).unwrap();
        }
        assert!(
            check("--page=99999").unwrap_err().to_string().starts_with("--page=99999: must be")
        );
    }

    #[test]
    fn page_is_served_from_the_folder_of_the_recording() {
        assert!(shell("--page").starts_with("mkdir -p sessions\ncht-page serve &\n"));
        let script = shell("--sessions /srv/cht --page=127.0.0.1:9000");
        let server = "mkdir -p /srv/cht\ncht-page serve /srv/cht --listen 127.0.0.1:9000 &\n";
        assert!(script.starts_with(server), "{script}");
    }
}
