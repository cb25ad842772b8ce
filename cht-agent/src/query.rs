//! Words to search for: all of them have to occur, in any case, with or without accents; words in
//! quotation marks stand together. Pure.

use cht_core::fold;
use memchr::memmem;

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
    /// Without case and accents, with single spaces.
    text: String,
    /// The longest part of it that stands in JSON as it is: a line of ASCII without it has no
    /// match. Empty if there is none.
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
        self.are_as_typed_in(line) || !is_ascii(line)
    }

    /// Tells whether all words are in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() && self.terms.iter().all(Term::is_plain) {
            return self.are_as_typed_in(text.as_bytes());
        }
        self.places_in(&Folded::of(text)).is_some()
    }

    /// Returns the text around the first word if all words are in `text`.
    pub(crate) fn find(&self, text: &str) -> Option<String> {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let folded = Folded::of(&plain);
        let first = folded.begins[self.places_in(&folded)?.into_iter().min()?];
        let begin = plain.floor_char_boundary_at(first.saturating_sub(AROUND));
        let end = plain.floor_char_boundary_at((first + AROUND).min(plain.len()));
        let before = if begin > 0 { "…" } else { "" };
        let after = if end < plain.len() { "…" } else { "" };
        Some(format!("{before}{}{after}", &plain[begin..end]))
    }

    /// Tells whether the parts of all words stand in a line in ASCII.
    fn are_as_typed_in(&self, line: &[u8]) -> bool {
        self.terms.iter().all(|term| term.is_as_typed_in(line))
    }

    /// Returns where each word is first, if all are there.
    fn places_in(&self, folded: &Folded) -> Option<Vec<usize>> {
        self.terms.iter().map(|term| folded.text.find(&term.text)).collect()
    }
}

/// Tells whether a line has no letters outside of ASCII, not even escaped: those may be forms of
/// any letter.
fn is_ascii(line: &[u8]) -> bool {
    line.is_ascii() && memmem::find(line, b"\\u").is_none()
}

/// A text without case and accents, with single spaces.
struct Folded {
    text: String,
    /// Begin in the original of the letter of each of its bytes.
    begins: Vec<usize>,
}

impl Folded {
    fn of(original: &str) -> Self {
        let mut folded = Self { text: String::new(), begins: Vec::new() };
        for (begin, letter) in original.char_indices() {
            folded.push(letter, begin);
        }
        folded
    }

    fn push(&mut self, letter: char, begin: usize) {
        if !letter.is_whitespace() {
            fold::push(&mut self.text, letter);
        } else if !self.text.ends_with(' ') {
            self.text.push(' ');
        }
        self.begins.resize(self.text.len(), begin);
    }
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
        let text = Folded::of(text).text.trim().to_owned();
        if text.is_empty() {
            return None;
        }
        // Letters outside of ASCII may be escaped, and have other forms.
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

    fn is_as_typed_in(&self, line: &[u8]) -> bool {
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
    fn accents_and_forms_of_letters_are_no_matter() {
        for (text, words) in [
            ("Müller fährt", ["muller", "MÜLLER", "mu\u{308}ller", "\"muller fahrt\""]),
            ("Mu\u{308}ller", ["muller", "Müller", "ULLER", "müll"]),
            ("Straße, ﬁne, İstanbul", ["strasse", "fine", "istanbul", "STRASSE fine"]),
            ("Café\u{a0}crème", ["\"cafe creme\"", "e", "é", "crÈme"]),
            ("cafe", ["café", "CAFÉ", "é", "e\u{301}"]),
        ] {
            let line = serde_json::json!({ "text": text }).to_string();
            for word in words {
                let query = query(word);
                let is_in = query.is_in(text) && query.find(text).is_some();
                assert!(is_in && query.may_be_in(line.as_bytes()), "{word} in {text}");
            }
        }
        assert!(!query("muller").is_in("Möller") && !query("muller").may_be_in(b"Moller"));
        assert!(Query::parse("\u{301}").is_err(), "an accent alone");
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
