//! The steps of a check behind the first answer: the bridge itself, with a small client in front.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::report::{self, Verdict};
use super::walk::Walk;
use crate::auth::Authorizer;
use crate::bridge::Attached;
use crate::bridge::listener::Answered;
use crate::command::peer::{Peer, Refusal, no_handler};
use crate::era::Era;
use crate::error::{Failure, FailureKind};
use crate::jsonrpc::member;
use crate::jsonrpc::splice::elements;
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
    let connected = Peer::connect(bridge, "{}", no_handler(), left + patience).await;
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
        report::transport(&introduction)
    );
    walk.report.add("era", Verdict::Fine, None, redactor.clean(&about, MAX_LOGGED_TEXT));
    walk.report.add("handshake", Verdict::Fine, Some(took), detail);
    for (step, capability, method, member) in [
        ("tools", "tools", "tools/list", "tools"),
        ("resources", "resources", "resources/list", "resources"),
        ("prompts", "prompts", "prompts/list", "prompts"),
    ] {
        if introduction.declares(capability) {
            walk.list(&peer, step, method, member, redactor).await;
        } else {
            walk.report.add(step, Verdict::Skipped, None, "not declared");
        }
    }
    walk.stream(&peer, introduction.era, introduction.http_sse).await;
    walk.report.server = Some(introduction);
    walk.end(peer).await;
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

    async fn list(
        &mut self,
        peer: &Peer,
        step: &'static str,
        method: &str,
        member: &str,
        redactor: &Redactor,
    ) {
        let begun = Instant::now();
        let (mut count, mut pages) = (0, 0);
        let mut cursor: Option<String> = None;
        loop {
            let params = cursor.as_ref().map(|cursor| json!({ "cursor": cursor }).to_string());
            let result = match peer.request(method, params.as_deref(), self.left()).await {
                Ok(result) => result,
                Err(refusal) => {
                    let refusal = self.in_words(refusal);
                    return self.report.refuse(step, Some(begun.elapsed()), refusal, redactor);
                }
            };
            let page = member::lookup(result.as_bytes(), &[member]);
            let Some(page) = page.and_then(elements) else {
                let text = format!(
                    "the result of {method} has no list \u{201c}{member}\u{201d}; the server has to be corrected"
                );
                let failure = Failure::new(FailureKind::InvalidResponse, text).at(&self.report.url);
                return self.report.fail(step, Some(begun.elapsed()), failure);
            };
            count += page.len();
            pages += 1;
            let next = member::lookup_string(result.as_bytes(), &["nextCursor"]);
            if next.is_none() || next == cursor || pages == MAX_LIST_PAGES {
                break;
            }
            cursor = next;
        }
        let paged = if pages > 1 { format!(" on {pages} pages") } else { String::new() };
        self.report.add(step, Verdict::Fine, Some(begun.elapsed()), format!("{count}{paged}"));
        self.report.fact("count", json!(count));
        self.report.fact("pages", json!(pages));
    }

    async fn stream(&mut self, peer: &Peer, era: Era, http_sse: bool) {
        if http_sse {
            return self.report.add("stream", Verdict::Fine, None, "the one of the session");
        }
        if era == Era::Modern {
            let detail = "opened when there is something to subscribe to";
            return self.report.add("stream", Verdict::Skipped, None, detail);
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
