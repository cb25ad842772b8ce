//! Paths in messages as a person would type them. Pure.

use std::path::Path;

/// Returns `text` with the paths below `folder` written from there on.
///
/// Messages name files by their absolute paths, as events do: in a log that is what tells them
/// apart. At a terminal, the present folder is known.
pub(super) fn nearby(text: &str, folder: &Path) -> String {
    let Some(prefix) = folder.to_str().filter(|_| folder.parent().is_some()) else {
        return text.to_owned();
    };
    let prefix = format!("{prefix}/");
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&prefix) {
        let (before, after) = (&rest[..at], &rest[at + prefix.len()..]);
        shown.push_str(before);
        if !(begins_path(before) && names_file(after)) {
            shown.push_str(&prefix);
        }
        rest = after;
    }
    shown + rest
}

/// Tells whether a path may begin after `before`: it is not the rest of a longer one, or of a URL.
fn begins_path(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| c.is_whitespace() || "'\"`(=:".contains(c))
}

/// Tells whether the path names something there, and would not be taken for an option.
fn names_file(after: &str) -> bool {
    after.chars().next().is_some_and(|c| !c.is_whitespace() && !"-/'\"`),;:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_paths_below_the_folder_are_shortened() {
        let near = |text| nearby(text, Path::new("/home/me"));
        for (text, shown) in [
            (
                "recording into /home/me/sessions/a, listening",
                "recording into sessions/a, listening",
            ),
            ("/home/me/a.ts: no '/home/me/b c.ts'", "a.ts: no 'b c.ts'"),
            ("--out=/home/me/x", "--out=x"),
            ("/srv/home/me/a, /home/meta/b", "/srv/home/me/a, /home/meta/b"),
            ("file:///home/me/page/index.html", "file:///home/me/page/index.html"),
            ("/home/me: no folder; /home/me/: neither", "/home/me: no folder; /home/me/: neither"),
            ("/home/me/--help", "/home/me/--help"),
        ] {
            assert_eq!(near(text), shown);
        }
        assert_eq!(nearby("/etc/cht", Path::new("/")), "/etc/cht");
    }
}
