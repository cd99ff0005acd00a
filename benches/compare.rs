//! Side by side: HTTP without a bridge, mcp-tether, and other bridges, on the same work in the same run.
//!
//! ```text
//! benches/compare/run                             installs the others, runs everything, writes docs/performance.*
//! benches/compare/run --quick                     a short run, which writes nothing
//! benches/compare/run --only sizes                one of start, latency, requests, notifications, sizes, idle
//! MCP_TETHER_BIN=/path/to/mcp-tether …            another binary of ours
//! ```
//!
//! `cargo bench --bench compare` alone runs without the others. `--rivals FOLDER` says where they are, `--write FOLDER`
//! where `performance.md`, `.json` and `.svg` go, `--without NAME` leaves one out.

mod support;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use support::contender::Contender;
use support::field::{ALL, Effort, Field};
use support::server::{SERVE, serve};
use support::{Error, growth, page, report};

/// The figures of the picture.
const CHOSEN: [&str; 8] = [
    "exec to first answer, warm",
    "a call answered by JSON, p50",
    "requests/s, 64 in flight",
    "CPU per request, 64 in flight",
    "notifications/s to the client",
    "32 MiB as result as JSON",
    "resident, idle",
    "peak resident, 32 MiB as JSON",
];

fn main() -> ExitCode {
    let result = match Options::parse() {
        Ok(options) if options.serve => serve(),
        Ok(options) => run(options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Error> {
    let ours = std::env::var_os("MCP_TETHER_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_mcp-tether")));
    let mut contenders = vec![Contender::ours(ours)];
    contenders.extend(options.rivals.iter().flat_map(|folder| Contender::rivals(folder)));
    contenders.retain(|contender| !options.without.iter().any(|name| name == contender.name));
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    let mut field = Field::new(contenders, effort)?;
    for (name, measure) in ALL {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            eprintln!("measuring: {name} ({})", report::machine());
            measure(&mut field)?;
        }
    }
    let growth = growth::of(&field.figures);
    let markdown = page::markdown(&field.lanes, &field.figures, &growth);
    match options.write {
        Some(folder) => {
            std::fs::write(folder.join("performance.md"), markdown)?;
            let json = page::json(&field.lanes, &field.figures, &growth);
            std::fs::write(folder.join("performance.json"), format!("{json:#}\n"))?;
            std::fs::write(
                folder.join("performance.svg"),
                page::svg(&field.lanes, &field.figures, &CHOSEN),
            )?;
        }
        None => print!("{markdown}"),
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    quick: bool,
    serve: bool,
    only: Vec<String>,
    without: Vec<String>,
    rivals: Option<PathBuf>,
    write: Option<PathBuf>,
}

impl Options {
    fn parse() -> Result<Options, Error> {
        let mut options = Options::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--only" => options.only.push(value()?),
                "--without" => options.without.push(value()?),
                "--rivals" => options.rivals = Some(value()?.into()),
                "--write" => options.write = Some(value()?.into()),
                SERVE => options.serve = true,
                // Cargo adds this one.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "unknown argument {argument}; see the head of benches/compare.rs"
                    )
                    .into());
                }
            }
        }
        if let Some(only) =
            options.only.iter().find(|only| !ALL.iter().any(|(name, _)| name == only))
        {
            return Err(format!("there is no measurement {only}").into());
        }
        Ok(options)
    }
}
