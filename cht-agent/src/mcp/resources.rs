//! Frames as resources: `cht://SESSION/ID`. Pure.

/// Scheme of the addresses.
const SCHEME: &str = "cht://";

/// Returns the address of a frame. `session` is the name of its folder.
pub(crate) fn uri(session: &str, id: &str) -> String {
    format!("{SCHEME}{}/{}", escaped(session), escaped(id))
}

/// Returns the template of the addresses.
pub(crate) fn template() -> String {
    format!("{SCHEME}{{session}}/{{id}}")
}

/// Returns the session's name and the frame's id in an address.
pub(crate) fn parse(uri: &str) -> Option<(String, String)> {
    let (session, id) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let parts = (unescaped(session)?, unescaped(id)?);
    let is_name =
        |part: &str| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
    (is_name(&parts.0) && is_name(&parts.1)).then_some(parts)
}

fn escaped(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let escape = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_leads_back_to_its_frame() {
        for (session, id) in [("20261123_010203", "F000001"), ("my call %/é", "a b")] {
            let parsed = parse(&uri(session, id));
            let is_name = !session.contains('/');
            assert_eq!(parsed.is_some(), is_name);
            assert!(parsed.is_none_or(|parsed| parsed == (session.to_owned(), id.to_owned())));
        }
        for wrong in [
            "",
            "file:///etc/passwd",
            "cht://",
            "cht://a",
            "cht://../x",
            "cht://a/b/c",
            "cht://a/%2",
            "cht://a/%zz",
            "cht://a/%FF",
            "cht://%2E%2E/x",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
