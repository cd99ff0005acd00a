//! The configurations of the clients on this machine, and the servers in them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use url::Url;

use super::{Finding, Verdict, harmless};
use crate::cli;
use crate::clients::places::files;
use crate::clients::{Bridge, BridgeKind, Kind, KnownFile, Server, System, load};
use crate::command::entry::{self, Trouble, default_arguments};
use crate::config::Env;
use crate::limits::MAX_COMPARED;
use crate::platform::find_program;

/// What was seen.
pub(super) struct Seen {
    pub findings: Vec<Finding>,
    /// The servers that clients name.
    pub urls: Vec<Url>,
}

/// Where a person has to look.
const AREA: &str = "clients";

/// First version of mcp-remote that does not hand a server's address to a shell (CVE-2025-6514).
const SAFE_MCP_REMOTE: [u64; 3] = [0, 1, 16];

/// Looks at all files that are there.
pub(super) fn look(env: Env<'_>) -> Seen {
    let here = std::env::current_dir().ok();
    let mut seen = Seen { findings: Vec::new(), urls: Vec::new() };
    for file in files(System::here(), env, here.as_deref()) {
        // A pipe could keep us waiting for ever.
        if file.path.is_file() {
            seen.file(&file, env);
        }
    }
    if seen.findings.is_empty() {
        let fix = "mcp-tether check --config FILE reads others";
        seen.findings.push(
            Finding::new(AREA, Verdict::Note, "no configuration of a known client was found")
                .fix(fix),
        );
    }
    seen
}

impl Seen {
    fn file(&mut self, file: &KnownFile, env: Env<'_>) {
        let subject = format!("{} ({})", file.client.name, file.path.display());
        let servers = match load(&file.path, Some(file.client)) {
            Ok(servers) => servers.unwrap_or_default(),
            Err(error) => {
                let fix = "correct it: the client may not read it either";
                let finding = Finding::new(AREA, Verdict::Warning, error.to_string());
                self.findings.push(finding.of(subject).fix(fix));
                return;
            }
        };
        self.findings.push(Finding::new(AREA, Verdict::Fine, counted(&servers)).of(subject));
        for server in &servers {
            let subject = format!("{}, {}", file.client.name, server.name);
            self.server(server, &subject, env);
        }
    }

    fn server(&mut self, server: &Server, subject: &str, env: Env<'_>) {
        if server.disabled {
            return;
        }
        let before = self.findings.len();
        let bridge = match &server.kind {
            Kind::Local(_) => return,
            Kind::Remote(_) => None,
            Kind::Bridge(bridge) => Some(&**bridge),
        };
        let mut found = Vec::new();
        let (connection, sign_in) = default_arguments();
        match entry::resolve(server, &connection, &sign_in, env) {
            Ok(ready) => {
                let url = &ready.config.target.url;
                if !self.urls.contains(url) {
                    self.urls.push(url.clone());
                }
            }
            Err(Trouble { missing: Some(missing), .. }) if missing.is_the_clients() => {}
            Err(Trouble { cause, next, missing }) => {
                // The client may have variables that this shell has not.
                let unset = missing.is_some();
                let verdict = if unset { Verdict::Warning } else { Verdict::Problem };
                found.push(Finding::new(AREA, verdict, cause).fix(next));
            }
        }
        if let Some(bridge) = bridge {
            found.extend(started(bridge, env));
            match bridge.kind {
                BridgeKind::Ours => {}
                BridgeKind::McpRemote | BridgeKind::McpStdio => found.push(movable(bridge)),
            }
        }
        self.findings.extend(found.into_iter().map(|finding| finding.of(subject)));
        if bridge.is_some() && self.findings.len() == before {
            let detail = "starts this mcp-tether";
            self.findings.push(Finding::new(AREA, Verdict::Fine, detail).of(subject));
        }
    }
}

/// How many there are of what.
fn counted(servers: &[Server]) -> String {
    let count = |kind: &str| servers.iter().filter(|server| server.kind_name() == kind).count();
    let remote = servers.iter().filter(|s| !matches!(s.kind, Kind::Local(_))).count();
    let s = if servers.len() == 1 { "" } else { "s" };
    let mut text = format!("{} server{s}", servers.len());
    if remote > 0 {
        let plain = count("http") + count("sse");
        let mut parts: Vec<String> = ["mcp-tether", "mcp-remote", "mcp-stdio"]
            .into_iter()
            .filter(|kind| count(kind) > 0)
            .map(|kind| format!("{} by {kind}", count(kind)))
            .collect();
        if plain > 0 {
            parts.push(format!("{plain} by the client itself"));
        }
        text.push_str(&format!(", {remote} remote: {}", parts.join(", ")));
    }
    text
}

/// Whether what a client starts is there, and is what it seems to be. Nothing is started to find out:
/// configurations in the folder of a project are somebody else's.
fn started(bridge: &Bridge, env: Env<'_>) -> Option<Finding> {
    let command = &bridge.launched.command;
    let first = command.split_whitespace().next().unwrap_or_default();
    let path = env("PATH");
    let program =
        find_program(command, path.as_deref()).or_else(|| find_program(first, path.as_deref()));
    let Some(program) = program else {
        let is_path = Path::new(command).components().count() > 1;
        let (verdict, detail) = if is_path {
            (Verdict::Problem, format!("{} is not there", harmless(command)))
        } else {
            // The client may have another one.
            (Verdict::Warning, format!("{} is not in this PATH", harmless(command)))
        };
        let fix = match (bridge.kind, own()) {
            (BridgeKind::Ours, Some(own)) => format!("set the command to {}", own.display()),
            _ => "install it, or name it by its whole path".to_owned(),
        };
        return Some(Finding::new(AREA, verdict, detail).fix(fix));
    };
    if bridge.kind != BridgeKind::Ours || bridge.launched.indirect {
        return None;
    }
    let own = own()?;
    if !is_same(&own, &program) {
        let detail = format!("{} is another mcp-tether than this one", program.display());
        let fix =
            format!("see {} --version, or set the command to {}", program.display(), own.display());
        return Some(Finding::new(AREA, Verdict::Note, detail).fix(fix));
    }
    if !Path::new(command).is_absolute() {
        let detail = "the command is found by PATH, which clients with windows may not have";
        let fix = format!("set the command to {}", program.display());
        return Some(Finding::new(AREA, Verdict::Note, detail).fix(fix));
    }
    None
}

/// This program's file.
fn own() -> Option<PathBuf> {
    std::env::current_exe().ok()?.canonicalize().ok()
}

/// Whether two files are one, or hold the same.
fn is_same(one: &Path, other: &Path) -> bool {
    if other.canonicalize().is_ok_and(|other| other == one) {
        return true;
    }
    let open = |path: &Path| Some((path.metadata().ok()?.len(), File::open(path).ok()?));
    let (Some((a, one)), Some((b, other))) = (open(one), open(other)) else { return false };
    let bounded = |file: File| BufReader::with_capacity(64 << 10, file.take(MAX_COMPARED as u64));
    a == b && bounded(one).bytes().eq_by_result(bounded(other).bytes())
}

/// Bytes that can be compared although reading them may fail.
trait EqByResult: Iterator<Item = std::io::Result<u8>> + Sized {
    fn eq_by_result(mut self, mut other: impl Iterator<Item = std::io::Result<u8>>) -> bool {
        loop {
            match (self.next(), other.next()) {
                (None, None) => return true,
                (Some(Ok(a)), Some(Ok(b))) if a == b => {}
                _ => return false,
            }
        }
    }
}

impl<T: Iterator<Item = std::io::Result<u8>>> EqByResult for T {}

/// An entry of another bridge, which could be ours.
fn movable(bridge: &Bridge) -> Finding {
    let name = bridge.kind.name();
    let version = bridge.launched.version.as_deref().and_then(numbers);
    if bridge.kind == BridgeKind::McpRemote && version.is_some_and(|v| v < SAFE_MCP_REMOTE) {
        let detail = "this version of mcp-remote lets a server start programs (CVE-2025-6514)";
        return Finding::new(AREA, Verdict::Problem, detail)
            .fix("use mcp-remote 0.1.16 or later, or mcp-tether");
    }
    let own = own().map_or("mcp-tether".to_owned(), |own| own.display().to_string());
    let words: Vec<String> =
        bridge.launched.arguments.iter().map(|word| word.expose().to_owned()).collect();
    let what = if cli::bridge_arguments(&words).is_ok() {
        "with the same arguments"
    } else {
        "with the URL and the headers; other arguments differ"
    };
    let detail = format!("{name} could be mcp-tether");
    Finding::new(AREA, Verdict::Note, detail).fix(format!(
        "mcp-tether migrate does it; or set the command to {own}, {what}, and sign in once more"
    ))
}

/// `1.2.3`; what else stands for a version (`latest`, ranges) is new enough.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(numbers("0.1.15"), Some([0, 1, 15]));
        assert!(numbers("0.1.15").unwrap() < SAFE_MCP_REMOTE);
        assert!(numbers("0.15.1").unwrap() > SAFE_MCP_REMOTE);
        for other in ["latest", "1", "1.2", "1.2.x", "1.2.3.4", "1.2.3-beta", ""] {
            assert_eq!(numbers(other), None, "{other}");
        }
    }

    #[test]
    fn files_that_hold_the_same_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.canonicalize().unwrap()
        };
        let (a, b, c, d) = (file("a", "xy"), file("b", "xy"), file("c", "xz"), file("d", "xyz"));
        assert!(is_same(&a, &a) && is_same(&a, &b));
        assert!(!is_same(&a, &c) && !is_same(&a, &d) && !is_same(&a, folder.path()));
        assert!(!is_same(&a, &folder.path().join("missing")));
    }
}
