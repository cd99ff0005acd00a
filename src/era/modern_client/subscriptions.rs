//! Resources that a session is subscribed to (`resources/subscribe`), each once for all
//! `subscriptions/listen` requests that want it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Action, Asked, Link, ModernClient};
use crate::limits::{MAX_SUBSCRIPTIONS, REPEATED_AT_ONCE};

/// The subscriptions of one session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_uri: HashMap<String, Subscription>,
    /// What is to be subscribed to when fewer requests are on their way.
    queue: VecDeque<String>,
    /// `resources/subscribe` requests that are unanswered.
    on_their_way: usize,
}

#[derive(Debug)]
struct Subscription {
    /// The URI as JSON, as the client spelled it first.
    raw: String,
    stage: Stage,
    /// Who wants it.
    listens: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server is to be asked.
    Queued,
    /// It has been asked, and has not answered.
    Asked,
    Active,
    /// `resources/unsubscribe` is unanswered. Who wants the resource meanwhile must wait: the two
    /// requests could overtake each other.
    Ending,
}

/// What became of the wish for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Granted,
    Refused,
    Pending,
}

impl ModernClient {
    /// `listen` wants `uri`, which is `raw` as JSON.
    pub(super) fn wish(&mut self, link: Link, uri: &str, raw: &str, listen: u64) -> Wish {
        let Some(all) = self.subscriptions(link) else { return Wish::Refused };
        if let Some(one) = all.by_uri.get_mut(uri) {
            one.listens.insert(listen);
            return if one.stage == Stage::Active { Wish::Granted } else { Wish::Pending };
        }
        if all.by_uri.len() >= MAX_SUBSCRIPTIONS {
            log::warn!("{MAX_SUBSCRIPTIONS} resources are subscribed to already");
            return Wish::Refused;
        }
        let listens = BTreeSet::from([listen]);
        let one = Subscription { raw: raw.to_owned(), stage: Stage::Queued, listens };
        all.by_uri.insert(uri.to_owned(), one);
        all.queue.push_back(uri.to_owned());
        Wish::Pending
    }

    /// `listen` no longer wants `uri`.
    pub(super) fn unwish(&mut self, link: Link, uri: &str, listen: u64, actions: &mut Vec<Action>) {
        let Some(all) = self.subscriptions(link) else { return };
        let Some(one) = all.by_uri.get_mut(uri) else { return };
        one.listens.remove(&listen);
        if !one.listens.is_empty() {
            return;
        }
        match one.stage {
            Stage::Queued => {
                all.by_uri.remove(uri);
                all.queue.retain(|queued| queued != uri);
            }
            Stage::Active => self.unsubscribe(link, uri, actions),
            Stage::Asked | Stage::Ending => {}
        }
    }

    /// Sends `resources/subscribe` for what is queued, a few at a time.
    pub(super) fn subscribe_queued(&mut self, link: Link, actions: &mut Vec<Action>) {
        loop {
            let Some(all) = self.subscriptions(link) else { return };
            if all.on_their_way >= REPEATED_AT_ONCE {
                return;
            }
            let Some(uri) = all.queue.pop_front() else { return };
            let Some(one) = all.by_uri.get_mut(&uri) else { continue };
            one.stage = Stage::Asked;
            all.on_their_way += 1;
            let params = format!(r#"{{"uri":{}}}"#, one.raw);
            self.ask(Asked::Subscribe(link, uri), &params, actions);
        }
    }

    /// The server does not answer: what waits for its turn need not wait for that.
    pub(super) fn refuse_queued(&mut self, link: Link, actions: &mut Vec<Action>) {
        let Some(all) = self.subscriptions(link) else { return };
        for uri in std::mem::take(&mut all.queue) {
            let Some(all) = self.subscriptions(link) else { return };
            let Some(one) = all.by_uri.remove(&uri) else { continue };
            for listen in one.listens {
                self.wish_decided(listen, &uri, false, actions);
            }
        }
    }

    /// The server has decided on `resources/subscribe`.
    pub(super) fn subscribed(
        &mut self,
        link: Link,
        uri: &str,
        granted: bool,
        actions: &mut Vec<Action>,
    ) {
        let Some(all) = self.subscriptions(link) else { return };
        all.on_their_way -= 1;
        let mut waiting = BTreeSet::new();
        if let Some(one) = all.by_uri.get_mut(uri) {
            one.stage = Stage::Active;
            waiting = one.listens.clone();
        }
        if !granted {
            log::debug!("the server refused a subscription to a resource");
            all.by_uri.remove(uri);
        } else if waiting.is_empty() {
            self.unsubscribe(link, uri, actions);
        }
        for listen in waiting {
            self.wish_decided(listen, uri, granted, actions);
        }
        self.subscribe_queued(link, actions);
    }

    /// The server has answered `resources/unsubscribe`.
    pub(super) fn unsubscribed(&mut self, link: Link, uri: &str, actions: &mut Vec<Action>) {
        let Some(all) = self.subscriptions(link) else { return };
        if let Some(one) = all.by_uri.get_mut(uri) {
            if one.listens.is_empty() {
                all.by_uri.remove(uri);
            } else {
                one.stage = Stage::Queued;
                all.queue.push_back(uri.to_owned());
            }
        }
        self.subscribe_queued(link, actions);
    }

    fn unsubscribe(&mut self, link: Link, uri: &str, actions: &mut Vec<Action>) {
        let one = self.subscriptions(link).and_then(|all| all.by_uri.get_mut(uri));
        let Some(one) = one else { return };
        one.stage = Stage::Ending;
        let params = format!(r#"{{"uri":{}}}"#, one.raw);
        self.ask(Asked::Unsubscribe(link, uri.to_owned()), &params, actions);
    }

    fn subscriptions(&mut self, link: Link) -> Option<&mut Subscriptions> {
        Some(&mut self.sessions.get_mut(&link)?.ready_mut()?.subscriptions)
    }
}
