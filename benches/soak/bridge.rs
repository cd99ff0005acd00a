//! One bridge under test and the client that drives it: mixed traffic, and the account of it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use super::Error;
use super::random::Random;
use super::seat::Seat;
use super::server::SEAT;

/// Requests that are under way at once, at most.
const IN_FLIGHT: usize = 16;

/// A request that has no answer after this long has none.
const ANSWER: Duration = Duration::from_secs(150);

/// How long the bridge may take to end.
const END: Duration = Duration::from_secs(20);

/// Errors that only a defect can bring.
const NEVER: [&str; 4] = ["internal", "overloaded", "shutting_down", "unauthorized"];

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true}},"clientInfo":{"name":"soak","version":"1.0.0"}}}"#;

/// A bridge with its client.
pub struct Bridge {
    process: Child,
    /// Its process id.
    pub pid: u32,
    to: mpsc::UnboundedSender<String>,
    account: Arc<Mutex<Account>>,
    random: Random,
    seat: Arc<Seat>,
    next: u64,
}

/// What was sent and what came.
#[derive(Default)]
pub struct Account {
    pending: HashMap<u64, Pending>,
    /// Requests that may be answered, once, or not at all.
    abandoned: HashMap<u64, Pending>,
    /// Requests sent.
    pub requests: u64,
    /// Requests answered with a result.
    pub results: u64,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Cancelled requests.
    pub cancelled: u64,
    /// Messages of the server outside of requests.
    pub notifications: u64,
    /// Notifications on response streams.
    pub progress: u64,
    /// Requests of the server.
    pub questions: u64,
    /// Bytes on stdout.
    pub bytes: u64,
    /// The session that messages came from last, and the number of the last one.
    pub last: (u64, u64),
    /// What must not be.
    pub wrong: Vec<String>,
    ready: bool,
    subscribed: bool,
    ended: bool,
}

struct Pending {
    sent: Instant,
    progress: u64,
    steps: Option<u64>,
}

impl Bridge {
    /// Starts one.
    pub fn start(
        program: &OsStr,
        url: &str,
        number: usize,
        home: &Path,
        seat: Arc<Seat>,
        random: Random,
    ) -> Result<Bridge, Error> {
        let mut command = Command::new(program);
        command.arg(url).arg("--header").arg(format!("{SEAT}: {number}")).arg("--store=file");
        command.env_clear().env("HOME", home).env("MCP_TETHER_HOME", home);
        command.env("BROWSER", format!("{} --browse %s", std::env::current_exe()?.display()));
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let log = std::fs::File::create(home.join(format!("bridge-{number}.log")))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let pid = process.id().ok_or("the bridge has ended")?;
        let stdin = process.stdin.take().ok_or("no stdin")?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let account = Arc::<Mutex<Account>>::default();
        let (to, lines) = mpsc::unbounded_channel();
        tokio::spawn(write(stdin, lines));
        tokio::spawn(read(stdout, account.clone(), to.clone(), seat.clone()));
        let bridge = Bridge { process, pid, to, account, random, seat, next: 0 };
        bridge.send(INITIALIZE.to_owned());
        Ok(bridge)
    }

    /// Looks at the account.
    pub fn account<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.account.lock().unwrap())
    }

    fn send(&self, line: String) {
        let _ = self.to.send(line + "\n");
    }

    /// Waits for the handshake, and subscribes.
    pub async fn ready(&mut self) -> Result<(), Error> {
        self.wait_for("initialize", |account| account.ready).await?;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned());
        self.send(
            r#"{"jsonrpc":"2.0","id":"subscribe","method":"resources/subscribe","params":{"uri":"soak://counter"}}"#
                .to_owned(),
        );
        self.wait_for("the subscription", |account| account.subscribed).await
    }

    async fn wait_for(&self, what: &str, is_there: fn(&Account) -> bool) -> Result<(), Error> {
        let end = Instant::now() + ANSWER;
        while !self.account(|account| is_there(account)) {
            if Instant::now() > end || self.account(|account| account.ended) {
                return Err(format!("a bridge did not answer {what}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Sends requests until `end`, `rate` of them in a second on average.
    pub async fn traffic(&mut self, rate: f64, end: Instant) {
        let pause = Duration::from_secs(1).div_f64(rate);
        loop {
            let wait = self.random.arrival(pause);
            if Instant::now() + wait > end {
                return;
            }
            tokio::time::sleep(wait).await;
            if self.account(|account| account.pending.len()) < IN_FLIGHT {
                self.one().await;
            }
        }
    }

    /// Sends one message, of some kind.
    async fn one(&mut self) {
        self.next += 1;
        let n = self.next;
        let (method, name, steps) = match self.random.below(100) {
            0..40 => ("tools/call", "small", None),
            40..55 => ("tools/list", "", None),
            55..65 => ("resources/read", "", None),
            65..67 => ("tools/call", "large", None),
            67..68 => ("tools/call", "large-stream", None),
            68..88 => ("tools/call", "stream", Some(1 + self.random.below(5))),
            88..93 => ("tools/call", "slow", Some(1)),
            _ => {
                self.send(
                    r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#.to_owned(),
                );
                return;
            }
        };
        let meta = steps.map_or_else(String::new, |steps| {
            format!(r#","_meta":{{"progressToken":{n},"steps":{steps}}}"#)
        });
        let pending = Pending { sent: Instant::now(), progress: 0, steps };
        self.account(|account| {
            account.requests += 1;
            account.pending.insert(n, pending);
        });
        self.send(format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"{method}","params":{{"name":"{name}","n":{n}{meta}}}}}"#
        ));
        if name == "slow" {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let open = self.account(|account| {
                let Some(pending) = account.pending.remove(&n) else { return false };
                account.abandoned.insert(n, pending);
                account.cancelled += 1;
                true
            });
            if open {
                self.send(format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{n}}}}}"#
                ));
            }
        }
    }

    /// Waits for what is still under way, and for the last messages of the server.
    pub async fn settle(&mut self) {
        let end = Instant::now() + ANSWER;
        loop {
            let waiting = self.account(|account| account.pending.len());
            let behind = self.behind();
            if waiting == 0 && behind.is_none() {
                return;
            }
            if Instant::now() > end {
                self.account(|account| {
                    if waiting > 0 {
                        account.wrong.push(format!("{waiting} requests without an answer"));
                    }
                    account.wrong.extend(behind);
                });
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the session lacks, or what the server has sent in it and the client does not have.
    fn behind(&self) -> Option<String> {
        let sent = {
            let state = self.seat.lock();
            // One that is lost is made anew by the next request, and there is none.
            let session = state.session.as_ref()?;
            if !session.initialized || !session.subscribed {
                return Some("the last session is not set up".to_owned());
            }
            (session.number, session.standalone.messages())
        };
        let last = self.account(|account| account.last);
        (sent.1 > 0 && sent != last).then(|| format!("the server sent {sent:?}, {last:?} came"))
    }

    /// Ends stdin and waits for the end of the process.
    pub async fn finish(mut self) -> Account {
        // The reader has the other sender: it ends when stdout does.
        let _ = self.to.send(String::new());
        let status = tokio::time::timeout(END, self.process.wait()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut account = std::mem::take(&mut *self.account.lock().unwrap());
        match status {
            Ok(Ok(status)) if status.success() => {}
            other => account.wrong.push(format!("the end: {other:?}")),
        }
        for (n, count) in &self.seat.lock().executed {
            if *count > 1 {
                account.wrong.push(format!("call {n} was carried out {count} times"));
            }
        }
        account
    }
}

/// Writes lines; an empty one ends stdin.
async fn write(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = lines.recv().await {
        if line.is_empty() || stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(
    stdout: ChildStdout,
    account: Arc<Mutex<Account>>,
    to: mpsc::UnboundedSender<String>,
    seat: Arc<Seat>,
) {
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stdout.read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => break,
        }
        let mut account = account.lock().unwrap();
        account.bytes += line.len() as u64;
        match serde_json::from_slice(&line) {
            Ok(message) => {
                if let Err(wrong) = account.take(&message, &to, &seat) {
                    account.wrong.push(wrong);
                }
            }
            Err(error) => account.wrong.push(format!("no JSON on stdout: {error}")),
        }
    }
    account.lock().unwrap().ended = true;
}

impl Account {
    fn take(
        &mut self,
        message: &Value,
        to: &mpsc::UnboundedSender<String>,
        seat: &Seat,
    ) -> Result<(), String> {
        match message["method"].as_str() {
            None => self.answer(message, seat),
            Some("notifications/progress") => {
                self.progress += 1;
                self.step(&message["params"])
            }
            Some(method) => {
                let params = &message["params"];
                let (Some(session), Some(number)) =
                    (params["session"].as_u64(), params["number"].as_u64())
                else {
                    // The bridge says that a session is new, and that nobody waits for an answer any more.
                    let own = method.ends_with("/list_changed") || method.ends_with("/cancelled");
                    return if own { Ok(()) } else { Err(format!("an unknown {method}")) };
                };
                if let Some(id) = message["id"].as_str() {
                    self.questions += 1;
                    let answer = format!(
                        "{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"result\":{{\"roots\":[]}}}}\n"
                    );
                    let _ = to.send(answer);
                }
                self.notifications += 1;
                let (last_session, last) = self.last;
                self.last = (session, number);
                // The end of a session that the server forgets is lost with it.
                let follows = if session == last_session {
                    number == last + 1
                } else {
                    session > last_session && number == 1
                };
                if follows {
                    Ok(())
                } else {
                    Err(format!(
                        "message {number} of session {session} after {last} of {last_session}"
                    ))
                }
            }
        }
    }

    fn step(&mut self, params: &Value) -> Result<(), String> {
        let n = params["progressToken"].as_u64().unwrap_or_default();
        let step = params["progress"].as_u64().unwrap_or_default();
        let pending = self.pending.get_mut(&n).or_else(|| self.abandoned.get_mut(&n));
        let Some(pending) = pending else {
            return Err(format!("progress of {n}, which has been answered"));
        };
        pending.progress += 1;
        if pending.progress == step {
            Ok(())
        } else {
            Err(format!("step {step} of {n} came as number {}", pending.progress))
        }
    }

    fn answer(&mut self, message: &Value, seat: &Seat) -> Result<(), String> {
        let now = Instant::now();
        let error = &message["error"];
        let Some(n) = message["id"].as_u64() else {
            self.subscribed = error.is_null();
            return if self.subscribed { Ok(()) } else { Err(format!("subscribing: {error}")) };
        };
        if n == 0 {
            self.ready = error.is_null();
            return if self.ready { Ok(()) } else { Err(format!("initialize: {error}")) };
        }
        let Some(pending) = self.pending.remove(&n) else {
            let cancelled = self.abandoned.remove(&n).is_some();
            return if cancelled {
                Ok(())
            } else {
                Err(format!("request {n} was answered twice, or never sent"))
            };
        };
        if error.is_null() {
            self.results += 1;
            let result = &message["result"];
            if result["n"].as_u64() != Some(n) {
                return Err(format!("the answer to {n} is another's: {:.100}", result.to_string()));
            }
            if pending.steps.is_some_and(|steps| pending.progress != steps) {
                return Err(format!(
                    "request {n} was answered after {} of {:?} steps",
                    pending.progress, pending.steps
                ));
            }
            return Ok(());
        }
        let kind = error["data"]["kind"].as_str().unwrap_or("the server's").to_owned();
        *self.errors.entry(kind.clone()).or_default() += 1;
        if NEVER.contains(&kind.as_str()) {
            return Err(format!("request {n}: {error}"));
        }
        let state = seat.lock();
        if state.doomed.contains(&n) || state.excuses(pending.sent, now) {
            Ok(())
        } else {
            Err(format!("request {n} failed without a fault: {error}"))
        }
    }
}
