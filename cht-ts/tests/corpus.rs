//! What fuzzing has found worth keeping, scanned again: each of it reaches code that the others do not.
#[path = "../../fuzz/fuzz_targets/check.rs"]
mod check;

use std::{fs, path::Path};

#[test]
fn the_scanner_finds_the_same_however_its_input_is_divided() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ts");
    let mut seen = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        // The test shows the output of what fails: the last name is the one.
        println!("{}", path.display());
        check::check(&fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen > 100, "{}: {seen} files", corpus.display());
}
