//! cht-index. All code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cht_index::main()
}
