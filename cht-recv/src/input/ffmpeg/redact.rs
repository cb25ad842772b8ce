//! Hides passwords and keys in another program's messages. Pure.

use super::url::shown;

/// Length of the shortest secret: a shorter one would remove letters of ordinary words.
const SHORTEST: usize = 4;

/// Hides secrets in text.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    /// Pairs of a secret and its replacement, in this order.
    replaced: Vec<(String, String)>,
}

impl Redactor {
    /// Shows each of `urls` as `shown`, and hides the `secrets`.
    pub(crate) fn over(urls: &[&str], shown: &str, secrets: &[&str]) -> Self {
        let urls = urls.iter().map(|url| ((*url).to_owned(), shown.to_owned()));
        let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
        let secrets = secrets.map(|secret| ((*secret).to_owned(), "…".to_owned()));
        Self { replaced: urls.chain(secrets).collect() }
    }

    /// Returns the text without secrets. Other URLs in it lose credentials and query, too.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, instead) in &self.replaced {
            text = text.replace(secret, instead);
        }
        let is_end = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | ')' | '>');
        let words = text.split_inclusive(is_end).map(|word| {
            let url = word.trim_end_matches(is_end);
            // Text that is not a URL stays.
            format!("{}{}", shown(url), &word[url.len()..])
        });
        words.collect()
    }
}
