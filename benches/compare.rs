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
//! where `performance.md`, `.json` and `.svg` go (after every figure: a run may be interrupted), `--without NAME` leaves
//! one out. A full run takes a quarter of an hour.

mod support;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use support::Error;
use support::about::About;
use support::contender::Contender;
use support::field::{ALL, Effort, Field};
use support::page::Findings;
use support::process;
use support::server::{SERVE, serve};

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
    let about = About::now(&contenders, &options.told);
    let findings = Findings::new(&contenders, about, options.write);
    let mut field = Field::new(contenders, effort, findings)?;
    let chosen =
        |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let measurements: Vec<_> = ALL.into_iter().filter(|(name, _)| chosen(name)).collect();
    field.findings.missing = measurements.iter().map(|(name, _)| *name).collect();
    for (name, measure) in measurements {
        let (load, started) = (process::load().unwrap_or_default(), Instant::now());
        eprintln!("measuring: {name} (load {load})");
        measure(&mut field)?;
        eprintln!("  {:.0} s", started.elapsed().as_secs_f64());
        field.findings.missing.remove(0);
    }
    field.findings.write()
}

#[derive(Default)]
struct Options {
    quick: bool,
    serve: bool,
    only: Vec<String>,
    without: Vec<String>,
    rivals: Option<PathBuf>,
    write: Option<PathBuf>,
    /// Those that whoever repeats the run gives again.
    told: Vec<String>,
}

impl Options {
    fn parse() -> Result<Options, Error> {
        let mut options = Options::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
            match argument.as_str() {
                "--quick" => {
                    options.quick = true;
                    options.told.push(argument);
                }
                "--only" | "--without" => {
                    let name = value()?;
                    let list =
                        if argument == "--only" { &mut options.only } else { &mut options.without };
                    list.push(name.clone());
                    options.told.extend([argument, name]);
                }
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
