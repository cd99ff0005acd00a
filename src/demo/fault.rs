//! The faults that `mcp-tether demo --fault` can simulate.
//!
//! A fault is something real servers and the networks in front of them do. [`Fault`] is one of
//! them as spelled on the command line, [`FaultPlan`] the set in force together with its counters.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The reconnection delay that `close-streams` announces in the `retry` field.
pub const CLOSE_RETRY: Duration = Duration::from_millis(500);

/// One simulated fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `drop-streams`: every answer stream of a POST is cut once, as by a broken network: the
    /// first, third, fifth ... right after the priming event, the others after their first
    /// message (in revisions without priming events, all after their first message). The client
    /// must resume with GET and `Last-Event-ID` to see the rest.
    DropStreams,
    /// `close-streams`: every answer stream of a POST is closed in good order right after its
    /// priming event, which carries `retry: 500`; the answer is to be had only by resuming. Takes
    /// precedence over `drop-streams`. Without effect on sessions of revisions that have no
    /// priming events.
    CloseStreams,
    /// `forget-sessions=N`: after every N requests all sessions are forgotten, as by a restart;
    /// the next request gets 404. `initialize` does not count. Calls already accepted still finish
    /// on their open connections.
    ForgetSessions(NonZeroU64),
    /// `unavailable=N`: every Nth POST is answered with 503 and `Retry-After: 1`.
    Unavailable(NonZeroU64),
    /// `no-get`: GET is answered with 405, so there is neither a standalone stream nor resumption.
    NoGet,
    /// `json-only`: every answer is a single JSON document, never a stream. What a call wants to
    /// say before its answer goes to the standalone stream.
    JsonOnly,
}

impl Fault {
    /// Name, argument and one-line meaning of every fault, for help texts.
    pub const HELP: &[(&str, &str)] = &[
        ("drop-streams", "cut every answer stream once, as a broken network does"),
        ("close-streams", "close every answer stream after its first event, with 'retry: 500'"),
        ("forget-sessions=N", "forget all sessions after every N requests (404)"),
        ("unavailable=N", "answer every Nth POST with 503 and 'Retry-After: 1'"),
        ("no-get", "answer GET with 405: no standalone stream, no resumption"),
        ("json-only", "answer with JSON only, never with a stream"),
    ];
}

/// A `--fault` argument that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultParseError {
    /// The name is not known.
    #[error("unknown fault '{0}'; known are {known}", known = known_names())]
    Unknown(String),
    /// The fault needs a count and has none, or one that is not a whole number above zero.
    #[error("fault '{0}' needs a whole number above zero, as in '{0}=3'")]
    Count(&'static str),
    /// The fault takes no argument but was given one.
    #[error("fault '{0}' takes no argument")]
    Argument(&'static str),
}

fn known_names() -> String {
    let names: Vec<&str> = Fault::HELP.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let plain = |fault: Fault, name: &'static str| match argument {
            None => Ok(fault),
            Some(_) => Err(FaultParseError::Argument(name)),
        };
        let count = |name: &'static str| {
            argument.and_then(|digits| digits.parse().ok()).ok_or(FaultParseError::Count(name))
        };
        match name {
            "drop-streams" => plain(Self::DropStreams, "drop-streams"),
            "close-streams" => plain(Self::CloseStreams, "close-streams"),
            "forget-sessions" => Ok(Self::ForgetSessions(count("forget-sessions")?)),
            "unavailable" => Ok(Self::Unavailable(count("unavailable")?)),
            "no-get" => plain(Self::NoGet, "no-get"),
            "json-only" => plain(Self::JsonOnly, "json-only"),
            _ => Err(FaultParseError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropStreams => f.write_str("drop-streams"),
            Self::CloseStreams => f.write_str("close-streams"),
            Self::ForgetSessions(n) => write!(f, "forget-sessions={n}"),
            Self::Unavailable(n) => write!(f, "unavailable={n}"),
            Self::NoGet => f.write_str("no-get"),
            Self::JsonOnly => f.write_str("json-only"),
        }
    }
}

/// How the connection that carries a POST's answer stream is to end before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is not: the connection lives until the stream is complete.
    Never,
    /// Aborted after this many events.
    Abort(u64),
    /// Closed in good order after this many events.
    Close(u64),
}

/// The faults in force, with the counters that the periodic ones need.
#[derive(Debug, Default)]
pub struct FaultPlan {
    drop_streams: bool,
    close_streams: bool,
    forget_every: Option<NonZeroU64>,
    unavailable_every: Option<NonZeroU64>,
    /// GET is refused.
    pub no_get: bool,
    /// No answer is streamed.
    pub json_only: bool,
    requests: AtomicU64,
    posts: AtomicU64,
    streams: AtomicU64,
}

impl FaultPlan {
    /// Combines the given faults; of a fault given twice the last one counts.
    pub fn new(faults: &[Fault]) -> Self {
        let mut plan = Self::default();
        for fault in faults {
            match *fault {
                Fault::DropStreams => plan.drop_streams = true,
                Fault::CloseStreams => plan.close_streams = true,
                Fault::ForgetSessions(n) => plan.forget_every = Some(n),
                Fault::Unavailable(n) => plan.unavailable_every = Some(n),
                Fault::NoGet => plan.no_get = true,
                Fault::JsonOnly => plan.json_only = true,
            }
        }
        plan
    }

    /// Counts a POST; true if this one is to be answered with 503.
    pub fn post_is_unavailable(&self) -> bool {
        self.unavailable_every.is_some_and(|n| {
            (self.posts.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(n.get())
        })
    }

    /// Counts a request; true if all sessions are to be forgotten before it is looked at.
    ///
    /// The request that finds its session forgotten is the first of the next round only when it
    /// comes again, so with any N a client that starts anew gets N requests through.
    pub fn request_forgets_sessions(&self) -> bool {
        let Some(n) = self.forget_every else {
            return false;
        };
        let before = self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            Some(if count >= n.get() { 0 } else { count + 1 })
        });
        before.is_ok_and(|count| count >= n.get())
    }

    /// Decides how the first connection of the next POST stream ends. `priming` tells whether the
    /// stream begins with a priming event.
    pub fn next_cut(&self, priming: bool) -> Cut {
        if self.close_streams && priming {
            Cut::Close(1)
        } else if self.drop_streams {
            let number = self.streams.fetch_add(1, Ordering::Relaxed);
            Cut::Abort(if priming && number % 2 == 1 { 2 } else { 1 })
        } else {
            Cut::Never
        }
    }

    /// What the priming event says in its `retry` field, if anything.
    pub fn priming_retry(&self) -> Option<Duration> {
        self.close_streams.then_some(CLOSE_RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_survives_a_round_trip_through_its_spelling() {
        for text in [
            "drop-streams",
            "close-streams",
            "forget-sessions=5",
            "unavailable=3",
            "no-get",
            "json-only",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn wrong_spellings_are_refused_with_the_reason() {
        for text in ["forget-sessions", "forget-sessions=", "forget-sessions=0"] {
            assert_eq!(text.parse::<Fault>(), Err(FaultParseError::Count("forget-sessions")));
        }
        assert_eq!("unavailable=-1".parse::<Fault>(), Err(FaultParseError::Count("unavailable")));
        assert_eq!("no-get=1".parse::<Fault>(), Err(FaultParseError::Argument("no-get")));
        let unknown = "lose-everything".parse::<Fault>().unwrap_err().to_string();
        assert!(unknown.contains("lose-everything"), "{unknown}");
        assert!(unknown.contains("drop-streams"), "{unknown}");
    }

    #[test]
    fn every_third_post_is_unavailable() {
        let plan = FaultPlan::new(&["unavailable=3".parse().unwrap()]);
        let seen: Vec<bool> = (0..6).map(|_| plan.post_is_unavailable()).collect();
        assert_eq!(seen, [false, false, true, false, false, true]);
    }

    #[test]
    fn sessions_are_forgotten_after_n_requests_and_n_more_get_through() {
        let plan = FaultPlan::new(&["forget-sessions=2".parse().unwrap()]);
        let seen: Vec<bool> = (0..6).map(|_| plan.request_forgets_sessions()).collect();
        assert_eq!(seen, [false, false, true, false, false, true]);
        assert!(!FaultPlan::new(&[]).request_forgets_sessions());
    }

    #[test]
    fn cuts_alternate_and_closing_takes_precedence() {
        let plan = FaultPlan::new(&[Fault::DropStreams]);
        assert_eq!(plan.next_cut(true), Cut::Abort(1));
        assert_eq!(plan.next_cut(true), Cut::Abort(2));
        assert_eq!(plan.next_cut(false), Cut::Abort(1));
        let plan = FaultPlan::new(&[Fault::DropStreams, Fault::CloseStreams]);
        assert_eq!(plan.next_cut(true), Cut::Close(1));
        assert_eq!(plan.next_cut(false), Cut::Abort(1));
        assert_eq!(FaultPlan::new(&[]).next_cut(true), Cut::Never);
    }
}
