//! Arguments and exit code.

#![forbid(unsafe_code)]

use mcp_tether::command::{self, typed};

fn main() {
    command::protect();
    let words: Vec<_> = std::env::args_os().collect();
    let code = match typed::read(&words) {
        Ok(typed) => command::enter(typed),
        Err(misread) => typed::refuse(&misread, &words),
    };
    // The thread that reads stdin cannot be stopped either.
    std::process::exit(code.code());
}
