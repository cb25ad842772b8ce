//! Puts the players into the program that npm has fetched into `web/node_modules`. Without them the
//! program compiles all the same, and its pages say which command fetches them.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

/// Name of each player, its script and its licences, in `web/node_modules`.
const PLAYERS: [(&str, &str, &[&str]); 2] = [
    ("hls.js", "hls.js/dist/hls.light.min.js", &["hls.js/LICENSE"]),
    (
        "mpegts.js",
        "mpegts.js/dist/mpegts.js",
        &["mpegts.js/LICENSE", "es6-promise/LICENSE", "events/LICENSE"],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let modules = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("web/node_modules");
    let out = env::var("OUT_DIR")?;
    // Cargo takes a file that is not there for one that changes with each build; in a folder it
    // finds a file that comes.
    let fetched = "web/node_modules/.package-lock.json";
    let watched = if Path::new(fetched).exists() { fetched } else { "web" };
    println!("cargo::rerun-if-changed={watched}");
    let mut licences = String::new();
    for (name, script, files) in PLAYERS {
        let (mut text, mut licence) = (String::new(), String::new());
        if let Ok(found) = fs::read_to_string(modules.join(script)) {
            for file in files {
                let text = fs::read_to_string(modules.join(file))?;
                write!(licence, "=== {file}\n\n{text}\n")?;
            }
            text = without_source_map(&found);
        }
        fs::write(Path::new(&out).join(name), text)?;
        licences += &licence;
    }
    fs::write(Path::new(&out).join("licences.txt"), licences)?;
    Ok(())
}

/// Removes the last line if it names a source map, which the page does not have.
fn without_source_map(script: &str) -> String {
    let trimmed = script.trim_end();
    match trimmed.rsplit_once('\n') {
        Some((rest, last)) if last.starts_with("//# sourceMappingURL=") => format!("{rest}\n"),
        _ => script.to_owned(),
    }
}
