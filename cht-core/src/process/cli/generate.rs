//! Writes manual pages and completions from a tool's command line, for `make install`.

use std::{env, fs, io, path::Path, process};

use clap::{Arg, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

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
    let mut built = command.clone().disable_help_subcommand(true);
    built.build();
    write_pages(&built, &pages)?;
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

/// Writes the manual pages of a command and its subcommands to a folder.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_pages(command, folder)?;
    }
    let (page, mut text) = (Man::new(command.clone()), Vec::new());
    page.render(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    fs::write(folder.join(page.get_filename()), with_values(&text, command))
}

/// Returns a manual page whose synopsis names the values of options, which `clap_mangen` 0.2 leaves
/// out.
fn with_values(page: &str, command: &Command) -> String {
    let (begin, title) = (page.find(SYNOPSIS), SYNOPSIS.len());
    let Some((before, rest)) = begin.map(|begin| page.split_at(begin + title)) else {
        return page.to_owned();
    };
    let (synopsis, after) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
    let mut synopsis = synopsis.to_owned();
    let takes_value = |option: &&Arg| option.get_action().takes_values() && !option.is_positional();
    for option in command.get_arguments().filter(takes_value) {
        let (Some(long), Some(names)) = (option.get_long(), option.get_value_names()) else {
            continue;
        };
        let hyphens = |text: &str| text.replace('-', "\\-");
        let name = format!("\\fB\\-\\-{}\\fR", hyphens(long));
        let least = option.get_num_args().map_or(1, |count| count.min_values());
        let times = if names.len() == 1 { least.max(1) } else { 1 };
        let value = format!("\\fI{}\\fR", hyphens(&vec![names.join(" "); times].join(" ")));
        let value = match (least == 0, option.is_require_equals_set()) {
            (true, true) => format!("[={value}]"),
            (true, false) => format!(" [{value}]"),
            (false, true) => format!("={value}"),
            (false, false) => format!(" {value}"),
        };
        synopsis = synopsis.replace(&name, &format!("{name}{value}"));
    }
    [before, &synopsis, after].concat()
}

/// Line before the synopsis of a manual page.
const SYNOPSIS: &str = ".SH SYNOPSIS\n";

/// Returns a completion in which bash finds the options of subcommands: where a program's name has
/// a hyphen, `clap_complete` 4.6 defines them by one name and looks for them by another.
fn mended(text: &str, name: &str) -> String {
    let [defined, sought] = ["__subcmd__", "__"].map(|joint| name.replace('-', joint));
    text.replace(&defined, &sought)
}
