//! `mcp-tether login`: signing in to a server, now.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::remote::{Remote, start_log};
use super::{CommandError, say};
use crate::auth::challenge::Challenge;
use crate::auth::settings::Mode;
use crate::auth::{Asking, Credential, Progress, Refused};
use crate::bridge::TransportChoice;
use crate::cli::LoginArgs;
use crate::config::Target;
use crate::era::headers::{self, ToolHeaders};
use crate::era::{Era, legacy_client, revisions};
use crate::error::{ExitCode, Failure, FailureKind};
use crate::jsonrpc::{Message, Source, member};
use crate::limits::{
    DELETE_TIMEOUT, ENDPOINT_EVENT_TIMEOUT, KEYRING_PATIENCE, KEYRING_TIMEOUT, MAX_MESSAGE_SIZE,
    RECOVERY_STEP_TIMEOUT,
};
use crate::logging::Log;
use crate::transport::reply::Body;
use crate::transport::sse::Item;
use crate::transport::{Content, Reply, SessionHeaders};

/// Signs in, and makes sure that the server accepts the outcome.
pub(super) async fn run(
    args: &LoginArgs,
    env: crate::config::Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, log)?;
    let mut target = Target::resolve(&args.connection, &args.sign_in, env)?;
    target.headers.remove(http::header::AUTHORIZATION);
    target.sign_in.settings.mode = if args.silent { Mode::Stored } else { Mode::Interactive };
    let patience = if args.silent { KEYRING_TIMEOUT } else { KEYRING_PATIENCE };
    let remote = Remote::new(target, MAX_MESSAGE_SIZE, patience)?;
    let outcome = if args.silent { remote.silent().await } else { remote.by_hand().await };
    match outcome {
        Ok(text) => {
            say(&text)?;
            Ok(ExitCode::Success)
        }
        Err(failure) => {
            tracing::error!("{failure}");
            Ok(ExitCode::from(&failure))
        }
    }
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

    async fn by_hand(&self) -> Result<String, Failure> {
        let shown = self.endpoint.shown();
        let host = self.authorizer.host();
        // Some servers ask only later, for what is worth protecting.
        let (asked, challenge) = match self.initialize(None).await? {
            Seen::Refused(refused) => (true, refused.challenge),
            Seen::In => (false, Challenge::default()),
        };
        match self.authorizer.sign_in_by_hand(&challenge).await {
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
        let place = match &self.store {
            Some(store) => store.vault_in_use().await.to_string(),
            None => String::new(),
        };
        Ok(format!("signed in to {host}; kept in {place}"))
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
        let authorization = credential.map(Credential::header);
        if self.transport == TransportChoice::Sse {
            return self.open_stream(authorization).await;
        }
        let none = SessionHeaders::default();
        let end = Instant::now() + RECOVERY_STEP_TIMEOUT;
        let post = self.endpoint.post(Bytes::from(request.to_string()), &none, authorization, None);
        let reply = timeout_at(end, post).await.unwrap_or_else(|_| Err(self.silence()))?;
        let status = reply.status();
        if let Some(refused) = self.authorizer.refused(status.as_u16(), reply.authenticate()) {
            return Ok(Seen::Refused(refused));
        }
        if !status.is_success() {
            let failure = reply.into_failure().await;
            if let Ok(Some(seen)) = timeout_at(end, self.discover(authorization)).await {
                return Ok(seen);
            }
            if self.transport == TransportChoice::Http
                || !matches!(status.as_u16(), 400 | 404 | 405)
            {
                return Err(failure);
            }
            return self.open_stream(authorization).await.map_err(|_| failure);
        }
        if let Some(session) = reply.session_id() {
            let version = timeout_at(end, negotiated(reply)).await.ok().flatten();
            let headers =
                SessionHeaders { session: Some(session), version, ..SessionHeaders::default() };
            let delete = self.endpoint.delete(&headers, authorization);
            // A server that does not end sessions on request forgets them by itself.
            let _ = timeout(DELETE_TIMEOUT, delete).await;
        }
        Ok(Seen::In)
    }

    /// The same with a server that speaks HTTP+SSE: the session is over when its stream is dropped.
    async fn open_stream(&self, authorization: Option<&HeaderValue>) -> Result<Seen, Failure> {
        let none = SessionHeaders::default();
        let get = self.endpoint.get(&none, b"", authorization);
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
    async fn discover(&self, authorization: Option<&HeaderValue>) -> Option<Seen> {
        let version = revisions::newest(Era::Modern).name;
        let question = legacy_client::discover_request("1", None, version);
        let question = Message::parse(question, Source::Client).ok()?;
        let headers = SessionHeaders {
            mirrored: headers::of_request(&question, &ToolHeaders::default()),
            ..SessionHeaders::default()
        };
        let post = self.endpoint.post(question.bytes().clone(), &headers, authorization, None);
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
