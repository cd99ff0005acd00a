//! A realm: a protected MCP server, the authorization server that guards it, and a person who says
//! yes to everything.
//!
//! * [`options`]: every way in which real servers differ.
//! * [`device`]: sign-ins with a code.
//! * [`issuer`]: the authorization server. It checks what it is sent and fails the test on breaches.
//! * [`proofs`]: proofs of possession, checked.
//! * [`unattended`]: grants that need nobody, there.
//! * [`resource`]: the refusals and the metadata of the MCP server.
//!
//! A test may script single replies as with every [`Server`]: `realm.issuer.once("token", ..)`; the
//! kinds are those of [`endpoint`].

pub mod device;
pub mod issuer;
pub mod options;
pub mod proofs;
pub mod resource;
pub mod unattended;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::bridge::{Bridge, Builder};
use super::browser::{Browser, files, follow};
use super::{DEADLINE, DISCOVER, INITIALIZE, Line, Request, Server};
pub use issuer::State;
pub use options::{At, Iss, Options};
pub use proofs::Proofs;

/// Which endpoint of sign-in a path is: `prm` (protected resource metadata), `metadata` (of the
/// authorization server), `authorize`, `token`, `register`, `revoke` or `device`.
pub fn endpoint(path: &str) -> Option<&'static str> {
    if path.contains("oauth-protected-resource") {
        return Some("prm");
    }
    if path.contains("/.well-known/") {
        return Some("metadata");
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    ["prm", "authorize", "token", "register", "revoke", "device"]
        .into_iter()
        .find(|name| *name == last)
}

/// The parameters of a query or form body.
pub fn form(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Starts a bridge and gives the answer to `initialize`.
#[track_caller]
pub fn initialize(builder: Builder) -> Line {
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    bridge.finish();
    answer
}

/// Goes where a bridge without a browser says, and ends it when `initialize` is answered.
#[track_caller]
pub fn sign_in_by_the_printed_url(builder: Builder) {
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let printed = wait_for("the URL", || printed_url(&bridge.stderr()));
    assert_eq!(follow(&printed).unwrap().status, 200);
    bridge.answer(0).result();
    bridge.finish();
}

/// What the servers of a realm share.
pub struct Shared {
    /// How they behave.
    pub options: Mutex<Options>,
    /// What they know.
    pub state: Mutex<State>,
    mcp: String,
    issuer: String,
}

impl Shared {
    /// The MCP endpoint.
    pub fn server(&self) -> String {
        format!("{}/mcp", self.mcp)
    }

    /// The identifier of the authorization server.
    pub fn issuer(&self, options: &Options) -> String {
        if options.at_mcp { self.mcp.clone() } else { format!("{}{}", self.issuer, options.path) }
    }
}

/// See the module. Tokens are kept in a folder of its own, in files.
pub struct Realm {
    /// The MCP server.
    pub mcp: Server,
    /// The authorization server, unless [`Options::at_mcp`].
    pub issuer: Server,
    /// The person.
    pub browser: Browser,
    shared: Arc<Shared>,
    home: tempfile::TempDir,
}

impl Realm {
    /// With everything as the specification wants it.
    pub fn new() -> Realm {
        Realm::around(Server::start())
    }

    /// The same around a stateless server.
    pub fn modern() -> Realm {
        let realm = Realm::around(Server::modern());
        let guard = realm.shared.clone();
        realm.mcp.maybe(DISCOVER, move |r| resource::answer(&guard, r));
        realm
    }

    fn around(mcp: Server) -> Realm {
        let issuer = Server::start();
        let shared = Arc::new(Shared {
            options: Mutex::default(),
            state: Mutex::default(),
            mcp: mcp.url_at(""),
            issuer: issuer.url_at(""),
        });
        let (guard, grants) = (shared.clone(), shared.clone());
        mcp.maybe("*", move |r| resource::answer(&guard, r));
        issuer.maybe("*", move |r| issuer::answer(&grants, false, r));
        let home = tempfile::tempdir().unwrap();
        Realm { mcp, issuer, browser: Browser::new(), shared, home }
    }

    /// With something different.
    pub fn with(change: impl FnOnce(&mut Options)) -> Realm {
        let realm = Realm::new();
        realm.set(change);
        realm
    }

    /// Changes the behaviour from now on.
    pub fn set(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.shared.options.lock().unwrap());
    }

    /// Several bridges use it at once, which the protocol checks of one handshake cannot tell apart.
    pub fn many_clients(&self) {
        self.mcp.mcp().set(|s| s.strict = false);
    }

    /// What the servers know.
    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap())
    }

    /// The identifier of the authorization server.
    pub fn issuer_url(&self) -> String {
        self.shared.issuer(&self.shared.options.lock().unwrap())
    }

    /// The folder with everything that is kept.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A bridge of this person: `mcp-tether <url>`.
    pub fn bridge(&self) -> Builder {
        self.bridge_without_browser().env("BROWSER", self.browser.command())
    }

    /// The same on a machine without a screen.
    pub fn bridge_without_browser(&self) -> Builder {
        self.at_home(Bridge::with(&self.mcp.url()))
    }

    /// A bridge to another server, with the same home.
    pub fn at_home(&self, builder: Builder) -> Builder {
        builder.arg("--store=file").env("MCP_TETHER_HOME", self.home.path())
    }

    /// Starts a command of this person.
    pub fn spawn(&self, args: &[&str]) -> Run {
        self.spawn_with(args, &[])
    }

    /// The same with more environment.
    pub fn spawn_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command.args(args).arg("--store=file").env_clear().envs(super::profile());
        for name in ["PATH", "SystemRoot", "TEMP", "SystemDrive"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.home.path()).env("USERPROFILE", self.home.path());
        command.env("MCP_TETHER_HOME", self.home.path()).env("BROWSER", self.browser.command());
        command.envs(environment.iter().copied());
        let outputs = tempfile::tempdir().unwrap();
        let file = |name: &str| std::fs::File::create(outputs.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Run { child: command.spawn().expect("the binary is built"), outputs }
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Shown {
        self.spawn(args).wait()
    }

    /// Signs in with `mcp-tether login` and these further arguments.
    #[track_caller]
    pub fn login(&self, args: &[&str]) {
        let url = self.mcp.url();
        self.run(&[&["login", &url], args].concat()).code(0);
    }

    /// The same with an access token that is no longer valid, as both sides know.
    #[track_caller]
    pub fn login_expired(&self, args: &[&str]) {
        self.login(args);
        let mut records = 0;
        for (path, bytes) in self.kept() {
            let Ok(mut record) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
                continue;
            };
            if record["expires_at"].is_u64() {
                record["expires_at"] = serde_json::json!(1_000_000_000);
                std::fs::write(&path, record.to_string()).unwrap();
                records += 1;
            }
        }
        assert_eq!(records, 1, "one record of a token");
        self.state(State::expire);
    }

    /// How many requests an endpoint has had, on both servers.
    pub fn count(&self, endpoint: &str) -> usize {
        self.mcp.seen(endpoint).len() + self.issuer.seen(endpoint).len()
    }

    /// Asserts how often something was asked of the authorization server: `authorize`, `token`,
    /// `register`.
    #[track_caller]
    pub fn asked(&self, authorize: usize, token: usize, register: usize) {
        let counts = ["authorize", "token", "register"].map(|endpoint| self.count(endpoint));
        assert_eq!(counts, [authorize, token, register], "authorize, token, register");
    }

    /// Asserts that nothing but the MCP server itself was asked anything.
    #[track_caller]
    pub fn no_oauth(&self) {
        assert_eq!(self.issuer.connections(), 0, "{:?}", self.issuer.kinds());
        let asked = self.mcp.seen("*").iter().any(|r| endpoint(r.uri.path()).is_some());
        assert!(!asked, "{:?}", self.mcp.kinds());
        assert_eq!(self.browser.opened(), [""; 0]);
    }

    /// The parameters of the authorization requests.
    pub fn authorizations(&self) -> Vec<HashMap<String, String>> {
        let parameters = |r: &Arc<Request>| form(r.uri.query().unwrap_or_default());
        let servers = [&self.issuer, &self.mcp];
        servers.iter().flat_map(|s| s.seen("authorize")).map(|r| parameters(&r)).collect()
    }

    /// The parameters of the token requests.
    pub fn token_requests(&self) -> Vec<HashMap<String, String>> {
        let servers = [&self.issuer, &self.mcp];
        servers.iter().flat_map(|s| s.seen("token")).map(|r| form(r.text())).collect()
    }

    /// The bodies of the registrations.
    pub fn registrations(&self) -> Vec<serde_json::Value> {
        let requests = self.issuer.seen("register");
        requests.iter().map(|r| serde_json::from_slice(&r.body).unwrap()).collect()
    }

    /// Everything that is kept, in files.
    pub fn kept(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(self.home.path())
    }

    /// Asserts that no secret of this realm is in `text`.
    #[track_caller]
    pub fn no_secret_in(&self, place: &str, text: &str) {
        for secret in self.state(|state| state.secrets.clone()) {
            let line = text.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{secret} in {place}");
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let breaches = self.state(|state| std::mem::take(&mut state.breaches));
            assert!(breaches.is_empty(), "sign-in broke the protocol: {breaches:#?}");
        }
    }
}

/// A command under way. It is killed when dropped.
pub struct Run {
    child: Child,
    outputs: tempfile::TempDir,
}

/// What a command has shown.
#[derive(Debug)]
pub struct Shown {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Run {
    /// What stderr has by now.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.outputs.path().join(name)).unwrap()
    }

    /// Waits until the sign-in URL is on stderr, and gives it.
    #[track_caller]
    pub fn sign_in_url(&self) -> String {
        wait_for("the sign-in URL", || printed_url(&self.stderr()))
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(mut self) -> Shown {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let (stdout, stderr) = (self.read("stdout"), self.read("stderr"));
                return Shown { code: status.code(), stdout, stderr };
            }
            assert!(Instant::now() < end, "the command does not end: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shown {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Shown {
        let output = command.output().expect("the binary is built");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Shown { code: output.status.code(), stdout, stderr }
    }

    /// Asserts this exit code.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Shown {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that stderr names all of these.
    #[track_caller]
    pub fn says(&self, texts: &[&str]) -> &Shown {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        }
        self
    }
}

/// The sign-in URL that stderr names last.
pub fn printed_url(stderr: &str) -> Option<String> {
    let whole = stderr.rfind('\n').map_or("", |end| &stderr[..end]);
    let line = whole.lines().rfind(|line| line.contains("mcp-tether: to sign in to "))?;
    assert!(line.contains(" open this URL: "), "{line}");
    line.rsplit(' ').next().map(str::to_owned)
}

/// Waits until `look` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that this is the error of a request that waits for a person, and gives the sign-in URL.
#[track_caller]
pub fn sign_in_url(answer: &Line) -> String {
    let error = answer.value()["error"].take();
    assert_eq!(error["code"], -31011, "{answer}");
    assert_eq!(error["data"]["kind"], "unauthorized", "{answer}");
    let url = error["data"]["signInUrl"].as_str().expect("data.signInUrl").to_owned();
    assert!(error["message"].as_str().unwrap().contains(&url), "{answer}");
    url
}
