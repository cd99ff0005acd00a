//! Arguments, runtime, exit code.

#![forbid(unsafe_code)]

use std::io::Write as _;

use clap::Parser;
use mcp_tether::cli::Cli;
use mcp_tether::command;
use mcp_tether::error::ExitCode;
use mcp_tether::limits::FLUSH_TIMEOUT;

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
    let mut log = None;
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(command::CommandError::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(command::run(cli, &mut log));
            // A name look-up may be under way on a thread that cannot be stopped.
            runtime.shutdown_background();
            outcome
        });
    let code = outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "mcp-tether: {error}");
        ExitCode::Usage
    });
    if let Some(log) = log {
        log.end(FLUSH_TIMEOUT);
    }
    // The thread that reads stdin cannot be stopped either.
    std::process::exit(code.code());
}
