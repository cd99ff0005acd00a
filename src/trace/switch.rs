//! A trace that can be turned on and off while a connection is open, for the REPL.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use log::Level;

use super::{Trace, Watch};
use crate::http::observe::{Observer, Seen};
use crate::logging::Listener;
use crate::stdio::tap::{Side, Tap};

/// Sees everything, and hands it to the trace that is on. Clones are the same switch.
#[derive(Clone, Default)]
pub struct Switch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    on: Mutex<Option<Watch>>,
    /// Counted here, so that an exchange that began under one trace is none of the next one's.
    exchanges: AtomicU64,
}

impl Switch {
    /// Hands everything to `watch` from here on, or to nobody. Gives the trace that was on, for the
    /// caller to end.
    pub fn set(&self, watch: Option<Watch>) -> Option<Trace> {
        let mut on = self.0.on.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *on, watch).map(|watch| watch.trace)
    }

    /// What is on.
    fn watch(&self) -> Option<Watch> {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switch")
    }
}

impl Tap for Switch {
    fn message(&self, side: Side, message: &Bytes) {
        if let Some(watch) = self.watch() {
            watch.message(side, message);
        }
    }
}

impl Observer for Switch {
    fn next_exchange(&self) -> u64 {
        self.0.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn see(&self, exchange: u64, seen: Seen<'_>) -> bool {
        self.watch().is_none_or(|watch| watch.see(exchange, seen))
    }
}

impl Listener for Switch {
    fn heard(&self, level: Level, module: &str, text: &str) {
        if let Some(watch) = self.watch() {
            watch.trace.heard(level, module, text);
        }
    }

    fn end(&self, limit: Duration) {
        if let Some(watch) = self.watch() {
            watch.trace.end(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use url::Url;

    use super::*;

    #[test]
    fn each_trace_has_the_exchanges_that_began_while_it_was_on() {
        let folder = tempfile::tempdir().unwrap();
        let switch = Switch::default();
        let url = Url::parse("https://h.example/").unwrap();
        let redactor = Arc::default();
        let begin = || {
            let n = switch.next_exchange();
            let (method, headers) = (&Method::GET, &HeaderMap::new());
            let (url, redactor) = (&url, &redactor);
            let request =
                Seen::Request { signs_in: false, method, url, headers, body: None, redactor };
            switch.see(n, request);
            n
        };
        let before = begin();
        let trace = Trace::start(&folder.path().join("t"), 4 << 20, "repl", "").unwrap();
        assert!(switch.set(Some(trace.watch(redactor.clone()))).is_none());
        let during = begin();
        switch.see(before, Seen::Sent);
        switch.see(before, Seen::End);
        switch.see(during, Seen::Sent);
        switch.message(Side::Client, &Bytes::from_static(b"{}"));
        switch.set(None).unwrap().end(Duration::from_secs(30));
        switch.message(Side::Client, &Bytes::from_static(b"{}"));
        let text = std::fs::read_to_string(folder.path().join("t")).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].to_string()
            })
            .collect();
        assert_eq!(kinds, ["\"start\"", "\"request\"", "\"sent\"", "\"message\""]);
    }
}
