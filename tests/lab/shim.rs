//! Builds `shim.c`, and gives it orders for a process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// Builds the library; `None` without a C compiler.
pub(crate) fn build(folder: &Path) -> Option<PathBuf> {
    let (code, library) = (folder.join("shim.c"), folder.join("shim.so"));
    fs::write(&code, include_str!("shim.c")).unwrap();
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&code).arg("-ldl");
    let status = build.status().ok()?;
    assert!(status.success(), "{}: does not compile", code.display());
    Some(library)
}

/// Order for a stage.
#[derive(Debug)]
pub(crate) struct Control(PathBuf);

impl Control {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Preloads the library into a command of a stage.
    pub(crate) fn load(&self, command: &mut Command, library: &Path, root: &Path) {
        command.env("LD_PRELOAD", library).env("LAB_CONTROL", &self.0).env("LAB_ROOT", root);
    }

    /// Gives an order atomically.
    pub(crate) fn order(&self, mode: char, errno: i32, first: u64, operations: &str) {
        let generation = GENERATION.fetch_add(1, Ordering::SeqCst);
        let new = self.0.with_extension("new");
        let _ = fs::remove_file(self.hits_path());
        fs::write(&new, format!("{generation} {mode} {errno} {first} {operations}")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// Takes the order back.
    pub(crate) fn cancel(&self) {
        let _ = fs::remove_file(&self.0);
    }

    /// Returns the number of times it was obeyed.
    pub(crate) fn hits(&self) -> u64 {
        fs::metadata(self.hits_path()).map_or(0, |metadata| metadata.len())
    }

    fn hits_path(&self) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".hits");
        path.into()
    }
}
