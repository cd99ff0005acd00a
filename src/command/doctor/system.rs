//! What this machine and the person's desktop offer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, header};
use tokio::time::timeout;
use url::Url;

use super::{Finding, Verdict};
use crate::auth::browser::Environment;
use crate::command::check::walk::is_proxied;
use crate::command::entry::default_arguments;
use crate::config::{self, Env, Places};
use crate::http::client;
use crate::http::tls::{check_roots, count_certificates};
use crate::http::{Http, Request};
use crate::limits::{CLOCK_NOTED, CLOCK_WRONG, KEYRING_TIMEOUT};
use crate::platform::{find_program, is_open_to_others};
use crate::secret::{Redactor, shown};
use crate::store::{Choice, KeyringError, Store};

/// A variable that is set and not empty.
fn set(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// Writes, reads and removes an item.
pub(super) async fn keyring(places: Option<&Places>, env: Env<'_>) -> Finding {
    let area = "keyring";
    let Some(places) = places else {
        let detail = "not looked at: there is no folder for credentials";
        return Finding::new(area, Verdict::Note, detail).fix("see the folders below");
    };
    let store = Store::new(places.clone(), Choice::Auto, KEYRING_TIMEOUT);
    // Another one at the same time must not remove this one's item.
    let name = format!("doctor-{}", std::process::id());
    let file = "sign-ins go into files that only you can read";
    match store.probe_keyring(&name).await {
        Ok(()) => Finding::new(area, Verdict::Fine, "an item was written, read and removed"),
        Err(KeyringError::Silent(_)) => {
            let detail =
                format!("it does not answer within {} s; {file}", KEYRING_TIMEOUT.as_secs());
            Finding::new(area, Verdict::Warning, detail)
                .fix("unlock it, or start its daemon anew; --store file never asks it")
        }
        Err(KeyringError::Locked(why)) => {
            Finding::new(area, Verdict::Warning, format!("it is locked: {why}; {file}"))
                .fix("unlock it, or use --store file")
        }
        Err(error) => {
            // Where no desktop runs there is none, and nobody expects one.
            let expected = !is_linux() || bus(env).is_some();
            let verdict = if expected { Verdict::Warning } else { Verdict::Note };
            let text =
                if expected { error.to_string() } else { "there is no D-Bus session".into() };
            Finding::new(area, verdict, format!("it cannot be used ({text}); {file}"))
                .fix("start a Secret Service such as gnome-keyring or KeePassXC, or leave it so")
        }
    }
}

fn is_linux() -> bool {
    cfg!(all(unix, not(target_vendor = "apple")))
}

/// Where the session's bus is, if there is one.
fn bus(env: Env<'_>) -> Option<String> {
    set(env, "DBUS_SESSION_BUS_ADDRESS").or_else(|| {
        let socket = PathBuf::from(set(env, "XDG_RUNTIME_DIR")?).join("bus");
        socket.exists().then(|| socket.display().to_string())
    })
}

/// What would show the page for signing in.
pub(super) fn browser(env: Env<'_>) -> Finding {
    let environment = Environment::detect(env);
    let area = "browser";
    let path = set(env, "PATH");
    let print = "mcp-tether prints the address to open; set BROWSER to a command that opens one";
    if environment.browser.is_some() {
        let programs = environment.browsers();
        let found = programs.iter().find_map(|name| find_program(name, path.as_deref()));
        return match found {
            Some(program) => {
                let detail = format!("BROWSER, which starts {}", program.display());
                Finding::new(area, Verdict::Fine, detail)
            }
            None => {
                let detail = format!("no program in BROWSER is there: {}", programs.join(", "));
                Finding::new(area, Verdict::Warning, detail).fix("correct or unset BROWSER")
            }
        };
    }
    if let Some(obstacle) = environment.obstacle_here() {
        return Finding::new(area, Verdict::Note, format!("none is opened: {obstacle}")).fix(print);
    }
    if !is_linux() {
        return Finding::new(area, Verdict::Fine, "the system's");
    }
    let openers = ["xdg-open", "gio", "gnome-open", "kde-open", "wslview"];
    match openers.iter().find_map(|name| find_program(name, path.as_deref())) {
        Some(program) => Finding::new(area, Verdict::Fine, format!("{}", program.display())),
        None => Finding::new(area, Verdict::Warning, "there is no xdg-open or the like in PATH")
            .fix(format!("install xdg-utils; otherwise {print}")),
    }
}

/// Display, bus, and the folders that the session names.
pub(super) fn desktop(env: Env<'_>) -> Vec<Finding> {
    if !is_linux() {
        return Vec::new();
    }
    let area = "desktop";
    let mut parts = Vec::new();
    for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
        parts.extend(set(env, name).map(|value| format!("{name}={value}")));
    }
    let display = !parts.is_empty();
    let bus = bus(env);
    parts.extend(bus.iter().map(|bus| format!("D-Bus at {bus}")));
    let missing = match (display, &bus) {
        (true, Some(_)) => None,
        (false, Some(_)) => Some("there is no display"),
        (true, None) => Some("there is no D-Bus session"),
        (false, None) => Some("there is neither a display nor a D-Bus session"),
    };
    let mut findings = vec![match missing {
        None => Finding::new(area, Verdict::Fine, parts.join(", ")),
        Some(missing) => {
            parts.insert(0, missing.to_owned());
            let fix = "none is needed over SSH and in containers; on a desktop, pass DISPLAY and \
                       DBUS_SESSION_BUS_ADDRESS on to the client";
            Finding::new(area, Verdict::Note, parts.join(", ")).fix(fix)
        }
    }];
    for name in
        ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"]
    {
        if set(env, name).is_some_and(|value| !Path::new(&value).is_absolute()) {
            let detail = "it is not an absolute path and counts as unset";
            let fix = format!("correct or unset {name}");
            findings.push(Finding::new(area, Verdict::Warning, detail).of(name).fix(fix));
        }
    }
    findings
}

/// The file of an administrator, where there is one.
pub(super) fn enterprise(env: Env<'_>) -> Option<Finding> {
    let area = "enterprise";
    match config::enterprise::find(env) {
        Ok(None) => None,
        Ok(Some(file)) => {
            let servers = file.enterprise.servers.iter().flat_map(|server| &server.patterns);
            let servers: Vec<&str> = servers.map(|pattern| pattern.text()).collect();
            let issuer = &file.enterprise.provider.issuer;
            let detail = format!("{issuer} vouches for people at {}", servers.join(", "));
            let subject = file.path.display().to_string();
            Some(Finding::new(area, Verdict::Fine, detail).of(subject))
        }
        Err(error) => {
            let fix = "an administrator has to correct it; until then every sign-in without --grant fails";
            Some(Finding::new(area, Verdict::Problem, error.to_string()).fix(fix))
        }
    }
}

/// The variables for proxies.
pub(super) fn proxies(env: Env<'_>) -> Vec<Finding> {
    let area = "proxies";
    let mut findings = Vec::new();
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        let (upper, lower) = (set(env, name), set(env, &name.to_lowercase()));
        if upper.is_some() && lower.is_some() && upper != lower {
            let detail = format!("it differs from {}", name.to_lowercase());
            let fix = "set one of them, or both to the same";
            findings.push(Finding::new(area, Verdict::Warning, detail).of(name).fix(fix));
        }
        let Some(value) = lower.or(upper) else { continue };
        findings.push(match proxy(&value) {
            Some(url) => Finding::new(area, Verdict::Fine, shown(&url)).of(name),
            None => {
                // The value may hold a password, and nobody can tell where.
                Finding::new(area, Verdict::Problem, "it is not the address of a proxy")
                    .of(name)
                    .fix(format!("set {name} to something like http://proxy.example:3128"))
            }
        });
    }
    if findings.is_empty() {
        return vec![Finding::new(area, Verdict::Fine, "none")];
    }
    let except = set(env, "no_proxy").or_else(|| set(env, "NO_PROXY"));
    let except =
        except.unwrap_or_else(|| "unset; this machine is never reached through a proxy".into());
    findings.push(Finding::new(area, Verdict::Fine, except).of("NO_PROXY"));
    findings
}

fn proxy(value: &str) -> Option<Url> {
    let with_scheme =
        if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&with_scheme).ok()?;
    let known =
        matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h");
    (known && url.host().is_some()).then_some(url)
}

/// The files with authorities that variables name, and the system's.
pub(super) fn certificates(env: Env<'_>) -> Vec<Finding> {
    let area = "certificates";
    let mut findings = Vec::new();
    for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        let Some(path) = set(env, name) else { continue };
        let replaces = name == "SSL_CERT_FILE" && is_linux();
        findings.push(match count_certificates(Path::new(&path)) {
            Ok(count) => {
                let s = if count == 1 { "" } else { "s" };
                let place =
                    if replaces { "in place of the system's" } else { "besides the system's" };
                let detail = format!("{count} certificate{s} in {path}, {place}");
                Finding::new(area, Verdict::Fine, detail).of(name)
            }
            Err(error) => {
                let verdict = if replaces { Verdict::Problem } else { Verdict::Warning };
                Finding::new(area, verdict, error.to_string())
                    .of(name)
                    .fix(format!("correct or unset {name}"))
            }
        });
    }
    if findings.iter().any(|finding| finding.verdict == Verdict::Problem) {
        return findings;
    }
    let roots = set(env, "SSL_CERT_FILE").is_none() || !is_linux();
    if roots {
        let read = connection(env).and_then(|s| check_roots(&s).map_err(|error| error.to_string()));
        findings.push(match read {
            Ok(()) => Finding::new(area, Verdict::Fine, "the system's can be read"),
            Err(reason) => Finding::new(area, Verdict::Problem, reason)
                .fix("install CA certificates, or name a file with them by SSL_CERT_FILE"),
        });
    }
    findings
}

/// How connections are made unless somebody says otherwise.
fn connection(env: Env<'_>) -> Result<client::Settings, String> {
    let (connection, _) = default_arguments();
    config::connection(&connection, env).map_err(|error| error.to_string())
}

/// Where records, notes and the cache go.
pub(super) fn folders(places: Option<&Places>, env: Env<'_>) -> Vec<Finding> {
    let area = "folders";
    let Some(places) = places else {
        let detail = match set(env, "MCP_TETHER_HOME") {
            Some(_) => "MCP_TETHER_HOME is not an absolute path",
            None => "the environment names no home, so that nothing can be kept",
        };
        let fix = "set HOME, or MCP_TETHER_HOME to an absolute path";
        return vec![Finding::new(area, Verdict::Problem, detail).fix(fix)];
    };
    let mut findings = Vec::new();
    for (subject, path, verdict) in [
        ("credentials", &places.credentials, Verdict::Problem),
        ("state", &places.state, Verdict::Problem),
        ("cache", &places.cache, Verdict::Warning),
    ] {
        let finding = match writable(path) {
            Ok(()) if subject == "credentials" && is_open_to_others(path) => {
                let detail = format!("others can look into {}", path.display());
                let fix = format!("chmod 700 {}", path.display());
                Finding::new(area, Verdict::Warning, detail).fix(fix)
            }
            Ok(()) => Finding::new(area, Verdict::Fine, path.display().to_string()),
            Err(error) => {
                let detail = format!("{} cannot be written to: {error}", path.display());
                Finding::new(area, verdict, detail).fix("make it yours, or set MCP_TETHER_HOME")
            }
        };
        findings.push(finding.of(subject));
    }
    findings
}

/// Whether files can be put into a folder, which is made when it is needed.
fn writable(folder: &Path) -> std::io::Result<()> {
    let missing = |path: &&Path| matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    let nearest = folder.ancestors().find(|path| !missing(path)).unwrap_or(folder);
    // Gone again at once.
    tempfile::Builder::new().prefix(".mcp-tether-doctor").tempfile_in(nearest).map(drop)
}

/// How far this machine's clock is from a server's.
pub(super) async fn clock(url: Option<&Url>, limit: Duration, env: Env<'_>) -> Finding {
    let area = "clock";
    let Some(url) = url else {
        let detail = "not compared with another one";
        return Finding::new(area, Verdict::Note, detail)
            .fix("mcp-tether doctor URL compares it with a server's");
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    let unknown = |why: &str| {
        Finding::new(area, Verdict::Warning, format!("{host} does not tell the time: {why}"))
            .fix(format!("mcp-tether check {} says more", shown(url)))
    };
    let settings = match connection(env) {
        Ok(settings) => settings,
        Err(reason) => return unknown(&reason),
    };
    let redactor = Arc::new(Redactor::default());
    let http = match Http::new(&settings, url, redactor) {
        Ok(http) => http,
        Err(error) => return unknown(&error.to_string()),
    };
    let headers = HeaderMap::new();
    let request =
        Request { method: Method::GET, url, headers, body: None, on_sent: None, sign: None };
    let asked = SystemTime::now();
    let response = match timeout(limit, http.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => return unknown(&failure.message),
        Err(_) => return unknown(&format!("no answer within {} s", limit.as_secs_f32())),
    };
    let answered = SystemTime::now();
    let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return unknown("its answer has no date");
    };
    compared(theirs, asked, answered, &host, is_proxied(url, env))
}

/// The server wrote its date, in whole seconds, at some time between the two.
fn compared(
    theirs: SystemTime,
    asked: SystemTime,
    answered: SystemTime,
    host: &str,
    proxied: bool,
) -> Finding {
    let later = |a: SystemTime, b: SystemTime| a.duration_since(b).unwrap_or_default();
    let ahead = later(asked, theirs + Duration::from_secs(1));
    let behind = later(theirs, answered);
    let (by, word) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let verdict = match by {
        by if by < CLOCK_NOTED => Verdict::Fine,
        by if by < CLOCK_WRONG => Verdict::Warning,
        _ => Verdict::Problem,
    };
    let through = if proxied { ", if the proxy tells the truth" } else { "" };
    if verdict == Verdict::Fine {
        return Finding::new("clock", verdict, format!("as that of {host}{through}"));
    }
    let detail = format!("{} s {word} that of {host}{through}", by.as_secs());
    Finding::new("clock", verdict, detail)
        .fix("set it; tokens and certificates are refused because of a wrong one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let now = SystemTime::now();
        let at = |seconds: i64| match u64::try_from(seconds) {
            Ok(seconds) => now + Duration::from_secs(seconds),
            Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
        };
        for (theirs, verdict, text) in [
            (0, Verdict::Fine, "as that"),
            (-20, Verdict::Fine, "as that"),
            (25, Verdict::Fine, "as that"),
            (-100, Verdict::Warning, "99 s ahead"),
            (100, Verdict::Warning, "behind"),
            (4000, Verdict::Problem, "behind"),
            (-4000, Verdict::Problem, "3999 s ahead"),
        ] {
            let finding = compared(at(theirs), now, at(1), "h.example", false);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.detail.contains(text), "{finding:?}");
        }
        // A slow answer proves nothing.
        let slow = compared(at(50), now, at(60), "h.example", true);
        assert_eq!(slow.verdict, Verdict::Fine);
    }

    #[test]
    fn addresses_of_proxies() {
        for good in ["http://p.example:1", "p.example:3128", "socks5h://u:p@127.0.0.1", "10.0.0.1"]
        {
            assert!(proxy(good).is_some(), "{good}");
        }
        for bad in ["ftp://p.example", "http://", "p example:1", "user:pass/word@"] {
            assert!(proxy(bad).is_none(), "{bad}");
        }
        assert_eq!(shown(&proxy("u:fake-secret@p.example:1").unwrap()), "http://p.example:1/");
    }
}
