//! Start: from just before the bridge is executed to the first byte that a listener gets from it.
//!
//! The listener is a plain socket in this process, so both ends of the interval are read from one
//! clock. `initialize` lies in the bridge's stdin before it starts: no time of ours is counted.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::{Error, stdio, wire};

/// A bridge that has sent nothing by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Times `count` starts of the bridge with a URL of `scheme`. With `https` the byte awaited is the
/// first one of the TLS handshake: the trust store has been read by then.
pub fn to_first_byte(program: &OsStr, scheme: &str, count: usize) -> Result<Vec<Duration>, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("{scheme}://{}/mcp", listener.local_addr()?);
    (0..count).map(|_| once(stdio::command(program, &url), &listener)).collect()
}

/// Times `count` runs of `program --version`, from just before exec to its end: what the
/// machine asks for any start of this binary.
pub fn to_version(program: &OsStr, count: usize) -> Result<Vec<Duration>, Error> {
    (0..count)
        .map(|_| {
            let started = Instant::now();
            let output = Command::new(program).arg("--version").output()?;
            let took = started.elapsed();
            if output.status.success() { Ok(took) } else { Err("--version failed".into()) }
        })
        .collect()
}

/// Times one start with the URL of this listener.
pub fn once(mut command: Command, listener: &TcpListener) -> Result<Duration, Error> {
    let (stdin, mut writer) = std::io::pipe()?;
    writer.write_all(format!("{}\n", wire::INITIALIZE).as_bytes())?;
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
    let listener = listener.try_clone()?;
    let (sender, receiver) = channel();
    let watcher = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept()?;
        let mut first = [0; 1];
        socket.read_exact(&mut first)?;
        // Fails only when the wait below was given up.
        let _ = sender.send(Instant::now());
        Ok::<_, std::io::Error>(socket)
    });
    let started = Instant::now();
    let mut bridge = command.spawn()?;
    let seen = receiver.recv_timeout(PATIENCE);
    bridge.kill()?;
    bridge.wait()?;
    let seen = seen.map_err(|_| "the bridge sent nothing")?;
    // Open until here: closed before, the bridge would make another connection, which the next one would take for its own.
    drop(watcher.join().map_err(|_| "the listener panicked")??);
    Ok(seen.saturating_duration_since(started))
}
