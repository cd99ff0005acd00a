//! What the kernel knows of a process: processor time and resident memory.
//!
//! Read from `/proc`, therefore on Linux only; elsewhere every function answers `None` and the
//! report leaves the measure out.

use std::time::Duration;

/// Length of the kernel's clock tick in `/proc/<pid>/stat`: `USER_HZ` is 100 on every architecture
/// that Rust supports on Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process so far, user and system, all threads; exact to [`TICK`].
pub fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; the fields after it are counted from the third.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// Resident memory in bytes, now.
pub fn resident(pid: u32) -> Option<u64> {
    status(pid, "VmRSS:")
}

/// The largest resident memory in bytes since the program was started.
pub fn peak(pid: u32) -> Option<u64> {
    status(pid, "VmHWM:")
}

/// Resident memory in bytes, what is shared counted in parts. `None` too where the process may not be looked into.
pub fn proportional(pid: u32) -> Option<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// How often the threads of a process have waited for something so far: each ends with a wake-up.
pub fn waits(pid: u32) -> Option<u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads
        .map(|thread| {
            let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
            status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .sum::<Option<u64>>()
}

/// The load averages of the machine, as the kernel prints them.
pub fn load() -> Option<String> {
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(load.split_ascii_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn status(pid: u32, key: &str) -> Option<u64> {
    field(&format!("/proc/{pid}/status"), key)
}

/// A size in bytes from a file with one in kibibytes.
fn field(file: &str, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
