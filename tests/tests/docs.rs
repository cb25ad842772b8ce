//! The documentation is true: its examples run, and its flags, messages, paths and links exist.
//!
//! A block fenced as ```` ```sh run ```` is run, all blocks of a file one after another by one bash
//! in an empty folder; any other ```` ```sh ```` block is only parsed. Port 4444 stands for one
//! that is free.
#![expect(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use cht_tests::{TOOLS, at_terminal, bin, path_with_binaries, root, source_files, wire};

/// The pages of the project: *.md at the root, in `docs/` and in `bench/`.
fn pages() -> Vec<PathBuf> {
    let mut pages = entries(root());
    for folder in ["docs", "docs/design", "bench/digits", "bench/quality", "bench/screens"] {
        pages.extend(entries(&root().join(folder)));
    }
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The fenced blocks of a page: info string and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push((info.trim().to_owned(), String::new()));
            }
        } else if let (true, Some((_, text))) = (inside, blocks.last_mut()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    assert!(!inside, "a block without end");
    blocks
}

fn bash() -> Command {
    let mut command = Command::new("bash");
    command
        .env("PATH", path_with_binaries())
        .env_remove("CHT_SESSION")
        .env("CHT_CACHE", "none")
        .stdin(Stdio::null());
    command
}

fn help(tool: &str) -> &'static str {
    static HELP: OnceLock<HashMap<&str, String>> = OnceLock::new();
    let help = HELP.get_or_init(|| {
        let ask = |tool| {
            let output = Command::new(bin(tool)).arg("--help").output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{tool} --help");
            (tool, String::from_utf8(output.stdout).unwrap())
        };
        TOOLS.into_iter().map(ask).collect()
    });
    &help[tool]
}

/// Each use of one of our tools in a piece of shell, with the flags that it is given.
fn uses(shell: &str) -> Vec<(&'static str, Vec<String>)> {
    let mut uses: Vec<(&'static str, Vec<String>)> = Vec::new();
    for command in shell.replace("\\\n", " ").split(['\n', '|', ';', '&', '(', ')']) {
        let command = command.split(" #").next().unwrap_or(command);
        let mut words = command.split_whitespace();
        while let Some(word) = words.next() {
            if let Some(tool) = TOOLS.into_iter().find(|tool| *tool == word) {
                let flags = words.by_ref().filter(|word| word.starts_with('-') && word.len() > 1);
                let name = |flag: &str| flag.split('=').next().unwrap_or(flag).to_owned();
                uses.push((tool, flags.map(name).collect()));
            }
        }
    }
    uses
}

/// The help of a tool, with that of its commands.
fn text_of_help(tool: &str) -> String {
    let mut text = help(tool).to_owned();
    let commands = text.split("\nCommands:\n").nth(1).unwrap_or_default();
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    let names: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    for name in names.iter().filter(|name| *name != "help") {
        let output = Command::new(bin(tool)).args([name, "--help"]).output().unwrap();
        assert!(output.status.success(), "{tool} {name} --help");
        text.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    text
}

/// The options of a tool, with those of its commands.
fn options(tool: &str) -> BTreeSet<String> {
    let text = text_of_help(tool);
    let words = text.split([' ', ',', '\n']).filter(|word| word.starts_with('-'));
    words.map(str::to_owned).collect()
}

/// Variables that the help of a tool names, with the option of each.
fn variables(tool: &str) -> BTreeSet<(String, String)> {
    let mut variables = BTreeSet::new();
    let mut option = String::new();
    let text = text_of_help(tool);
    for line in text.lines() {
        // Further lines of a text are indented by more.
        if let Some(name) = line.strip_prefix("      --") {
            option = format!("--{}", name.split_whitespace().next().unwrap());
        } else if let Some(rest) = line.strip_prefix("  [SESSION") {
            option = format!("--session{}", rest.split(']').next().unwrap().to_lowercase());
        }
        for name in line.split([' ', '=', ']']).filter(|word| word.starts_with("CHT_")) {
            variables.insert((name.to_owned(), option.clone()));
        }
    }
    variables
}

#[test]
fn variables_of_the_tools_are_those_of_the_page() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let named = rows.flat_map(|row| {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [variable, option, tools] = cells[..] else { panic!("{row}") };
        let option = option.split('`').nth(1).unwrap().to_owned();
        let variable = variable.trim_end_matches('`').to_owned();
        tools.split(", ").map(move |tool| (tool.to_owned(), (variable.clone(), option.clone())))
    });
    let named: BTreeSet<_> = named.collect();
    let of_tool = |tool: &&str| {
        variables(tool).into_iter().map(|it| ((*tool).to_owned(), it)).collect::<Vec<_>>()
    };
    let known: BTreeSet<_> = TOOLS.iter().flat_map(of_tool).collect();
    assert!(known.len() > 40);
    assert_eq!(named, known);
}

fn check_flags(place: &Path, shell: &str) -> usize {
    let uses = uses(shell);
    for (tool, flags) in &uses {
        let known = options(tool);
        // Quoted flags belong to another program: `--player 'mpv --fs -'`.
        for flag in flags.iter().take_while(|flag| !flag.ends_with('\'')) {
            if *tool == "cht-monitor" && !known.contains(flag) && shell.contains('\'') {
                continue;
            }
            assert!(known.contains(flag), "{}: {tool} has no {flag}", place.display());
        }
    }
    uses.len()
}

#[test]
fn examples_of_the_pages_run() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let run: Vec<_> = blocks(&page).into_iter().filter(|(info, _)| info == "sh run").collect();
        if run.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        // Free now; nobody else on this machine is likely to take just this one in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script: String = run.into_iter().map(|(_, text)| text).collect();
        let script = script.replace("4444", &port.to_string());
        // If it hangs, it is to say so; no example takes more than a few seconds.
        let output = Command::new("timeout")
            .args(["-k", "5", "120", "bash", "-euxo", "pipefail", "-c", &script])
            .env("PATH", path_with_binaries())
            .env("CHT", root())
            .env_remove("CHT_SESSION")
            .env("CHT_CACHE", "none")
            .stdin(Stdio::null())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}\n{}\n{}",
            path.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn examples_of_the_pages_are_shell_and_their_flags_exist() {
    let mut count = 0;
    for path in pages() {
        for (info, text) in blocks(&fs::read_to_string(&path).unwrap()) {
            if info.split(' ').next() != Some("sh") {
                continue;
            }
            let parsed = bash().args(["-n", "-c", &text]).output().unwrap();
            let error = String::from_utf8_lossy(&parsed.stderr);
            assert!(parsed.status.success(), "{}: {error}\n{text}", path.display());
            count += check_flags(&path, &text);
        }
    }
    assert!(count > 20, "only {count} uses of the tools were found");
}

/// The options of each use of cht-scenes in a piece of shell, and of those that `scripts/reprocess`
/// hands on to it.
fn options_of_scenes(shell: &str) -> Vec<String> {
    let ends = |c| matches!(c, '|' | ';' | '&' | '>' | '<' | ')' | '`');
    let shell = shell.replace("\\\n", " ");
    let lines = shell.lines().map(|line| line.split(" #").next().unwrap_or(line));
    let options = |line: &str| {
        let of_script = line.contains("scripts/reprocess ") && line.contains(" -- ");
        let after = if of_script { " -- " } else { "cht-scenes " };
        let used = line.split(after).skip(1).filter_map(|rest| rest.split(ends).next());
        used.map(str::to_owned).collect::<Vec<_>>()
    };
    let used = lines.flat_map(options);
    // What a script or another run puts there is not known.
    used.filter(|used| used.starts_with("--") && !used.contains(['$', '"', '[', '…'])).collect()
}

#[test]
fn options_in_examples_of_scenes_are_accepted_together() {
    let mut examples = Vec::new();
    for path in pages() {
        for (info, text) in blocks(&fs::read_to_string(&path).unwrap()) {
            if info.split(' ').next() == Some("sh") {
                examples.extend(options_of_scenes(&text));
            }
        }
    }
    let scripts = ["scripts", "scripts/cluster"].map(|folder| entries(&root().join(folder)));
    let scripts = scripts.concat().into_iter().filter(|path| path.is_file());
    for path in scripts.chain([root().join("Makefile")]) {
        // Their usage stands in comments.
        let text = fs::read_to_string(path).unwrap();
        let usage = text.lines().map(|line| line.trim_start_matches("# ").to_owned() + "\n");
        examples.extend(options_of_scenes(&usage.collect::<String>()));
    }
    examples.extend(options_of_scenes(help("cht-scenes")));
    examples.sort();
    examples.dedup();
    assert!(examples.len() > 6, "only {examples:?} were found");
    for example in examples.iter().filter(|example| !example.contains("--from-scores")) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = bash();
        command.arg("-c").arg(format!("cht-scenes {example}")).current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "cht-scenes {example}: {said}");
    }
}

/// The anchor that GitHub gives a heading: lower case, hyphens for spaces, no other punctuation.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn links_of_the_pages_lead_somewhere() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let images = page.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for target in targets.chain(images).filter(|target| !target.contains("://")) {
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file =
                if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target} is not there", path.display());
            if !fragment.is_empty() {
                let page = fs::read_to_string(file).unwrap();
                let headings = page.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
                let there = anchors.any(|anchor| anchor == fragment);
                assert!(there, "{}: {target} is no heading", path.display());
            }
        }
    }
}

/// The words in backticks, of which some are paths of the repository.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.flat_map(str::split_whitespace)
}

#[test]
fn paths_in_pages_and_comments_exist() {
    let folders = ["tests", "docs", "bench", "scripts", "schema", "fuzz"];
    let is_source = |path: &str| Path::new(path).extension().is_some_and(|kind| kind == "rs");
    // Every folder has files of these names.
    let generic = ["mod.rs", "main.rs", "lib.rs", "args.rs"];
    let is_ours = |path: &str| {
        let first = path.split('/').next().unwrap_or(path);
        is_source(path) || folders.contains(&first) || first.starts_with("cht-")
    };
    let is_pattern = |path: &str| path.contains(['*', '…', '$', '<', '{', '=', ':', '|', '(']);
    let (mut count, mut absent) = (0, BTreeSet::new());
    for path in pages().into_iter().chain(source_files()) {
        let text = fs::read_to_string(&path).unwrap();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let text: String = if is_page {
            text.split("```").step_by(2).collect()
        } else {
            let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
            comments.map(|line| line.to_owned() + "\n").collect()
        };
        let words = quoted(&text).filter(|word| word.contains('/') || is_source(word));
        for word in
            words.filter(|word| is_ours(word) && !is_pattern(word) && !generic.contains(word))
        {
            count += 1;
            if !root().join(word).exists() {
                absent.insert(format!("{}: `{word}`", path.display()));
            }
        }
    }
    assert!(absent.is_empty(), "not there: {absent:#?}");
    assert!(count > 100, "only {count} paths were found");
}

#[test]
fn glossary_names_where_each_type_is() {
    let page = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let mut count = 0;
    for row in rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | ")) {
        let [name, path] = quoted(row.1).collect::<Vec<_>>()[..] else { continue };
        let path = root().join(path);
        let is_defined = |text: String| {
            ["struct", "enum", "trait"].iter().any(|kind| text.contains(&format!("{kind} {name}")))
        };
        let files = source_files().into_iter().filter(|file| file.starts_with(&path));
        let there = files.map(|file| fs::read_to_string(file).unwrap()).any(is_defined);
        assert!(there, "docs/glossary.md: {name} is not in `{}`", row.1);
        count += 1;
    }
    assert!(count > 15, "only {count} types were found");
}

#[test]
fn code_map_names_every_folder_of_sources() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let map = page.split("\n## Code map\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let named = map.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let named: BTreeSet<_> = named.map(|folder| root().join(folder)).collect();
    for folder in &named {
        assert!(folder.is_dir(), "{} is not there", folder.display());
    }
    let files = source_files();
    let folders: BTreeSet<_> = files.iter().map(|file| file.parent().unwrap()).collect();
    // A folder next to the module of its name is a part of that module.
    for folder in folders.iter().filter(|folder| !folder.with_extension("rs").exists()) {
        assert!(named.contains(*folder), "{} is not in the map", folder.display());
        let mut begins = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name)).into_iter();
        let begin = begins.find(|path| path.exists()).unwrap();
        let text = fs::read_to_string(&begin).unwrap();
        assert!(text.starts_with("//! "), "{}: says nothing of its folder", begin.display());
    }
}

#[test]
fn help_begins_with_examples_and_ends_with_the_exit_status() {
    for tool in TOOLS {
        let help = help(tool);
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{tool}: no {text}"));
        assert!(at("Examples:") < at("Usage:") && at("Usage:") < at("Options:"), "{tool}");
        let end = &help[at("Exit status:")..];
        // A batch may also have to be tried again, or end at once by a signal.
        let lines = if tool == "cht-batch" { 6 } else { 4 };
        assert!(
            at("Options:") < at("Exit status:") && end.lines().count() == lines,
            "{tool}: {end}"
        );
        let examples: Vec<_> = help[at("Examples:")..at("Usage:")]
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .collect();
        assert!(examples.len() > 2, "{tool}");
        for example in examples {
            let parsed = bash().args(["-n", "-c", example]).output().unwrap();
            let error = String::from_utf8_lossy(&parsed.stderr);
            assert!(parsed.status.success(), "{tool}: {example}: {error}");
            check_flags(Path::new(tool), example);
        }
    }
}

#[test]
fn version_is_name_and_number_and_ffmpeg() {
    for tool in TOOLS {
        let ask = |flag| {
            let output = Command::new(bin(tool)).arg(flag).output().unwrap();
            assert!(output.status.success(), "{tool} {flag}");
            String::from_utf8(output.stdout).unwrap()
        };
        let version = format!("{tool} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(ask("-V"), version);
        // A release names its commit after that.
        let all = ask("--version");
        assert!(all.starts_with(&version), "{all}");
        let has_ffmpeg = text_of_help(tool).contains("--ffmpeg");
        assert_eq!(all.lines().any(|line| line.starts_with("ffmpeg ")), has_ffmpeg, "{all}");
    }
}

#[test]
fn terminal_as_stdin_is_refused() {
    for tool in ["cht-segwatch", "cht-scenes", "cht-audio", "cht-index"] {
        let output = at_terminal(tool).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{tool}: {said}");
        assert!(said.contains(&format!("{tool}: error: stdin is a terminal; ")), "{said}");
        assert!(said.contains("see --help"), "{said}");
    }
}

/// The sources of the tools, string continuations joined.
fn sources() -> String {
    let mut all = String::new();
    for path in source_files() {
        for line in fs::read_to_string(path).unwrap().lines() {
            let continued = line.strip_suffix('\\');
            all.push_str(continued.unwrap_or(line).trim_start());
            if continued.is_none() {
                all.push('\n');
            }
        }
    }
    all
}

#[test]
fn headings_of_troubleshooting_are_messages_of_the_tools() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let sources = sources();
    let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### `")).collect();
    assert!(headings.len() > 25);
    for heading in headings {
        let message = heading.strip_suffix('`').unwrap();
        // `…` stands for what differs: a path, a number, what the system says.
        let parts = message.split('…').map(|part| part.trim_matches([':', ' ']));
        for part in parts.filter(|part| part.len() > 3) {
            assert!(sources.contains(part), "no tool says {part:?} ({heading})");
        }
    }
}

#[test]
fn every_event_and_code_is_in_the_page_of_events() {
    let page = fs::read_to_string(root().join("docs/events.md")).unwrap();
    let mut examples = BTreeSet::new();
    for (_, text) in blocks(&page).iter().filter(|(info, _)| info == "json") {
        let event = wire::parse(text).unwrap();
        assert!(page.contains(&format!("\n### `{}`\n", event.kind())), "{}", event.kind());
        // Each field of the example has a line in the table of its section.
        let section = page.split(&format!("\n### `{}`\n", event.kind())).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).unwrap();
        for field in fields.keys().filter(|f| !["v", "type", "session"].contains(&f.as_str())) {
            assert!(section.contains(&format!("| `{field}` |")), "{}: {field}", event.kind());
        }
        examples.insert(event.kind());
    }
    let kinds: BTreeSet<_> = cht_core::event::schemas().iter().map(|schema| schema.0).collect();
    assert_eq!(examples, kinds, "one example a type");

    let is_code =
        |word: &&str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let sources = sources();
    // The code is the first such literal in a call of `fail`, or what `SegmentError::code` gives.
    let calls = sources.split("fail(").skip(1).filter_map(|call| {
        let near = call.get(..120).unwrap_or(call).split(';').next()?.split(".context(").next()?;
        near.split('"').skip(1).step_by(2).find(is_code)
    });
    let table = sources.split("fn code(").nth(1).unwrap().split("\n}\n").next().unwrap();
    let codes: BTreeSet<_> =
        calls.chain(table.split('"').skip(1).step_by(2).filter(is_code)).collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("\n| `{code}` |")), "{code} is not in docs/events.md");
    }
}

#[test]
fn help_fits_a_screen() {
    for tool in TOOLS {
        let ask = |flag| {
            let output = Command::new(bin(tool)).arg(flag).env("COLUMNS", "80").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let (short, long) = (ask("-h"), ask("--help"));
        assert!(short.lines().count() <= 24, "{tool} -h: {short}");
        assert!(short.contains("--help") && !short.contains("[env:"), "{tool} -h: {short}");
        let wide =
            |text: &str| text.lines().find(|line| line.chars().count() > 80).map(str::to_owned);
        assert_eq!((wide(&short), wide(&long)), (None, None), "{tool}");
        // An example that is broken cannot be copied.
        let unbroken = help(tool).split("Usage:").next().unwrap().to_owned();
        assert!(long.contains(unbroken.split("Examples:").nth(1).unwrap()), "{tool}: {long}");
    }
}
