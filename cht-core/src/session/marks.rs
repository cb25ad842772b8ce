//! Marks frames as sent, in the journal of cht-index.

use std::io;

use jiff::Timestamp;
use rustix::fs::FlockOperation;

use super::{INDEX_JOURNAL, Session};
use crate::{event::Sent, storage::journal::Journal};

/// Where marks were appended, in bytes of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The beginning of the first of them.
    pub begin: u64,
    /// The end of the last of them.
    pub end: u64,
}

/// Appends a `sent` event of each frame for the reader `agent`, under the lock of the journal's
/// writers. They are on the disk when it returns.
pub fn append(session: &Session, ids: &[String], at: Timestamp) -> io::Result<Appended> {
    let mut lines = Vec::new();
    for id in ids {
        let sent = Sent { id: id.clone(), path: None, reader: None, at: Some(at) };
        lines.extend(session.event(sent).to_line());
    }
    let frames = Session::frames_in(session.root()).map_err(io::Error::other)?;
    let mut journal = Journal::open(&frames.join(INDEX_JOURNAL))?;
    rustix::fs::flock(journal.file(), FlockOperation::LockExclusive)?;
    journal.append_durably(&lines)?;
    Ok(Appended { begin: journal.end() - lines.len() as u64, end: journal.end() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_a_line_of_the_journal_and_none_goes_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("call");
        for name in ["stream", "frames"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let session = Session::open(&root).unwrap();
        let path = root.join("frames/index.ndjson");
        std::fs::write(&path, "{}\n").unwrap();
        let at = "2026-11-23T06:24:29Z".parse().unwrap();
        let appended = append(&session, &["F000001".to_owned()], at).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(appended, Appended { begin: 3, end: text.len() as u64 });
        assert!(text[3..].starts_with(r#"{"v":1,"type":"sent","session":""#), "{text}");
        assert!(text.ends_with("\"id\":\"F000001\",\"at\":\"2026-11-23T06:24:29Z\"}\n"), "{text}");

        let outside = folder.path().join("outside");
        std::fs::rename(root.join("frames"), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("frames")).unwrap();
        assert!(append(&session, &["F000002".to_owned()], at).is_err());
        assert_eq!(std::fs::read_to_string(outside.join("index.ndjson")).unwrap(), text);
    }
}
