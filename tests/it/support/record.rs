//! What the bridge writes in either direction, for a check against the official schemas.
//!
//! With `MCP_TETHER_MESSAGES=FILE` every recorded message is appended to that file, one JSON object a
//! line: the revision it is written in, its direction, itself, and for a response the method of the
//! request that it answers. `tests/interop` does the check.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Mutex;

use serde_json::{Value, json};

/// Who wrote a message.
#[derive(Clone, Copy)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// The messages between two sides of one revision.
pub struct Record {
    revision: &'static str,
    /// Methods by the JSON text of the id, of each direction.
    asked: Mutex<[HashMap<String, String>; 2]>,
}

impl Record {
    pub fn new(revision: &'static str) -> Record {
        Record { revision, asked: Mutex::default() }
    }

    /// Takes note of a message; `ours` if the bridge wrote it.
    pub fn message(&self, direction: Direction, text: &str, ours: bool) {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        let (here, there) = match direction {
            Direction::ToServer => (0, 1),
            Direction::ToClient => (1, 0),
        };
        let id = message["id"].to_string();
        let mut method = None;
        let mut asked = self.asked.lock().unwrap();
        if let (Some(name), true) = (message["method"].as_str(), message.get("id").is_some()) {
            asked[here].insert(id, name.to_owned());
        } else if message.get("method").is_none() {
            method = asked[there].get(&id).cloned();
        }
        drop(asked);
        if ours && let Ok(path) = std::env::var("MCP_TETHER_MESSAGES") {
            let direction = ["client→server", "server→client"][here];
            let line = json!({
                "revision": self.revision, "direction": direction, "message": message, "method": method,
            });
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            // One write: tests of several processes share the file.
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }
}
