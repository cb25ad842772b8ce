//! Injects faults that no available file system makes, by a library in C (`LD_PRELOAD`) that the
//! test builds. It is active while a file exists.

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

/// Refuses a system call to the process and its children by a seccomp filter, since `rustix` calls
/// the kernel without libc.
const REFUSED_CALL: &str = "
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
__attribute__((constructor)) static void refuse(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ERROR),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) abort();
}
";

/// Library of faults, and the file that turns them on.
pub struct Shim {
    library: PathBuf,
    faulty: PathBuf,
}

impl Shim {
    /// Builds one in `folder` from functions in C, which may call `is_faulty()`; `None` (with a
    /// message) without a compiler.
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

    /// Builds one that always refuses a system call (such as `SYS_inotify_init1`) with an error
    /// (such as `EMFILE`).
    pub fn refuse(folder: &Path, call: &str, error: &str) -> Option<Self> {
        let defined = format!("#define CALL {call}\n#define ERROR {error}\n");
        Self::build(folder, &(defined + REFUSED_CALL))
    }

    /// Preloads it into a command.
    pub fn load(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAULTY", &self.faulty);
    }

    /// Turns the faults on.
    pub fn break_it(&self) {
        std::fs::write(&self.faulty, "").unwrap();
    }

    /// Turns the faults on, with a kind that the functions read from the file.
    pub fn break_with(&self, kind: &str) {
        std::fs::write(&self.faulty, kind).unwrap();
    }

    /// Turns the faults off.
    pub fn mend_it(&self) {
        std::fs::remove_file(&self.faulty).unwrap();
    }
}
