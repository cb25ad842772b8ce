//! The elements of a JSON array, or of the array `frames` of an object, one by one, so that a bad
//! one does not affect the others, and the text is never in memory as a whole.

use std::io::{self, Read};

use crate::fields::Scan;

/// Length of a read, in bytes.
const BLOCK: usize = 64 << 10;

/// Longest element that is read, in bytes.
const LARGEST_ELEMENT: usize = 64 << 20;

/// Reads the text of each element of a top-level array; afterwards, [`Self::is_whole`] tells
/// whether the array was whole.
#[derive(Debug)]
pub(crate) struct Elements<R> {
    input: R,
    /// Text that was read, from `at` on not yet used.
    buffer: Vec<u8>,
    at: usize,
    state: State,
    is_object: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    Whole,
    Broken,
}

impl<R: Read> Elements<R> {
    /// Reads `input`, which may begin with a byte order mark.
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), at: 0, state: State::Before, is_object: false }
    }

    /// Returns whether the array ended with its bracket and nothing follows. Ask after the last
    /// element.
    pub(crate) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Returns whether it is an object that has the array. Ask after the first element.
    pub(crate) fn is_object(&self) -> bool {
        self.is_object
    }

    /// Returns the next element; `None` after the last one, and where no array goes on.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if !self.begin()? {
            return Ok(None);
        }
        let Some(length) = self.length()? else {
            self.state = State::Broken;
            return Ok(None);
        };
        let begin = self.at;
        self.at += length;
        if self.buffer[self.at] == b'}' {
            self.state = State::Broken;
            return Ok(None);
        }
        // The separator is here: nothing is read, and the element does not move.
        self.separator()?;
        Ok(Some(self.buffer[begin..begin + length].trim_ascii_end()))
    }

    /// Skips the next element if it is `expected`, an object, to the byte. Returns whether it was.
    pub(crate) fn take_if(&mut self, expected: &[u8]) -> io::Result<bool> {
        if !self.begin()? {
            return Ok(false);
        }
        while self.buffer.len() - self.at < expected.len() {
            if !self.fill()? {
                return Ok(false);
            }
        }
        if !self.buffer[self.at..].starts_with(expected) {
            return Ok(false);
        }
        self.at += expected.len();
        self.separator()?;
        Ok(true)
    }

    /// Moves to the next element. Returns whether there is one, or something that is none.
    fn begin(&mut self) -> io::Result<bool> {
        if self.state == State::Before {
            while self.buffer.len() < 3 && self.fill()? {}
            if self.buffer.starts_with(b"\xEF\xBB\xBF") {
                self.at = 3;
            }
            self.is_object = self.peek()? == Some(b'{') && self.find_frames()?;
            let begins = self.peek()? == Some(b'[');
            self.state = if begins { State::Inside } else { State::Broken };
            self.at += usize::from(begins);
        }
        if self.state == State::Inside && self.peek()? == Some(b']') {
            self.at += 1;
            let ends = if self.is_object { self.ends()? } else { self.peek()?.is_none() };
            self.state = if ends { State::Whole } else { State::Broken };
        }
        Ok(self.state == State::Inside)
    }

    /// Moves to the value of `frames` in an object. Returns whether there is one.
    fn find_frames(&mut self) -> io::Result<bool> {
        self.at += 1;
        while let Some(b'"') = self.peek()? {
            // A name ends where its value begins: at a colon, which no scan stops at.
            while !self.buffer[self.at..].contains(&b':') && self.fill()? {}
            let rest = &self.buffer[self.at..];
            let Some(colon) = rest.iter().position(|byte| *byte == b':') else { break };
            let is_frames = rest[..colon].trim_ascii() == b"\"frames\"";
            self.at += colon + 1;
            if is_frames {
                return Ok(true);
            }
            self.peek()?;
            let Some(length) = self.length()? else { break };
            self.at += length;
            if self.peek()? != Some(b',') {
                break;
            }
            self.at += 1;
            self.peek()?;
        }
        Ok(false)
    }

    /// Reads to the end. Returns whether an object ends there.
    fn ends(&mut self) -> io::Result<bool> {
        let mut last = None;
        loop {
            let rest = self.buffer[self.at..].trim_ascii_end();
            last = rest.last().copied().or(last);
            self.at = self.buffer.len();
            if !self.fill()? {
                return Ok(last == Some(b'}'));
            }
        }
    }

    /// Returns the length of the element or value here; `None` if it does not end.
    fn length(&mut self) -> io::Result<Option<usize>> {
        let mut scan = Scan::default();
        loop {
            if let Some(length) = scan.element(&self.buffer[self.at..]) {
                return Ok(Some(length));
            }
            if self.buffer.len() - self.at > LARGEST_ELEMENT || !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Skips the comma after an element, and leaves a bracket.
    fn separator(&mut self) -> io::Result<()> {
        match self.peek()? {
            Some(b',') => self.at += 1,
            Some(b']') => {}
            _ => self.state = State::Broken,
        }
        Ok(())
    }

    /// Skips white space, and returns the next byte.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(blank) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                self.at += blank;
                return Ok(Some(self.buffer[self.at]));
            }
            self.at = self.buffer.len();
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads more. Returns whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at >= BLOCK || self.at == self.buffer.len() {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + BLOCK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns few bytes at a time, so that elements cross the end of each read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut buffer[..3])
        }
    }

    fn read_bytes(text: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let mut elements = Elements::new(Slow(text));
        let mut read = Vec::new();
        while let Some(element) = elements.next().unwrap() {
            read.push(element.to_vec());
        }
        (read, elements.is_whole())
    }

    fn read(text: &str) -> (Vec<String>, bool) {
        let (elements, is_whole) = read_bytes(text.as_bytes());
        let text = |element: Vec<u8>| String::from_utf8(element).unwrap();
        (elements.into_iter().map(text).collect(), is_whole)
    }

    #[test]
    fn array_splits_at_its_commas() {
        let text = r#" [ {"a":[1,{"b":"],\"}"}]} , null,"x,y" ,3 ] "#;
        let expected = [r#"{"a":[1,{"b":"],\"}"}]}"#, "null", r#""x,y""#, "3"];
        assert_eq!(read(text), (expected.map(str::to_owned).into(), true));
        assert_eq!(read("\u{FEFF}[]\n"), (vec![], true));
    }

    #[test]
    fn truncated_array_gives_its_whole_elements() {
        assert_eq!(read(r#"[{"a":1},{"b":"#), (vec![r#"{"a":1}"#.to_owned()], false));
        for broken in ["", "{}", "[", "[1", "[] x", "null"] {
            assert!(!read(broken).1, "{broken}");
        }
    }

    #[test]
    fn frames_of_object_are_its_elements() {
        let text = r#"{"v":1, "session": "a,b}" ,"other":{"frames":[7]},"frames" : [ 1,{"a":2} ] ,"audio":[3]}
"#;
        assert_eq!(read(text), (vec!["1".to_owned(), r#"{"a":2}"#.to_owned()], true));
        assert_eq!(read(r#"{"frames":[]}"#), (vec![], true));
        assert_eq!(read(r#"{"frames":[1],"audio":[3"#), (vec!["1".to_owned()], false));
        for broken in [r#"{"audio":[1]}"#, r#"{"frames":1}"#, r#"{"a""#, r#"{"a":"#, "{1:[2]}"] {
            assert_eq!(read(broken), (vec![], false), "{broken}");
        }
    }

    #[test]
    fn deep_nesting_is_one_element() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = format!("[{deep},1]");
        let mut elements = Elements::new(text.as_bytes());
        assert_eq!(elements.next().unwrap().map(<[u8]>::len), Some(deep.len()));
        assert_eq!(elements.next().unwrap(), Some(&b"1"[..]));
    }

    #[test]
    fn any_bytes_give_bounded_elements() {
        for text in [&b"[}"[..], b"[}}", b"[,", b"[,,1]", b"[\xFF,\\\"]", b"[]]", b"[{]"] {
            assert!(read_bytes(text).0.len() <= text.len());
        }
    }

    #[test]
    fn expected_element_is_skipped_and_another_is_read() {
        let text = b"[\n{\"a\":1},\n{\"b\":22},\n{\"c\":3}\n]\n";
        let mut elements = Elements::new(&text[..]);
        assert!(elements.take_if(b"{\"a\":1}").unwrap());
        assert!(!elements.take_if(b"{\"b\":2}").unwrap());
        assert!(!elements.take_if(&[b'x'; 99]).unwrap(), "more than there is");
        assert_eq!(elements.next().unwrap(), Some(&b"{\"b\":22}"[..]));
        assert!(elements.take_if(b"{\"c\":3}").unwrap());
        assert!(!elements.take_if(b"{}").unwrap() && elements.is_whole());
    }
}
