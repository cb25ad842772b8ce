//! The elements of a JSON array, one by one, so that a bad one does not affect the others. Pure.

/// Yields the text of each element of a top-level array; afterwards, [`Self::is_whole`] tells
/// whether the array was whole.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Inside,
    Whole,
    Broken,
}

impl<'a> Elements<'a> {
    /// Reads `text`, which may begin with a byte order mark.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii();
        match text.strip_prefix(b"[") {
            Some(rest) => Self { rest, state: State::Inside },
            None => Self { rest: text, state: State::Broken },
        }
    }

    /// Returns whether the array ended with its bracket and nothing follows. Ask after the last
    /// element.
    pub(crate) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    fn end(&mut self, state: State) -> Option<&'a [u8]> {
        self.state = state;
        None
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.state != State::Inside {
            return None;
        }
        let text = self.rest.trim_ascii_start();
        if let Some(after) = text.strip_prefix(b"]") {
            let whole = after.trim_ascii().is_empty();
            return self.end(if whole { State::Whole } else { State::Broken });
        }
        let Some(length) = length(text) else { return self.end(State::Broken) };
        let (element, rest) = text.split_at(length);
        self.rest = match rest.strip_prefix(b",") {
            Some(rest) => rest,
            None if rest.starts_with(b"]") => rest,
            None => return self.end(State::Broken),
        };
        Some(element.trim_ascii_end())
    }
}

/// Returns the length of the first element, up to a comma or bracket of the array; `None` if it
/// does not end.
fn length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b',' | b']' | b'}' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, bool) {
        let mut elements = Elements::new(text.as_bytes());
        let read = elements.by_ref().map(|e| String::from_utf8_lossy(e).into_owned()).collect();
        (read, elements.is_whole())
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
    fn deep_nesting_is_one_element() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(read(&format!("[{deep},1]")).0.len(), 2);
    }

    #[test]
    fn any_bytes_give_bounded_elements() {
        for text in [&b"[}"[..], b"[}}", b"[,", b"[,,1]", b"[\xFF,\\\"]", b"[]]", b"[{]"] {
            assert!(Elements::new(text).count() <= text.len());
        }
    }
}
