//! Faults of the system that no file system at hand makes: a library in C before all others (`LD_PRELOAD`), built by
//! the test. What it does, it does as long as a file is there.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

const HEAD: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int is_faulty(void) { return access(getenv(\"FAULTY\"), F_OK) == 0; }
";

/// A library in C, and the file that turns its faults on.
pub struct Shim {
    library: PathBuf,
    faulty: PathBuf,
}

impl Shim {
    /// Builds one in `folder` from functions in C, which may ask `is_faulty()`; `None` (said by name) where there is no
    /// compiler.
    #[must_use]
    pub fn build(folder: &Path, functions: &str) -> Option<Self> {
        let (code, library) = (folder.join("shim.c"), folder.join("shim.so"));
        std::fs::write(&code, format!("{HEAD}{functions}")).unwrap();
        let mut build = Command::new("cc");
        build.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).arg("-ldl");
        match build.status() {
            Ok(status) => assert!(status.success(), "{}", code.display()),
            Err(error) => {
                println!("skipped: faults of the system (cc: {error})");
                return None;
            }
        }
        Some(Self { library, faulty: folder.join("faulty") })
    }

    /// Puts it before all libraries of a command.
    pub fn load(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAULTY", &self.faulty);
    }

    /// From now on it does harm.
    pub fn break_it(&self) {
        std::fs::write(&self.faulty, "").unwrap();
    }

    /// From now on it does harm, of the kind that the file says.
    pub fn break_with(&self, kind: &str) {
        std::fs::write(&self.faulty, kind).unwrap();
    }

    /// From now on it does none.
    pub fn mend_it(&self) {
        std::fs::remove_file(&self.faulty).unwrap();
    }
}
