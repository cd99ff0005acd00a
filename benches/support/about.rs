//! Where figures are from: the machine, the day, the versions, and how to repeat the run.

use std::fs;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::contender::Contender;
use super::{process, report};

/// All that a reader needs to place the figures of a run.
pub struct About {
    day: String,
    /// Of the processor, cores, memory and the system, what is known.
    machine: Vec<String>,
    /// The load when the run began.
    load: Option<String>,
    /// Names and versions.
    versions: Vec<(&'static str, String)>,
    /// What the others run on.
    runtimes: Vec<String>,
    command: String,
    started: Instant,
}

impl About {
    /// Looks around; `arguments` are those of `benches/compare/run`.
    pub fn now(contenders: &[Contender], arguments: &[String]) -> About {
        let known = |version: Option<String>| version.unwrap_or_else(|| "unknown".to_owned());
        let versions = contenders.iter().map(|one| (one.name, known(one.version()))).collect();
        let mut runtimes: Vec<String> = contenders.iter().filter_map(Contender::runtime).collect();
        runtimes.sort();
        runtimes.dedup();
        let command =
            ["benches/compare/run"].into_iter().chain(arguments.iter().map(String::as_str));
        About {
            day: time::OffsetDateTime::now_utc().date().to_string(),
            machine: machine(),
            load: process::load(),
            versions,
            runtimes,
            command: command.collect::<Vec<_>>().join(" "),
            started: Instant::now(),
        }
    }

    /// The paragraphs of the page.
    pub fn markdown(&self) -> String {
        let minutes = self.started.elapsed().as_secs_f64() / 60.0;
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let on = match self.runtimes.as_slice() {
            [] => String::new(),
            runtimes => format!(", on {}", runtimes.join(" and ")),
        };
        let load = match &self.load {
            Some(load) => format!(" Load when the run began: {load}."),
            None => String::new(),
        };
        format!(
            "Measured on {} by `{}`, in {minutes:.0} min.\nMachine: {}.{load}\nVersions: {}{on}.\n",
            self.day,
            self.command,
            self.machine.join(", "),
            versions.join(", "),
        )
    }

    /// The same for a program.
    pub fn json(&self) -> Value {
        let versions: Map<String, Value> = self
            .versions
            .iter()
            .map(|(name, version)| ((*name).to_owned(), json!(version)))
            .collect();
        json!({
            "day": self.day,
            "command": self.command,
            "seconds": self.started.elapsed().as_secs(),
            "machine": self.machine,
            "load": self.load,
            "versions": versions,
            "runtimes": self.runtimes,
        })
    }
}

fn machine() -> Vec<String> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.parse::<f64>().ok())
        .map(|kib| format!("{:.0} GiB of memory", kib / f64::from(1024 * 1024)));
    let kernel = read("/proc/sys/kernel/osrelease");
    let system = format!("{} {}", std::env::consts::OS, kernel.trim());
    let parts = [
        after(&read("/proc/cpuinfo"), "model name"),
        Some(format!("{} cores ({})", report::cores(), std::env::consts::ARCH)),
        memory,
        Some(system.trim().to_owned()),
    ];
    parts.into_iter().flatten().collect()
}
