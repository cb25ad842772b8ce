//! What must not be told: passwords and keys in the words of another program. Pure.

use super::url::shown;

/// A shorter secret would take letters out of innocent words.
const SHORTEST: usize = 4;

/// Hides secrets in text.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    /// What is replaced by what, in this order.
    replaced: Vec<(String, String)>,
}

impl Redactor {
    /// Shows each of `urls` as `shown`, and none of the `secrets`.
    pub(crate) fn over(urls: &[&str], shown: &str, secrets: &[&str]) -> Self {
        let urls = urls.iter().map(|url| ((*url).to_owned(), shown.to_owned()));
        let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
        let secrets = secrets.map(|secret| ((*secret).to_owned(), "…".to_owned()));
        Self { replaced: urls.chain(secrets).collect() }
    }

    /// The text without secrets; of other URLs in it, too, only what everybody may see.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, instead) in &self.replaced {
            text = text.replace(secret, instead);
        }
        let is_end = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | ')' | '>');
        let words = text.split_inclusive(is_end).map(|word| {
            let url = word.trim_end_matches(is_end);
            // Of what is no URL, nothing is taken.
            format!("{}{}", shown(url), &word[url.len()..])
        });
        words.collect()
    }
}
