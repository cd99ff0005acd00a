//! The process under test with its three pipes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::record::{Direction, Record};
use super::{DEADLINE, INITIALIZE, INITIALIZED, Line, Server};

/// How the process is started.
pub struct Builder {
    command: Command,
    home: Option<PathBuf>,
    homeless: bool,
    record: Option<&'static str>,
    stdout: Stdout,
    read_stderr: bool,
}

/// What happens with the bridge's stdout.
#[derive(Clone, Copy)]
enum Stdout {
    Read,
    /// Read nothing until [`Bridge::start_reading`].
    Later,
    /// Read so many lines, then close the pipe.
    CloseAfter(usize),
}

/// A running bridge. It is killed when dropped, and its stderr is shown if the test fails.
pub struct Bridge {
    child: Child,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    lines: Arc<Lines>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    reading: mpsc::Sender<()>,
    _unread: Option<ChildStderr>,
    _home: Option<tempfile::TempDir>,
    record: Option<Arc<Record>>,
}

/// What stdout has given so far.
#[derive(Default)]
struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Line>,
    wrong: Option<String>,
    ended: bool,
}

/// How the process ended.
pub struct Exit {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// The lines of stdout that no test has taken.
    pub rest: Vec<Line>,
    /// All of stderr.
    pub stderr: String,
    /// How long the end took since it was waited for.
    pub took: Duration,
}

impl Exit {
    /// Asserts a proper end: code 0, and nothing more on stdout.
    #[track_caller]
    pub fn clean(&self) -> &Exit {
        assert_eq!(self.code, Some(0), "stderr: {}", self.stderr);
        assert_eq!(self.rest, [], "lines that nobody asked for");
        self
    }

    /// Asserts this exit code.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Exit {
        assert_eq!(self.code, Some(code), "stderr: {}", self.stderr);
        self
    }
}

impl Bridge {
    /// Starts `mcp-tether <url>`.
    pub fn start(server: &Server) -> Bridge {
        Bridge::with(&server.url()).start()
    }

    /// Starts it and goes through the handshake.
    #[track_caller]
    pub fn ready(server: &Server) -> Bridge {
        Bridge::with(&server.url()).ready(server)
    }

    /// Prepares `mcp-tether <first>`, with no environment but `PATH` and an empty home.
    pub fn with(first: &str) -> Builder {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command.arg(first).env_clear().envs(super::profile());
        // The last three are what a Windows process cannot do without.
        for name in ["PATH", "SystemRoot", "TEMP", "SystemDrive"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        Builder { homeless: false, ..Builder::of(command) }
    }

    /// Sends one line.
    pub fn send(&self, line: impl AsRef<str>) {
        if let Some(record) = &self.record {
            record.message(Direction::ToServer, line.as_ref(), false);
        }
        self.send_bytes(format!("{}\n", line.as_ref()));
    }

    /// Sends bytes as they are. Never blocks: a bridge that does not read fills memory of the test.
    pub fn send_bytes(&self, bytes: impl Into<Vec<u8>>) {
        let _ = self.stdin.as_ref().expect("stdin is open").send(bytes.into());
    }

    /// Ends stdin, after everything that was sent.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Starts reading stdout, if that was put off.
    pub fn start_reading(&self) {
        let _ = self.reading.send(());
    }

    /// The first message that `wanted` accepts; the others stay.
    #[track_caller]
    pub fn find(&self, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        self.find_within(DEADLINE, what, wanted)
    }

    /// The same where a limit of the product is near [`DEADLINE`].
    #[track_caller]
    pub fn find_within(
        &self,
        patience: Duration,
        what: &str,
        wanted: impl Fn(&Line) -> bool,
    ) -> Line {
        let end = Instant::now() + patience;
        let mut state = self.lines.state.lock().unwrap();
        // Lines only come at the end meanwhile.
        let mut looked_at = 0;
        loop {
            if let Some(wrong) = state.wrong.clone() {
                drop(state);
                panic!("{wrong}");
            }
            if let Some(at) = state.waiting.iter().skip(looked_at).position(&wanted) {
                return state.waiting.remove(looked_at + at).expect("just found");
            }
            looked_at = state.waiting.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                let why = if state.ended { "stdout has ended" } else { "nothing came" };
                let waiting: Vec<_> = state.waiting.drain(..).collect();
                drop(state);
                panic!("waited for {what}: {why}; not taken: {waiting:?}");
            }
            state = self.lines.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Whether the answer to the request with this id is there, and not taken.
    pub fn has_answered(&self, id: impl std::fmt::Display) -> bool {
        let (id, state) = (id.to_string(), self.lines.state.lock().unwrap());
        state.waiting.iter().any(|line| line.answers(&id))
    }

    /// The next message.
    #[track_caller]
    pub fn line(&self) -> Line {
        self.find("any line", |_| true)
    }

    /// The answer to the request with this id (JSON text).
    #[track_caller]
    pub fn answer(&self, id: impl std::fmt::Display) -> Line {
        let id = id.to_string();
        self.find(&format!("the answer to {id}"), |line| line.answers(&id))
    }

    /// The next notification or request of the server with this method.
    #[track_caller]
    pub fn incoming(&self, method: &str) -> Line {
        self.find(method, |line| line.method.as_deref() == Some(method))
    }

    /// Sends a request and gives its answer.
    #[track_caller]
    pub fn ask(&self, id: impl std::fmt::Display, method: &str) -> Line {
        self.send(super::request(&id, method));
        self.answer(&id)
    }

    /// `initialize` with id 0, its answer, and `notifications/initialized`.
    #[track_caller]
    pub fn handshake(&self) -> Line {
        self.send(INITIALIZE);
        let answer = self.answer(0);
        self.send(INITIALIZED);
        answer
    }

    /// What stderr has given by now.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// Waits until stderr contains `text`.
    #[track_caller]
    pub fn wait_stderr(&self, text: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.stderr().contains(text) {
            assert!(Instant::now() < end, "stderr lacks {text:?}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name, as `kill` does.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(status.success());
    }

    /// The arguments that everybody on the machine can read.
    #[cfg(target_os = "linux")]
    pub fn command_line(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.child.id());
        std::fs::read_to_string(path).expect("the bridge is running").replace('\0', " ")
    }

    /// The largest resident memory so far, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the bridge is running");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux has it");
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Exit {
        self.close_stdin();
        self.wait()
    }

    /// Waits for the end of a process whose stdout is not read, and gives its exit code.
    #[cfg(unix)]
    #[track_caller]
    pub fn wait_unread(mut self) -> Option<i32> {
        self.wait_for_end().code()
    }

    #[track_caller]
    fn wait_for_end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let ended = start.elapsed() < DEADLINE;
            assert!(ended, "the bridge does not end; stderr: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of the process without closing stdin.
    #[track_caller]
    pub fn wait(mut self) -> Exit {
        let start = Instant::now();
        let status = self.wait_for_end();
        let took = start.elapsed();
        self.start_reading();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let mut state = self.lines.state.lock().unwrap();
        if let Some(wrong) = &state.wrong {
            panic!("{wrong}");
        }
        let rest = state.waiting.drain(..).collect();
        drop(state);
        Exit { code: status.code(), rest, stderr: self.stderr(), took }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- stderr of the bridge ---\n{}---", self.stderr());
        }
    }
}

impl Builder {
    /// A command that comes to be a bridge, with the environment that it has: no home is added.
    pub fn of(command: Command) -> Builder {
        let (stdout, read_stderr) = (Stdout::Read, true);
        Builder { command, home: None, homeless: true, record: None, stdout, read_stderr }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Builder {
        self.command.arg(arg);
        self
    }

    /// Adds `--header <text>`.
    pub fn header(self, text: &str) -> Builder {
        self.arg("--header").arg(text)
    }

    /// Adds an option whose value is a path.
    pub fn path(self, option: &str, path: &Path) -> Builder {
        self.arg(option).arg(path)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Builder {
        self.command.env(name, value);
        self
    }

    /// Uses a home that outlives the process, in place of an empty one.
    pub fn home(mut self, home: &Path) -> Builder {
        self.home = Some(home.to_path_buf());
        self
    }

    /// Records what the bridge writes to the client, which speaks this revision.
    pub fn recorded(mut self, revision: &'static str) -> Builder {
        self.record = Some(revision);
        self
    }

    /// Leaves stdout unread until [`Bridge::start_reading`].
    pub fn unread(mut self) -> Builder {
        self.stdout = Stdout::Later;
        self
    }

    /// Closes stdout after so many lines.
    pub fn close_stdout_after(mut self, lines: usize) -> Builder {
        self.stdout = Stdout::CloseAfter(lines);
        self
    }

    /// Keeps stderr open without ever reading it.
    pub fn stderr_unread(mut self) -> Builder {
        self.read_stderr = false;
        self
    }

    /// Starts the process and goes through the handshake; when this returns the server has the
    /// standalone stream open.
    #[track_caller]
    pub fn ready(self, server: &Server) -> Bridge {
        let bridge = self.start();
        bridge.handshake().result();
        server.wait("GET", 1);
        bridge
    }

    /// Starts the process.
    pub fn start(mut self) -> Bridge {
        let empty = self.home.is_none().then(|| tempfile::tempdir().unwrap());
        let home = self.home.clone().or_else(|| Some(empty.as_ref()?.path().to_path_buf()));
        let home = home.expect("one of the two");
        if !self.homeless {
            self.command.env("HOME", &home).env("USERPROFILE", &home);
        }
        let record = self.record.map(|revision| Arc::new(Record::new(revision)));
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary is built");
        let mut readers = Vec::new();

        let (sender, writes) = mpsc::channel::<Vec<u8>>();
        let mut stdin = child.stdin.take().expect("piped");
        std::thread::spawn(move || {
            for bytes in writes {
                if stdin.write_all(&bytes).is_err() {
                    return;
                }
            }
        });

        let lines = Arc::new(Lines::default());
        let (reading, permission) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        let (kept, mode, written) = (lines.clone(), self.stdout, record.clone());
        readers.push(std::thread::spawn(move || {
            let mut limit = usize::MAX;
            match mode {
                Stdout::Read => {}
                Stdout::Later => drop(permission.recv()),
                Stdout::CloseAfter(lines) => limit = lines,
            }
            read_lines(stdout, limit, &kept, written.as_deref());
        }));

        let stderr = Arc::new(Mutex::new(Vec::new()));
        let mut pipe = child.stderr.take();
        if self.read_stderr {
            let (mut pipe, kept) = (pipe.take().expect("piped"), stderr.clone());
            readers.push(std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                    kept.lock().unwrap().extend_from_slice(&chunk[..length]);
                }
            }));
        }
        Bridge {
            child,
            stdin: Some(sender),
            lines,
            stderr,
            readers,
            reading,
            _unread: pipe,
            _home: empty,
            record,
        }
    }
}

fn read_lines(stdout: ChildStdout, limit: usize, lines: &Lines, record: Option<&Record>) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    for _ in 0..limit {
        let mut text = Vec::new();
        let read = stdout.read_until(b'\n', &mut text);
        let mut state = lines.state.lock().unwrap();
        match read {
            Ok(0) | Err(_) => break,
            Ok(_) if text.pop() != Some(b'\n') => {
                state.wrong = Some("stdout ended in the middle of a line".into());
            }
            Ok(_) => match Line::parse(text) {
                Ok(line) => {
                    if let Some(record) = record {
                        record.message(Direction::ToClient, &line.text, true);
                    }
                    state.waiting.push_back(line);
                }
                Err(wrong) => state.wrong = Some(wrong),
            },
        }
        lines.changed.notify_all();
    }
    lines.state.lock().unwrap().ended = true;
    lines.changed.notify_all();
}
