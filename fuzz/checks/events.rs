//! What must hold of the readers of events: any bytes on stdin, whatever the reads they come in.
use std::io::{BufReader, Cursor};

use cht_core::{
    event::Event,
    ndjson::{Line, Lines},
};

/// What came of each line, as text.
fn read(input: &[u8], buffer: usize) -> Vec<String> {
    let lines = Lines::new(BufReader::with_capacity(buffer, Cursor::new(input)));
    let mut bytes = 0;
    let said = lines.map(|line| {
        let line = line.expect("memory can be read");
        if let Line::Event { raw, .. } = &line {
            bytes += raw.len();
        }
        format!("{line:?}")
    });
    let said: Vec<_> = said.collect();
    // A line is passed on as it came, at most with the newline that it lacks.
    assert!(bytes <= input.len() + 1);
    said
}

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    assert_eq!(read(input, 1 << 16), read(input, 7));
    if let Ok(Some(event)) = Event::parse(input) {
        let line = event.to_line();
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
        let again = Event::parse(&line).expect("an event of ours").expect("of a known type");
        assert_eq!(again.to_line(), line);
    }
}
