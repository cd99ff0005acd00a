//! The steps of a check behind the first answer: the bridge itself, with a small client in front.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::report::{self, Verdict};
use super::walk::Walk;
use crate::auth::Authorizer;
use crate::bridge::Attached;
use crate::bridge::listener::Answered;
use crate::bridge::subscription::Listening;
use crate::command::peer::{Peer, Refusal, declared, no_handler};
use crate::era::Era;
use crate::error::{Failure, FailureKind};
use crate::json;
use crate::jsonrpc::splice::elements;
use crate::jsonrpc::{METHOD_NOT_FOUND, member};
use crate::limits::{CHECK_GRACE, CHECK_STREAM, MAX_LIST_PAGES, MAX_LOGGED_TEXT};
use crate::secret::Redactor;
use crate::stdio::writer::Inbox;

/// Era, handshake, lists, stream, end. A person may take `patience` to sign in.
pub(super) async fn go_through(
    walk: &mut Walk,
    bridge: (Attached, Inbox),
    authorizer: &Authorizer,
    redactor: &Redactor,
    patience: Duration,
) {
    let attached = bridge.0.clone();
    let begun = Instant::now();
    // Nobody wants its notifications.
    let left = walk.left();
    let capabilities = declared(json!({}), authorizer);
    let connected = Peer::connect(bridge, &capabilities, no_handler(), left + patience).await;
    let took = begun.elapsed();
    if authorizer.has_signed_in() {
        // What a person takes is not the server's.
        walk.deadline = Instant::now() + left;
    }
    let peer = match connected {
        Ok((peer, _)) => peer,
        Err(Refusal::Failed(failure)) if failure.kind == FailureKind::Unauthorized => {
            walk.no_authorization(authorizer, failure, Some(took)).await;
            let _ = timeout(walk.left() + CHECK_GRACE, attached.end()).await;
            return;
        }
        Err(refusal) => {
            walk.authorization(authorizer);
            walk.report.refuse("handshake", Some(took), walk.in_words(refusal), redactor);
            let _ = timeout(walk.left() + CHECK_GRACE, attached.end()).await;
            return;
        }
    };
    walk.authorization(authorizer);
    let introduction = peer.introduction().clone();
    let name = introduction.info("name").unwrap_or_else(|| "?".into());
    let version = introduction.info("version").unwrap_or_else(|| "?".into());
    let detail = redactor.clean(&format!("{name} {version}"), MAX_LOGGED_TEXT);
    let about = format!(
        "{}, {}, {}",
        report::era(introduction.era),
        introduction.revision,
        introduction.transport()
    );
    walk.report.add("era", Verdict::Fine, None, redactor.clean(&about, MAX_LOGGED_TEXT));
    walk.report.add("handshake", Verdict::Fine, Some(took), detail);
    let mut resource = None;
    for (step, capability, method, member) in [
        ("tools", "tools", "tools/list", "tools"),
        ("resources", "resources", "resources/list", "resources"),
        ("prompts", "prompts", "prompts/list", "prompts"),
    ] {
        if introduction.declares(capability) {
            let listed = walk.list(&peer, step, method, member, redactor).await;
            resource = listed.first_uri.or(resource);
        } else {
            walk.report.add(step, Verdict::Skipped, None, "not declared");
        }
    }
    walk.stream(&peer, resource.as_deref()).await;
    walk.report.server = Some(introduction);
    walk.end(peer).await;
}

/// What all pages of a list come to.
#[derive(Default)]
struct Listed {
    count: usize,
    pages: usize,
    /// The address of the first resource.
    first_uri: Option<String>,
}

/// What a subscription is about, of the kinds that the specification names.
fn granted_names(granted: &str) -> Vec<&'static str> {
    let is = |name| member::lookup(granted.as_bytes(), &[name]);
    let lists = [
        ("toolsListChanged", "tools"),
        ("resourcesListChanged", "resources"),
        ("promptsListChanged", "prompts"),
    ];
    let mut names: Vec<_> =
        lists.into_iter().filter(|(name, _)| is(name) == Some("true")).map(|(_, n)| n).collect();
    if is("resourceSubscriptions").and_then(elements).is_some_and(|uris| !uris.is_empty()) {
        names.push("a resource");
    }
    names
}

impl Walk {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A request that took too long took the rest of the time, whatever its share was.
    fn in_words(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Failed(failure)
                if failure.kind == FailureKind::Timeout && self.left().is_zero() =>
            {
                Refusal::Failed(self.late("the server did not answer"))
            }
            other => other,
        }
    }

    /// One list, and for resources their templates.
    async fn list(
        &mut self,
        peer: &Peer,
        step: &'static str,
        method: &str,
        member: &str,
        redactor: &Redactor,
    ) -> Listed {
        let begun = Instant::now();
        let listed = match self.all(peer, method, member).await {
            Ok(listed) => listed,
            Err(refusal) => {
                self.report.refuse(step, Some(begun.elapsed()), refusal, redactor);
                return Listed::default();
            }
        };
        let mut detail = listed.count.to_string();
        if listed.pages > 1 {
            detail.push_str(&format!(" on {} pages", listed.pages));
        }
        let mut templates = None;
        if step == "resources" {
            match self.all(peer, "resources/templates/list", "resourceTemplates").await {
                Ok(listed) => templates = Some(listed.count),
                // Servers without any need not know the method.
                Err(refusal)
                    if refusal
                        .said()
                        .is_some_and(|(code, _)| code == i64::from(METHOD_NOT_FOUND)) => {}
                Err(refusal) => {
                    self.report.refuse(step, Some(begun.elapsed()), refusal, redactor);
                    return listed;
                }
            }
        }
        if let Some(count) = templates.filter(|count| *count > 0) {
            detail.push_str(&format!(", {count} template{}", if count == 1 { "" } else { "s" }));
        }
        self.report.add(step, Verdict::Fine, Some(begun.elapsed()), detail);
        self.report.fact("count", json!(listed.count));
        self.report.fact("pages", json!(listed.pages));
        if let Some(count) = templates {
            self.report.fact("templates", json!(count));
        }
        listed
    }

    /// All pages of a list.
    async fn all(&self, peer: &Peer, method: &str, member: &str) -> Result<Listed, Refusal> {
        let mut listed = Listed::default();
        let mut cursor: Option<String> = None;
        loop {
            let params = cursor.as_ref().map(|cursor| json!({ "cursor": cursor }).to_string());
            let result = peer.request(method, params.as_deref(), self.left()).await;
            let result = result.map_err(|refusal| self.in_words(refusal))?;
            let page = member::lookup(result.as_bytes(), &[member]);
            let Some(page) = page.and_then(elements) else {
                let text = format!(
                    "the result of {method} has no list \u{201c}{member}\u{201d}; the server has to be corrected"
                );
                let failure = Failure::new(FailureKind::InvalidResponse, text).at(&self.report.url);
                return Err(Refusal::Failed(failure));
            };
            if listed.first_uri.is_none() {
                let first = page.first();
                listed.first_uri =
                    first.and_then(|first| member::lookup_string(first.as_bytes(), &["uri"]));
            }
            listed.count += page.len();
            listed.pages += 1;
            let next = member::lookup_string(result.as_bytes(), &["nextCursor"]);
            if next.is_none() || next == cursor || listed.pages == MAX_LIST_PAGES {
                return Ok(listed);
            }
            cursor = next;
        }
    }

    async fn stream(&mut self, peer: &Peer, resource: Option<&str>) {
        let introduction = peer.introduction();
        if introduction.http_sse {
            return self.report.add("stream", Verdict::Fine, None, "the one of the session");
        }
        if introduction.era == Era::Modern {
            return self.subscription(peer, resource).await;
        }
        let begun = Instant::now();
        let end = self.deadline.min(begun + CHECK_STREAM);
        let answered = timeout_at(end, peer.bridge().standalone()).await.ok().flatten();
        let (verdict, detail) = match answered {
            Some(Answered::Stream) => (Verdict::Fine, "open".to_owned()),
            Some(Answered::Status(405)) => (Verdict::Fine, "the server has none (405)".to_owned()),
            Some(Answered::Status(status)) => (
                Verdict::Warning,
                format!("refused with status {status}; 405 would say that there is none"),
            ),
            Some(Answered::Failed(failure)) => (Verdict::Warning, failure.message),
            None => (Verdict::Warning, "not answered before there is something to say".to_owned()),
        };
        self.report.add("stream", verdict, Some(begun.elapsed()), detail);
    }

    /// Whether a modern server takes a subscription: the bridge has asked for what the server says that
    /// it announces, or else asks for one of its resources. The end of the session closes it.
    async fn subscription(&mut self, peer: &Peer, resource: Option<&str>) {
        let capabilities = peer.introduction().capabilities().as_bytes();
        let declares = |path: &[&str]| member::lookup(capabilities, path) == Some("true");
        let lists = ["tools", "resources", "prompts"];
        let announced = lists.iter().any(|list| declares(&[list, "listChanged"]));
        let resource = resource.filter(|_| declares(&["resources", "subscribe"]));
        let begun = Instant::now();
        let end = self.deadline.min(begun + CHECK_STREAM);
        if !announced {
            let Some(uri) = resource else {
                let detail = "the server declares nothing to subscribe to";
                return self.report.add("stream", Verdict::Skipped, None, detail);
            };
            let params = json!({ "uri": uri }).to_string();
            let limit = end.saturating_duration_since(begun);
            if peer.request("resources/subscribe", Some(&params), limit).await.is_ok() {
                let left = self.left().min(CHECK_STREAM);
                // What cannot be taken back ends with the session.
                let _ = peer.request("resources/unsubscribe", Some(&params), left).await;
            }
        }
        let heard = timeout_at(end, peer.bridge().listening()).await.ok().flatten();
        let took = Some(begun.elapsed());
        match heard {
            Some(Listening::Acknowledged(granted)) => {
                let names = granted_names(&granted);
                let what = if names.is_empty() { "nothing".into() } else { names.join(", ") };
                let missing = announced && names.is_empty();
                let verdict = if missing { Verdict::Warning } else { Verdict::Fine };
                self.report.add("stream", verdict, took, format!("subscribed to {what}"));
                self.report.fact("granted", json!(names));
            }
            Some(Listening::Refused(status)) => {
                let detail = format!("subscriptions/listen is refused with status {status}");
                self.report.add("stream", Verdict::Warning, took, detail);
                self.report.fact("status", json!(status));
            }
            Some(Listening::Failed(failure)) => {
                self.report.add("stream", Verdict::Warning, took, failure.message);
            }
            None => {
                let detail = "subscriptions/listen is not acknowledged";
                self.report.add("stream", Verdict::Warning, took, detail);
            }
        }
    }

    async fn end(&mut self, peer: Peer) {
        let begun = Instant::now();
        let detail =
            if peer.bridge().has_session() { "session ended" } else { "no session to end" };
        let ended = timeout(self.left() + CHECK_GRACE, peer.end()).await;
        let took = Some(begun.elapsed());
        match ended {
            Ok(()) => self.report.add("end", Verdict::Fine, took, detail),
            Err(_) => {
                self.report.add("end", Verdict::Warning, took, "the server did not react in time");
            }
        }
    }
}
