//! Writes manual pages and completions from a tool's command line, for `make install`.

use std::{env, fs, io, path::Path, process};

use clap::Command;
use clap_complete::{Shell, generate};

use crate::process::report;

/// Ends the process after writing the files, where the command line is `--generate PREFIX` alone.
pub(super) fn if_asked(command: &Command) {
    let mut arguments = env::args_os().skip(1);
    let (Some(option), Some(prefix), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return;
    };
    if option != "--generate" {
        return;
    }
    match write(command, prefix.as_ref()) {
        Ok(()) => process::exit(0),
        Err(error) => {
            report::fail(format_args!("{}: {error}", prefix.display()));
            process::exit(2);
        }
    }
}

/// Writes the files to where systems look for them below `prefix`.
fn write(command: &Command, prefix: &Path) -> io::Result<()> {
    let share = prefix.join("share");
    let pages = share.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(command.clone(), &pages)?;
    let name = command.get_name();
    for (shell, folder, file) in [
        (Shell::Bash, "bash-completion/completions", name.to_owned()),
        (Shell::Zsh, "zsh/site-functions", format!("_{name}")),
        (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
    ] {
        let folder = share.join(folder);
        fs::create_dir_all(&folder)?;
        let mut text = Vec::new();
        generate(shell, &mut command.clone(), name, &mut text);
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        fs::write(folder.join(file), mended(&text, name))?;
    }
    Ok(())
}

/// Returns a completion in which bash finds the options of subcommands: where a program's name has
/// a hyphen, `clap_complete` 4.6 defines them by one name and looks for them by another.
fn mended(text: &str, name: &str) -> String {
    let [defined, sought] = ["__subcmd__", "__"].map(|joint| name.replace('-', joint));
    text.replace(&defined, &sought)
}
