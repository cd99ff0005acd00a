//! Counts for each unit of work, and whether they have grown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::tally::{KINDS, Kind};

use super::Error;
use super::server::Server;
use super::stdio::Bridge;
use super::wire::Tool;

/// A count that is larger by more than this part of it has grown.
const TOLERANCE: f64 = 0.05;

/// The same where how much is gathered into one write depends on how busy the machine is. System calls are only shown
/// there.
const LOOSE: f64 = 0.15;

/// Below this a part of it says little, and the difference of the counts decides.
const SLACK: f64 = 0.5;

/// A bridge of which every instruction is followed is slow, and on a busy machine slower.
const SILENCE: Duration = Duration::from_secs(120);

/// The least of so many runs counts: threads that meet differently add a little.
const RUNS: usize = 2;

/// What is asked for.
#[derive(Default)]
pub struct Options {
    /// Write what is measured.
    pub accept: bool,
    /// Only these; empty for all.
    pub only: Vec<Kind>,
}

/// Something the bridge does over and over.
struct Work {
    name: &'static str,
    modern: bool,
    /// How many units the two runs have.
    few: usize,
    many: usize,
    do_it: fn(&mut Bridge, usize) -> Result<(), Error>,
}

const KIB: usize = 1024;

/// Those whose count depends on how much is gathered at a time.
const GATHERED: [&str; 2] = ["a request of 64 at a time", "a notification to the client"];

/// All of it. The first is the start and the end by themselves.
const WORK: [Work; 9] = [
    Work {
        name: "a start, a session with one call, and its end",
        modern: false,
        few: 0,
        many: 1,
        do_it: nothing,
    },
    Work {
        name: "a request answered by JSON",
        modern: false,
        few: 100,
        many: 300,
        do_it: |bridge, count| bridge.sequential(count).map(drop),
    },
    Work {
        name: "a request answered by an event stream",
        modern: false,
        few: 100,
        many: 300,
        do_it: |bridge, count| (0..count).try_for_each(|_| bridge.call(Tool::SmallSse).map(drop)),
    },
    Work {
        name: "a request of 64 at a time",
        modern: false,
        few: 640,
        many: 1920,
        do_it: |bridge, count| bridge.parallel(count, 64).map(drop),
    },
    Work {
        name: "a request of a legacy client to a modern server",
        modern: true,
        few: 100,
        many: 300,
        do_it: |bridge, count| bridge.sequential(count).map(drop),
    },
    Work {
        name: "a notification to the client",
        modern: false,
        few: 10_000,
        many: 50_000,
        do_it: |bridge, count| bridge.call(Tool::Burst(count)).map(drop),
    },
    Work {
        name: "a KiB of a result as JSON",
        modern: false,
        few: 1024,
        many: 4096,
        do_it: |bridge, count| bridge.call(Tool::Json(count * KIB)).map(drop),
    },
    Work {
        name: "a KiB of a result as an event",
        modern: false,
        few: 1024,
        many: 4096,
        do_it: |bridge, count| bridge.call(Tool::Sse(count * KIB)).map(drop),
    },
    Work {
        name: "a KiB of a request",
        modern: false,
        few: 1024,
        many: 4096,
        do_it: |bridge, count| bridge.call(Tool::Upload(count * KIB)).map(drop),
    },
];

fn nothing(_: &mut Bridge, _: usize) -> Result<(), Error> {
    Ok(())
}

/// The file of recorded counts.
#[derive(Deserialize, Serialize)]
struct Recorded {
    /// What `rustc --version` says of the compiler.
    compiler: String,
    /// The kind of machine.
    machine: String,
    counts: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Counts everything, and says whether nothing has grown.
pub fn run(options: &Options) -> Result<bool, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::var_os("MCP_TETHER_BIN")
        .unwrap_or_else(|| root.join("target/release/mcp-tether").into_os_string());
    let file = root.join("benches/counts.json");
    let server = Server::start()?;
    let mut found: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for kind in
        KINDS.into_iter().filter(|kind| options.only.is_empty() || options.only.contains(kind))
    {
        if !kind.can_be_counted() {
            println!("NOT COUNTED: {} (what counts them is not here)", kind.name());
            continue;
        }
        for work in &WORK {
            let count = count(kind, work, &program, &server)
                .map_err(|error| format!("{} for {}: {error}", kind.name(), work.name))?;
            found.entry(kind.name().to_owned()).or_default().insert(work.name.to_owned(), count);
        }
    }
    let now = Recorded { compiler: compiler()?, machine: machine(), counts: found };
    if options.accept {
        return accept(&file, now).map(|()| true);
    }
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(&file)?)?;
    Ok(compare(&now, &recorded))
}

/// Prints what was counted beside what is recorded, and says whether all of it is within bounds.
fn compare(now: &Recorded, recorded: &Recorded) -> bool {
    let comparable = now.compiler == recorded.compiler && now.machine == recorded.machine;
    let mut good = true;
    for (kind, counts) in &now.counts {
        println!("{kind}");
        for (work, &count) in counts {
            let before = recorded.counts.get(kind).and_then(|counts| counts.get(work)).copied();
            let loose = GATHERED.contains(&work.as_str());
            let shown_only = loose && kind == Kind::Syscalls.name();
            let tolerance = if loose { LOOSE } else { TOLERANCE };
            let verdict = match before {
                None => "not recorded",
                Some(_) if shown_only => "",
                Some(before) if grown(before, count, tolerance) => "GROWN",
                Some(before) if grown(count, before, tolerance) => "less: record it",
                Some(_) => "",
            };
            good &= verdict != "GROWN" && verdict != "not recorded";
            let before = before.map_or_else(String::new, |before| format!("{before:.2}"));
            println!("  {work:<50} {count:>16.2} {before:>16} {verdict}");
        }
    }
    if !comparable {
        println!(
            "NOT CHECKED: recorded with {} on {}, and this is {} on {}",
            recorded.compiler, recorded.machine, now.compiler, now.machine
        );
        return true;
    }
    if !good {
        println!(
            "more than 5 % above what is recorded; if that is worth it, say why in the commit and record it: \
             cargo bench --profile dev --bench counts -- --accept"
        );
    }
    good
}

fn grown(before: f64, now: f64, tolerance: f64) -> bool {
    now - before > (before * tolerance).max(SLACK)
}

fn accept(file: &PathBuf, mut now: Recorded) -> Result<(), Error> {
    // What was not counted this time stays.
    if let Ok(text) = std::fs::read(file) {
        let before: Recorded = serde_json::from_slice(&text)?;
        for (kind, counts) in before.counts {
            now.counts.entry(kind).or_insert(counts);
        }
    }
    for count in now.counts.values_mut().flat_map(BTreeMap::values_mut) {
        *count = (*count * 100.0).round() / 100.0;
    }
    std::fs::write(file, serde_json::to_string_pretty(&now)? + "\n")?;
    println!("recorded in {}", file.display());
    Ok(())
}

/// The count for one unit.
fn count(kind: Kind, work: &Work, program: &OsString, server: &Server) -> Result<f64, Error> {
    let url = if work.modern { server.modern_url() } else { server.url() };
    let once = |units: usize| {
        let mut least = u64::MAX;
        for _ in 0..RUNS {
            let folder = tempfile::tempdir()?;
            let mut command = kind.command(program, &url, folder.path());
            command.args(["--max-message-size", "300MiB"]);
            let mut bridge = Bridge::start(command, SILENCE, false)?;
            if units > 0 {
                (work.do_it)(&mut bridge, units)?;
            }
            bridge.end()?;
            least = least.min(kind.read(folder.path())?);
        }
        Ok::<u64, Error>(least)
    };
    let many = once(work.many)?;
    if work.few == 0 {
        return Ok(many as f64);
    }
    Ok((many as f64 - once(work.few)? as f64) / (work.many - work.few) as f64)
}

fn compiler() -> Result<String, Error> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    // Without the date and the commit.
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Libraries choose their instructions by what the processor has.
fn machine() -> String {
    #[cfg(target_arch = "x86_64")]
    let more = if std::arch::is_x86_feature_detected!("avx2") { " with AVX2" } else { "" };
    #[cfg(not(target_arch = "x86_64"))]
    let more = "";
    format!("{}-{}{more}", std::env::consts::ARCH, std::env::consts::OS)
}
