//! A server that can resume every stream: it keeps each event with an id, and counts what it carries out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::reply::{Feed, Reply, Step, event_id};
use super::{Request, Server, result};

/// Notifications on the stream of one call, before its answer.
pub const STEPS: usize = 3;

/// See the module. It stands in front of the well-behaved server.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How often each call was carried out, by the JSON text of its id.
    executed: HashMap<String, usize>,
    /// Messages of the standalone stream.
    standalone: Vec<String>,
    /// Its newest connection.
    live: Option<Feed>,
}

impl Journal {
    /// Keeps the streams of this server: those of `tools/call`, and the standalone one. A call whose id is a
    /// string gets JSON.
    pub fn keep(server: &Server) -> Journal {
        let journal = Journal::default();
        let (calls, streams) = (journal.clone(), journal.clone());
        server.always("tools/call", move |request| calls.call(request));
        server.maybe("GET", move |request| Some(streams.open(request.header("last-event-id"))));
        journal
    }

    /// How often the call with this id was carried out.
    pub fn executed(&self, id: &str) -> usize {
        self.0.lock().unwrap().executed.get(id).copied().unwrap_or(0)
    }

    /// Sends the next numbered message on the standalone stream.
    pub fn say(&self) {
        let mut state = self.0.lock().unwrap();
        let number = state.standalone.len() + 1;
        let message = said(number);
        if let Some(live) = &state.live {
            live.push(event_id(&format!("s.{number}"), &message));
        }
        state.standalone.push(message);
    }

    fn call(&self, request: &Request) -> Reply {
        let id = request.id.clone().expect("a call has an id");
        *self.0.lock().unwrap().executed.entry(id.clone()).or_default() += 1;
        if id.starts_with('"') { Reply::json(result(id, "{}")) } else { Reply::sse(events(&id, 0)) }
    }

    fn open(&self, cursor: Option<&str>) -> Reply {
        let (name, seen) = cursor.and_then(|c| c.rsplit_once('.')).unwrap_or(("s", "0"));
        let seen: usize = seen.parse().expect("one of our ids");
        if name != "s" {
            return Reply::sse(events(name, seen + 1));
        }
        let feed = Feed::roomy();
        let mut state = self.0.lock().unwrap();
        if cursor.is_none() {
            feed.push("id: s.0\nretry: 100\ndata:\n\n");
        }
        for (at, message) in state.standalone.iter().enumerate().skip(seen) {
            feed.push(event_id(&format!("s.{}", at + 1), message));
        }
        // The former connection is one that the client has left.
        if let Some(former) = state.live.replace(feed.clone()) {
            former.end();
        }
        Reply::feed(&feed)
    }
}

/// The events of the answer to a call, from a number on: one that primes, notifications, the answer.
fn events(id: &str, from: usize) -> Vec<Step> {
    let event = |number: usize| match number {
        0 => format!("id: {id}.0\nretry: 100\ndata:\n\n"),
        1..=STEPS => event_id(&format!("{id}.{number}"), &step(id, number)),
        _ => event_id(&format!("{id}.{number}"), &result(id, "{}")),
    };
    (from..=STEPS + 1).map(|number| Step::from(event(number))).collect()
}

/// A notification on the stream of a call.
pub fn step(id: &str, number: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":{number}}}}}"#
    )
}

/// A message on the standalone stream.
pub fn said(number: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":{number}}}}}"#)
}
