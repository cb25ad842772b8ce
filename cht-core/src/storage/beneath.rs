//! Opens files below a folder: neither `..` nor a symbolic link leads out of it.
//!
//! For paths that strangers name, such as those of HTTP requests, and for folders that may come
//! from elsewhere. The kernel resolves the path (`openat2(2)`), so nothing can be exchanged in
//! between.

use std::{fs::File, io, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

use super::regular;

/// Number of times that a path is tried during which something above it is being renamed.
const TRIES: u32 = 8;

/// A folder below which files are opened.
#[derive(Debug)]
pub struct Beneath(OwnedFd);

impl Beneath {
    /// Opens the folder at `path`, which may itself be a link.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens the folder at a path below this one.
    pub fn folder(&self, path: &str) -> io::Result<Self> {
        self.resolve(path, OFlags::DIRECTORY).map(Self)
    }

    /// Opens the regular file at a path below this folder for reading.
    pub fn file(&self, path: &str) -> io::Result<File> {
        // A FIFO is opened at once, and refused.
        let file = File::from(self.resolve(path, OFlags::NOCTTY | OFlags::NONBLOCK)?);
        regular::check(&file.metadata()?)?;
        Ok(file)
    }

    /// Returns the names in the folder that are UTF-8, in no order.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | flags;
        let limits = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        loop {
            match openat2(&self.0, path, flags, Mode::empty(), limits) {
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                result => return Ok(result?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn file_below_is_opened_and_none_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("call");
        fs::create_dir_all(root.join("frames")).unwrap();
        fs::write(root.join("frames/1.jpg"), "picture").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        symlink("1.jpg", root.join("frames/inside.jpg")).unwrap();
        symlink(folder.path().join("secret"), root.join("frames/2.jpg")).unwrap();
        symlink("../../secret", root.join("frames/3.jpg")).unwrap();
        symlink("/proc/self/root", root.join("up")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, root.join("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();

        let beneath = Beneath::open(&root).unwrap();
        for own in ["frames/1.jpg", "frames/inside.jpg", "frames/../frames/1.jpg"] {
            let mut text = String::new();
            beneath.file(own).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "picture", "{own}");
        }
        let secret = folder.path().join("secret");
        for foreign in [
            "frames/2.jpg",
            "frames/3.jpg",
            "../secret",
            "frames/../../secret",
            "up/etc/passwd",
            "fifo",
            "frames",
            "",
            "/etc/passwd",
            secret.to_str().unwrap(),
        ] {
            assert!(beneath.file(foreign).is_err(), "{foreign}");
        }
        assert!(beneath.folder("..").is_err() && beneath.folder("up").is_err());
        let mut names = beneath.folder("frames").unwrap().names().unwrap();
        names.sort();
        assert_eq!(names, ["1.jpg", "2.jpg", "3.jpg", "inside.jpg"]);
    }
}
