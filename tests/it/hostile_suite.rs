//! Peers that mean harm, a test for each thing that they do.
//!
//! Every case has a bound on its time and on the memory of the bridge ([`Case`]), and ends with the
//! same questions: is stdout nothing but messages, was every request answered exactly once, is stderr
//! free of panics, control characters and secrets, does the process end when stdin does?
//!
//! * [`framing`], [`sse`], [`json`], [`compression`]: what an HTTP response can be made of.
//! * [`sessions`], [`floods`], [`connections`]: what a server can do over time.
//! * [`modern`]: the same for servers without sessions.
//! * [`urls`]: every URL that a server can name, where it becomes a command, a file or a script.
//! * [`redirects`]: where requests are sent to on somebody's word.
//! * [`authorization`], [`tokens`]: refusals, metadata, and what authorization servers answer.
//! * [`callback`]: the listener that waits for the browser.
//! * [`parties`]: who hears what.
//! * [`raw`]: servers below HTTP.

mod authorization;
mod callback;
mod compression;
mod connections;
mod floods;
mod framing;
mod json;
mod modern;
mod parties;
mod raw;
mod redirects;
mod sessions;
mod sse;
mod tokens;
mod urls;

use std::time::{Duration, Instant};

use crate::support::bridge::{Builder, Exit};
use crate::support::*;

const MIB: usize = 1 << 20;

/// Part of a header that is configured for the MCP server, and for nobody else.
const SECRET: &str = "fake-key-of-the-suite-0123456789";

/// What a case may take. The figures are those of a debug build, whose idle bridge has some 30 MiB.
#[derive(Clone, Copy)]
struct Bounds {
    /// From the start to the end of the process. The cases take a second or less where nothing is
    /// said; the rest is for machines under load.
    time: Duration,
    /// The largest resident memory of the bridge, in bytes.
    memory: usize,
}

impl Bounds {
    /// What holds where nothing else is said. Messages are limited to 1 MiB.
    const USUAL: Bounds = Bounds { time: Duration::from_secs(60), memory: 56 * MIB };

    /// The same where a limit of the product that cannot be configured has to pass first.
    const fn after(limit: Duration) -> Bounds {
        Bounds {
            time: Duration::from_secs(Bounds::USUAL.time.as_secs() + limit.as_secs()),
            ..Bounds::USUAL
        }
    }

    const fn memory(mib: usize) -> Bounds {
        Bounds { memory: mib * MIB, ..Bounds::USUAL }
    }
}

/// A case under way.
struct Case {
    began: Instant,
    bounds: Bounds,
}

impl Case {
    fn new() -> Case {
        Case::within(Bounds::USUAL)
    }

    fn within(bounds: Bounds) -> Case {
        Case { began: Instant::now(), bounds }
    }

    /// Asserts that the bridge, which runs, has stayed within its memory.
    #[track_caller]
    fn weigh(&self, bridge: &Bridge) {
        #[cfg(target_os = "linux")]
        {
            let peak = bridge.peak_memory();
            eprintln!("{} KiB of memory", peak >> 10);
            assert!(peak < self.bounds.memory, "{} KiB of memory", peak >> 10);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = bridge;
    }

    /// Ends stdin, and asks what is asked of every case. What the client was told beside answers is in
    /// the rest of [`Exit`].
    #[track_caller]
    fn end(&self, bridge: Bridge) -> Exit {
        self.weigh(&bridge);
        let exit = bridge.finish();
        exit.code(0);
        self.judge(exit)
    }

    /// The same while these requests are unanswered: each gets an error of the end.
    #[track_caller]
    fn end_amid<T: std::fmt::Display>(
        &self,
        mut bridge: Bridge,
        open: impl IntoIterator<Item = T>,
    ) -> Exit {
        self.weigh(&bridge);
        bridge.close_stdin();
        for id in open {
            assert!(bridge.answer(id).is_error);
        }
        let exit = bridge.wait();
        // 6 where something was still under way, and may have been carried out.
        assert!(matches!(exit.code, Some(0 | 6)), "{:?}: {}", exit.code, exit.stderr);
        self.judge(exit)
    }

    #[track_caller]
    fn judge(&self, exit: Exit) -> Exit {
        // Each answer that was asked for has been taken: this one is a second one, or nobody's.
        let answer = exit.rest.iter().find(|line| line.method.is_none());
        assert!(answer.is_none(), "an answer too many: {answer:?}");
        self.look_at(&exit.stderr);
        let told = exit.rest.iter().find(|line| line.text.contains(SECRET));
        assert!(told.is_none(), "the client is told a secret");
        exit
    }

    /// What is asked of stderr, and of the time.
    #[track_caller]
    fn look_at(&self, stderr: &str) {
        assert!(!stderr.contains("panicked"), "{stderr}");
        let raw = stderr.lines().find(|line| line.chars().any(char::is_control));
        assert_eq!(raw, None, "control characters on stderr");
        assert!(!stderr.contains(SECRET), "a secret on stderr");
        let took = self.began.elapsed();
        assert!(took < self.bounds.time, "it took {took:?}");
    }
}

/// The bridge to a server, with a secret for it, and as loud as can be.
fn victim(url: &str) -> Builder {
    armed(Bridge::with(url))
}

/// What a victim has beside its URL.
fn armed(builder: Builder) -> Builder {
    builder
        .header(&format!("X-Key: {SECRET}"))
        .arg("-vv")
        .arg("--max-message-size=1MiB")
        .arg("--drain-timeout=500ms")
}

/// What the client is to see of an answer.
enum Seen {
    /// It, byte for byte.
    Itself(String),
    /// A result.
    Result,
    /// One of our errors, of one of these kinds.
    Failed(&'static [&'static str]),
    /// Whatever: one answer.
    One,
}

/// The kinds of error for what is no proper answer.
const NO_ANSWER: Seen = Seen::Failed(&["invalid_response", "stream_lost"]);

/// A `tools/call` with id 1 is answered with `reply`. Afterwards the bridge serves on.
#[track_caller]
fn answered(reply: Reply, seen: Seen) {
    answered_within(Bounds::USUAL, reply, seen);
}

#[track_caller]
fn answered_within(bounds: Bounds, reply: Reply, seen: Seen) {
    let case = Case::within(bounds);
    let server = Server::start();
    server.once("tools/call", reply);
    let bridge = victim(&server.url()).arg("--resume-timeout=1s").ready(&server);
    let answer = bridge.ask(1, "tools/call");
    eprintln!("{answer}");
    match seen {
        Seen::Itself(text) => assert!(answer.text == text, "{answer}"),
        Seen::Result => drop(answer.result()),
        Seen::Failed(kinds) => {
            let kind = answer.value()["error"]["data"]["kind"].as_str().map(str::to_owned);
            let kind = kind.unwrap_or_else(|| panic!("no error of ours: {answer}"));
            assert!(kinds.contains(&kind.as_str()), "{answer}");
            answer.failed(&kind);
        }
        Seen::One => {}
    }
    bridge.ask("\"after\"", "tools/list").result();
    case.end(bridge);
}

/// A test for each answer: its name, the reply, and what is seen of it.
macro_rules! answers {
    ($($(#[$said:meta])* $name:ident: $reply:expr => $seen:expr;)*) => {$(
        $(#[$said])*
        #[test]
        fn $name() {
            $crate::hostile_suite::answered($reply, $seen);
        }
    )*};
}
use answers;

/// Pushes `chunk` into a stream from another thread until it is no longer taken, or `most` bytes were;
/// then `last`. Gives how many bytes went.
fn pour(feed: &Feed, chunk: Vec<u8>, most: usize, last: Vec<u8>) -> std::thread::JoinHandle<usize> {
    let feed = feed.clone();
    let chunk = bytes::Bytes::from(chunk);
    std::thread::spawn(move || {
        let times = most.div_ceil(chunk.len());
        let sent = (0..times).take_while(|_| feed.send(chunk.clone())).count();
        if sent == times && !last.is_empty() {
            feed.send(last);
        }
        sent * chunk.len()
    })
}
