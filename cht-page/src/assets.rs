//! The files that a browser gets: the page, its style and script, and the players.
//!
//! A browser loads no modules from `file://`, so the modules of `web/` become one script, in which
//! each is a function that is called once.

use std::{fmt::Write as _, sync::LazyLock};

/// The modules, each after those that it imports.
const MODULES: [(&str, &str); 29] = [
    ("dom.js", include_str!("../web/dom.js")),
    ("time.js", include_str!("../web/time.js")),
    ("recording.js", include_str!("../web/recording.js")),
    ("search.js", include_str!("../web/search.js")),
    ("filter.js", include_str!("../web/filter.js")),
    ("codecs.js", include_str!("../web/codecs.js")),
    ("stills.js", include_str!("../web/stills.js")),
    ("playlist.js", include_str!("../web/playlist.js")),
    ("scripts.js", include_str!("../web/scripts.js")),
    ("packets.js", include_str!("../web/packets.js")),
    ("film.js", include_str!("../web/film.js")),
    ("video_file.js", include_str!("../web/video_file.js")),
    ("recorded.js", include_str!("../web/recorded.js")),
    ("live.js", include_str!("../web/live.js")),
    ("engines.js", include_str!("../web/engines.js")),
    ("screen.js", include_str!("../web/screen.js")),
    ("notice.js", include_str!("../web/notice.js")),
    ("player.js", include_str!("../web/player.js")),
    ("colours.js", include_str!("../web/colours.js")),
    ("ruler.js", include_str!("../web/ruler.js")),
    ("wall.js", include_str!("../web/wall.js")),
    ("selection.js", include_str!("../web/selection.js")),
    ("words.js", include_str!("../web/words.js")),
    ("keys.js", include_str!("../web/keys.js")),
    ("follow.js", include_str!("../web/follow.js")),
    ("files.js", include_str!("../web/files.js")),
    ("theme.js", include_str!("../web/theme.js")),
    ("list.js", include_str!("../web/list.js")),
    ("app.js", include_str!("../web/app.js")),
];

/// The page of a session; `{assets}` stands for the path of the other files.
const SESSION: &str = include_str!("../web/session.html");

/// The page with all sessions.
const LIST: &str = include_str!("../web/list.html");

/// Command that fetches the players, for messages.
pub(crate) const FETCH: &str = "make build";

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asset {
    pub name: &'static str,
    pub kind: &'static str,
    pub text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The script of the page.
static PAGE: LazyLock<String> = LazyLock::new(|| join(&MODULES));

/// Returns all files but the pages themselves.
pub(crate) fn all() -> [Asset; 5] {
    let text = "text/plain; charset=utf-8";
    let asset = |name, kind, text| Asset { name, kind, text };
    [
        asset("page.css", "text/css; charset=utf-8", include_str!("../web/page.css")),
        asset("page.js", SCRIPT, &PAGE),
        asset("hls.js", SCRIPT, include_str!(concat!(env!("OUT_DIR"), "/hls.js"))),
        asset("mpegts.js", SCRIPT, include_str!(concat!(env!("OUT_DIR"), "/mpegts.js"))),
        asset("licences.txt", text, include_str!(concat!(env!("OUT_DIR"), "/licences.txt"))),
    ]
}

/// Tells whether the players were there when the program was built.
pub(crate) fn has_players() -> bool {
    all().iter().all(|asset| !asset.text.is_empty())
}

/// Returns the page of a session, whose assets lie at the path `assets`.
pub(crate) fn session(assets: &str) -> String {
    SESSION.replace("{assets}", assets)
}

/// Returns the page with all sessions.
pub(crate) fn list() -> &'static str {
    LIST
}

/// Joins modules to one script.
fn join(modules: &[(&str, &str)]) -> String {
    let mut script = "\"use strict\";\n(() => {\nconst modules = {};\n".to_owned();
    for (name, text) in modules {
        let (body, exports) = module(text);
        let exports = exports.join(", ");
        let _ = write!(
            script,
            "modules[\"{name}\"] = (() => {{\n{body}return {{ {exports} }};\n}})();\n"
        );
    }
    script + "})();\n"
}

/// Returns a module as the body of a function, and the names that it exports.
fn module(text: &str) -> (String, Vec<&str>) {
    let (mut body, mut exports) = (String::new(), Vec::new());
    for line in text.lines() {
        let mut line = line.to_owned() + "\n";
        if let Some(names) = line.strip_prefix("import {") {
            line = format!("const {{{names}");
        }
        if let Some((names, from)) = line.split_once("} from \"./") {
            line = format!("{names}}} = modules[\"{}", from.replace("\";", "\"];"));
        }
        body += line.strip_prefix("export ").unwrap_or(&line);
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("export ")) {
        let name =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|it| !it.is_empty());
        exports.extend(
            name.skip_while(|it| ["async", "function", "class", "const"].contains(it)).take(1),
        );
    }
    (body, exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_functions_with_their_exports() {
        let one = "export const A = 1;\nexport async function b() {}\nconst OWN = 2;\n";
        let two =
            "import { A, b } from \"./one.js\";\nimport {\n  C,\n} from \"./one.js\";\n\nb(A);\n";
        assert_eq!(
            join(&[("one.js", one), ("two.js", two)]),
            "\"use strict\";\n(() => {\nconst modules = {};\n\
             modules[\"one.js\"] = (() => {\nconst A = 1;\nasync function b() {}\nconst OWN = 2;\n\
             return { A, b };\n})();\n\
             modules[\"two.js\"] = (() => {\nconst { A, b } = modules[\"one.js\"];\n\
             const {\n  C,\n} = modules[\"one.js\"];\n\nb(A);\nreturn {  };\n})();\n})();\n"
        );
    }

    #[test]
    fn module_imports_names_that_an_earlier_one_exports() {
        for (at, (name, text)) in MODULES.iter().enumerate() {
            for import in text.split("import {").skip(1) {
                let (names, rest) = import.split_once("} from \"./").expect("a list of names");
                let from = rest.split('"').next().unwrap_or_default();
                let exports = MODULES[..at].iter().find(|it| it.0 == from).map(|it| module(it.1).1);
                let exports = exports.unwrap_or_else(|| panic!("{name}: {from} comes later"));
                for wanted in names.split(',').map(str::trim).filter(|it| !it.is_empty()) {
                    assert!(exports.contains(&wanted), "{name}: {from} exports no {wanted}");
                }
            }
        }
    }
}
