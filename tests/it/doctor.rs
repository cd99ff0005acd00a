//! `mcp-tether doctor`: what it finds on a machine that the tests make up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::oauth::Shown;
use crate::support::schema::fits;
use crate::support::tls::Tls;
use crate::support::*;

/// An empty home, and nothing else that tells of the machine.
struct Home {
    folder: tempfile::TempDir,
    tls: Tls,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap(), tls: Tls::new() };
        fs::create_dir(home.path("project")).unwrap();
        home
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(rest)
    }

    fn write(&self, rest: &str, text: &str) -> PathBuf {
        let path = self.path(rest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Shown {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command
            .arg("doctor")
            .args(args)
            .env_clear()
            .envs(crate::support::profile())
            .current_dir(self.path("project"));
        for name in ["SystemRoot", "TEMP", "SystemDrive"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for name in ["HOME", "USERPROFILE"] {
            command.env(name, self.path(""));
        }
        command.env("APPDATA", self.path("roaming")).env("MCP_TETHER_HOME", self.path("tether"));
        command.env("SSL_CERT_FILE", self.tls.file("ca.pem")).env("COLUMNS", "80");
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        Shown::of(&mut command)
    }

    #[track_caller]
    fn json(&self, args: &[&str], environment: &[(&str, &str)], code: i32) -> Value {
        let shown = self.run(&[args, &["--json"]].concat(), environment);
        let found: Value = serde_json::from_str(&shown.code(code).stdout).unwrap();
        fits(&found, include_str!("../../docs/doctor.schema.json"));
        assert_eq!((&found["exitCode"], shown.stderr.as_str()), (&json!(code), ""));
        for finding in found["findings"].as_array().unwrap() {
            assert_eq!(finding["fix"].is_null(), finding["verdict"] == "ok", "{finding}");
        }
        found
    }
}

/// Verdict, detail and fix of the one finding in `area` about `subject`.
#[track_caller]
fn finding<'a>(found: &'a Value, area: &str, subject: &str) -> (&'a str, &'a str, &'a str) {
    let about = |finding: &&Value| {
        finding["area"] == area && finding["subject"].as_str().unwrap_or_default() == subject
    };
    let all: Vec<_> = found["findings"].as_array().unwrap().iter().filter(about).collect();
    assert_eq!(all.len(), 1, "{area}, {subject}: {found}");
    let text = |name: &str| all[0][name].as_str().unwrap_or_default();
    (text("verdict"), text("detail"), text("fix"))
}

#[cfg(target_os = "linux")]
#[test]
fn an_empty_home() {
    let home = Home::new();
    let narrow = "\
i keyring       it cannot be used (there is no D-Bus session); sign-ins go into
                  files that only you can read
                fix: start a Secret Service such as gnome-keyring or KeePassXC,
                  or leave it so
i browser       none is opened: there is no display
                fix: mcp-tether prints the address to open; set BROWSER to a
                  command that opens one
i desktop       there is neither a display nor a D-Bus session
                fix: none is needed over SSH and in containers; on a desktop,
                  pass DISPLAY and DBUS_SESSION_BUS_ADDRESS on to the client
\u{2713} proxies       none
\u{2713} certificates  SSL_CERT_FILE: 1 certificate in ../ca.pem, in place of the
                  system's
\u{2713} folders       credentials: HOME/tether/credentials
\u{2713}               state: HOME/tether/state
\u{2713}               cache: HOME/tether/cache
\u{2713} config        no servers by name; mcp-tether config edit makes the file
i clients       no configuration of a known client was found
                fix: mcp-tether check --config FILE reads others
\u{2713} sign-ins      none
\u{2713} leftovers     none
i clock         not compared with another one
                fix: mcp-tether doctor URL compares it with a server's

no problems
";
    let wide = "\
i keyring       it cannot be used (there is no D-Bus session); sign-ins go into files that only you can read
                fix: start a Secret Service such as gnome-keyring or KeePassXC, or leave it so
";
    fs::copy(home.tls.file("ca.pem"), home.path("ca.pem")).unwrap();
    let place = home.path("");
    let place = place.to_str().unwrap().trim_end_matches('/');
    for (columns, part) in [("80", narrow), ("120", wide)] {
        let shown = home.run(&[], &[("COLUMNS", columns), ("SSL_CERT_FILE", "../ca.pem")]);
        let text = shown.code(0).stdout.replace(place, "HOME");
        assert!(text.contains(part), "{columns}:\n{text}");
        assert!(!text.contains('\u{1b}'), "colours are for terminals");
        assert_eq!(shown.stderr, "");
    }
    let found = home.json(&[], &[], 0);
    assert_eq!(found["result"], "note");
    assert!(!home.path("tether").exists(), "nothing is made");
}

#[test]
fn proxies_certificates_and_folders() {
    let home = Home::new();
    let ca = home.tls.file("ca.pem");
    let missing = home.path("missing.pem");
    let empty = home.write("empty.pem", "nothing");
    let variables = |pairs: &[(&str, &str)], code| home.json(&[], pairs, code);
    let found = variables(
        &[
            ("HTTPS_PROXY", "http://me:fake-secret@proxy.example:3128/x?y=fake-secret"),
            ("ALL_PROXY", "socks5://proxy.example"),
            ("NO_PROXY", "localhost,.example.com"),
            ("NODE_EXTRA_CA_CERTS", ca.to_str().unwrap()),
        ],
        0,
    );
    assert_eq!(finding(&found, "proxies", "HTTPS_PROXY").1, "http://proxy.example:3128/x");
    assert_eq!(finding(&found, "proxies", "ALL_PROXY").0, "ok");
    assert_eq!(finding(&found, "proxies", "NO_PROXY").1, "localhost,.example.com");
    assert!(finding(&found, "certificates", "NODE_EXTRA_CA_CERTS").1.starts_with("1 certificate"));
    assert!(!found.to_string().contains("fake-secret"), "{found}");

    let found = variables(&[("https_proxy", "fake-secret proxy")], 1);
    let (verdict, detail, fix) = finding(&found, "proxies", "HTTPS_PROXY");
    assert!(verdict == "problem" && fix.contains("HTTPS_PROXY"), "{detail}, {fix}");
    assert!(!found.to_string().contains("fake-secret"), "{found}");
    if cfg!(unix) {
        let found = variables(&[("http_proxy", "http://a/"), ("HTTP_PROXY", "http://b/")], 0);
        assert_eq!(found["result"], "warning");
    }

    for path in [&missing, &empty] {
        let found = variables(&[("NODE_EXTRA_CA_CERTS", path.to_str().unwrap())], 0);
        assert_eq!(finding(&found, "certificates", "NODE_EXTRA_CA_CERTS").0, "warning");
        if cfg!(target_os = "linux") {
            let found = variables(&[("SSL_CERT_FILE", path.to_str().unwrap())], 1);
            assert_eq!(finding(&found, "certificates", "SSL_CERT_FILE").0, "problem");
        }
    }

    if cfg!(target_os = "linux") {
        let folder = home.path("bin");
        fs::create_dir_all(&folder).unwrap();
        let nowhere = [("SSL_CERT_FILE", ""), ("SSL_CERT_DIR", folder.to_str().unwrap())];
        let found = variables(&nowhere, 1);
        let (verdict, detail, fix) = finding(&found, "certificates", "");
        assert!(verdict == "problem" && fix.contains("CA certificates"), "{detail}, {fix}");
    }

    let file = home.write("file", "");
    let found = variables(&[("MCP_TETHER_HOME", file.to_str().unwrap())], 1);
    for (subject, verdict) in
        [("credentials", "problem"), ("state", "problem"), ("cache", "warning")]
    {
        assert_eq!(finding(&found, "folders", subject).0, verdict);
    }
    let found = variables(&[("MCP_TETHER_HOME", "relative")], 1);
    assert!(finding(&found, "folders", "").1.contains("MCP_TETHER_HOME"));
}

#[cfg(target_os = "linux")]
#[test]
fn browsers_and_desktop() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let program = |name: &str| {
        let path = home.write(&format!("bin/{name}"), "#!/bin/sh\nexit 1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let browser = program("browse");
    let bin = home.path("bin");
    let path = ("PATH", bin.to_str().unwrap());
    let display = ("DISPLAY", ":7");
    let named = ("BROWSER", "missing:browse --new %s");
    for (variables, verdict, says) in [
        (&[display, path][..], "warning", "no xdg-open"),
        (&[display, path, ("SSH_TTY", "/dev/pts/1")], "warning", "no xdg-open"),
        (&[path, ("SSH_TTY", "/dev/pts/1")], "note", "SSH"),
        (&[path, named], "ok", browser.to_str().unwrap()),
        (&[path, ("BROWSER", "missing")], "warning", "missing"),
    ] {
        let found = home.json(&[], variables, 0);
        let (is, detail, _) = finding(&found, "browser", "");
        assert!(is == verdict && detail.contains(says), "{is}: {detail}");
    }
    program("xdg-open");
    // A bus that is not there.
    let bus = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    let found = home.json(&[], &[display, path, bus, ("XDG_DATA_HOME", "relative")], 0);
    assert!(finding(&found, "browser", "").1.ends_with("xdg-open"));
    assert_eq!(finding(&found, "desktop", "").1, "DISPLAY=:7, D-Bus at unix:path=/nowhere/bus");
    assert_eq!(finding(&found, "desktop", "XDG_DATA_HOME").0, "warning");
    assert_eq!(finding(&found, "keyring", "").0, "warning");
}

#[cfg(unix)]
#[test]
fn clients_and_what_they_start() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = Home::new();
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-tether"));
    fs::create_dir(home.path("bin")).unwrap();
    symlink(own, home.path("bin/mcp-tether")).unwrap();
    let other = home.write("other/mcp-tether", "#!/bin/sh\ntouch started\n");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let url = "https://mcp.example.com/mcp";
    let config = json!({ "mcpServers": {
        "by-path": { "command": own, "args": [url] },
        "by-name": { "command": "mcp-tether", "args": [url] },
        "gone": { "command": "/gone/mcp-tether", "args": [url] },
        "other": { "command": other, "args": [url] },
        "wrong": { "command": own, "args": [url, "--no-such-flag=fake-secret"] },
        "old": { "command": "npx", "args": ["-y", "mcp-remote@0.1.15", url] },
        "remote": { "command": "npx", "args": ["mcp-remote", url, "3334"] },
        "differs": { "command": "npx", "args": ["mcp-remote", url, "--no-such-flag"] },
        "unset": { "url": url, "headers": { "A": "fake-secret${NO_SUCH_VARIABLE}" } },
        "asked": { "url": url, "headers": { "A": "${input:key}" } },
        "plain": { "url": url },
        "off": { "command": "/gone/mcp-tether", "args": [url], "disabled": true },
        "local": { "command": "/gone/server" },
    }});
    let cursor = home.write(".cursor/mcp.json", &config.to_string());
    home.write("project/.mcp.json", "{ // mine\n \"mcpServers\": { \"x\": fake-secret } }");
    home.write(".codex/config.toml", "[mcp_servers.c]\nurl = \"https://mcp.example.com/mcp\"\n");
    let bin = home.path("bin");
    let found = home.json(&[], &[("PATH", bin.to_str().unwrap())], 1);
    assert!(!found.to_string().contains("fake-secret"), "{found}");
    let file = finding(&found, "clients", &format!("Cursor ({})", cursor.display()));
    assert_eq!(
        file.1,
        "13 servers, 12 remote: 6 by mcp-tether, 3 by mcp-remote, 3 by the client itself"
    );
    let broken = home.path("project/.mcp.json");
    let broken = finding(&found, "clients", &format!("Claude Code ({})", broken.display()));
    assert!(broken.0 == "warning" && broken.1.contains("line 2"), "{broken:?}");
    for (server, verdict, says) in [
        ("by-path", "ok", "this mcp-tether"),
        ("by-name", "note", "PATH"),
        ("gone", "problem", "/gone/mcp-tether is not there"),
        ("other", "note", "another mcp-tether"),
        ("wrong", "problem", "--no-such-flag"),
        ("unset", "warning", "NO_SUCH_VARIABLE"),
    ] {
        let (is, detail, fix) = finding(&found, "clients", &format!("Cursor, {server}"));
        assert!(is == verdict && detail.contains(says), "{server}: {is}, {detail}, {fix}");
    }
    let about = |server: &str| {
        let all = found["findings"].as_array().unwrap().iter();
        let about = all.filter(|f| f["subject"] == format!("Cursor, {server}"));
        about.map(|f| format!("{} {}", f["detail"], f["fix"])).collect::<Vec<_>>().join("; ")
    };
    assert!(about("old").contains("CVE-2025-6514") && about("old").contains("npx"), "{found}");
    assert!(about("remote").contains("with the same arguments"), "{}", about("remote"));
    assert!(about("differs").contains("other arguments differ"), "{}", about("differs"));
    for quiet in ["asked", "plain", "off", "local"] {
        assert_eq!(about(quiet), "", "{quiet}");
    }
    assert!(!home.path("project/started").exists(), "nothing is started");
}

#[test]
fn what_is_left_over() {
    let home = Home::new();
    let old = SystemTime::now() - Duration::from_secs(24 * 3600);
    for name in ["credentials/token-a.json", "credentials/.token-a.json.x", "state/tabs/t.json"] {
        let path = home.write(&format!("tether/{name}"), "fake-secret");
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let found = home.json(&[], &[], 0);
    let left = found["findings"].as_array().unwrap().iter();
    let left: Vec<_> = left.filter(|finding| finding["area"] == "leftovers").collect();
    assert_eq!(left.len(), 3, "{found}");
    assert!(left[0]["detail"].as_str().unwrap().contains("token-a.json"), "{found}");
    assert_eq!(found["result"], "warning");
    assert!(!found.to_string().contains("fake-secret"));
}

#[cfg(unix)]
#[test]
fn sign_ins_that_no_client_needs() {
    let realm = Realm::new();
    realm.login(&[]);
    let home = Home::new();
    let tether = realm.home().to_str().unwrap().to_owned();
    let variables = [("MCP_TETHER_HOME", tether.as_str())];
    let found = home.json(&[], &variables, 0);
    let (verdict, _, fix) = finding(&found, "sign-ins", &realm.mcp.url());
    assert!(verdict == "note" && fix.contains("mcp-tether logout"), "{fix}");
    realm.no_secret_in("stdout", &found.to_string());
    let config = json!({ "mcpServers": { "it": { "url": realm.mcp.url() } } });
    home.write(".cursor/mcp.json", &config.to_string());
    let found = home.json(&[], &variables, 0);
    assert_eq!(finding(&found, "sign-ins", "").1, "1, of which 1 for servers that a client names");
}

#[test]
fn clocks() {
    let home = Home::new();
    let server = Server::start();
    server.mcp().set(|settings| settings.strict = false);
    let dated = |at: Option<SystemTime>| {
        let date = at.map(httpdate::fmt_http_date);
        server.always("*", move |_| {
            let reply = Reply::status(405);
            match &date {
                Some(date) => reply.header("date", date),
                None => reply,
            }
        });
    };
    let hour = Duration::from_secs(3600);
    for (at, verdict, code, says) in [
        (SystemTime::now(), "ok", 0, "as that of 127.0.0.1"),
        (SystemTime::now() - hour, "problem", 1, "ahead of"),
        (SystemTime::now() + hour, "problem", 1, "behind"),
    ] {
        dated(Some(at));
        let found = home.json(&[&server.url()], &[], code);
        let (is, detail, _) = finding(&found, "clock", "");
        assert!(is == verdict && detail.contains(says), "{is}: {detail}");
    }
    let silent = Server::start();
    silent.mcp().set(|settings| settings.strict = false);
    silent.always("*", |_| Reply::never());
    let found = home.json(&[&silent.url(), "--timeout=100ms"], &[], 0);
    assert_eq!(finding(&found, "clock", "").0, "warning");
    let dead = format!("http://127.0.0.1:{}/mcp", dead_port());
    assert_eq!(finding(&home.json(&[&dead], &[], 0), "clock", "").0, "warning");
    let wrong = home.run(&["not-a-url"], &[]);
    assert!(wrong.code(1).stderr.contains("neither a URL nor"), "{}", wrong.stderr);
}

#[test]
fn servers_by_name() {
    let home = Home::new();
    home.write("tether/config.toml", "[servers.a]\nurl = 'https://a.example/'\n");
    let found = home.json(&[], &[], 0);
    let (verdict, detail, _) = finding(&found, "config", "");
    assert!(verdict == "ok" && detail.ends_with("config.toml: 1 server"), "{detail}");
    home.write("tether/config.toml", "[servers.a]\nurl = 'x'\nipv = true\n");
    let found = home.json(&[], &[], 1);
    let (verdict, detail, fix) = finding(&found, "config", "a");
    assert!(verdict == "problem" && fix.contains("config edit"), "{detail}");
    assert!(
        detail.contains("config.toml:2:1: url: \"x\" is not a URL")
            && detail.ends_with("and 1 more"),
        "{detail}"
    );
    fs::remove_file(home.path("tether/config.toml")).unwrap();
    fs::create_dir(home.path("tether/config.toml")).unwrap();
    assert_eq!(finding(&home.json(&[], &[], 1), "config", "").0, "problem");
}
