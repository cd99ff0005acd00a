//! The bridge as a child process, driven over its pipes as cheaply as possible: one thread,
//! blocking reads into one large buffer, lines counted rather than parsed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::wire::{self, Tool};
use super::{Error, process};

/// Bytes taken from the bridge's stdout at once, at most.
const BUFFER: usize = 1024 * 1024;

/// A bridge that delivers nothing for this long (twice this, at most) is killed, so that the
/// benchmark ends.
const SILENCE: Duration = Duration::from_secs(120);

/// The command that starts the bridge, without the proxies and the certificates that the
/// environment names: they cost time at the start, and no two machines have the same.
pub fn command(program: &OsStr, url: &str) -> Command {
    let mut command = bare(program);
    command.arg(url);
    command
}

/// The same without arguments.
pub fn bare(program: &OsStr) -> Command {
    let mut command = Command::new(program);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"] {
        command.env_remove(name);
    }
    command
}

/// A bridge in an initialised session.
pub struct Bridge {
    process: Arc<Mutex<Child>>,
    pid: u32,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: File,
    buffer: Box<[u8]>,
    next_id: u64,
    strict: bool,
    delivered: usize,
    watchdog: Watchdog,
}

impl Bridge {
    /// Starts the bridge and initialises a session.
    pub fn connect(program: &OsStr, url: &str) -> Result<Bridge, Error> {
        Bridge::connect_with(program, url, &[])
    }

    /// The same with further arguments.
    pub fn connect_with(program: &OsStr, url: &str, more: &[&OsStr]) -> Result<Bridge, Error> {
        let mut command = command(program, url);
        command.args(more);
        Bridge::start(command, SILENCE, true)
    }

    /// Starts whatever bridge the command names, and initialises a session. One that delivers nothing for
    /// `silence` (twice this, at most) is killed; `strict` asks for the bytes that the server sent.
    pub fn start(mut command: Command, silence: Duration, strict: bool) -> Result<Bridge, Error> {
        let stderr = tempfile::tempfile()?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?)
            .spawn()
            .map_err(|error| {
                format!("cannot start {}: {error}", command.get_program().display())
            })?;
        let pid = process.id();
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().ok_or("the bridge has no stdout")?;
        let process = Arc::new(Mutex::new(process));
        let mut bridge = Bridge {
            pid,
            stdin,
            stdout,
            stderr,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            next_id: 1,
            watchdog: Watchdog::start(Arc::clone(&process), silence),
            strict,
            delivered: 0,
            process,
        };
        bridge.send(&format!("{}\n", wire::INITIALIZE))?;
        if !wire::is_result(&bridge.line(0)?) {
            return Err("initialize failed".into());
        }
        bridge.send(&format!("{}\n", wire::INITIALIZED))?;
        bridge.call(Tool::Small)?;
        Ok(bridge)
    }

    /// Ends the bridge by the end of its stdin.
    pub fn end(mut self) -> Result<(), Error> {
        drop(self.stdin.take());
        self.watchdog.waiting(true);
        std::io::copy(&mut self.stdout, &mut std::io::sink())?;
        self.watchdog.waiting(false);
        let status = self.process.lock().unwrap_or_else(PoisonError::into_inner).wait()?;
        if status.success() { Ok(()) } else { Err(self.gone(&status.to_string())) }
    }

    /// Process id of the bridge.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Processor time of the bridge so far.
    pub fn cpu(&self) -> Option<Duration> {
        process::cpu(self.pid)
    }

    /// Sends one small call after the other and gives the time of each.
    pub fn sequential(&mut self, count: usize) -> Result<Vec<Duration>, Error> {
        (0..count).map(|_| self.call(Tool::Small)).collect()
    }

    /// Sends `count` small calls with `in_flight` of them under way and gives the whole time.
    pub fn parallel(&mut self, count: usize, in_flight: usize) -> Result<Duration, Error> {
        let first = self.ids(count);
        let started = Instant::now();
        let mut sent = in_flight.min(count);
        self.send(&small_calls(first, sent))?;
        let mut answered = vec![false; count];
        let (mut answers, mut rest) = (0, Vec::new());
        while answers < count {
            let taken = self.read()?;
            rest.extend_from_slice(&self.buffer[..taken]);
            let (mut start, before) = (0, answers);
            for end in memchr::memchr_iter(b'\n', &rest) {
                let line = &rest[start..end];
                let index =
                    wire::id(line).and_then(|id| usize::try_from(id.checked_sub(first)?).ok());
                match index.and_then(|index| answered.get_mut(index)) {
                    Some(seen) if !*seen && wire::is_result(line) => *seen = true,
                    _ => {
                        return Err(unexpected(line));
                    }
                }
                answers += 1;
                start = end + 1;
            }
            rest.drain(..start);
            let more = (answers - before).min(count - sent);
            if more > 0 {
                self.send(&small_calls(first + sent as u64, more))?;
                sent += more;
            }
        }
        Ok(started.elapsed())
    }

    /// Makes one call and gives the time until its answer is complete.
    pub fn call(&mut self, tool: Tool) -> Result<Duration, Error> {
        let id = self.ids(1);
        let call = tool.call(id) + "\n";
        let started = Instant::now();
        self.send(&call)?;
        let took = match tool {
            Tool::Small | Tool::SmallSse | Tool::Upload(_) => {
                let line = self.line(0)?;
                let took = started.elapsed();
                if !wire::is_result(&line) || wire::id(&line) != Some(id) {
                    return Err(unexpected(&line));
                }
                took
            }
            Tool::Burst(count) => {
                if !self.strict {
                    return self.burst(id, started);
                }
                let (mut lines, mut taken) = (0, 0);
                while lines < count + 1 {
                    taken = self.read()?;
                    lines += memchr::memchr_iter(b'\n', &self.buffer[..taken]).count();
                }
                let took = started.elapsed();
                if lines != count + 1 || self.buffer[taken - 1] != b'\n' {
                    return Err(format!("{lines} lines instead of {}", count + 1).into());
                }
                took
            }
            Tool::Json(bytes) | Tool::Sse(bytes) => {
                let line = self.line(bytes)?;
                let took = started.elapsed();
                let length = wire::large_length(id, bytes) + 1;
                if line.len() < bytes || (self.strict && line.len() != length) {
                    return Err(unexpected(&line));
                }
                took
            }
        };
        Ok(took)
    }

    /// Reads until the answer to the burst, which some bridges deliver without the notifications before it.
    fn burst(&mut self, id: u64, started: Instant) -> Result<Duration, Error> {
        self.delivered = 0;
        let mut rest = Vec::new();
        loop {
            let taken = self.read()?;
            rest.extend_from_slice(&self.buffer[..taken]);
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &rest) {
                if wire::is_result(&rest[start..end]) && wire::id(&rest[start..end]) == Some(id) {
                    return Ok(started.elapsed());
                }
                self.delivered += 1;
                start = end + 1;
            }
            rest.drain(..start);
        }
    }

    /// Notifications that came before the answer to the last burst; counted where the bridge is not `strict`.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// What the bridge wrote to stderr.
    pub fn log(&mut self) -> String {
        let mut log = Vec::new();
        let read = self.stderr.rewind().and_then(|()| self.stderr.read_to_end(&mut log));
        match read {
            Ok(_) => String::from_utf8_lossy(&log).into_owned(),
            Err(error) => format!("(its stderr cannot be read: {error})"),
        }
    }

    fn send(&mut self, text: &str) -> Result<(), Error> {
        let Some(stdin) = &mut self.stdin else { return Err("stdin is closed".into()) };
        stdin.write_all(text.as_bytes()).map_err(|error| self.gone(&error.to_string()))
    }

    /// The next line, with its end. `capacity` is the length that is expected.
    fn line(&mut self, capacity: usize) -> Result<Vec<u8>, Error> {
        let mut line = Vec::with_capacity(capacity);
        while line.last() != Some(&b'\n') {
            let taken = self.read()?;
            line.extend_from_slice(&self.buffer[..taken]);
        }
        Ok(line)
    }

    fn read(&mut self) -> Result<usize, Error> {
        self.watchdog.waiting(true);
        let read = self.stdout.read(&mut self.buffer);
        self.watchdog.waiting(false);
        match read {
            Ok(0) => Err(self.gone("it closed its stdout")),
            Ok(taken) => Ok(taken),
            Err(error) => Err(self.gone(&error.to_string())),
        }
    }

    fn gone(&mut self, why: &str) -> Error {
        format!("the bridge failed: {why}; its stderr:\n{}", self.log()).into()
    }

    fn ids(&mut self, count: usize) -> u64 {
        let first = self.next_id;
        self.next_id += count as u64;
        first
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.watchdog.stop();
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn unexpected(line: &[u8]) -> Error {
    let start = &line[..line.len().min(300)];
    format!("unexpected, {} bytes: {}", line.len(), String::from_utf8_lossy(start)).into()
}

fn small_calls(first: u64, count: usize) -> String {
    let mut calls = String::new();
    for number in 0..count {
        calls.push_str(&Tool::Small.call(first + number as u64));
        calls.push('\n');
    }
    calls
}

/// Kills a bridge that is silent while somebody waits for it, which ends the blocking read of its stdout.
struct Watchdog {
    /// Counts the begins and ends of waiting: odd while somebody waits. A counter, because waking a thread at every
    /// read would cost time.
    turns: Arc<AtomicU64>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    fn start(process: Arc<Mutex<Child>>, silence: Duration) -> Watchdog {
        let turns = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = channel();
        let seen = Arc::clone(&turns);
        let thread = std::thread::spawn(move || {
            let mut before = None;
            while stopped.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
                let turn = seen.load(Relaxed);
                let now = (turn % 2 == 1).then_some(turn);
                if now.is_some() && now == before {
                    let _ = process.lock().unwrap_or_else(PoisonError::into_inner).kill();
                    return;
                }
                before = now;
            }
        });
        Watchdog { turns, stop: Some(stop), thread: Some(thread) }
    }

    /// Says whether somebody waits from now on.
    fn waiting(&self, now: bool) {
        debug_assert_eq!(now, self.turns.load(Relaxed).is_multiple_of(2));
        self.turns.fetch_add(1, Relaxed);
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
