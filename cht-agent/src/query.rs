//! Words to search for: all of them have to occur, in any case; words in quotation marks stand
//! together. Pure.

/// Bytes of a snippet before and after the first word that was found.
const AROUND: usize = 120;

/// Letters from the rarest to the most frequent one in text.
const RARE: &[u8] = b"zqjxkvbpgwyfmcuhldrsniotae";

/// Words to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// In lower case, with single spaces.
    text: String,
    /// The longest part of it that stands in JSON as it is: a line without it has no match. Empty
    /// if there is none.
    part: Vec<u8>,
    /// The rarest letter of that part, and where it is.
    rarest: usize,
}

impl Query {
    /// Reads a query: `invoice "due date"`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for (at, part) in text.split('"').enumerate() {
            if at % 2 == 1 {
                terms.extend(Term::of(part));
            } else {
                terms.extend(part.split_whitespace().filter_map(Term::of));
            }
        }
        if terms.is_empty() {
            return Err("no words to search for".to_owned());
        }
        Ok(Self { terms })
    }

    /// Tells whether a line of JSON may hold all words.
    pub(crate) fn may_be_in(&self, line: &[u8]) -> bool {
        self.terms.iter().all(|term| term.may_be_in(line))
    }

    /// Tells whether all words are in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if self.terms.iter().all(Term::is_plain) {
            return self.may_be_in(text.as_bytes());
        }
        self.may_be_in(text.as_bytes()) && self.find(text).is_some()
    }

    /// Returns the text around the first word if all words are in `text`.
    pub(crate) fn find(&self, text: &str) -> Option<String> {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = plain.to_lowercase();
        let places = self.terms.iter().map(|term| lower.find(&term.text));
        let first = places.collect::<Option<Vec<_>>>()?.into_iter().min()?;
        let first = place_before_lowering(&plain, first);
        let begin = plain.floor_char_boundary_at(first.saturating_sub(AROUND));
        let end = plain.floor_char_boundary_at((first + AROUND).min(plain.len()));
        let before = if begin > 0 { "…" } else { "" };
        let after = if end < plain.len() { "…" } else { "" };
        Some(format!("{before}{}{after}", &plain[begin..end]))
    }
}

/// Returns the place in `text` of byte `at` of its lower case, which may be longer or shorter.
fn place_before_lowering(text: &str, at: usize) -> usize {
    let mut lowered = 0;
    let mut places = text.char_indices().filter_map(|(place, letter)| {
        lowered += letter.to_lowercase().map(char::len_utf8).sum::<usize>();
        (lowered > at).then_some(place)
    });
    places.next().unwrap_or(text.len())
}

/// Places where a text may be cut.
trait CharBoundary {
    /// Returns the last boundary of a character at or before byte `at`.
    fn floor_char_boundary_at(&self, at: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_at(&self, at: usize) -> usize {
        (0..=at.min(self.len())).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}

impl Term {
    fn of(text: &str) -> Option<Self> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if text.is_empty() {
            return None;
        }
        // Letters outside of ASCII may be escaped, and have other forms in upper case.
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
        let part = parts.max_by_key(|part| part.len()).unwrap_or_default().as_bytes().to_vec();
        let rank = |byte: &u8| RARE.iter().position(|rare| rare == byte).unwrap_or(8);
        let rarest = (0..part.len()).min_by_key(|at| rank(&part[*at])).unwrap_or(0);
        Some(Self { text, part, rarest })
    }

    /// Tells whether it is one word of ASCII, which needs no other form of the text.
    fn is_plain(&self) -> bool {
        self.part.len() == self.text.len()
    }

    fn may_be_in(&self, line: &[u8]) -> bool {
        let Some(&letter) = self.part.get(self.rarest) else { return true };
        let upper = letter.to_ascii_uppercase();
        memchr::memchr2_iter(letter, upper, line).any(|at| {
            let begin = at.checked_sub(self.rarest);
            let found = begin.and_then(|begin| line.get(begin..begin + self.part.len()));
            found.is_some_and(|found| found.eq_ignore_ascii_case(&self.part))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn all_words_have_to_occur_and_quoted_ones_together() {
        let text = "Invoice 42\nTotal  Due: 17 €, DUE date tomorrow";
        for found in
            ["invoice", "TOTAL due", "\"due date\"", "42 \"invoice 42\"", "€", "ue dat", "total \""]
        {
            assert!(query(found).find(text).is_some() && query(found).is_in(text), "{found}");
        }
        for missing in ["invoices", "\"date due\"", "total tax", "\"42 due\""] {
            assert!(
                query(missing).find(text).is_none() && !query(missing).is_in(text),
                "{missing}"
            );
        }
        assert!(Query::parse(" \"\" ").is_err());
    }

    #[test]
    fn line_without_match_is_told_apart_and_one_with_match_never_is() {
        let texts = ["Straße ÉCOLE naïve", "say \"hi\"\n\tTab", "K2 kelvin", "plain words"];
        for text in texts {
            let raw = format!("{{\"text\":{}}}", serde_json::Value::from(text));
            let escaped: String = raw
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) })
                .collect();
            for word in text.split_whitespace() {
                let query = query(&word.replace('"', ""));
                assert!(query.find(text).is_some(), "{word}");
                assert!(
                    query.may_be_in(raw.as_bytes()) && query.may_be_in(escaped.as_bytes()),
                    "{word}"
                );
            }
        }
        assert!(!query("zebra").may_be_in(b"{\"text\":\"zebr\"}"));
    }

    #[test]
    fn snippet_is_cut_between_characters() {
        let text = "ä".repeat(200) + " needle " + &"ö".repeat(200);
        let snippet = query("needle").find(&text).unwrap();
        assert!(snippet.starts_with("…ä") && snippet.ends_with("ö…"), "{snippet}");
        assert!(snippet.contains("needle") && snippet.len() <= 2 * AROUND + 6);
        // Letters whose lower case is longer or shorter.
        let text = "İẞ".repeat(100) + " Invoice TOTAL for İbrahim";
        let snippet = query("total").find(&text).unwrap();
        assert!(snippet.ends_with("İẞ Invoice TOTAL for İbrahim"), "{snippet}");
    }
}
