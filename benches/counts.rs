//! What can be counted of the release binary's work, and does not depend on how busy the machine is: instructions,
//! allocations, bytes copied and system calls, for each unit of it. `.ci/run` fails where one has grown.
//!
//! ```text
//! cargo bench --profile dev --bench counts            compare with benches/counts.json
//! cargo bench --profile dev --bench counts -- --accept    write what is measured there
//! … -- --only instructions                            one of instructions, allocations, copied, syscalls
//! MCP_TETHER_BIN=/path/to/mcp-tether …                the binary, by default target/release/mcp-tether
//! ```
//!
//! Each is the difference between a run with many units and one with few, so that starting and ending do not count. It
//! needs valgrind, and strace for the last. The recorded counts are those of one compiler: with another one, or on
//! another kind of machine, they are printed and not held against anything.

mod support;

use std::process::ExitCode;

use support::counts::{self, KINDS};
use support::server::{SERVE, serve};

fn main() -> ExitCode {
    let mut options = counts::Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--accept" => options.accept = true,
            "--only" => match arguments.next().and_then(|name| counts::Kind::of(&name)) {
                Some(kind) => options.only.push(kind),
                None => {
                    eprintln!(
                        "counts: --only takes one of {}",
                        KINDS.map(|kind| kind.name()).join(", ")
                    );
                    return ExitCode::FAILURE;
                }
            },
            SERVE => {
                return match serve() {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => {
                        eprintln!("counts: {error}");
                        ExitCode::FAILURE
                    }
                };
            }
            // Cargo adds this one.
            "--bench" => {}
            _ => {
                eprintln!("counts: unknown argument {argument}; see the head of benches/counts.rs");
                return ExitCode::FAILURE;
            }
        }
    }
    match counts::run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::FAILURE
        }
    }
}
