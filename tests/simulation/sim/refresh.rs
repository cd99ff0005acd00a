//! Several processes with one store, and an authorization server whose refresh tokens are good once: who refreshes, and
//! what is left when one of them is killed.
//!
//! Each process is an `Authorizer` with a `Store` of its own over the same folder. The locks between them are those of
//! the operating system, which hold between two opened files of one process as well.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::{HeaderMap, Method, Response, header};
use http_body::{Body, Frame, SizeHint};
use mcp_tether::auth::{Authorizer, Credential, settings};
use mcp_tether::clock;
use mcp_tether::http::simulated::Network;
use mcp_tether::http::{Http, Request};
use mcp_tether::limits::{KEYRING_TIMEOUT, REFRESH_MARGIN};
use mcp_tether::random::simulated as random;
use mcp_tether::secret::{Redactor, Secret};
use mcp_tether::store::{
    Choice, ClientAuth, ClientRecord, Places, RecordKey, Store, TokenRecord, record,
};
use tokio::time::sleep;
use url::Url;

use super::schedule::{connection, sign_in};
use super::world::{Fault, World};
use super::{Options, Outcome, runtime};

const SERVER: &str = "https://server.example/mcp";
const ISSUER: &str = "https://server.example";
const CLIENT: &str = "client";

/// The authorization server, which is the MCP server as well.
struct Issuer {
    /// What was issued, oldest first. Only the last refresh token is good.
    issued: Vec<Issued>,
    /// Seconds that an access token lives.
    life: u64,
    /// A refresh token that was used is taken once more as long as nobody has the answer's tokens; otherwise all of them
    /// are revoked, as OAuth 2.1 (section 4.3.1) wants it.
    lenient: bool,
    revoked: bool,
    /// Refreshes under way.
    under_way: u32,
    /// An answer with a new refresh token has got lost: with the connection, or with its process.
    lost: bool,
}

struct Issued {
    expires_at: u64,
    /// The whole answer was read by somebody who lived on.
    delivered: bool,
}

impl Issuer {
    fn issue(&mut self) -> usize {
        let expires_at = clock::unix() + self.life;
        self.issued.push(Issued { expires_at, delivered: false });
        self.issued.len() - 1
    }
}

/// The network of one process.
#[derive(Clone)]
struct Line {
    world: Arc<World>,
    issuer: Arc<Mutex<Issuer>>,
    dead: Arc<AtomicBool>,
    process: usize,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line of process {}", self.process)
    }
}

/// Counts the refreshes under way.
struct UnderWay(Line);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.issuer().under_way -= 1;
    }
}

impl Line {
    fn issuer(&self) -> MutexGuard<'_, Issuer> {
        self.issuer.lock().expect("nobody panics with it")
    }

    /// The process dies if that is its fate: its tasks are unwound, and the system frees its locks.
    fn may_die(&self) {
        let dies = self.world.state().strikes(Fault::Kill);
        if dies {
            self.world.state().note(|| format!("process {} is killed", self.process));
            self.dead.store(true, Ordering::Relaxed);
            std::panic::resume_unwind(Box::new("killed"));
        }
    }

    async fn token(&self, body: &[u8]) -> Option<Response<reqwest::Body>> {
        {
            let mut issuer = self.issuer();
            issuer.under_way += 1;
            if issuer.under_way > 1 {
                self.world.state().violation("two refreshes are under way at once".into());
            }
        }
        let _under_way = UnderWay(self.clone());
        let latency = self.world.state().latency();
        sleep(latency).await;
        self.may_die();
        let delay = {
            let mut state = self.world.state();
            if state.strikes(Fault::CutBefore) {
                return None;
            }
            let delay = [300, 3000, 12_000, 20_000][state.pick(4) as usize];
            state.strikes(Fault::Delay).then(|| Duration::from_millis(delay))
        };
        if let Some(delay) = delay {
            sleep(delay).await;
        }
        {
            let mut state = self.world.state();
            if state.strikes(Fault::Unavailable) {
                let mut response = json(503, "{}".into());
                if state.chance(500) {
                    response
                        .headers_mut()
                        .insert(header::RETRY_AFTER, [0, 3, 9][state.pick(3) as usize].into());
                }
                return Some(response);
            }
            if state.strikes(Fault::ServerError) {
                return Some(json(500, "{}".into()));
            }
        }
        let text = std::str::from_utf8(body).unwrap_or_default();
        let presented =
            url::form_urlencoded::parse(text.as_bytes()).find(|(name, _)| name == "refresh_token");
        let presented =
            presented.and_then(|(_, value)| value.strip_prefix("refresh-token-")?.parse().ok());
        let granted = self.grant(presented.unwrap_or(usize::MAX));
        let Some(granted) = granted else {
            return Some(json(400, r#"{"error":"invalid_grant"}"#.into()));
        };
        // From here on the tokens before are spent.
        let cut = self.world.state().strikes(Fault::CutAfter);
        if cut {
            self.lose("the connection broke");
            return None;
        }
        let life = self.issuer().life;
        let text = format!(
            r#"{{"access_token":"access-token-{granted}","token_type":"Bearer","expires_in":{life},"refresh_token":"refresh-token-{granted}"}}"#
        );
        let body =
            reqwest::Body::wrap(Answer { text: Some(text.into()), line: self.clone(), granted });
        Some(with_type(200, body))
    }

    fn lose(&self, why: &str) {
        self.world.state().note(|| format!("new tokens are lost: {why}"));
        self.issuer().lost = true;
    }

    /// Which tokens the presented refresh token brings.
    fn grant(&self, presented: usize) -> Option<usize> {
        let mut issuer = self.issuer();
        let newest = issuer.issued.len() - 1;
        let mut state = self.world.state();
        state.note(|| {
            format!("process {} refreshes with {presented}; the newest is {newest}", self.process)
        });
        if issuer.revoked || presented > newest {
            return None;
        }
        if presented < newest {
            if issuer.issued[newest].delivered && !issuer.lost {
                state.violation(format!(
                    "refresh token {presented} was used again, though {newest} had arrived"
                ));
            }
            state.see("spent refresh token presented after a loss");
            if issuer.lenient && presented + 1 == newest {
                issuer.issued[newest].expires_at = clock::unix() + issuer.life;
                return Some(newest);
            }
            issuer.revoked = true;
            return None;
        }
        let now = clock::unix();
        let margin = REFRESH_MARGIN.as_secs().min(issuer.life / 10);
        if issuer.issued[newest].expires_at > now + margin + 1 {
            state.violation(format!(
                "access token {newest} was refreshed with {} s left",
                issuer.issued[newest].expires_at - now
            ));
        }
        state.see("token refreshed");
        Some(issuer.issue())
    }

    fn resource(&self, headers: &HeaderMap) -> Response<reqwest::Body> {
        let issuer = self.issuer();
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let number = bearer
            .and_then(|value| value.strip_prefix("Bearer access-token-")?.parse::<usize>().ok());
        let good = number
            .and_then(|number| issuer.issued.get(number))
            .is_some_and(|it| it.expires_at > clock::unix());
        json(if good && !issuer.revoked { 200 } else { 401 }, "{}".into())
    }
}

impl Network for Line {
    fn connect<'a>(&'a self, head: &'a http::request::Parts) -> BoxFuture<'a, bool> {
        async move {
            let latency = self.world.state().latency();
            sleep(latency).await;
            head.method == Method::GET || !self.world.state().strikes(Fault::Refuse)
        }
        .boxed()
    }

    fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Option<Response<reqwest::Body>>> {
        async move {
            if request.method() == Method::GET {
                return Some(self.resource(request.headers()));
            }
            self.token(request.body()).await
        }
        .boxed()
    }
}

/// An answer with tokens, during which the process may be killed.
struct Answer {
    text: Option<Bytes>,
    line: Line,
    granted: usize,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let dies = self.line.world.state().strikes(Fault::Kill);
        if dies {
            self.line.lose("their process is killed");
            self.line.dead.store(true, Ordering::Relaxed);
            std::panic::resume_unwind(Box::new("killed"));
        }
        let piece = self.text.take();
        if piece.is_none() {
            let granted = self.granted;
            self.line.issuer().issued[granted].delivered = true;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn json(status: u16, text: String) -> Response<reqwest::Body> {
    with_type(status, text.into())
}

fn with_type(status: u16, body: reqwest::Body) -> Response<reqwest::Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into().expect("a status");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/json".parse().expect("a content type"));
    response
}

/// One process.
struct Process {
    authorizer: Arc<Authorizer>,
    http: Http,
    url: Url,
    line: Line,
}

impl Process {
    fn start(line: Line, places: &Places) -> Arc<Process> {
        let url = Url::parse(SERVER).expect("a URL");
        let redactor = Arc::new(Redactor::default());
        let connection = connection(Arc::new(line.clone()));
        let store = Store::new(places.clone(), Choice::File, KEYRING_TIMEOUT);
        let settings = sign_in(url.clone(), settings::Mode::Stored);
        let authorizer =
            Arc::new(Authorizer::new(settings, &connection, Some(store), redactor.clone()));
        let http = Http::new(&connection, &url, redactor).expect("no TLS is set up");
        Arc::new(Process { authorizer, http, url, line })
    }

    fn is_dead(&self) -> bool {
        self.line.dead.load(Ordering::Relaxed)
    }

    /// Sends a request with what there is, and gives its status; none if there is nothing to send it with.
    async fn ask(&self) -> Option<u16> {
        let credential = self.authorizer.credential().await?;
        let (headers, sign) = (HeaderMap::new(), Some(Credential::signer(&credential)));
        let request = Request {
            method: Method::GET,
            url: &self.url,
            headers,
            body: None,
            on_sent: None,
            sign,
        };
        self.http.send(request).await.ok().map(|response| response.status().as_u16())
    }
}

/// Runs a schedule.
pub fn run(options: &Options) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let runtime = runtime();
    let outcome = runtime.block_on(run_here(options, folder.path()));
    drop(runtime);
    outcome
}

async fn run_here(options: &Options, home: &Path) -> Outcome {
    random::seed(options.seed ^ 0x5eed);
    clock::simulated::start();
    let world = World::new(options);
    let places = Places::below(home);
    let issuer = {
        let mut state = world.state();
        let life = 100 + state.pick(900);
        let lenient = state.chance(500);
        let mut issuer =
            Issuer { issued: Vec::new(), life, lenient, revoked: false, under_way: 0, lost: false };
        issuer.issue();
        issuer.issued[0].delivered = true;
        Arc::new(Mutex::new(issuer))
    };
    let life = issuer.lock().expect("nobody panics with it").life;
    let store = Store::new(places.clone(), Choice::File, KEYRING_TIMEOUT);
    let key = RecordKey::new(SERVER, ISSUER, CLIENT, "");
    let lock = store.lock(&key).await.expect("nobody else is there");
    store.write_token(lock, &first(life)).await.expect("a folder that can be written to");

    let mut started = 0;
    let mut start = || {
        started += 1;
        let line = Line {
            world: world.clone(),
            issuer: issuer.clone(),
            dead: Arc::default(),
            process: started,
        };
        Process::start(line, &places)
    };
    let mut processes = vec![start(), start(), start()];
    let rounds = world.state().pick(8).min(options.steps as u64) + 2;
    for round in 0..rounds {
        let last = round + 1 == rounds;
        let wait = {
            let mut state = world.state();
            if last {
                // Nothing goes wrong any more, and everything has expired.
                state.calm = true;
                2 * life + 10
            } else {
                state.pick(life + life / 2)
            }
        };
        sleep(Duration::from_secs(wait)).await;
        let asked = processes.iter().flat_map(|process| {
            let times = world.state().pick(3) + u64::from(last);
            (0..times).map(|_| {
                let (process, world) = (process.clone(), world.clone());
                let wait = Duration::from_millis(world.state().pick(200));
                tokio::spawn(async move {
                    sleep(wait).await;
                    (process.ask().await, process.is_dead(), process.line.process)
                })
            })
        });
        let asked: Vec<_> = asked.collect();
        for outcome in join_all(asked).await {
            let Ok((status, dead, process)) = outcome else { continue };
            let mut state = world.state();
            state.note(|| format!("process {process} gets {status:?}, dead: {dead}"));
            let issuer = issuer.lock().expect("nobody panics with it");
            let excused = dead || issuer.revoked || (issuer.lost && !issuer.lenient);
            let quiet = state.calm || state.is_untouched();
            if status != Some(200) && quiet && !excused {
                state.violation(format!("process {process} has no right to send: {status:?}"));
            }
        }
        for process in &mut processes {
            if process.is_dead() {
                *process = start();
            }
        }
    }
    let kept = store.token(&key).await.ok().flatten().and_then(|record| record.refresh_token);
    let (newest, excused) = {
        let issuer = issuer.lock().expect("nobody panics with it");
        (issuer.issued.len() - 1, issuer.revoked || (issuer.lost && !issuer.lenient))
    };
    let expected = format!("refresh-token-{newest}");
    if kept.as_ref().map(Secret::expose) != Some(expected.as_str()) && !excused {
        world
            .state()
            .violation(format!("{newest} is the newest refresh token, and another one is kept"));
    }
    world.outcome()
}

/// What a sign-in has left.
fn first(life: u64) -> TokenRecord {
    let now = clock::unix();
    TokenRecord {
        version: record::VERSION,
        server: SERVER.into(),
        profile: String::new(),
        resource: SERVER.into(),
        resource_parameter: None,
        issuer: ISSUER.into(),
        client: ClientRecord {
            version: record::VERSION,
            issuer: ISSUER.into(),
            client_id: CLIENT.into(),
            client_secret: None,
            auth: ClientAuth::None,
            redirect_uri: "http://127.0.0.1/callback".into(),
            registered: false,
            secret_expires_at: None,
            other: Default::default(),
        },
        token_endpoint: "https://server.example/token".into(),
        revocation_endpoint: None,
        requested_scope: None,
        scope: None,
        grant: None,
        access_token: Secret::new("access-token-0".into()),
        refresh_token: Some(Secret::new("refresh-token-0".into())),
        id_token: None,
        obtained_at: now,
        expires_at: Some(now + life),
        dpop: None,
        other: Default::default(),
    }
}
