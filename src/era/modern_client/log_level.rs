//! Log levels: 2026-07-28 has one for each request (server/utilities/logging), a legacy session one
//! for all (`logging/setLevel`).
//!
//! The session gets the lowest level that an open request asks for. It is lowered before such a
//! request is sent, and raised with a later one, or when nobody has asked for a while.

use super::sessions::Waiting;
use super::{Action, Alarm, Asked, Link, ModernClient};
use crate::era::revisions::LOG_LEVELS;
use crate::jsonrpc::{Message, member};
use crate::limits::LOG_LEVEL_KEPT;

/// The level of one session; levels are places in [`LOG_LEVELS`].
#[derive(Debug, Default)]
pub(super) struct Level {
    /// What the server was last told; none before the first time.
    told: Option<usize>,
    /// It has not answered yet.
    telling: Option<Change>,
    /// Calls that are sent when it has.
    held: Vec<u64>,
    /// The alarm is set that raises the level.
    quieting: bool,
}

/// What the unanswered `logging/setLevel` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Calls wait for it, or they might miss messages.
    Lowered,
    Raised,
}

impl ModernClient {
    /// Whether a call must wait until the server has lowered its level; if so, it is sent then.
    pub(super) fn waits_for_level(&mut self, number: u64, actions: &mut Vec<Action>) -> bool {
        let Some((link, level)) = self.calls.get(&number).map(|call| (call.link, call.level))
        else {
            return false;
        };
        let Some(level) = level else { return false };
        self.tune(link, actions);
        let Some(state) = self.level(link) else { return false };
        let waits = match state.telling {
            None => false,
            Some(Change::Lowered) => true,
            Some(Change::Raised) => state.told.is_some_and(|told| level < told),
        };
        if waits {
            state.held.push(number);
        }
        waits
    }

    /// Tells the server the level that its open calls want, where it is another.
    pub(super) fn tune(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(wanted) = self.wanted(link) else { return };
        if self
            .level(link)
            .is_some_and(|level| level.telling.is_none() && level.told != Some(wanted))
        {
            self.tell(link, wanted, actions);
        }
    }

    /// The server has answered `logging/setLevel`. What it said is not for the client: if it does not
    /// know the method, it has nothing to log.
    pub(super) fn level_set(&mut self, link: Link, actions: &mut Vec<Action>) {
        let wanted = self.wanted(link);
        let Some(level) = self.level(link) else { return };
        level.telling = None;
        // A call that came meanwhile may want more.
        if let Some(wanted) = wanted
            && level.told.is_some_and(|told| wanted < told)
        {
            return self.tell(link, wanted, actions);
        }
        for number in std::mem::take(&mut level.held) {
            self.send(number, actions);
        }
        self.quiet_later(link, actions);
    }

    /// A log message of the server is for the client if the open request that it came for asks for its
    /// level, or any where that is not known.
    pub(super) fn logged(
        &self,
        link: Link,
        message: &Message,
        during: Option<u64>,
        actions: &mut Vec<Action>,
    ) {
        let level = member::lookup_string(message.bytes(), &["params", "level"]);
        let level = level.and_then(|level| LOG_LEVELS.iter().position(|known| *known == level));
        let wanted = match during {
            None => self.wanted(link),
            Some(number) => {
                let call = self.calls.get(&number).filter(|call| call.client().is_some());
                call.and_then(|call| call.level)
            }
        };
        if wanted.is_some_and(|wanted| level.unwrap_or_default() >= wanted) {
            actions.push(Action::ToClient(message.bytes().clone()));
        }
    }

    /// A request is over: when it was the last that asked for messages, the level is raised in a
    /// while.
    pub(super) fn quiet_later(&mut self, link: Link, actions: &mut Vec<Action>) {
        if self.wanted(link).is_some() {
            return;
        }
        let Some(level) = self.level(link) else { return };
        let talks = level.told.is_some_and(|told| told + 1 < LOG_LEVELS.len());
        if talks && !level.quieting {
            level.quieting = true;
            self.wake_after(LOG_LEVEL_KEPT, Alarm::Quiet(link), actions);
        }
    }

    /// Raises the level if nobody asks for messages.
    pub(super) fn quiet(&mut self, link: Link, actions: &mut Vec<Action>) {
        let asked_for = self.wanted(link).is_some();
        let Some(level) = self.level(link) else { return };
        level.quieting = false;
        let highest = LOG_LEVELS.len() - 1;
        if !asked_for && level.telling.is_none() && level.told != Some(highest) {
            self.tell(link, highest, actions);
        }
    }

    /// A call that was held is gone.
    pub(super) fn no_longer_waits(&mut self, number: u64, link: Link) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.forget(&Waiting::Call(number));
        if let Some(ready) = session.ready_mut() {
            ready.level.held.retain(|held| *held != number);
        }
    }

    fn tell(&mut self, link: Link, wanted: usize, actions: &mut Vec<Action>) {
        if let Some(level) = self.level(link) {
            let raised = level.told.is_some_and(|told| told < wanted);
            level.telling = Some(if raised { Change::Raised } else { Change::Lowered });
            level.told = Some(wanted);
        }
        let params = format!(r#"{{"level":"{}"}}"#, LOG_LEVELS[wanted]);
        self.ask(Asked::Level(link), &params, actions);
    }

    /// The lowest level that a request asks for which waits for its answer.
    fn wanted(&self, link: Link) -> Option<usize> {
        let calls = self.calls.values().filter(|call| call.link == link && call.client().is_some());
        calls.filter_map(|call| call.level).min()
    }

    /// The level of a session whose server can be told one.
    fn level(&mut self, link: Link) -> Option<&mut Level> {
        let ready = self.sessions.get_mut(&link)?.ready_mut()?;
        ready.about.logging.then_some(&mut ready.level)
    }
}
