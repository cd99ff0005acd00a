//! `mcp-tether check --config`: the servers in a client's configuration.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A server that several checks may speak to at once: what it holds requests against is one session.
fn shared() -> Server {
    let server = Server::start();
    server.mcp().set(|settings| settings.strict = false);
    server
}

/// A file of Cursor in a folder of its own.
struct Config {
    folder: tempfile::TempDir,
}

impl Config {
    fn new(servers: &Value) -> Config {
        let config = Config { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(config.folder.path().join(".cursor")).unwrap();
        let text = json!({ "mcpServers": servers }).to_string();
        fs::write(config.path(), format!("// for tests\n{text}")).unwrap();
        config
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(".cursor").join("mcp.json")
    }

    fn check(&self, args: &[&str], environment: &[(&str, &str)]) -> Shown {
        let path = self.path();
        check_with(&[&["--config", path.to_str().unwrap()], args].concat(), environment)
    }

    #[track_caller]
    fn json(&self, args: &[&str], environment: &[(&str, &str)], code: i32) -> Value {
        let shown = self.check(&[args, &["--json"]].concat(), environment);
        let found: Value = serde_json::from_str(&shown.code(code).stdout).unwrap();
        fits(&found, include_str!("../../../docs/check.schema.json"));
        assert_eq!((&found["exitCode"], &found["client"]), (&json!(code), &json!("cursor")));
        if code == 0 {
            assert_eq!((shown.stderr.as_str(), found.get("error")), ("", None));
        } else {
            let line: Value = serde_json::from_str(shown.stderr.trim_end()).unwrap();
            assert_eq!(line["error"], found["error"]);
        }
        found
    }
}

fn results(found: &Value) -> Vec<(&str, &str, &str)> {
    let servers = found["servers"].as_array().unwrap().iter();
    let text = |value: &'_ Value| -> &'static str { Box::leak(value.as_str().unwrap().into()) };
    servers.map(|s| (text(&s["name"]), text(&s["kind"]), text(&s["result"]))).collect()
}

#[test]
fn every_kind_of_entry_is_checked_as_its_client_would_connect() {
    let server = shared();
    let (url, key) = (server.url(), "fake-key-of-ours");
    let config = Config::new(&json!({
        "ours": {
            "command": "/opt/mcp-tether", "args": [url, "--header", "X-Ours: ${KEY}"],
            "env": { "KEY": key },
        },
        "plain": { "url": url, "headers": { "X-Plain": "${env:FROM_OUTSIDE}" } },
        "remote": {
            "command": "npx", "args": ["-y", "mcp-remote@latest", url, "--header", "X-Remote:${KEY}"],
            "env": { "KEY": "fake-key-of-remote" },
        },
        "stdio": { "command": "uvx", "args": ["mcp-stdio", url, "--bearer-token", "fake-token"] },
        "local": { "command": "node", "args": ["server.js", url] },
        "off": { "url": "https://h.invalid/", "disabled": true },
    }));
    let found = config.json(&[], &[("FROM_OUTSIDE", "fake-key-from-outside")], 0);
    let all = [
        ("off", "http", "skipped"),
        ("ours", "mcp-tether", "ok"),
        ("plain", "http", "ok"),
        ("remote", "mcp-remote", "ok"),
        ("stdio", "mcp-stdio", "ok"),
    ];
    // The file was written in alphabetical order.
    assert_eq!(results(&found), all);
    let seen = server.seen("initialize");
    let sent = |name: &str, value: &str| {
        seen.iter().filter(|request| request.header(name) == Some(value)).count()
    };
    assert_eq!(seen.len(), 4);
    for (name, value) in [
        ("x-ours", key),
        ("x-plain", "fake-key-from-outside"),
        ("x-remote", "fake-key-of-remote"),
        ("authorization", "Bearer fake-token"),
    ] {
        assert_eq!(sent(name, value), 1, "{name}");
    }
    assert_eq!(server.seen("DELETE").len(), 4, "no session is left behind");

    let found = config.json(&["--server=local", "--server=plain"], &[("FROM_OUTSIDE", "x")], 0);
    assert_eq!(results(&found), [("local", "stdio", "skipped"), ("plain", "http", "ok")]);
    let quiet = config.check(&["--quiet", "--server=ours"], &[]);
    assert_eq!((quiet.code, &*quiet.stdout, &*quiet.stderr), (Some(0), "", ""));
}

#[test]
fn the_worst_decides() {
    let (good, wrong) = (Server::start(), shared());
    wrong.always("*", |_| Reply::body(404, "text/plain", "Not Found"));
    let refuses = shared();
    refuses.always("*", |_| Reply::status(401));
    let dead = format!("http://127.0.0.1:{}/mcp", dead_port());
    let config = Config::new(&json!({
        "a-good": { "url": good.url() },
        "b-wrong": { "url": wrong.url() },
        "c-refuses": { "url": refuses.url() },
        "d-dead": { "command": "mcp-tether", "args": [dead] },
        "e-input": { "url": "https://h.invalid/", "headers": { "A": "${input:key}" } },
    }));
    for (names, code, worst) in [
        (&["a-good"][..], 0, None),
        (&["a-good", "b-wrong"], 5, Some("b-wrong")),
        (&["b-wrong", "c-refuses"], 3, Some("c-refuses")),
        (&["d-dead", "c-refuses"], 4, Some("d-dead")),
        (&["a-good", "b-wrong", "c-refuses", "d-dead", "e-input"], 1, Some("e-input")),
    ] {
        let args: Vec<_> = names.iter().map(|name| format!("--server={name}")).collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let found = config.json(&args, &[], code);
        assert_eq!(found["error"]["server"].as_str(), worst, "{names:?}");
        assert_eq!(found["servers"].as_array().unwrap().len(), names.len());
    }
    let found = config.json(&[], &[], 1);
    assert_eq!(found["error"]["kind"], "usage");
    // Its sign-in may be the client's.
    let refused = &found["servers"][2]["check"];
    let next = step(refused, "authorization")["next"].as_str().unwrap();
    assert!(next.contains("mcp-tether login") && next.contains("client"), "{next}");
}

#[test]
fn secrets_of_one_entry_are_in_no_output() {
    let echo = shared();
    // A server that tells everybody what it was sent.
    echo.always("*", |r| {
        let shown = format!("{:?} {:?}", r.header("x-key"), r.header("authorization"));
        Reply::body(404, "text/plain", shown)
    });
    let with_query = format!("{}?key=fake-query-secret", echo.url());
    let config = Config::new(&json!({
        "a": { "url": with_query, "headers": { "X-Key": "fake-secret-of-a" } },
        "b": {
            "command": "npx", "args": ["mcp-remote", echo.url(), "--header", "X-Key: ${K}"],
            "env": { "K": "fake-secret-of-b" },
        },
        "c": {
            "command": "mcp-stdio", "args": [echo.url()],
            "env": { "MCP_BEARER_TOKEN": "fake-secret-of-c" },
        },
        "d": { "command": "mcp-tether", "args": [echo.url(), "fake-secret-of-d"] },
        "e": { "url": "fake-secret-of-e", "headers": { "A": "fake-secret-of-f" } },
    }));
    for args in [&["--json"][..], &[], &["-vv"]] {
        let shown = config.check(args, &[]);
        shown.code(1);
        for (text, place) in [(&shown.stdout, "stdout"), (&shown.stderr, "stderr")] {
            for secret in ["fake-query-secret", "of-a", "of-b", "of-c", "of-d", "of-f"] {
                assert!(!text.contains(secret), "{secret} in {place}: {text}");
            }
        }
        assert!(shown.stdout.contains("[redacted]"), "the servers were asked: {}", shown.stdout);
    }
}

#[test]
fn files_without_servers() {
    let config = Config::new(&json!({}));
    let shown = config.check(&[], &[]);
    assert!(shown.code(0).stdout.ends_with("(Cursor)\nno remote servers\n"), "{}", shown.stdout);
    let refused = |text: &[u8], args: &[&str], says: &str| {
        fs::write(config.path(), text).unwrap();
        let shown = config.check(args, &[]);
        assert!(shown.code(1).stderr.contains(says), "{}", shown.stderr);
        assert_eq!(shown.stdout, "");
    };
    refused(b"{}", &[], "is it a client's configuration?");
    refused(b"{\n \"mcpServers\": fake }", &[], "it is not JSON: line 2");
    refused(b"\xff", &[], "UTF-8");
    let servers = br#"{"mcpServers": {"a": {"url": "https://h.invalid/"}}}"#;
    refused(servers, &["--server=b"], "it has a");
    refused(servers, &["https://h.invalid/"], "--config");
    refused(servers, &["--watch=1s"], "--config");
    fs::remove_file(config.path()).unwrap();
    let missing = config.check(&[], &[]);
    assert!(missing.code(1).stderr.contains("No such file") || cfg!(windows), "{}", missing.stderr);
    let neither = check(&[]);
    assert!(neither.code(1).stderr.contains("<URL>"), "{}", neither.stderr);
    let no_file = check(&["https://h.invalid/", "--server=a"]);
    assert!(no_file.code(1).stdout.is_empty());
}

#[cfg(unix)]
#[test]
fn checks_run_side_by_side_up_to_a_limit_and_end_together() {
    let server = shared();
    server.always("tools/list", |_| Reply::never());
    let entries: serde_json::Map<String, Value> =
        (0..10).map(|n| (format!("s{n}"), json!({ "url": server.url() }))).collect();
    let config = Config::new(&Value::Object(entries));
    let home = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["check", "--timeout=10m", "--store=file", "--config"])
        .arg(config.path())
        .env("MCP_TETHER_HOME", home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.wait("tools/list", 8);
    assert_eq!(server.seen("initialize").len(), 8, "no more than the limit");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(server.seen("DELETE").len(), 8, "no session is left behind");
}

#[test]
fn for_people() {
    let server = shared();
    let page = "<html><title>A page that people like to look at in the evening</title></html>";
    let wrong = shared();
    wrong.always("*", move |_| Reply::body(404, "text/html", page));
    let config = Config::new(&json!({
        "a": { "url": server.url() },
        "a-name-that-is-longer-than-any-column": { "url": server.url() },
        "b-wrong": { "command": "npx", "args": ["mcp-remote", wrong.url(), "--device-code"] },
        "c-input": { "url": "https://h.invalid/", "headers": { "A": "${input:key}" } },
        "d-off": { "url": "https://h.invalid/", "disabled": true },
    }));
    let file = |path: &Path| path.display().to_string();
    let narrow = "\
FILE (Cursor)
\u{2713} a        works: streamable-http, legacy, 1 tool, N ms
\u{2713} a-name-that-is-longer-than-any-column
           works: streamable-http, legacy, 1 tool, N ms
\u{2717} b-wrong  handshake: HTTP 404 Not Found (\u{201c}A page that people like to look at in
             the evening\u{201d}): there is no MCP endpoint at this URL
           next: check its path
           note: --device-code is left out of account
\u{2717} c-input  not checked: only the client can fill in ${input:key}
           next: check the URL itself, with --header
- d-off    skipped: it is switched off

2 of 4 work, N ms
";
    let wide = "\
\u{2717} b-wrong  handshake: HTTP 404 Not Found (\u{201c}A page that people like to look at in the evening\u{201d}): there is no MCP endpoint
             at this URL
";
    for (columns, part) in [("80", narrow), ("120", wide)] {
        let shown = config.check(&[], &[("COLUMNS", columns)]);
        let text = shown.code(1).stdout.replace(&file(&config.path()), "FILE");
        assert!(
            text.lines().all(|line| line.chars().count() <= columns.parse().unwrap()),
            "{text}"
        );
        let text: String = text
            .lines()
            .map(|line| match line.rsplit_once(", ").filter(|_| line.ends_with(" ms")) {
                Some((what, _)) => format!("{what}, N ms\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert!(text.contains(part), "{columns}:\n{text}");
        assert!(!shown.stdout.contains('\u{1b}'), "colours are for terminals");
        assert_eq!(shown.stderr, "");
    }
}
