//! A client on stdio: what it writes, and what it may read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_tether::stdio::reader::Lines;
use mcp_tether::stdio::writer::Inbox;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::world::{Fault, State, World};

/// A request of the client.
pub struct Asked {
    /// Its id, as it was spelled.
    pub id: String,
    pub method: &'static str,
    pub at: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// The client has taken it back.
    pub cancelled: bool,
    /// How many answers it has.
    pub answers: u32,
    /// Whether the server's is among them.
    pub by_server: bool,
}

impl Asked {
    pub fn is_open(&self) -> bool {
        self.answers == 0 && !self.cancelled
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
    #[serde(default)]
    params: Place,
    result: Option<Place>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Place {
    n: Option<u64>,
    s: Option<String>,
    k: Option<i64>,
}

/// What every request of a modern client carries.
const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// Writes messages; counts them.
pub struct Writer {
    world: Arc<World>,
    lines: Lines,
    next: u64,
}

impl Writer {
    pub fn new(world: Arc<World>, lines: Lines) -> Writer {
        Writer { world, lines, next: 1 }
    }

    /// Sends a request and returns its number.
    pub async fn request(&mut self, method: &'static str, params: &str) -> u64 {
        let n = self.next;
        self.next += 1;
        let id = match n % 3 {
            0 => format!("{n}"),
            1 => format!("\"r{n}\""),
            _ => format!("{n}.0"),
        };
        let meta = if self.world.state().server.modern { META } else { "" };
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"n":{n}{params}{meta}}}}}"#
        );
        {
            let mut state = self.world.state();
            state.note(|| format!("client asks {n}: {method}"));
            let (at, answered) = (Instant::now(), None);
            state.asked.insert(
                n,
                Asked { id, method, at, answered, cancelled: false, answers: 0, by_server: false },
            );
        }
        if !self.lines.send(text.into()).await {
            // Nobody took it.
            self.world.state().asked.remove(&n);
        }
        n
    }

    async fn write(&mut self, n: u64, text: String) {
        {
            let mut state = self.world.state();
            state.note(|| format!("client writes {n}: {text}"));
            state.written.insert(n, Instant::now());
        }
        self.lines.send(text.into()).await;
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: &str) -> u64 {
        let n = self.next;
        self.next += 1;
        self.write(
            n,
            format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"n":{n}{params}}}}}"#),
        )
        .await;
        n
    }

    /// Answers a question of the server, if there is one.
    pub async fn reply(&mut self) {
        let question = self.world.state().questions.pop_front();
        if let Some(id) = question {
            let n = self.next;
            self.next += 1;
            self.write(n, format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"n":{n}}}}}"#)).await;
        }
    }

    /// Takes a request back that has no answer, if there is one.
    pub async fn cancel(&mut self) {
        let taken = {
            let mut state = self.world.state();
            let open: Vec<u64> = state
                .asked
                .iter()
                .filter(|(_, asked)| asked.is_open() && asked.method != "initialize")
                .map(|(n, _)| *n)
                .collect();
            if open.is_empty() {
                return;
            }
            let n = open[state.pick(open.len() as u64) as usize];
            state.see("request taken back");
            state.asked.get_mut(&n).map(|asked| {
                asked.cancelled = true;
                asked.id.clone()
            })
        };
        if let Some(id) = taken {
            self.notify("notifications/cancelled", &format!(r#","requestId":{id}"#)).await;
        }
    }

    /// Begins a session, and says so once it is there, or sooner.
    pub async fn open(&mut self) {
        if self.world.state().server.modern {
            return;
        }
        let params = r#","protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}"#;
        let n = self.request("initialize", params).await;
        let patient = self.world.state().chance(850);
        if patient {
            self.wait_for(Duration::from_secs(120), |state| {
                !state.asked.get(&n).is_some_and(Asked::is_open)
            })
            .await;
        }
        let n = self.notify("notifications/initialized", "").await;
        self.world.state().initialized.insert(n);
    }

    /// Waits until something is so, but not longer than `limit`.
    pub async fn wait_for(&self, limit: Duration, met: impl Fn(&State) -> bool) {
        let end = Instant::now() + limit;
        while Instant::now() < end && !met(&self.world.state()) {
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// One thing that clients do.
    pub async fn step(&mut self) {
        let (dice, pause) = {
            let mut state = self.world.state();
            let pause = match state.pick(10) {
                0..5 => 0,
                5..9 => state.pick(300),
                _ => state.pick(20_000),
            };
            (state.pick(100), Duration::from_millis(pause))
        };
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let modern = self.world.state().server.modern;
        match dice {
            0..38 => drop(self.request("tools/call", r#","name":"t""#).await),
            // Of the other messages a modern client knows none.
            58.. if modern => drop(self.request("tools/list", "").await),
            38..52 => drop(self.request("tools/list", "").await),
            52..58 => drop(self.request("ping", "").await),
            58..62 => drop(self.request("logging/setLevel", r#","level":"info""#).await),
            62..68 => {
                let which = self.world.state().pick(3);
                self.request("resources/subscribe", &format!(r#","uri":"a:{which}""#)).await;
            }
            68..80 => drop(self.notify("notifications/roots/list_changed", "").await),
            _ => self.reply().await,
        }
        let (cancels, anew) = {
            let mut state = self.world.state();
            (state.strikes(Fault::Cancel), state.strikes(Fault::Anew))
        };
        if cancels {
            self.cancel().await;
        }
        if anew {
            self.open().await;
        }
    }

    /// The end of input.
    pub fn end(self) {
        self.world.state().note(|| "client closes its output".into());
        self.lines.end();
    }
}

/// Reads what the bridge writes, until nobody can write any more.
pub async fn read(world: Arc<World>, mut inbox: Inbox) {
    while let Some((line, _)) = inbox.next().await {
        let pause = {
            let mut state = world.state();
            take(&mut state, &line);
            let pauses = !state.ending && state.strikes(Fault::SlowClient);
            pauses.then(|| Duration::from_millis(state.pick(20_000)))
        };
        if let Some(pause) = pause {
            let end = Instant::now() + pause;
            while Instant::now() < end && !world.state().calm && !world.state().ending {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn take(state: &mut State, line: &Bytes) {
    if state.over {
        return;
    }
    let Ok(read) = serde_json::from_slice::<Read>(line) else {
        let text = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        return state.violation(format!("a line that is no message: {text}"));
    };
    state
        .note(|| format!("client reads {}", String::from_utf8_lossy(&line[..line.len().min(300)])));
    match (read.id, read.method) {
        (Some(id), None) => answered(state, id.get(), &read),
        (id, Some(_)) => {
            if let (Some(stream), Some(k)) = (&read.params.s, read.params.k) {
                follows(state, stream, k);
            }
            if let Some(id) = id {
                state.questions.push_back(id.get().trim_matches('"').to_owned());
            }
        }
        (None, None) => state.violation("a message that is nothing".into()),
    }
}

/// An event of a stream: the one behind the last.
fn follows(state: &mut State, stream: &str, k: i64) {
    let last = state.streams.get(stream).copied().unwrap_or(-1);
    if k > last + 1 {
        state.violation(format!(
            "event {k} of stream {stream} came after {last}: something is lost"
        ));
    } else if k <= last && state.struck(Fault::Duplicate) == 0 {
        state.violation(format!(
            "event {k} of stream {stream} came after {last}: again, or too late"
        ));
    }
    state.streams.insert(stream.to_owned(), last.max(k));
}

fn answered(state: &mut State, id: &str, read: &Read<'_>) {
    let Some((n, asked)) = state.asked.iter_mut().find(|(_, asked)| asked.id == id) else {
        return state
            .violation(format!("an answer for {id}, which nobody has asked in this spelling"));
    };
    let n = *n;
    asked.answers += 1;
    asked.answered = Some(Instant::now());
    asked.by_server |= read.result.is_some();
    let (times, took, method) = (asked.answers, asked.at.elapsed(), asked.method);
    if times > 1 {
        state.violation(format!("{n} is answered {times} times"));
    }
    match &read.result {
        Some(result) => {
            state.see("answered by the server");
            if result.n != Some(n) {
                state.violation(format!("{n} got the answer of {:?}", result.n));
            }
            if let (Some(stream), Some(k)) = (&result.s, result.k) {
                let last = state.streams.get(stream).copied().unwrap_or(-1);
                if last != k - 1 {
                    state.violation(format!(
                        "the answer to {n} came after event {last} of {k} of its stream {stream}"
                    ));
                }
            }
        }
        None => {
            state.see("answered with an error");
            if read.error.is_none() {
                state.violation(format!("{n} got neither result nor error"));
            }
        }
    }
    // What was read before it may take as long as it may.
    let reads = state.struck(Fault::SlowClient) == 0;
    if method == "initialize" && n == 1 && reads && took > Duration::from_millis(50_200) {
        state.violation(format!("initialize was answered after {} ms", took.as_millis()));
    }
}
