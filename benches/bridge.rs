//! End-to-end benchmark: the real binary between a cheap stdio client and a fast loopback server,
//! and direct HTTP to the same server in the same run.
//!
//! ```text
//! cargo bench --bench bridge                      everything, as a table with the targets
//! cargo bench --bench bridge -- --quick           a short run
//! cargo bench --bench bridge -- --json            the same figures for a program
//! cargo bench --bench bridge -- --only large      one of start, latency, requests,
//!                                                 notifications, traced, large, memory, size
//! MCP_TETHER_BIN=/path/to/mcp-tether …            another binary
//! ```
//!
//! The targets hold for a quiet machine with two cores; where a ratio makes sense they are ratios
//! to direct HTTP in the same run. The exit status says only whether everything could be
//! measured: a missed target on a busy machine is no failure.

mod support;

use std::ffi::OsString;
use std::process::ExitCode;

use support::measure::{ALL, Effort};
use support::server::{SERVE, Server, serve};
use support::{Error, report};

fn main() -> ExitCode {
    let result = match Options::parse() {
        Ok(options) if options.serve => serve(),
        Ok(options) => run(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let program = std::env::var_os("MCP_TETHER_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_mcp-tether")));
    if !options.json {
        println!("{}: {}", program.display(), report::machine());
    }
    let server = Server::start()?;
    let mut rows = Vec::new();
    for (name, measure) in ALL {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            eprintln!("measuring: {name}");
            rows.extend(
                measure(&program, &server, options.effort)
                    .map_err(|error| format!("{name}: {error}"))?,
            );
        }
    }
    if options.json {
        println!("{:#}", report::json(&rows));
    } else {
        print!("{}", report::table(&rows));
        println!("after: {}", report::machine());
    }
    Ok(())
}

struct Options {
    effort: Effort,
    json: bool,
    only: Vec<String>,
    serve: bool,
}

impl Options {
    fn parse() -> Result<Options, Error> {
        let mut options =
            Options { effort: Effort::FULL, json: false, only: Vec::new(), serve: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.effort = Effort::QUICK,
                "--json" => options.json = true,
                "--only" => match arguments.next() {
                    Some(name) if ALL.iter().any(|(known, _)| *known == name) => {
                        options.only.push(name)
                    }
                    _ => {
                        let names = ALL.map(|(name, _)| name).join(", ");
                        return Err(format!("--only takes one of {names}").into());
                    }
                },
                SERVE => options.serve = true,
                // Cargo adds this one.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {argument}; see the head of benches/bridge.rs"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}
