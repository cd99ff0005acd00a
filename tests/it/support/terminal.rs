//! [`Terminal`]: the process under test on a pseudo-terminal, and what a person sees of it.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use super::DEADLINE;

/// Rows and columns.
const SIZE: (u16, u16) = (40, 100);

/// A terminal with a process on it.
pub struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    seen: Arc<Seen>,
    /// Where the process keeps its files.
    home: Arc<tempfile::TempDir>,
}

struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    emulator: vt100::Parser,
    /// Everything that was written.
    bytes: Vec<u8>,
    /// How much of that was looked at.
    at: usize,
    over: bool,
}

impl Terminal {
    /// Runs `mcp-tether` with a home of its own.
    pub fn run(args: &[&str]) -> Terminal {
        Terminal::run_in(&Arc::new(tempfile::tempdir().unwrap()), args, &[])
    }

    /// The same in the home of another one, and with more environment.
    pub fn run_in(
        home: &Arc<tempfile::TempDir>,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(SIZE.0, SIZE.1)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
            .args(args)
            .env_clear()
            .envs(super::profile())
            .env("TERM", "xterm-256color")
            .env("HOME", home.path())
            .env("MCP_TETHER_HOME", home.path());
        if let Some(path) = std::env::var_os("PATH") {
            command = command.env("PATH", path);
        }
        let child = command.envs(environment.iter().copied()).spawn(pts).unwrap();
        let state = State {
            emulator: vt100::Parser::new(SIZE.0, SIZE.1, 1000),
            bytes: Vec::new(),
            at: 0,
            over: false,
        };
        let seen = Arc::new(Seen { state: Mutex::new(state), changed: Condvar::new() });
        let pty = Arc::new(pty);
        let (reading, noting) = (pty.clone(), seen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                // It fails when the process has ended.
                let count = (&*reading).read(&mut buffer).unwrap_or(0);
                let mut state = noting.state.lock().unwrap();
                state.bytes.extend(&buffer[..count]);
                state.emulator.process(&buffer[..count]);
                state.over = count == 0;
                noting.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Terminal { child, pty, seen, home: home.clone() }
    }

    /// Where the process keeps its files.
    pub fn home(&self) -> &Arc<tempfile::TempDir> {
        &self.home
    }

    /// Presses keys.
    pub fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line.
    pub fn enter(&self, line: &str) {
        self.press(line);
        self.press("\r");
    }

    /// Waits until a text is written that was not waited for yet, with all escape sequences left out.
    #[track_caller]
    pub fn sees(&self, text: &str) {
        self.until(text, |state| {
            let (shown, ends) = visible(&state.bytes[state.at..]);
            let Some(found) = shown.find(text) else { return false };
            state.at += ends[found + text.len() - 1];
            true
        });
    }

    /// Presses keys again and again until the line with the cursor is this one.
    #[track_caller]
    pub fn press_until(&self, keys: &str, line: &str) {
        let end = Instant::now() + DEADLINE;
        while self.cursor_line() != line {
            assert!(Instant::now() < end, "{line:?} was not seen, but:\n{}", self.screen());
            self.press(keys);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn cursor_line(&self) -> String {
        let state = self.seen.state.lock().unwrap();
        line_with_cursor(state.emulator.screen())
    }

    /// Waits until the line with the cursor is this one, which may be cut at its end.
    #[track_caller]
    pub fn line_is(&self, line: &str) {
        self.until(line, |state| line_with_cursor(state.emulator.screen()) == line.trim_end());
    }

    /// What is on the screen, without spaces at the end of lines and empty lines at its end.
    pub fn screen(&self) -> String {
        let state = self.seen.state.lock().unwrap();
        let rows: Vec<String> = state.emulator.screen().rows(0, SIZE.1).collect();
        let lines: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// Everything that was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.state.lock().unwrap().bytes.clone()
    }

    /// The exit code, once the process has ended.
    pub fn code(&mut self) -> Option<i32> {
        self.until("the end", |state| state.over);
        self.child.wait().unwrap().code()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(status.success());
    }

    #[track_caller]
    fn until(&self, what: &str, mut reached: impl FnMut(&mut State) -> bool) {
        let end = Instant::now() + DEADLINE;
        let mut state = self.seen.state.lock().unwrap();
        while !reached(&mut state) {
            let left = end.saturating_duration_since(Instant::now());
            let over = state.over && what != "the end";
            assert!(
                !left.is_zero() && !over,
                "{what:?} was not seen, but:\n{}\n--- all of it:\n{}",
                state.emulator.screen().contents(),
                String::from_utf8_lossy(&state.bytes).escape_debug()
            );
            state = self.seen.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_with_cursor(screen: &vt100::Screen) -> String {
    let row = usize::from(screen.cursor_position().0);
    screen.rows(0, SIZE.1).nth(row).unwrap_or_default().trim_end().to_owned()
}

/// A text without escape sequences, and for each of its bytes where it ends in the original.
fn visible(bytes: &[u8]) -> (String, Vec<usize>) {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0x1b {
            let sequence = &bytes[at + 1..];
            let last = match sequence.first() {
                Some(b'[') => sequence.iter().skip(1).position(|b| (0x40..0x7f).contains(b)),
                _ => Some(0),
            };
            // One that has not arrived whole.
            let Some(last) = last else { break };
            at += 1 + if sequence.first() == Some(&b'[') { last + 2 } else { 1 };
            continue;
        }
        if bytes[at] != b'\r' {
            text.push(bytes[at]);
            ends.push(at + 1);
        }
        at += 1;
    }
    while std::str::from_utf8(&text).is_err() {
        text.pop();
        ends.pop();
    }
    (String::from_utf8(text).unwrap_or_default(), ends)
}
