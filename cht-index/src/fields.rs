//! The fields of a JSON object as its text has them, so that they can be copied without being
//! parsed. Pure.

/// A field of an object. Both parts are text of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Name, without its quotes.
    pub name: &'a [u8],
    /// Value.
    pub value: &'a [u8],
}

/// Yields the top-level fields of an object that a JSON parser has accepted. Ends early in any
/// other text.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(object: &'a [u8]) -> Self {
        let inside = object.trim_ascii().strip_prefix(b"{");
        Self { rest: inside.unwrap_or_default().trim_ascii_start() }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let name = self.rest.strip_prefix(b"\"")?;
        let end = string(name)?;
        let after = name[end + 1..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, rest) = after.split_at(Scan::default().element(after)?);
        self.rest = rest.strip_prefix(b",").unwrap_or_default().trim_ascii_start();
        Some(Field { name: &name[..end], value: value.trim_ascii_end() })
    }
}

/// Returns the length of the rest of a string up to its closing quote.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Search for the end of an element or a value, which goes on when more of its text is there.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
}

impl Scan {
    /// Returns the length of the element at the start of `text`, up to the comma or bracket after
    /// it; `None` if it does not end there. Call it again with the same text and more.
    pub(crate) fn element(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(rest) = text.get(self.at..) {
            if self.in_string {
                let Some(end) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                    self.at = text.len();
                    return None;
                };
                // A backslash takes the next byte with it, which may not be there yet.
                let is_end = rest[end] == b'"';
                self.in_string = !is_end;
                self.at += end + if is_end { 1 } else { 2 };
                continue;
            }
            match rest.first()? {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b',' | b']' | b'}' if self.depth == 0 => return Some(self.at),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Fields::of(object.as_bytes()).map(|field| (text(field.name), text(field.value))).collect()
    }

    #[test]
    fn fields_are_copied_as_they_stand() {
        let object = r#" { "a" : "x\"},\\" , "b\"":[1,{"c":"]"}],"n": -1.50e3 , "":null} "#;
        let expected =
            [("a", r#""x\"},\\""#), (r#"b\""#, r#"[1,{"c":"]"}]"#), ("n", "-1.50e3"), ("", "null")];
        assert_eq!(read(object), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(read("{}"), []);
    }

    #[test]
    fn other_text_gives_no_more_than_it_has() {
        for text in
            ["", "[1]", "{", "{\"a", "{\"a\":", "{\"a\":1", "{\"a\\", "{\"a\":\"x\\", "{a:1}"]
        {
            assert_eq!(read(text), [], "{text}");
        }
    }

    #[test]
    fn element_is_found_in_text_that_grows_byte_by_byte() {
        let text = br#"{"a\\":["}\"",{}]},"#;
        let mut scan = Scan::default();
        for end in 0..text.len() {
            assert_eq!(scan.element(&text[..end]), None, "{end}");
        }
        assert_eq!(scan.element(text), Some(text.len() - 1));
    }
}
