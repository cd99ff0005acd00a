//! `subscriptions/listen` (2026-07-28, basic/patterns/subscriptions), served from what a legacy
//! session announces.

use serde_json::Value;

use super::envelope::{Envelope, Refusal};
use super::sessions::Waiting;
use super::subscriptions::Wish;
use super::{Action, Link, ModernClient, Place, incoming};
use crate::era::lists::LISTS;
use crate::jsonrpc::splice::elements;
use crate::jsonrpc::{INVALID_PARAMS, Id, Message, member};
use crate::limits::MAX_EARLY_NOTIFICATIONS;

/// A resource has changed.
const UPDATED: &str = "notifications/resources/updated";

/// One open subscription.
#[derive(Debug)]
pub(super) struct Listen {
    /// The request that opened it, and the id of the subscription.
    pub(super) id: Id,
    pub(super) link: Link,
    /// Which of [`LISTS`]: wanted, and after the acknowledgement granted.
    lists: [bool; 3],
    resources: Vec<Resource>,
    /// The client has been told what is granted.
    acknowledged: bool,
    /// What came before that, each kind and resource once.
    early: Vec<Early>,
}

/// A resource that a subscription wants to hear of.
#[derive(Debug)]
struct Resource {
    uri: String,
    /// The URI as the client spelled it, as JSON.
    raw: String,
    /// As far as it is known, whether the server agreed.
    granted: Option<bool>,
}

#[derive(Debug)]
struct Early {
    method: Box<str>,
    uri: Option<String>,
    message: Message,
}

/// Whether a notification of a legacy server is one that can be listened for.
pub(super) fn is_announcement(method: &str) -> bool {
    method == UPDATED || LISTS.iter().any(|list| list.notification == method)
}

impl Listen {
    fn new(message: &Message, id: &Id, link: Link) -> Result<Listen, Refusal> {
        let bad = |text| Refusal::new(INVALID_PARAMS, text);
        let filter = member::lookup(message.bytes(), &["params", "notifications"])
            .filter(|text| text.starts_with('{'))
            .ok_or_else(|| bad("params.notifications must be an object"))?;
        let lists = LISTS.map(|list| member::is_true(filter.as_bytes(), &[list.filter]));
        let mut resources: Vec<Resource> = Vec::new();
        let uris = member::lookup(filter.as_bytes(), &["resourceSubscriptions"]);
        if let Some(uris) = uris.filter(|text| *text != "null") {
            let bad = || bad("params.notifications.resourceSubscriptions must be URIs");
            let mut seen = std::collections::HashSet::new();
            for raw in elements(uris).ok_or_else(bad)? {
                let uri: String = serde_json::from_str(raw).map_err(|_| bad())?;
                if seen.insert(uri.clone()) {
                    resources.push(Resource { uri, raw: raw.to_owned(), granted: None });
                }
            }
        }
        let (id, early) = (id.clone(), Vec::new());
        Ok(Listen { id, link, lists, resources, acknowledged: false, early })
    }

    /// Whether the client asked for such a notification. An update may be about a part of a resource
    /// that was subscribed to (schema, `ResourceUpdatedNotification`).
    fn wants(&self, method: &str, uri: Option<&str>) -> bool {
        if let Some(list) = LISTS.iter().position(|list| list.notification == method) {
            return self.lists[list];
        }
        let refused = |resource: &&Resource| resource.granted == Some(false);
        let resources = self.resources.iter().filter(|resource| !refused(resource));
        uri.is_some_and(|uri| resources.into_iter().any(|one| is_within(uri, &one.uri)))
    }

    /// The filter of what is granted, as JSON.
    fn granted(&self) -> String {
        let lists = LISTS.iter().zip(self.lists).filter(|(_, granted)| *granted);
        let mut parts: Vec<String> =
            lists.map(|(list, _)| format!(r#""{}":true"#, list.filter)).collect();
        let granted = self.resources.iter().filter(|resource| resource.granted == Some(true));
        let uris: Vec<&str> = granted.map(|resource| &*resource.raw).collect();
        if !uris.is_empty() {
            parts.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
        }
        format!("{{{}}}", parts.join(","))
    }
}

/// Whether `uri` is `whole` or below it.
fn is_within(uri: &str, whole: &str) -> bool {
    uri.strip_prefix(whole).is_some_and(|rest| {
        rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '?', '#'])
    })
}

impl ModernClient {
    /// Opens a subscription.
    ///
    /// # Errors
    /// -32602 for a filter that is none.
    pub(super) fn listen(
        &mut self,
        message: &Message,
        id: &Id,
        envelope: &Envelope,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let mut listen = Listen::new(message, id, Link(0))?;
        let link = self.session_for(envelope, actions);
        listen.link = link;
        let number = self.number();
        self.listens.insert(number, listen);
        self.open.insert(id.key(), Place::Listen(number));
        self.begin(Waiting::Listen(number), link, actions);
        Ok(())
    }

    /// Subscribes to the resources of a subscription whose session is open.
    pub(super) fn subscribe_all(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(listen) = self.listens.get_mut(&number) else { return };
        let link = listen.link;
        let Some(about) = self.sessions.get(&link).and_then(|s| s.ready()).map(|r| &r.about) else {
            return;
        };
        let subscribe = about.subscribe;
        for (wanted, offered) in listen.lists.iter_mut().zip(about.list_changed) {
            *wanted &= offered;
        }
        let mut resources = std::mem::take(&mut listen.resources);
        for resource in &mut resources {
            let wish = match subscribe {
                true => self.wish(link, &resource.uri, &resource.raw, number),
                false => Wish::Refused,
            };
            resource.granted = match wish {
                Wish::Granted => Some(true),
                Wish::Refused => Some(false),
                Wish::Pending => None,
            };
        }
        if let Some(listen) = self.listens.get_mut(&number) {
            listen.resources = resources;
        }
        self.subscribe_queued(link, actions);
        self.acknowledge(number, actions);
    }

    /// The server has decided on a resource that a subscription wants.
    pub(super) fn wish_decided(
        &mut self,
        number: u64,
        uri: &str,
        granted: bool,
        actions: &mut Vec<Action>,
    ) {
        let Some(listen) = self.listens.get_mut(&number) else { return };
        for resource in listen.resources.iter_mut().filter(|resource| resource.uri == uri) {
            resource.granted = Some(granted);
        }
        self.acknowledge(number, actions);
    }

    /// Tells the client what is granted, as soon as all of it is known.
    fn acknowledge(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(listen) = self.listens.get_mut(&number) else { return };
        if listen.acknowledged || listen.resources.iter().any(|one| one.granted.is_none()) {
            return;
        }
        listen.acknowledged = true;
        let acknowledged = incoming::acknowledged(&listen.id, &listen.granted());
        actions.push(Action::ToClient(acknowledged));
        for early in std::mem::take(&mut listen.early) {
            if listen.wants(&early.method, early.uri.as_deref()) {
                actions.push(Action::ToClient(incoming::tagged(&early.message, &listen.id)));
            }
        }
    }

    /// Something of the server has changed: tells every subscription that wants to know.
    pub(super) fn announce(
        &mut self,
        link: Link,
        method: &str,
        message: &Message,
        actions: &mut Vec<Action>,
    ) {
        let uri = member::lookup(message.bytes(), &["params", "uri"])
            .and_then(|raw| serde_json::from_str::<Value>(raw).ok())
            .and_then(|uri| uri.as_str().map(str::to_owned))
            .filter(|_| method == UPDATED);
        for listen in self.listens.values_mut() {
            if listen.link != link || !listen.wants(method, uri.as_deref()) {
                continue;
            }
            if listen.acknowledged {
                actions.push(Action::ToClient(incoming::tagged(message, &listen.id)));
                continue;
            }
            let same = |early: &Early| *early.method == *method && early.uri == uri;
            if listen.early.len() < MAX_EARLY_NOTIFICATIONS && !listen.early.iter().any(same) {
                let (uri, message) = (uri.clone(), message.clone());
                listen.early.push(Early { method: method.into(), uri, message });
            }
        }
    }

    /// The client ends a subscription; nothing more is said about it.
    pub(super) fn stop_listening(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(listen) = self.listens.remove(&number) else { return };
        if let Some(session) = self.sessions.get_mut(&listen.link) {
            session.forget(&Waiting::Listen(number));
        }
        for resource in &listen.resources {
            self.unwish(listen.link, &resource.uri, number, actions);
        }
    }

    /// Ends every subscription in good order.
    pub(super) fn close_listens(&mut self, actions: &mut Vec<Action>) {
        for (number, listen) in std::mem::take(&mut self.listens) {
            self.open.remove(&listen.id.key());
            if let Some(session) = self.sessions.get_mut(&listen.link) {
                session.forget(&Waiting::Listen(number));
            }
            let closed = incoming::closed(&listen.id, self.server_info(listen.link));
            actions.push(Action::Answer(closed));
            // Both are asked for: this by basic/patterns/cancellation, in its introduction. Behind the
            // result it disturbs nobody.
            let cancelled = member::cancelled(&listen.id, "the subscription has ended");
            actions.push(Action::ToClient(cancelled));
        }
    }
}
