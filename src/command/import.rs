//! `mcp-tether auth import`: taking over the sign-ins of other bridges.

use std::collections::HashSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::client::someone_is_there;
use super::entry::{as_typed, default_arguments};
use super::remote::{Remote, start_log, start_trace};
use super::{CommandError, login, say, stores};
use crate::cli::compat::mcp_remote_name;
use crate::cli::sign_in::ImportArgs;
use crate::cli::{ConnectionArgs, SignInArgs};
use crate::clients::places::files;
use crate::clients::{Bridge, BridgeKind, Kind, Plain, Server, System, load};
use crate::config::{Env, Places, file_headers, server_url, sign_in};
use crate::error::ExitCode;
use crate::foreign::{ForeignError, SignIn, mcp_remote, mcp_stdio};
use crate::limits::{KEYRING_PATIENCE, KEYRING_TIMEOUT, MAX_LINE_ANSWER, MAX_MESSAGE_SIZE};
use crate::logging::Log;
use crate::secret::{Redactor, Secret, shown};
use crate::store::TokenRecord;
use crate::tasks;
use crate::trace::Trace;

/// A sign-in of another bridge, and how to connect to its server.
struct Found {
    bridge: BridgeKind,
    theirs: SignIn,
    connection: ConnectionArgs,
    sign_in: SignInArgs,
    /// The variables that the client sets for it.
    own: Vec<(String, Secret)>,
    /// Its address, which may hold a secret.
    url: String,
    /// The same as it may be shown.
    server: String,
}

/// What was looked at.
struct Search<'a> {
    env: Env<'a>,
    home: Option<PathBuf>,
    found: Vec<Found>,
    /// What was met before: a file and a server.
    met: HashSet<(PathBuf, String)>,
    /// Why something is left out.
    left_out: Vec<String>,
}

/// Takes over one sign-in, or all that can be told.
pub(super) async fn run(
    args: &ImportArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    start_log(&args.log, false, log)?;
    let trace = start_trace(&args.log, log, "auth import", "")?;
    let home = env(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).filter(|h| !h.is_empty());
    let mut search = Search {
        env,
        home: home.map(PathBuf::from),
        found: Vec::new(),
        met: HashSet::new(),
        left_out: Vec::new(),
    };
    if args.all {
        search.everything(args);
    } else {
        search.server(&args.connection, &args.sign_in, Vec::new())?;
    }
    let Search { found, left_out, .. } = search;
    for reason in &left_out {
        log::warn!("left out: {reason}");
    }
    if found.is_empty() {
        if left_out.is_empty() || !args.all {
            log::error!("no sign-in of mcp-remote or mcp-stdio was found that could be taken over");
        }
        return Ok(if args.all { ExitCode::Success } else { ExitCode::Unauthorized });
    }
    if !args.yes {
        for found in &found {
            let Found { server, bridge, theirs, .. } = found;
            say(&format!("{server}: {}, {}", bridge.name(), theirs.file.display()))?;
        }
        if !someone_is_there() {
            log::error!("nobody can be asked here whether they are to be taken over; use --yes");
            return Ok(ExitCode::Usage);
        }
        if !agreed(found.len()).await {
            return Ok(ExitCode::Usage);
        }
    }
    take(&found, env, trace.as_ref()).await
}

/// Takes over what was agreed to.
async fn take(
    all: &[Found],
    env: Env<'_>,
    trace: Option<&Trace>,
) -> Result<ExitCode, CommandError> {
    let mut worst = ExitCode::Success;
    let mut renewable = false;
    for found in all {
        let name = format!("{}, {}", found.bridge.name(), found.theirs.file.display());
        match found.take(env, trace).await {
            Ok((record, place)) => {
                renewable |= record.refresh_token.is_some();
                let expiry = expiry(&record);
                say(&format!(
                    "{}: taken over from {name}; {expiry}; kept in {place}",
                    found.server
                ))?;
            }
            Err((reason, code)) => {
                log::warn!("left out: {}: {name}: {reason}", found.server);
                worst = code;
            }
        }
    }
    if renewable {
        say("Let the other bridge go now: a refresh token is good for one of the two.")?;
    }
    Ok(worst)
}

impl Found {
    async fn take(
        &self,
        env: Env<'_>,
        trace: Option<&Trace>,
    ) -> Result<(TokenRecord, String), (String, ExitCode)> {
        let lookup = |name: &str| own_value(&self.own, name).or_else(|| env(name));
        let wrong = |error: CommandError| (error.to_string(), ExitCode::Usage);
        let mut target =
            login::target(&self.connection, &self.sign_in, false, &lookup).map_err(wrong)?;
        target.record(trace);
        let remote = Remote::new(target, MAX_MESSAGE_SIZE, KEYRING_PATIENCE).map_err(wrong)?;
        let challenge =
            remote.challenge().await.map_err(|f| (f.to_string(), ExitCode::from(&f)))?;
        let taken = remote.authorizer.take_over(&challenge, &self.theirs).await;
        let record = taken.map_err(|error| {
            let failure = error.failure(&self.server);
            (error.to_string(), ExitCode::from(&failure))
        })?;
        let place = match &remote.store {
            Some(store) => store.vault_in_use().await.to_string(),
            // There is one where something was stored.
            None => String::new(),
        };
        Ok((record, place))
    }
}

fn own_value(variables: &[(String, Secret)], name: &str) -> Option<String> {
    let found = variables.iter().rev().find(|(own, _)| own == name);
    found.map(|(_, value)| value.expose().to_owned())
}

impl Search<'_> {
    /// Every server that a client names, but for those of single projects, whose files anybody may have
    /// written; and every server of mcp-stdio.
    fn everything(&mut self, args: &ImportArgs) {
        for file in files(System::here(), self.env, None) {
            // A pipe could keep us waiting for ever.
            if !file.path.is_file() {
                continue;
            }
            let Ok(servers) = load(&file.path, Some(file.client)) else {
                let path = file.path.display();
                self.left_out.push(format!("{path} cannot be read; mcp-tether doctor says why"));
                continue;
            };
            for server in servers.unwrap_or_default() {
                let subject = format!("{}, {}", file.client.name, server.name);
                if let Kind::Bridge(bridge) = &server.kind
                    && let Err(reason) = self.entry(&server, bridge, args)
                {
                    let reason = Redactor::default().clean(&reason, crate::limits::MAX_LOGGED_TEXT);
                    self.left_out.push(format!("{subject}: {reason}"));
                }
            }
        }
        let stdio = self.stdio().ok().flatten();
        for url in stdio.iter().flat_map(mcp_stdio::Store::urls) {
            let (mut connection, _) = default_arguments();
            connection.url = Some(url.to_owned());
            connection.allow_http = args.connection.allow_http;
            if let Err(error) = self.server(&connection, &args.sign_in, Vec::new()) {
                self.left_out.push(error.to_string());
            }
        }
        self.unnamed();
    }

    /// Says how many sign-ins of mcp-remote are nobody's.
    fn unnamed(&mut self) {
        let Some(base) = self.base(&[]) else { return };
        let named: HashSet<String> = self
            .met
            .iter()
            .filter_map(|(file, _)| Some(file.file_name()?.to_str()?.split_once('_')?.0.to_owned()))
            .collect();
        let all = mcp_remote::Store::at(&base).digests();
        let count = all.iter().filter(|digest| !named.contains(*digest)).count();
        if count > 0 {
            self.left_out.push(format!(
                "{count} more in {} of servers that no client here names; give their URL, and the flags that \
                 mcp-remote has",
                base.display()
            ));
        }
    }

    fn entry(&mut self, server: &Server, bridge: &Bridge, args: &ImportArgs) -> Result<(), String> {
        let mut own = Vec::new();
        for (name, value) in &server.env {
            let value = value.fill(self.env, Plain::Fill).map_err(|missing| missing.to_string())?;
            own.push((name.clone(), value));
        }
        let inside = |name: &str| own_value(&own, name).or_else(|| (self.env)(name));
        let typed = as_typed(bridge, self.env, &inside).map_err(|trouble| trouble.cause)?;
        let mut sign_in = typed.sign_in;
        sign_in.store = crate::cli::sign_in::StoreArgs {
            store: args.sign_in.store.store,
            profile: match &*sign_in.store.profile {
                "default" => args.sign_in.store.profile.clone(),
                named => named.to_owned(),
            },
        };
        self.server(&typed.connection, &sign_in, own).map_err(|error| error.to_string())
    }

    /// Looks for the sign-in to one server.
    fn server(
        &mut self,
        connection: &ConnectionArgs,
        args: &SignInArgs,
        own: Vec<(String, Secret)>,
    ) -> Result<(), CommandError> {
        let typed = connection.url.clone().unwrap_or_default();
        let url = server_url(&typed, connection.allow_http)?;
        let headers = file_headers(connection)?;
        let mut all = Vec::new();
        if let Some(base) = self.base(&own) {
            let store = mcp_remote::Store::at(&base);
            // A slash at the end makes no difference to most who type one.
            let other = match typed.strip_suffix('/') {
                Some(without) => without.to_owned(),
                None => format!("{typed}/"),
            };
            let mut found = None;
            for url in [typed.clone(), other] {
                let connection = ConnectionArgs { url: Some(url), ..connection.clone() };
                let name = mcp_remote_name(&connection, args, &headers);
                found = self.noted(store.sign_in(&name));
                if found.is_some() {
                    break;
                }
            }
            all.extend(found.map(|found| (BridgeKind::McpRemote, found)));
        }
        let stdio = self.stdio();
        if let Some(stdio) = self.noted(stdio) {
            let found = self.noted(stdio.sign_in(&typed));
            all.extend(found.map(|found| (BridgeKind::McpStdio, found)));
        }
        for (bridge, theirs) in all {
            if !self.met.insert((theirs.file.clone(), url.to_string())) {
                continue;
            }
            let server = shown(&url);
            let ours =
                stores(Places::find(self.env), sign_in::choice(&args.store), KEYRING_TIMEOUT)?;
            let taken = self.found.iter().any(|found| {
                found.url == url.as_str() && found.sign_in.store.profile == args.store.profile
            });
            if taken || ours.entry(url.as_str(), &args.store.profile)?.is_some() {
                self.left_out.push(format!(
                    "{server}: {}, {}: there is a sign-in already; use mcp-tether logout, or another --profile",
                    bridge.name(),
                    theirs.file.display()
                ));
                continue;
            }
            let (connection, sign_in) = (connection.clone(), args.clone());
            self.found.push(Found {
                bridge,
                theirs,
                connection,
                sign_in,
                own: own.clone(),
                url: url.to_string(),
                server,
            });
        }
        Ok(())
    }

    /// What was read; why it was not is told.
    fn noted<T>(&mut self, read: Result<Option<T>, ForeignError>) -> Option<T> {
        match read {
            Ok(read) => read,
            Err(error) => {
                let text = error.to_string();
                if !self.left_out.contains(&text) {
                    self.left_out.push(text);
                }
                None
            }
        }
    }

    /// Where mcp-remote keeps its sign-ins.
    fn base(&self, variables: &[(String, Secret)]) -> Option<PathBuf> {
        let name = "MCP_REMOTE_CONFIG_DIR";
        let named = own_value(variables, name).or_else(|| (self.env)(name));
        match named.filter(|folder| !folder.is_empty()) {
            Some(folder) => Some(PathBuf::from(folder)),
            None => Some(self.home.as_deref()?.join(".mcp-auth")),
        }
    }

    fn stdio(&self) -> Result<Option<mcp_stdio::Store>, ForeignError> {
        self.home.as_deref().map(|home: &Path| mcp_stdio::Store::at(home)).transpose()
    }
}

/// Whether the person at the terminal agrees.
async fn agreed(count: usize) -> bool {
    let what = if count == 1 { "this sign-in" } else { "these sign-ins" };
    eprint!("Take over {what}? [y/N] ");
    let _ = io::stderr().flush();
    let (sender, answer) = oneshot::channel();
    // A thread of its own: whoever interrupts us need not press Enter.
    let asked = tasks::thread("answer", move || {
        let mut line = Vec::new();
        let mut bytes = io::stdin().lock().take(MAX_LINE_ANSWER).bytes();
        while let Some(Ok(byte)) = bytes.next() {
            if byte == b'\n' {
                break;
            }
            line.push(byte);
        }
        // Whoever asked may have stopped waiting.
        let _ = sender.send(line);
    });
    let line = match asked {
        Ok(_) => answer.await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let line = String::from_utf8_lossy(&line).trim().to_ascii_lowercase();
    line == "y" || line == "yes"
}

/// How long it is good for.
fn expiry(record: &TokenRecord) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let then = match record.refresh_token {
        Some(_) => "renewed when needed",
        None => "then sign in again",
    };
    match record.expires_at {
        None => "the server names no expiry".to_owned(),
        Some(at) if at <= now => format!("expired, {then}"),
        Some(at) => {
            // The end of the year 9999 is the last second of an HTTP date.
            let at = UNIX_EPOCH + Duration::from_secs(at.min(253_402_300_799));
            format!("good until {}, {then}", httpdate::fmt_http_date(at))
        }
    }
}
