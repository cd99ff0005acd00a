//! Going through the steps of a check, up to the handshake.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, timeout_at};
use url::Url;

use super::report::{Report, Verdict, cause_and_next};
use super::session;
use crate::auth::{Asking, Authorizer, Credential, Progress};
use crate::bridge::{Attached, TransportChoice};
use crate::command::CommandError;
use crate::command::remote::Remote;
use crate::config::{Config, Env};
use crate::era::headers::{self, ToolHeaders};
use crate::era::{Era, legacy_client, revisions};
use crate::error::{Failure, FailureKind};
use crate::http::client::is_loopback;
use crate::http::{certificate, probe};
use crate::json;
use crate::jsonrpc::{Message, Source};
use crate::limits::{DELETE_TIMEOUT, KEYRING_PATIENCE, KEYRING_TIMEOUT, PROBE_TIMEOUT};
use crate::secret::shown;
use crate::supply::SupplyError;
use crate::transport::{Content, Reply, SessionHeaders};

/// A certificate that expires in less than this is worth a warning: automatic renewal has failed.
const EXPIRES_SOON: i64 = 14 * 24 * 60 * 60;

/// Whether a proxy lies in between, as far as variables say so: then names and connections are its.
pub fn is_proxied(url: &Url, env: Env<'_>) -> bool {
    let set = |name: &str| {
        [name.to_owned(), name.to_ascii_lowercase()]
            .iter()
            .find_map(|name| env(name).filter(|value| !value.is_empty()))
    };
    let host = url.host_str().unwrap_or_default();
    let excepted = set("NO_PROXY").is_some_and(|list| {
        list.split(',').map(str::trim).any(|entry| {
            let entry = entry.trim_start_matches('.');
            entry == "*"
                || host == entry
                || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.'))
        })
    });
    let own = if url.scheme() == "http" { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    !is_loopback(url) && !excepted && (set(own).is_some() || set("ALL_PROXY").is_some())
}

/// One check under way.
pub(super) struct Walk {
    pub report: Report,
    pub started: Instant,
    pub deadline: Instant,
    limit: Duration,
    /// Requests are signed, and that is their authorization.
    signed: bool,
}

impl Walk {
    /// What a step gets that the time runs out in.
    pub fn late(&self, what: &str) -> Failure {
        let limit = self.limit.as_secs_f32();
        let text = format!("{what} within {limit} s; try again, or raise --timeout");
        Failure::new(FailureKind::Timeout, text).at(&self.report.url)
    }
}

/// Goes through all steps within `limit`; a sign-in by a person, which `login` allows, is not counted.
/// What is open to the server is put into `open`, for a caller that cannot wait.
///
/// # Errors
/// If there is nothing to check with.
pub(super) async fn walk(
    config: Config,
    limit: Duration,
    login: bool,
    proxied: bool,
    open: &OnceLock<Attached>,
) -> Result<Report, CommandError> {
    let url = config.target.url.clone();
    let ipv4 = config.target.connection.ipv4;
    let redactor = config.target.redactor.clone();
    let (keyring, patience) = if login {
        (KEYRING_PATIENCE, config.target.sign_in.settings.auth_timeout)
    } else {
        (KEYRING_TIMEOUT, Duration::ZERO)
    };
    let started = Instant::now();
    let report = Report::new(shown(&url));
    let remote = Remote::new(config.target, config.bridge.max_message, keyring)?;
    let signed = remote.endpoint.is_signed();
    let mut walk = Walk { report, started, deadline: started + limit, limit, signed };
    let authorizer = remote.authorizer.clone();
    let way = if proxied {
        for name in ["dns", "tcp", "tls"] {
            walk.report.add(name, Verdict::Skipped, None, "a proxy does it");
        }
        true
    } else {
        walk.way(&url, ipv4).await
    };
    if way && walk.http(&remote, &url, login).await {
        let bridge = remote.attach(config.bridge, redactor.clone());
        let _ = open.set(bridge.0.clone());
        session::go_through(&mut walk, bridge, &authorizer, &redactor, patience).await;
    }
    walk.report.complete();
    walk.report.took = walk.started.elapsed();
    Ok(walk.report)
}

impl Walk {
    /// Name, connection and TLS. Tells whether there is any use in going on.
    async fn way(&mut self, url: &Url, ipv4: bool) -> bool {
        let host = url.host_str().unwrap_or_default().to_owned();
        let begun = Instant::now();
        let addresses = match timeout_at(self.deadline, probe::addresses(url, ipv4)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            Ok(found) => {
                let why = found.err().map_or("it has no address".into(), |error| error.to_string());
                let text = format!("cannot resolve {host}: {why}; check the URL and the network");
                let failure = Failure::new(FailureKind::Dns, text).at(&self.report.url);
                self.report.fail("dns", Some(begun.elapsed()), failure);
                return false;
            }
            Err(_) => {
                let failure = self.late(&format!("{host} was not resolved"));
                self.report.fail("dns", Some(begun.elapsed()), failure);
                return false;
            }
        };
        if url.domain().is_some() {
            let mut shown: Vec<String> =
                addresses.iter().map(|address| address.ip().to_string()).collect();
            shown.dedup();
            let all = json!(shown);
            let more = shown.len().saturating_sub(3);
            shown.truncate(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let detail = format!("{}{more}", shown.join(", "));
            self.report.add("dns", Verdict::Fine, Some(begun.elapsed()), detail);
            self.report.fact("addresses", all);
        } else {
            self.report.add("dns", Verdict::Skipped, None, "the URL names an address");
        }
        let begun = Instant::now();
        let stream = match timeout_at(self.deadline, probe::connect(&addresses)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let error = error.to_string();
                let why = error.split(" (os error").next().unwrap_or_default();
                let text = format!("cannot connect to {host}: {why}; is the server running?");
                let failure = Failure::new(FailureKind::Connect, text).at(&self.report.url);
                self.report.fail("tcp", Some(begun.elapsed()), failure);
                return false;
            }
            Err(_) => {
                let failure = self.late(&format!("no connection to {host}"));
                self.report.fail("tcp", Some(begun.elapsed()), failure);
                return false;
            }
        };
        let peer = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        self.report.add("tcp", Verdict::Fine, Some(begun.elapsed()), peer.clone());
        self.report.fact("address", json!(peer));
        if url.scheme() != "https" {
            let detail = "http: everything is readable on the way";
            let verdict = if is_loopback(url) { Verdict::Skipped } else { Verdict::Warning };
            self.report.add("tls", verdict, None, detail);
            return true;
        }
        let begun = Instant::now();
        match timeout_at(self.deadline, probe::tls(stream, url)).await {
            Ok(Ok(tls)) => self.tls(&tls, begun.elapsed()),
            // Only the client knows whether that is bad: it may have a certificate to show.
            Ok(Err(error)) => {
                let detail = format!("no handshake without a client certificate ({error})");
                self.report.add("tls", Verdict::Warning, Some(begun.elapsed()), detail);
            }
            Err(_) => {
                let failure = self.late(&format!("the TLS handshake with {host} did not end"));
                self.report.fail("tls", Some(begun.elapsed()), failure);
                return false;
            }
        }
        true
    }

    fn tls(&mut self, tls: &probe::Tls, took: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let left = tls.expires.map(|expires| expires.saturating_sub(now));
        let soon = left.is_some_and(|left| left < EXPIRES_SOON);
        let mut detail = format!("TLS {}", tls.version);
        if let Some(protocol) = &tls.protocol {
            detail.push_str(&format!(", {protocol}"));
        }
        let plural = if tls.chain == 1 { "" } else { "s" };
        detail.push_str(&format!(", {} certificate{plural}", tls.chain));
        if let (Some(expires), Some(left)) = (tls.expires, left) {
            let word = if left < 0 { "expired" } else { "expires" };
            detail.push_str(&format!(", {word} {}", certificate::date(expires)));
        }
        let verdict = if soon { Verdict::Warning } else { Verdict::Fine };
        self.report.add("tls", verdict, Some(took), detail);
        self.report.fact("version", json!(tls.version));
        self.report.fact("certificates", json!(tls.chain));
        if let Some(protocol) = &tls.protocol {
            self.report.fact("protocol", json!(protocol));
        }
        if let Some(expires) = tls.expires {
            self.report.fact("expires", json!(certificate::date(expires)));
        }
    }

    /// A request as the bridge sends it, and the right to send it.
    async fn http(&mut self, remote: &Remote, url: &Url, login: bool) -> bool {
        let mut progress = Progress::default();
        let mut first = true;
        let mut renewed = false;
        loop {
            let Some(supplied) = self.supplied(remote.supplier.ready()).await else { return false };
            match timeout_at(self.deadline, remote.endpoint.ready()).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    self.report.fail("authorization", None, failure);
                    return false;
                }
                Err(_) => {
                    let failure = self.late("there were no credentials to sign with");
                    self.report.fail("authorization", None, failure);
                    return false;
                }
            }
            let credential = match timeout_at(self.deadline, remote.authorizer.credential()).await {
                Ok(credential) => credential,
                Err(_) => {
                    let failure = self.late("the stored token was not read and refreshed");
                    self.report.fail("authorization", None, failure);
                    return false;
                }
            };
            let begun = Instant::now();
            // A server that does not answer this question may still answer the next.
            let end = self.deadline.min(begun + PROBE_TIMEOUT.min(self.limit / 4));
            let sent = timeout_at(end, ask(remote, credential.as_ref())).await;
            let sent = sent.unwrap_or_else(|_| Err(silence(begun.elapsed())));
            let reply = match sent {
                Ok(reply) => reply,
                Err(failure) if says_nothing(&failure) && Instant::now() < self.deadline => {
                    let detail = cause_and_next(&failure.message).0;
                    self.report.add("http", Verdict::Warning, Some(begun.elapsed()), detail);
                    return true;
                }
                Err(failure) => {
                    self.no_answer(begun.elapsed(), failure);
                    return false;
                }
            };
            if std::mem::take(&mut first) {
                self.answered(&reply, url, begun.elapsed());
            }
            let status = reply.status().as_u16();
            let refused = remote.authorizer.refused(status, reply.authenticate());
            let _ = timeout_at(self.deadline, finish(remote, reply, credential.as_ref())).await;
            if !renewed {
                let again = remote.supplier.refused(status, supplied);
                match self.supplied(again).await {
                    Some(again) => renewed = again,
                    None => return false,
                }
                if renewed {
                    continue;
                }
            }
            let Some(refused) = refused else { return true };
            let begun = Instant::now();
            let asking = if login { Asking::Anybody } else { Asking::Nobody };
            let answer =
                remote.authorizer.answer(&refused, credential.as_ref(), &mut progress, asking);
            let answer = if login {
                let answer = answer.await;
                // What a person takes is not the server's.
                self.deadline += begun.elapsed();
                answer
            } else {
                match timeout_at(self.deadline, answer).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        let failure = self.late("authorization was not found out");
                        self.report.fail("authorization", Some(begun.elapsed()), failure);
                        return false;
                    }
                }
            };
            if let Err(error) = answer {
                let failure = error.failure(&self.report.url);
                let took = Some(begun.elapsed());
                self.no_authorization(&remote.authorizer, failure, took).await;
                return false;
            }
        }
    }

    /// What became of headers that have to be obtained; nothing if that failed.
    async fn supplied<T>(
        &mut self,
        attempt: impl Future<Output = Result<T, SupplyError>>,
    ) -> Option<T> {
        let failure = match timeout_at(self.deadline, attempt).await {
            Ok(Ok(outcome)) => return Some(outcome),
            Ok(Err(error)) => error.failure(&self.report.url),
            Err(_) => self.late("the headers were not obtained"),
        };
        self.report.fail("authorization", None, failure);
        None
    }

    /// No response: whose fault it is.
    fn no_answer(&mut self, took: Duration, mut failure: Failure) {
        match failure.kind {
            FailureKind::Dns => self.report.fail_earlier("dns", &failure),
            FailureKind::Connect => self.report.fail_earlier("tcp", &failure),
            FailureKind::Tls => {
                let expired = self.report.steps.iter().find(|step| step.name == "tls");
                let expired = expired.is_some_and(|step| step.detail.contains("expired"));
                if expired && let Some((cause, _)) = failure.message.rsplit_once("; ") {
                    failure.message = format!("{cause}; the server's operator has to renew it");
                }
                self.report.fail_earlier("tls", &failure);
            }
            _ => self.report.fail("http", Some(took), failure),
        }
    }

    fn answered(&mut self, reply: &Reply, url: &Url, took: Duration) {
        let version = match reply.version() {
            http::Version::HTTP_2 => "2",
            http::Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        let status = reply.status().as_u16();
        let mut detail = format!("HTTP/{version}, first answer {status}");
        let moved = shown(reply.url()) != shown(url);
        if moved {
            detail.push_str(&format!(", redirected to {}", reply.shown()));
        }
        self.report.add("http", Verdict::Fine, Some(took), detail);
        self.report.fact("version", json!(version));
        self.report.fact("status", json!(status));
        if moved {
            self.report.fact("redirectedTo", json!(reply.shown()));
        }
    }

    /// With what right the handshake was made.
    pub fn authorization(&mut self, authorizer: &Authorizer) {
        let credential = authorizer.at_hand();
        let (state, detail) = match credential {
            Some(_) if authorizer.has_signed_in() => ("signed-in", "signed in just now"),
            Some(credential) if credential.is_renewed() => {
                ("refreshed", "the stored token was refreshed")
            }
            Some(_) => ("stored", "the stored token is valid"),
            None if authorizer.is_configured() => {
                ("configured", "the configured header is accepted")
            }
            None if self.signed => ("configured", "requests are signed with AWS credentials"),
            None => ("none", "none is asked for"),
        };
        let binding = authorizer.binding();
        let key = match binding {
            Some((true, true)) => ", bound to a key (DPoP)",
            Some((true, false)) => ", bound to a key (DPoP), sent as Bearer",
            _ => "",
        };
        let managed = managed(authorizer);
        let by = managed.as_ref().map(|file| format!(", as {file} says")).unwrap_or_default();
        self.report.add("authorization", Verdict::Fine, None, format!("{detail}{by}{key}"));
        self.report.fact("state", json!(state));
        if let Some((bound, _)) = binding {
            self.report.fact("bound", json!(bound));
        }
        if let Some(file) = managed {
            self.report.fact("managedBy", json!(file));
        }
    }

    /// There is no right to go on: what there is to sign in with.
    pub async fn no_authorization(
        &mut self,
        authorizer: &Authorizer,
        failure: Failure,
        took: Option<Duration>,
    ) {
        let survey = timeout_at(self.deadline, authorizer.survey()).await;
        self.report.fail("authorization", took, failure);
        self.report.fact("state", json!("needed"));
        if let Some((bound, _)) = authorizer.binding() {
            self.report.fact("bound", json!(bound));
        }
        if let Some(file) = managed(authorizer) {
            self.report.fact("managedBy", json!(file));
        }
        self.report.survey = survey.ok().flatten();
    }
}

/// The file of an administrator that says how to sign in.
fn managed(authorizer: &Authorizer) -> Option<String> {
    authorizer.managed().map(|file| file.display().to_string())
}

/// Whether the bridge would go on, with the client's own message.
fn says_nothing(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Timeout | FailureKind::StreamLost) && !failure.unsent
}

fn silence(after: Duration) -> Failure {
    let text = format!("no answer to server/discover within {:.1} s", after.as_secs_f32());
    Failure::new(FailureKind::Timeout, text)
}

/// Asks what the bridge asks a server that it does not know; one of HTTP+SSE for its stream.
async fn ask(remote: &Remote, credential: Option<&Credential>) -> Result<Reply, Failure> {
    let sign = credential.map(Credential::signer);
    if remote.transport == TransportChoice::Sse {
        return remote.endpoint.get(&SessionHeaders::default(), b"", sign).await;
    }
    let version = revisions::newest(Era::Modern).name;
    let question = legacy_client::discover_request("\"mcp-tether/check\"", None, version);
    let question = Message::parse(question, Source::Client)
        .map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
    let headers = SessionHeaders {
        mirrored: headers::of_request(&question, &ToolHeaders::default()),
        ..SessionHeaders::default()
    };
    remote.endpoint.post(question.bytes().clone(), &headers, sign, None).await
}

/// Leaves nothing behind of an answer: a server that makes a session for whatever comes keeps it
/// otherwise.
async fn finish(remote: &Remote, mut reply: Reply, credential: Option<&Credential>) {
    let session = reply.session_id();
    if reply.content() != Content::Events {
        // So that the connection can be used again.
        reply.read_beginning().await;
    }
    drop(reply);
    if session.is_some() {
        let headers = SessionHeaders { session, ..SessionHeaders::default() };
        let delete = remote.endpoint.delete(&headers, credential.map(Credential::signer));
        let _ = tokio::time::timeout(DELETE_TIMEOUT, delete).await;
    }
}
