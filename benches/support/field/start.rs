//! From exec to the first request, and to the first answer; with the files in memory, and without.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Field, middle};
use crate::support::contender::Contender;
use crate::support::report::Unit;
use crate::support::side::Alarm;
use crate::support::{Error, signed_in, start, wire};

/// What starts fast is started this often, for as long as the others take anyway.
const MANY: usize = 25;

/// Starts with the files not in memory: each has the whole machine read everything again.
const COLD: usize = 2;

/// The three, for every way.
pub fn measure(field: &mut Field) -> Result<(), Error> {
    for temperature in ["warm", "cold"] {
        if temperature == "cold" && !forget_files() {
            eprintln!("  cold starts need the right to drop the system's file cache");
            continue;
        }
        let mut values = [Vec::new(), Vec::new(), Vec::new()];
        for lane in &field.lanes {
            let Some(contender) = &lane.contender else {
                values.iter_mut().for_each(|values| values.push(Err(String::new())));
                continue;
            };
            let rounds = field.effort.rounds;
            let times = |one: &dyn Fn() -> Result<Duration, Error>| {
                times(temperature == "cold", rounds, one)
                    .map_err(|error| format!("failed: {}", first_line(&error)))
            };
            // One for each: what was given up may still wait for a connection to it.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let nowhere = format!("http://{}/mcp", listener.local_addr()?);
            let home = field.home.path();
            values[0].push(times(&|| start::once(contender.command(&nowhere, home), &listener)));
            let url = field.server.url();
            values[1].push(times(&|| first_answer(contender, &url, home, &[])));
            let home = tempfile::tempdir()?;
            let url = field.server.secured_url();
            let prepared = signed_in::prepare(contender, &url, home.path());
            values[2].push(
                prepared
                    .map_err(|error| first_line(&error))
                    .and_then(|flags| times(&|| first_answer(contender, &url, home.path(), flags))),
            );
        }
        for (what, values) in
            ["first request", "first answer", "first answer with a stored token"].iter().zip(values)
        {
            let name = format!("exec to {what}, {temperature}");
            field.note("Start", name, Unit::Milliseconds, values)?;
        }
    }
    Ok(())
}

/// The middle of several starts.
fn times(
    cold: bool,
    rounds: usize,
    one: &dyn Fn() -> Result<Duration, Error>,
) -> Result<f64, Error> {
    let mut times = Vec::new();
    if !cold {
        // Fills the file cache.
        one()?;
    }
    let started = Instant::now();
    while times.len() < if cold { COLD } else { rounds }
        || (!cold && times.len() < MANY && started.elapsed() < Duration::from_millis(500))
    {
        if cold {
            forget_files();
        }
        times.push(one()?.as_secs_f64());
    }
    Ok(middle(times))
}

/// From exec to the line with the answer to `initialize`.
fn first_answer(
    contender: &Contender,
    url: &str,
    home: &Path,
    flags: &[&str],
) -> Result<Duration, Error> {
    let mut command = contender.command(url, home);
    command.args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let (stdin, mut writer) = std::io::pipe()?;
    writer.write_all(format!("{}\n", wire::INITIALIZE).as_bytes())?;
    let started = Instant::now();
    let mut bridge = command.stdin(stdin).spawn()?;
    let alarm = Alarm::set(bridge.id());
    let stdout = bridge.stdout.take().ok_or("the bridge has no stdout")?;
    let mut line = Vec::new();
    let read = BufReader::new(stdout).read_until(b'\n', &mut line);
    let took = started.elapsed();
    drop(alarm);
    bridge.kill()?;
    bridge.wait()?;
    read?;
    if wire::is_result(&line) { Ok(took) } else { Err("no answer to initialize".into()) }
}

/// Has the system forget what it keeps of files; whether that was allowed.
fn forget_files() -> bool {
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
