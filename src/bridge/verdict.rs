//! Which era a server is of, as far as that is known: by a flag, from an earlier start, or since it
//! was asked. Kept for each server URL, without anything secret, until it expires or is contradicted
//! (2026-07-28, basic/versioning, "Backward Compatibility with Initialization-Based Versions").

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::unix as now;
use crate::era::Era;
use crate::json;
use crate::jsonrpc::member;
use crate::limits::{LEGACY_KEPT, MODERN_KEPT};

/// The kind of entry in the cache.
const ERA: &str = "era";

/// What `--protocol` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The server is asked.
    #[default]
    Auto,
    /// The server speaks this era, whatever it says.
    Only(Era),
}

/// The era of one server.
pub struct Verdict {
    protocol: Protocol,
    cache: Option<Cache>,
    /// The server's URL.
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    era: Option<Era>,
    /// A legacy server is spoken to by HTTP+SSE.
    sse: bool,
    /// It was not asked by this process.
    remembered: bool,
    looked: bool,
    kept: bool,
}

impl Verdict {
    /// Nothing is known yet; `cache` is looked at when somebody asks.
    pub fn new(protocol: Protocol, cache: Option<Cache>, name: String) -> Verdict {
        Verdict { protocol, cache, name, state: Mutex::default() }
    }

    /// What was typed.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The era, if it is known.
    pub fn known(&self) -> Option<Era> {
        if let Protocol::Only(era) = self.protocol {
            return Some(era);
        }
        let mut state = self.state();
        if !std::mem::replace(&mut state.looked, true)
            && let Some((era, sse)) = self.read()
        {
            (state.era, state.sse) = (Some(era), sse);
            (state.remembered, state.kept) = (true, true);
        }
        state.era
    }

    /// Whether the era is known only from an earlier start.
    pub fn is_remembered(&self) -> bool {
        self.state().remembered
    }

    /// Whether the server was spoken to by HTTP+SSE the last time.
    pub fn is_sse(&self) -> bool {
        self.state().sse
    }

    /// The server has shown its era. A modern one is kept at once; a legacy one when it has answered
    /// `initialize` ([`Verdict::confirm_legacy`]), because a wrong URL looks the same before.
    pub fn found(&self, era: Era) {
        {
            let mut state = self.state();
            if state.era == Some(era) && state.kept {
                state.remembered = false;
                return;
            }
            *state = State { era: Some(era), looked: true, ..State::default() };
        }
        if era == Era::Modern {
            self.keep("modern", MODERN_KEPT);
        }
    }

    /// The server has answered `initialize`, over HTTP+SSE or not.
    pub fn confirm_legacy(&self, sse: bool) {
        {
            let mut state = self.state();
            if state.era != Some(Era::Legacy) || (state.kept && state.sse == sse) {
                return;
            }
            state.sse = sse;
        }
        self.keep(if sse { "sse" } else { "legacy" }, LEGACY_KEPT);
    }

    /// The server has shown that it is of another era than was known.
    pub fn contradicted(&self) {
        *self.state() = State { looked: true, ..State::default() };
        if let Some(cache) = &self.cache {
            cache.remove(ERA, &self.name);
        }
    }

    fn read(&self) -> Option<(Era, bool)> {
        let kept = self.cache.as_ref()?.get(ERA, &self.name)?;
        let until: u64 = member::lookup(&kept, &["until"])?.parse().ok()?;
        let now = now();
        // An entry from the far future is of a clock that was wrong.
        if until <= now || until > now + MODERN_KEPT.as_secs() {
            return None;
        }
        match member::lookup_string(&kept, &["era"])?.as_str() {
            "legacy" => Some((Era::Legacy, false)),
            "sse" => Some((Era::Legacy, true)),
            "modern" => Some((Era::Modern, false)),
            _ => None,
        }
    }

    fn keep(&self, era: &str, time: Duration) {
        self.state().kept = true;
        if let (Some(cache), Protocol::Auto) = (&self.cache, self.protocol) {
            let entry = json!({ "era": era, "until": now() + time.as_secs() });
            cache.put(ERA, &self.name, entry.to_string().as_bytes());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(cache: &Cache) -> Verdict {
        Verdict::new(Protocol::Auto, Some(cache.clone()), "https://h.example/mcp".into())
    }

    #[test]
    fn a_verdict_is_kept_until_it_is_contradicted() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        let first = verdict(&cache);
        assert_eq!(first.known(), None);
        first.found(Era::Modern);
        assert!(!first.is_remembered());
        let second = verdict(&cache);
        assert_eq!(second.known(), Some(Era::Modern));
        assert!(second.is_remembered());
        second.contradicted();
        assert_eq!(second.known(), None);
        assert_eq!(verdict(&cache).known(), None);
    }

    #[test]
    fn a_legacy_server_is_remembered_once_it_has_answered() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        let first = verdict(&cache);
        first.confirm_legacy(false);
        first.found(Era::Legacy);
        assert_eq!(verdict(&cache).known(), None);
        first.confirm_legacy(false);
        assert_eq!(verdict(&cache).known(), Some(Era::Legacy));
        let second = verdict(&cache);
        assert!(second.known().is_some() && !second.is_sse());
        second.confirm_legacy(true);
        let third = verdict(&cache);
        assert_eq!((third.known(), third.is_sse()), (Some(Era::Legacy), true));
    }

    #[test]
    fn expired_and_damaged_entries_are_none() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        for text in [
            format!(r#"{{"era":"modern","until":{}}}"#, now() - 1),
            format!(r#"{{"era":"modern","until":{}}}"#, now() + 10 * MODERN_KEPT.as_secs()),
            format!(r#"{{"era":"future","until":{}}}"#, now() + 60),
            r#"{"era":"modern"}"#.into(),
            "x".into(),
        ] {
            cache.put(ERA, "https://h.example/mcp", text.as_bytes());
            assert_eq!(verdict(&cache).known(), None, "{text}");
        }
    }

    #[test]
    fn a_flag_decides_alone() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::new(home.path().join("cache"));
        let forced = Verdict::new(
            Protocol::Only(Era::Legacy),
            Some(cache.clone()),
            "https://h.example/mcp".into(),
        );
        assert_eq!(forced.known(), Some(Era::Legacy));
        forced.found(Era::Modern);
        assert_eq!(forced.known(), Some(Era::Legacy));
        assert_eq!(verdict(&cache).known(), None);
    }
}
