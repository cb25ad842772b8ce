//! Archives in the format `ustar` (POSIX.1-1988): for more files than a file system likes. Pure.
//!
//! Times and owners are left out, so that equal content gives equal archives.

use std::io::{self, Write};

/// Size of a block, in bytes.
const BLOCK: usize = 512;

/// Largest name, and largest folder before it, in bytes.
const LARGEST: (usize, usize) = (100, 155);

/// Writes an archive.
#[derive(Debug)]
pub(crate) struct Tar<W> {
    output: W,
}

impl<W: Write> Tar<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output }
    }

    /// Adds the file `folder/name`.
    pub(crate) fn add(&mut self, folder: &str, name: &str, content: &[u8]) -> io::Result<()> {
        let header = header(folder, name, content.len()).ok_or_else(|| {
            let message = format!("{folder}/{name}: too long a name for an archive");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        self.output.write_all(&header)?;
        self.output.write_all(content)?;
        let rest = content.len().next_multiple_of(BLOCK) - content.len();
        self.output.write_all(&[0; BLOCK][..rest])
    }

    /// Writes the end, and returns the output.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        Ok(self.output)
    }
}

/// Returns the header of a file; `None` if it cannot hold the name.
fn header(folder: &str, name: &str, bytes: usize) -> Option<[u8; BLOCK]> {
    if name.len() > LARGEST.0 || folder.len() > LARGEST.1 {
        return None;
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts itself as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, folder.as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn archive_is_read_by_tar() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Tar::new(Vec::new());
        tar.add("a unit", "F000001.jpg", &[7; 700]).unwrap();
        tar.add("a unit", "F000001.json", b"{}").unwrap();
        assert!(tar.add("a", &"x".repeat(101), b"").is_err());
        std::fs::write(folder.path().join("a.tar"), tar.finish().unwrap()).unwrap();
        let status = Command::new("tar").args(["-xf", "a.tar"]).current_dir(folder.path()).status();
        assert!(status.unwrap().success());
        let read = |name: &str| std::fs::read(folder.path().join("a unit").join(name)).unwrap();
        assert_eq!((read("F000001.jpg"), read("F000001.json")), (vec![7; 700], b"{}".to_vec()));
    }
}
