//! `mcp-tether login`: signing in to a server, now. `terminal`: what the person there sees and types.

mod terminal;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::remote::{Remote, start_log, start_trace};
use super::{CommandError, say};
use crate::auth::challenge::Challenge;
use crate::auth::person::Person;
use crate::auth::settings::Mode;
use crate::auth::{Asking, Credential, Progress, Refused};
use crate::bridge::TransportChoice;
use crate::cli::{ConnectionArgs, LoginArgs, SignInArgs};
use crate::config::{ConfigError, Target};
use crate::era::headers::{self, ToolHeaders};
use crate::era::{Era, legacy_client, revisions};
use crate::error::{ExitCode, Failure, FailureKind};
use crate::http::Sign;
use crate::json;
use crate::jsonrpc::{Message, Source, member};
use crate::limits::{
    DELETE_TIMEOUT, ENDPOINT_EVENT_TIMEOUT, KEYRING_PATIENCE, KEYRING_TIMEOUT, MAX_MESSAGE_SIZE,
    RECOVERY_STEP_TIMEOUT,
};
use crate::logging::Log;
use crate::store::Store;
use crate::trace::switch::Switch;
use crate::transport::reply::Body;
use crate::transport::sse::Item;
use crate::transport::{Content, Reply, SessionHeaders};

/// Signs in, and makes sure that the server accepts the outcome.
pub(super) async fn run(
    args: &LoginArgs,
    env: crate::config::Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, false, log)?;
    let mut target = target(&args.connection, &args.sign_in, args.silent, env)?;
    let trace = start_trace(&args.log, log, "login", &crate::secret::shown(&target.url))?;
    target.record(trace.as_ref());
    let patience = if args.silent { KEYRING_TIMEOUT } else { KEYRING_PATIENCE };
    let remote = Remote::new(target, MAX_MESSAGE_SIZE, patience)?;
    let outcome = match args.silent {
        true => remote.silent().await,
        false => remote.by_hand(terminal::person(env)).await,
    };
    match outcome {
        Ok(text) => {
            say(&text)?;
            Ok(ExitCode::Success)
        }
        Err(failure) => {
            log::error!("{failure}");
            Ok(ExitCode::from(&failure))
        }
    }
}

/// The server, for signing in; `silent` is without a person.
pub(super) fn target(
    connection: &ConnectionArgs,
    sign_in: &SignInArgs,
    silent: bool,
    env: crate::config::Env<'_>,
) -> Result<Target, CommandError> {
    let mut target = Target::resolve(connection, sign_in, env)?;
    if target.aws.is_some() {
        let reason = "there is nothing to sign in to, because requests are signed; renew AWS \
                      credentials by the AWS CLI: aws sso login";
        let reason = reason.to_owned();
        return Err(ConfigError::SignIn { flag: "--aws-sigv4", reason }.into());
    }
    target.headers.remove(http::header::AUTHORIZATION);
    target.supply.without_authorization = true;
    target.sign_in.settings.mode = if silent { Mode::Stored } else { Mode::Interactive };
    Ok(target)
}

/// The server, to be signed in to by hand while `observer` sees it.
pub(super) fn remote(
    connection: &ConnectionArgs,
    sign_in: &SignInArgs,
    env: crate::config::Env<'_>,
    observer: Switch,
) -> Result<Remote, CommandError> {
    let mut target = target(connection, sign_in, false, env)?;
    target.observe(observer);
    Remote::new(target, MAX_MESSAGE_SIZE, KEYRING_PATIENCE)
}

/// How the server reacted to a handshake.
enum Seen {
    /// It let us in.
    In,
    /// It asks for authorization, or for another one.
    Refused(Refused),
}

impl Remote {
    async fn silent(&self) -> Result<String, Failure> {
        let shown = self.endpoint.shown();
        let host = self.authorizer.host();
        let mut progress = Progress::default();
        loop {
            let credential = self.authorizer.credential().await;
            match (self.initialize(credential.as_ref()).await?, &credential) {
                (Seen::In, Some(_)) => return Ok(format!("signed in to {host}")),
                (Seen::In, None) => return Ok(format!("{host} asked for no authorization")),
                (Seen::Refused(refused), credential) => self
                    .authorizer
                    .answer(&refused, credential.as_ref(), &mut progress, Asking::Nobody)
                    .await
                    .map_err(|error| error.failure(&shown))?,
            }
        }
    }

    /// What the server says to whoever has no authorization.
    pub(super) async fn challenge(&self) -> Result<Challenge, Failure> {
        Ok(match self.initialize(None).await? {
            Seen::Refused(refused) => refused.challenge,
            Seen::In => Challenge::default(),
        })
    }

    /// Signs in with the browser, as the person there likes it, or as `--grant` says, and says where
    /// that is kept.
    pub(super) async fn by_hand(&self, person: Option<Arc<dyn Person>>) -> Result<String, Failure> {
        let shown = self.endpoint.shown();
        let host = self.authorizer.host();
        // Some servers ask only later, for what is worth protecting.
        let (asked, challenge) = match self.initialize(None).await? {
            Seen::Refused(refused) => (true, refused.challenge),
            Seen::In => (false, Challenge::default()),
        };
        match self.authorizer.sign_in_by_hand(&challenge, person).await {
            Err(error) if !asked && error.is_not_offered() => {
                return Ok(format!("{host} asks for no authorization"));
            }
            outcome => outcome.map_err(|error| error.failure(&shown))?,
        }
        let credential = self.authorizer.credential().await;
        if let Seen::Refused(refused) = self.initialize(credential.as_ref()).await? {
            let mut progress = Progress::signed_in();
            self.authorizer
                .answer(&refused, credential.as_ref(), &mut progress, Asking::Nobody)
                .await
                .map_err(|error| error.failure(&shown))?;
        }
        Ok(match &self.store {
            Some(store) if self.is_kept(store) => {
                format!("signed in to {host}; kept in {}", store.vault_in_use().await)
            }
            Some(_) => format!("signed in to {host}; that could not be stored (-vv tells why)"),
            None => format!(
                "signed in to {host}; there is no folder to keep that in (HOME, MCP_TETHER_HOME)"
            ),
        })
    }

    /// Whether there is a record of it. A token that needs nobody is of use without.
    fn is_kept(&self, store: &Store) -> bool {
        let (server, profile) = self.authorizer.name();
        store.entry(server, profile).is_ok_and(|entry| entry.is_some())
    }

    /// A handshake that is not gone through with: only whether the server lets us in is of interest.
    /// The session that it makes is ended.
    async fn initialize(&self, credential: Option<&Credential>) -> Result<Seen, Failure> {
        let request = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "mcp-tether", "version": env!("CARGO_PKG_VERSION") },
            },
        });
        self.supplier.ready().await.map_err(|error| error.failure(&self.endpoint.shown()))?;
        let sign = credential.map(Credential::signer);
        if self.transport == TransportChoice::Sse {
            return self.open_stream(sign).await;
        }
        let none = SessionHeaders::default();
        let end = Instant::now() + RECOVERY_STEP_TIMEOUT;
        let post = self.endpoint.post(Bytes::from(request.to_string()), &none, sign, None);
        let reply = timeout_at(end, post).await.unwrap_or_else(|_| Err(self.silence()))?;
        let status = reply.status();
        if let Some(refused) = self.authorizer.refused(status.as_u16(), reply.authenticate()) {
            return Ok(Seen::Refused(refused));
        }
        if !status.is_success() {
            let failure = reply.into_failure().await;
            if let Ok(Some(seen)) = timeout_at(end, self.discover(sign)).await {
                return Ok(seen);
            }
            if self.transport == TransportChoice::Http
                || !matches!(status.as_u16(), 400 | 404 | 405)
            {
                return Err(failure);
            }
            return self.open_stream(sign).await.map_err(|_| failure);
        }
        if let Some(session) = reply.session_id() {
            let version = timeout_at(end, negotiated(reply)).await.ok().flatten();
            let headers =
                SessionHeaders { session: Some(session), version, ..SessionHeaders::default() };
            let delete = self.endpoint.delete(&headers, sign);
            // A server that does not end sessions on request forgets them by itself.
            let _ = timeout(DELETE_TIMEOUT, delete).await;
        }
        Ok(Seen::In)
    }

    /// The same with a server that speaks HTTP+SSE: the session is over when its stream is dropped.
    async fn open_stream(&self, sign: Option<&dyn Sign>) -> Result<Seen, Failure> {
        let none = SessionHeaders::default();
        let get = self.endpoint.get(&none, b"", sign);
        let reply =
            timeout(RECOVERY_STEP_TIMEOUT, get).await.unwrap_or_else(|_| Err(self.silence()))?;
        let status = reply.status().as_u16();
        if let Some(refused) = self.authorizer.refused(status, reply.authenticate()) {
            return Ok(Seen::Refused(refused));
        }
        self.endpoint.channel(reply, ENDPOINT_EVENT_TIMEOUT).await.map(|_| Seen::In)
    }

    fn silence(&self) -> Failure {
        let text = format!(
            "{} did not answer within {} s",
            self.authorizer.host(),
            RECOVERY_STEP_TIMEOUT.as_secs()
        );
        Failure::new(FailureKind::Timeout, text).at(&self.endpoint.shown())
    }
}

impl Remote {
    /// How a server reacts to `server/discover` that knows no `initialize`: a modern one.
    async fn discover(&self, sign: Option<&dyn Sign>) -> Option<Seen> {
        let version = revisions::newest(Era::Modern).name;
        let question = legacy_client::discover_request("1", None, version);
        let question = Message::parse(question, Source::Client).ok()?;
        let headers = SessionHeaders {
            mirrored: headers::of_request(&question, &ToolHeaders::default()),
            ..SessionHeaders::default()
        };
        let post = self.endpoint.post(question.bytes().clone(), &headers, sign, None);
        let reply = post.await.ok()?;
        if let Some(refused) =
            self.authorizer.refused(reply.status().as_u16(), reply.authenticate())
        {
            return Some(Seen::Refused(refused));
        }
        reply.status().is_success().then_some(Seen::In)
    }
}

/// The revision in the first answer of a response.
async fn negotiated(mut reply: Reply) -> Option<HeaderValue> {
    let version = |message: &[u8]| {
        let version = member::lookup_string(message, &["result", "protocolVersion"])?;
        HeaderValue::try_from(version).ok()
    };
    if reply.content() != Content::Events {
        return match reply.read().await {
            Ok(Body::Whole(body)) => version(&body),
            _ => None,
        };
    }
    let mut stream = reply.into_events(Bytes::new());
    while stream.wait().await.unwrap_or(false) {
        while let Some(item) = stream.buffered() {
            if let Item::Event(event) = item
                && let Some(version) = version(&event.data)
            {
                return Some(version);
            }
        }
    }
    None
}
