//! Replaying a corpus in an ordinary test.
use std::{fs, path::Path};

/// Checks each input of `corpus/NAME`, and `damages` truncated copies of it with small damages.
pub(crate) fn replay(name: &str, check: fn(&[u8]), damages: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut seen = 0;
    for entry in fs::read_dir(&corpus).expect("a corpus") {
        let path = entry.expect("an entry of it").path();
        // The test shows the output of what fails: the last name is the one.
        println!("{}", path.display());
        let input = fs::read(&path).expect("an input");
        check(&input);
        for at in (0..input.len()).step_by(input.len() / damages + 1) {
            check(&input[..at]);
            let mut damaged = input.clone();
            for byte in [0, 0x39, 0xff] {
                damaged[at] = byte;
                check(&damaged);
            }
        }
        seen += 1;
    }
    assert!(seen > 0, "{}: empty", corpus.display());
}
