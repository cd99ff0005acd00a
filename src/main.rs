//! Arguments and exit code.

#![forbid(unsafe_code)]

use std::io::Write as _;

use clap::Parser;
use mcp_tether::cli::Cli;
use mcp_tether::command;
use mcp_tether::error::ExitCode;

fn main() {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        // There is nobody to tell that this cannot be printed.
        if error.use_stderr() {
            let _ = writeln!(std::io::stderr(), "{}", mcp_tether::cli::explain(&error));
            std::process::exit(ExitCode::Usage.code());
        }
        // `--help` and `--version`.
        let _ = error.print();
        std::process::exit(ExitCode::Success.code());
    });
    let code = command::enter(cli);
    // The thread that reads stdin cannot be stopped either.
    std::process::exit(code.code());
}
