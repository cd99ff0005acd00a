//! Programs that count what another program does: valgrind's callgrind and DHAT, and strace.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, stdio};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instructions outside the kernel.
    Instructions,
    /// Blocks taken from the allocator.
    Allocations,
    /// Bytes moved by `memcpy`, `memmove` and their like.
    Copied,
    /// System calls of all threads.
    Syscalls,
}

/// All of them.
pub const KINDS: [Kind; 4] = [Kind::Instructions, Kind::Allocations, Kind::Copied, Kind::Syscalls];

impl Kind {
    /// The name in the file and for `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Instructions => "instructions",
            Kind::Allocations => "allocations",
            Kind::Copied => "copied",
            Kind::Syscalls => "syscalls",
        }
    }

    /// The kind of that name.
    pub fn of(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }

    fn tool(self) -> &'static str {
        match self {
            Kind::Syscalls => "strace",
            _ => "valgrind",
        }
    }

    /// Whether the program that counts it is here.
    pub fn can_be_counted(self) -> bool {
        Command::new(self.tool())
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// The bridge `program` for `url`, counted; what the tool finds goes into the folder.
    pub fn command(self, program: &OsStr, url: &str, folder: &Path) -> Command {
        let mut command = stdio::bare(OsStr::new(self.tool()));
        let file = |option: &str, name: &str| {
            let mut argument = OsString::from(option);
            argument.push(folder.join(name));
            argument
        };
        match self {
            Kind::Instructions => {
                command.arg("--tool=callgrind").arg(file("--callgrind-out-file=", "out"));
                command.arg(file("--log-file=", "log"));
            }
            Kind::Allocations | Kind::Copied => {
                command.arg("--tool=dhat").arg(file("--dhat-out-file=", "out"));
                command.arg(file("--log-file=", "log"));
                if self == Kind::Copied {
                    command.arg("--mode=copy");
                }
            }
            Kind::Syscalls => {
                command.args(["-f", "-c", "-o"]).arg(folder.join("log"));
            }
        }
        command.arg(program).arg(url);
        // The length of the environment is part of the work of a start.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", folder);
        command
    }

    /// What was counted, once the program has ended.
    pub fn read(self, folder: &Path) -> Result<u64, Error> {
        let log = std::fs::read_to_string(folder.join("log"))?;
        let number = |text: &str| text.replace(',', "").parse::<u64>().ok();
        let after = |key: &str| {
            log.lines().find_map(|line| {
                line.split_once(key).and_then(|(_, rest)| {
                    rest.trim_start_matches([' ', ':']).split_whitespace().map(str::to_owned).next()
                })
            })
        };
        let found = match self {
            Kind::Instructions => after("Collected").as_deref().and_then(number),
            Kind::Copied => after("Total:").as_deref().and_then(number),
            // "Total: 1,234 bytes in 56 blocks"
            Kind::Allocations => log.lines().find_map(|line| {
                let (_, rest) = line.split_once("Total:")?.1.split_once(" in ")?;
                number(rest.split_whitespace().next()?)
            }),
            // "100.00    0.001234           5       230        12 total"
            Kind::Syscalls => log.lines().find_map(|line| {
                let fields: Vec<&str> = line.strip_suffix(" total")?.split_whitespace().collect();
                number(fields.get(3)?)
            }),
        };
        found.ok_or_else(|| format!("no count in what {} printed:\n{log}", self.tool()).into())
    }
}
