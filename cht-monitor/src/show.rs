//! Follows the session into the player.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::{clock, report},
    session::{
        Session,
        reader::{Progress, SessionReader},
    },
};

use crate::{
    args::Args,
    begin::{self, StartPoint},
    catch_up::CatchUp,
    player,
};

/// Bytes per read.
const READ: usize = 64 * 1024;

/// Shows the session until it or the player ends.
pub(crate) fn show(args: &Args) -> Result<()> {
    let session = begin::session(args.session.as_deref(), &args.sessions)?;
    let place = if args.from_start { begin::start(&session)? } else { begin::now(&session)? };
    report::note(format_args!("showing {} from segment {}", session.name(), place.seq));
    if args.stdout {
        let stdout = rustix::io::dup(rustix::stdio::stdout())?;
        return pump(session, place, None, File::from(stdout));
    }
    let command = player::command(args, place.codec.as_deref())?;
    if args.print_command {
        let line = shell_words(&command) + "\n";
        std::io::stdout().write_all(line.as_bytes()).context("stdout")?;
        return Ok(());
    }
    let mut player = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}: cannot be run", command[0]))?;
    let input = player.stdin.take().context("the player has no stdin")?;
    // From the beginning, everything is shown in its own time.
    let catch_up = (!args.from_start).then(|| CatchUp::new(clock::monotonic()));
    let pumped = pump(session, place, catch_up, input);
    let status = player.wait().context("the player")?;
    pumped?;
    if !status.success() {
        bail!(
            "the player ended with {status} (its own message is above): {}",
            shell_words(&command)
        );
    }
    Ok(())
}

/// Copies the session into the player until one of them ends, bit for bit unless it has to catch
/// up.
fn pump(
    session: Session,
    place: StartPoint,
    mut catch_up: Option<CatchUp>,
    mut player: impl Write,
) -> Result<()> {
    let StartPoint { seq, mut skip, tables, completes, .. } = place;
    let mut reader = SessionReader::new(session, seq)?;
    let mut buffer = vec![0; READ];
    let mut write = |bytes: &[u8]| match player.write_all(bytes).and_then(|()| player.flush()) {
        // The player was closed.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("the player"),
    };
    if (skip > 0 || completes) && !write(&tables)? {
        return Ok(());
    }
    let mut rewritten = Vec::new();
    loop {
        match reader.read(&mut buffer).context("the session")? {
            Progress::Ended => {
                if let Some(catch_up) = &mut catch_up {
                    rewritten.clear();
                    catch_up.finish(&mut rewritten);
                    write(&rewritten)?;
                }
                return Ok(());
            }
            Progress::Nothing => {}
            Progress::Bytes { count, .. } => {
                let left_out = skip.min(count as u64);
                skip -= left_out;
                let mut bytes = &buffer[left_out as usize..count];
                if let Some(catch_up) = &mut catch_up {
                    rewritten.clear();
                    let at_end = count < buffer.len();
                    catch_up.push(bytes, clock::monotonic(), at_end, &mut rewritten);
                    bytes = &rewritten;
                }
                if !write(bytes)? {
                    return Ok(());
                }
            }
        }
    }
}

/// Quotes a command for a shell.
fn shell_words(command: &[String]) -> String {
    let quote = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=%@+,".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    command.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_command_can_be_pasted() {
        let command = ["sh", "-c", "mpv 'a b' -"].map(str::to_owned);
        assert_eq!(shell_words(&command), r"sh -c 'mpv '\''a b'\'' -'");
    }
}
