//! Comments and pages are plain English: phrases that name no noun are rare, and comments fit in a
//! line.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the figures that their limits bound"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use cht_tests::root;

/// Widest line of a comment, in columns.
const WIDTH: usize = 100;

/// Phrases, and how many of them 1000 words of comments and of pages may have.
const LIMITS: [(&[&str], f64, f64); 4] = [
    (&["what is", "what was"], 0.1, 0.1),
    (&["so many", "so much", "so long"], 0.1, 0.1),
    (&["whoever", "nobody", "somebody"], 0.1, 0.1),
    (&["behind", "beside"], 0.1, 0.1),
];

/// The files below `folder` with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "shared" {
            files.append(&mut self::files(&path, extension));
        } else if path.extension().is_some_and(|kind| kind == extension) {
            files.push(path);
        }
    }
    files
}

/// Returns the lines of a source file that are comments.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.trim_start().starts_with("//"))
}

/// Returns the words of a text in lower case, a space before and after each.
fn words(text: &str) -> String {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(String::from(" "), |all, word| all + word + " ")
}

/// Checks the texts of files against a limit for each of [`LIMITS`].
fn check(texts: &[(PathBuf, String)], limit: impl Fn(&(&[&str], f64, f64)) -> f64) {
    let texts: Vec<_> = texts.iter().map(|(path, text)| (path, words(text))).collect();
    let total = texts.iter().map(|(_, text)| text.split_whitespace().count()).sum::<usize>();
    assert!(total > 1000, "only {total} words were found");
    for phrases in &LIMITS {
        let count = |text: &str| {
            let count = |phrase| text.matches(&format!(" {phrase} ")).count();
            phrases.0.iter().map(count).sum::<usize>()
        };
        let mut counts: Vec<_> = texts.iter().map(|(path, text)| (count(text), path)).collect();
        let share =
            counts.iter().map(|(count, _)| count).sum::<usize>() as f64 * 1e3 / total as f64;
        println!("{:?}: {share:.2} in 1000 words", phrases.0);
        counts.sort_by(|a, b| b.cmp(a));
        counts.truncate(10);
        assert!(share <= limit(phrases), "{:?}: {share:.2} in 1000 words: {counts:#?}", phrases.0);
    }
}

#[test]
fn phrases_without_a_noun_are_rare_in_comments() {
    let text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, comments(&text).collect::<Vec<_>>().join("\n"))
    };
    let texts: Vec<_> = files(root(), "rs").into_iter().map(text).collect();
    check(&texts, |limits| limits.1);
}

#[test]
fn phrases_without_a_noun_are_rare_in_pages() {
    let text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        // Blocks of code and results of benchmarks are left out.
        let (method, results) = text.split_once("<!-- results -->").unwrap_or((&text, ""));
        let rest = results.split_once("<!-- end of results -->").map_or("", |parts| parts.1);
        (path, format!("{method}\n{rest}").split("```").step_by(2).collect())
    };
    let texts: Vec<_> = files(root(), "md").into_iter().map(text).collect();
    check(&texts, |limits| limits.2);
}

#[test]
fn comments_fit_in_a_line() {
    for path in files(root(), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let wide = comments(&text).find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None, "{}: wider than {WIDTH} columns", path.display());
    }
}

/// Nouns that messages count. Sizes in bytes are large.
const COUNTED: &str = "audios characters clients clips connections cores days differences edits errors events faults files folders \
    frames groups hours jobs lines messages minutes packets pictures pieces places programs readers recordings results samples scenes \
    seconds segments sessions sheets sounds times units videos warnings words";

#[test]
fn counts_in_messages_have_the_number_of_their_noun() {
    let nouns: Vec<_> = COUNTED.split_whitespace().collect();
    let mut wrong = Vec::new();
    for path in files(root(), "rs") {
        // Names of tests.
        if path.ends_with("tests.rs")
            || !path.components().any(|part| part.as_os_str() == "src")
            || path.starts_with(root().join("tests"))
        {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (place, _) in line.match_indices("} ") {
                let word =
                    line[place + 2..].split(|c: char| !c.is_ascii_alphabetic()).next().unwrap();
                // A literal with a limit, such as `{MAX_NAME}`, is never one.
                let name = line[..place].rsplit('{').next().unwrap();
                let is_limit =
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                // `.{extension} files` counts nothing.
                let is_name =
                    line[..place].rsplit_once('{').is_some_and(|(before, _)| before.ends_with('.'));
                if nouns.contains(&word) && !is_limit && !is_name {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "use cht_core::terminal::units::count: {wrong:#?}");
}
