//! Describes the origin of a picture in its file, as an XMP packet (ISO 16684-1).

/// Origin of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// `id` of its event, as are the fields after it.
    pub id: &'a str,
    /// In seconds of the session.
    pub timestamp: f64,
    /// In ticks of 90 kHz, as the stream has it.
    pub pts: i64,
    /// Why it was kept.
    pub reason: &'a str,
    /// Path, of which the last component is written: the rest changes when files are moved.
    pub session: Option<&'a str>,
    /// Path, as that of the session.
    pub segment: &'a str,
}

/// Returns the packet.
pub(crate) fn packet(origin: &Origin<'_>) -> String {
    let Origin { id, timestamp, pts, reason, session, segment } = origin;
    let mut properties = String::new();
    let mut add = |name: &str, value: &str| {
        properties.extend(["   <", name, ">", &escape(value), "</", name, ">\n"]);
    };
    add("dc:identifier", id);
    add("dc:source", name(segment));
    add("xmp:CreatorTool", "cht-scenes");
    if let Some(session) = session {
        add("cht:session", name(session));
    }
    add("cht:segment", name(segment));
    add("cht:timestamp", &timestamp.to_string());
    add("cht:pts", &pts.to_string());
    add("cht:reason", reason);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmlns:cht=\"urn:cht:frame#\">\n\
         {properties}  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>"
    )
}

/// Returns the last component of a path.
fn name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// Escapes text for XML 1.0, which cannot hold control characters at all.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\t' => escaped += "&#9;",
            '\n' => escaped += "&#10;",
            '\r' => escaped += "&#13;",
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_name_is_escaped() {
        let origin = Origin {
            id: "F000001",
            timestamp: 1.5,
            pts: -3,
            reason: "scene",
            session: Some("/a/b/"),
            segment: "/x/<&>\n\u{1}]]>.ts",
        };
        let packet = packet(&origin);
        assert!(packet.contains("<cht:segment>&lt;&amp;&gt;&#10;\u{fffd}]]&gt;.ts</cht:segment>"));
        assert!(packet.contains("<cht:session>b</cht:session>"), "{packet}");
        assert!(packet.contains("<cht:timestamp>1.5</cht:timestamp>"));
    }
}
