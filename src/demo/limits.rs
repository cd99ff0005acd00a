//! The bounds within which the demo server works: nothing a client does grows without end.

use std::time::Duration;

/// Every bound of the server in one place; the tests tighten single ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// TCP connections served at once; further ones wait to be accepted.
    pub connections: usize,
    /// Bytes of one POST body; a larger one gets 413.
    pub message_bytes: usize,
    /// How long a POST body may take to arrive; a slower one gets 408.
    pub message_time: Duration,
    /// Messages in one batch (revision 2025-03-26 only).
    pub batch: usize,
    /// Sessions at once. A new one displaces the least recently used one without an open
    /// connection; if there is none, it gets 503.
    pub sessions: usize,
    /// How long a session without open connection or running call lives without being used.
    pub session_idle: Duration,
    /// Tool calls running at once in one session; a further one gets 429.
    pub calls: usize,
    /// Tools that `add_tool` can add to one session.
    pub added_tools: usize,
    /// Events kept for replay on one stream. The newest one is always kept.
    pub stream_events: usize,
    /// Bytes of events kept for replay on one stream. The newest event is always kept.
    pub stream_bytes: usize,
    /// Completed streams kept for replay in one session. The newest one is always kept.
    pub kept_streams: usize,
    /// Bytes of completed streams kept for replay in one session.
    pub kept_bytes: usize,
    /// How long a tool waits for the client to answer a question.
    pub client_answer: Duration,
    /// How often an otherwise silent stream says `: keep-alive`.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            message_bytes: 4 * 1024 * 1024,
            message_time: Duration::from_secs(30),
            batch: 64,
            sessions: 64,
            session_idle: Duration::from_secs(10 * 60),
            calls: 64,
            added_tools: 16,
            stream_events: 4096,
            stream_bytes: 1024 * 1024,
            kept_streams: 128,
            kept_bytes: 4 * 1024 * 1024,
            client_answer: Duration::from_secs(120),
            keep_alive: Duration::from_secs(15),
        }
    }
}
