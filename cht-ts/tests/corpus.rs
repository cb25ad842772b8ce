//! Scans the inputs that fuzzing has found worth keeping again: each reaches code that the others
//! do not.
#[path = "../../fuzz/fuzz_targets/check.rs"]
mod check;

use std::{fs, path::Path};

#[test]
fn scanner_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ts");
    let mut seen = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        // A failing test shows its output: the last name is the input that failed.
        println!("{}", path.display());
        check::check(&fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen > 100, "{}: {seen} files", corpus.display());
}
