//! `mcp-tether check`: what it finds, how it says so, and how long it takes.

#[cfg(unix)]
mod authorization;
mod entries;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::oauth::Shown;
use crate::support::reply::Step;
use crate::support::schema::fits;
use crate::support::tls::Tls;
use crate::support::*;

/// Runs a check in an environment of its own, at 80 columns.
fn check(args: &[&str]) -> Shown {
    check_with(args, &[("COLUMNS", "80")])
}

fn check_with(args: &[&str], environment: &[(&str, &str)]) -> Shown {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command.arg("check").args(args).arg("--store=file").env_clear().envs(crate::support::profile());
    for name in ["PATH", "SystemRoot", "TEMP", "SystemDrive"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", home.path()).env("MCP_TETHER_HOME", home.path());
    command.envs(environment.iter().copied()).stdin(Stdio::null());
    Shown::of(&mut command)
}

/// The JSON report of a check with this exit code, held against the schema, and so is stderr.
#[track_caller]
fn report(args: &[&str], code: i32) -> Value {
    let shown = check(&[args, &["--json"]].concat());
    judged(&shown, code)
}

#[track_caller]
fn judged(shown: &Shown, code: i32) -> Value {
    shown.code(code);
    let report: Value = serde_json::from_str(&shown.stdout).unwrap();
    fits(&report, include_str!("../../docs/check.schema.json"));
    assert_eq!(report["exitCode"], code);
    assert_eq!(report["steps"].as_array().unwrap().len(), 12);
    if code == 0 {
        assert_eq!(shown.stderr, "", "nothing on stderr on success");
        assert_eq!(report.get("error"), None);
    } else {
        let mut lines = shown.stderr.lines();
        let line: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!((&line["error"], lines.next()), (&report["error"], None));
        assert_eq!(line["error"]["code"], code);
    }
    report
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()
}

/// Asserts that `name` is the step that failed, and what behind it was skipped.
#[track_caller]
fn failed_at(report: &Value, name: &str, kind: &str) {
    let failed = step(report, name);
    assert_eq!((&failed["result"], &failed["kind"]), (&json!("failed"), &json!(kind)), "{report}");
    assert!(failed["cause"].as_str().unwrap().len() > 5, "{failed}");
    assert!(failed["next"].as_str().unwrap().len() > 5, "a next step is missing: {failed}");
    let steps = report["steps"].as_array().unwrap().iter();
    let behind = steps.skip_while(|step| step["name"] != name).skip(1);
    assert!(behind.into_iter().all(|step| step["result"] == "skipped"), "{report}");
    assert_eq!((&report["result"], &report["error"]["kind"]), (&json!("failed"), &json!(kind)));
}

/// Times and bars left out.
fn normalised(text: &str, server: &Server) -> String {
    let port = format!(":{}", server.port());
    let mut out = Vec::new();
    for line in text.replace(&port, ":PORT_").lines() {
        let columns: Vec<char> = line.chars().collect();
        let is_step = columns.len() > 27 && columns[..26].ends_with(&[' ', 'm', 's']);
        let line = if is_step {
            let (head, tail) = (&columns[..16], columns.get(39..).unwrap_or_default());
            let (head, tail): (String, String) = (head.iter().collect(), tail.iter().collect());
            format!("{head}      N ms ==========  {tail}")
        } else if let Some((what, _)) = line.rsplit_once(", ").filter(|_| line.starts_with("works"))
        {
            format!("{what}, N ms")
        } else {
            line.to_owned()
        };
        out.push(line.trim_end().to_owned());
    }
    out.join("\n")
}

#[test]
fn a_server_that_works() {
    let server = Server::start();
    let report = report(&[&server.url()], 0);
    assert_eq!(report["result"], "ok");
    assert_eq!(
        report["server"],
        json!({
            "name": "scripted", "version": "1.2.3", "revision": "2025-11-25",
            "era": "legacy", "transport": "streamable-http",
        })
    );
    assert_eq!(step(&report, "tools")["count"], 1);
    assert_eq!(step(&report, "resources")["result"], "skipped");
    assert_eq!(step(&report, "stream")["detail"], "open");
    assert_eq!(server.seen("initialize").len(), 1);
    assert_eq!(server.seen("DELETE").len(), 1, "no session is left behind");
    let shown = check(&[&server.url(), "--quiet"]);
    assert_eq!((shown.code, shown.stdout.as_str(), shown.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn modern_and_both_transports() {
    let server = Server::modern();
    let report = report(&[&server.url()], 0);
    assert_eq!(report["server"]["era"], "modern");
    assert_eq!(report["server"]["revision"], MODERN);
    assert_eq!(step(&report, "tools")["count"], 1);
    assert!(server.seen("initialize").is_empty());
    // A server of the other era than what was asked for.
    let legacy = Server::start();
    let refused = super::check::report(&[&legacy.url(), "--protocol=modern"], 8);
    assert_eq!(step(&refused, "handshake")["kind"], "invalid_response");

    let sse = HttpSse::start();
    let found = super::check::report(&[&sse.url()], 0);
    assert_eq!(found["server"]["transport"], "http+sse");
    let found = super::check::report(&[&sse.url(), "--transport=sse"], 0);
    assert_eq!(found["server"]["revision"], "2024-11-05");
}

#[test]
fn subscriptions_of_modern_servers() {
    let server = Server::modern();
    let found = report(&[&server.url()], 0);
    let stream = step(&found, "stream");
    assert_eq!(
        (&stream["result"], &stream["granted"]),
        (&json!("ok"), &json!(["tools", "resources"]))
    );
    server.stateless().only_open(0);
    assert_eq!(step(&found, "resources")["templates"], 1);
    assert_eq!(step(&found, "resources")["detail"], "0, 1 template");

    // Only single resources: the first one is subscribed to.
    let server = Server::modern();
    server
        .stateless()
        .set(|settings| settings.capabilities = r#"{"resources":{"subscribe":true}}"#);
    server.always("resources/list", |r| {
        Reply::json(r.result(
            r#"{"resources":[{"uri":"file:///a","name":"a"}],"resultType":"complete","ttlMs":1,"cacheScope":"public"}"#,
        ))
    });
    let found = report(&[&server.url()], 0);
    assert_eq!(step(&found, "stream")["detail"], "subscribed to a resource");
    server.stateless().only_open(0);

    let server = Server::modern();
    server.stateless().set(|settings| settings.capabilities = r#"{"tools":{}}"#);
    let found = report(&[&server.url()], 0);
    assert_eq!(step(&found, "stream")["result"], "skipped");
    assert!(server.seen("subscriptions/listen").is_empty());

    for (reply, says) in [
        (Reply::status(500), "500"),
        (Reply::never(), "not acknowledged"),
        (Reply::reset_after(""), "connection"),
    ] {
        let server = Server::modern();
        server.always("subscriptions/listen", move |_| reply.clone());
        let found = report(&[&server.url()], 0);
        let stream = step(&found, "stream");
        assert_eq!(stream["result"], "warning", "{says}: {stream}");
        assert!(stream["detail"].as_str().unwrap().contains(says), "{stream}");
    }
    let server = Server::modern();
    server.always("subscriptions/listen", |r| {
        Reply::body(
            404,
            "application/json",
            format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no"}}}}"#,
                r.id.as_deref().unwrap()
            ),
        )
    });
    let found = report(&[&server.url()], 0);
    assert_eq!(step(&found, "stream")["status"], 404);

    // Templates that cannot be had are a fault, and no templates are none.
    let server = Server::modern();
    server.always("resources/templates/list", |r| {
        Reply::json(r.result(r#"{"resultType":"complete"}"#))
    });
    assert_eq!(step(&report(&[&server.url()], 8), "resources")["kind"], "invalid_response");
}

#[test]
fn faults_on_the_way() {
    let url = "https://name.invalid/mcp";
    failed_at(&report(&[url], 4), "dns", "dns");
    let url = format!("http://127.0.0.1:{}/mcp", dead_port());
    failed_at(&report(&[&url], 4), "tcp", "connect");

    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let found = report(&[&server.url()], 4);
    failed_at(&found, "tls", "tls");
    assert!(step(&found, "tls")["next"].as_str().unwrap().contains("--ca-cert"));
    let ca = tls.file("ca.pem");
    let found = report(&[&server.url(), "--ca-cert", ca.to_str().unwrap()], 0);
    let tls_step = step(&found, "tls");
    assert_eq!((&tls_step["version"], &tls_step["certificates"]), (&json!("1.3"), &json!(1)));
    assert_eq!((&tls_step["protocol"], &tls_step["expires"]), (&json!("h2"), &json!("4096-01-01")));
    assert_eq!(step(&found, "http")["version"], "2");

    let tls = Tls::expired();
    let server = Server::with_tls(&tls);
    let ca = tls.file("ca.pem");
    let found = report(&[&server.url(), "--ca-cert", ca.to_str().unwrap()], 4);
    failed_at(&found, "tls", "tls");
    assert_eq!(step(&found, "tls")["expires"], "2020-02-29");
    assert!(step(&found, "tls")["next"].as_str().unwrap().contains("renew"), "{found}");
    assert_eq!(server.kinds(), [""; 0]);

    // Only those with a certificate are let in.
    let tls = Tls::mutual();
    let server = Server::with_tls(&tls);
    let ca = tls.file("ca.pem");
    let (ca, own) = (ca.to_str().unwrap(), tls.file("client-both.pem"));
    report(&[&server.url(), "--ca-cert", ca, "--client-cert", own.to_str().unwrap()], 0);
}

#[test]
fn faults_of_the_server() {
    let page = "<!DOCTYPE html><html><head><title>Welcome</title></head></html>";
    let faults: [(&str, Reply, &str, i32); 6] = [
        ("a page", Reply::body(200, "text/html", page), "invalid_response", 8),
        ("wrong path", Reply::body(404, "text/plain", "Not Found"), "http_status", 5),
        ("in trouble", Reply::status(503), "rate_limited", 4),
        ("dies", Reply::reset_after(""), "stream_lost", 4),
        (
            "dies in between",
            Reply::steps("application/json", vec![Step::from("{\"jsonrpc\":"), Step::Abort]),
            "invalid_response",
            8,
        ),
        (
            "says no",
            Reply::json(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not you"}}"#),
            "http_status",
            5,
        ),
    ];
    for (name, reply, kind, code) in faults {
        let server = Server::start();
        server.mcp().set(|settings| settings.strict = false);
        server.always("*", move |_| reply.clone());
        eprintln!("{name}");
        let found = report(&[&server.url(), "--timeout=8s"], code);
        let failed = step(&found, "handshake");
        assert_eq!(failed["kind"], kind, "{name}: {found}");
        assert!(failed["next"].as_str().unwrap().len() > 5, "{name}: {failed}");
    }
    // In the middle.
    let server = Server::start();
    server.always("tools/list", |r| {
        Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32603,"message":"out of order"}}}}"#,
            r.id.as_deref().unwrap()
        ))
    });
    let found = report(&[&server.url()], 5);
    assert!(step(&found, "tools")["cause"].as_str().unwrap().contains("out of order"));
    assert_eq!(server.seen("DELETE").len(), 1, "no session is left behind");
    let server = Server::start();
    server.always("tools/list", |r| Reply::json(r.result(r#"{"tools":{}}"#)));
    assert_eq!(step(&report(&[&server.url()], 8), "tools")["kind"], "invalid_response");
}

#[test]
fn lists_have_pages() {
    let server = Server::start();
    server.always("tools/list", |r| {
        let body: Value = serde_json::from_slice(&r.body).unwrap();
        Reply::json(match body["params"]["cursor"].as_str() {
            None => r.result(r#"{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"\"2"}"#),
            Some("\"2") => r.result(r#"{"tools":[{"name":"c"}]}"#),
            Some(_) => r.result(r#"{"tools":[]}"#),
        })
    });
    let found = report(&[&server.url()], 0);
    assert_eq!(step(&found, "tools")["detail"], "3 on 2 pages");
}

#[test]
fn slow_servers_cost_no_more_than_the_limit() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let https = format!("https://{}/mcp", silent.local_addr().unwrap());
    let all = Server::start();
    all.always("*", |_| Reply::never());
    let late = Server::start();
    late.always("tools/list", |_| Reply::never());
    late.always("DELETE", |_| Reply::never());
    let deaf = Server::start();
    deaf.always("*", |_| Reply::never());
    deaf.always(DISCOVER, |_| Reply::never());
    for (url, name) in
        [(https, "tls"), (all.url(), "handshake"), (deaf.url(), "handshake"), (late.url(), "tools")]
    {
        let started = Instant::now();
        let found = report(&[&url, "--timeout=4s"], 4);
        let took = started.elapsed();
        assert_eq!(step(&found, name)["kind"], "timeout", "{found}");
        // A step that had the whole limit for itself would take twice as long.
        assert!(took < Duration::from_secs(8), "{name}: {took:?}");
    }
}

/// One that ignores the question for its era works all the same, and the check says what was odd.
#[test]
fn a_server_that_does_not_answer_the_first_question() {
    let server = Server::start();
    server.always(DISCOVER, |_| Reply::reset_after(""));
    let found = report(&[&server.url()], 0);
    assert_eq!(found["result"], "warning");
    assert_eq!(step(&found, "http")["result"], "warning");
    assert_eq!(found["server"]["era"], "legacy");
}

#[cfg(unix)]
#[test]
fn a_check_that_is_interrupted_leaves_no_session_behind() {
    let server = Server::start();
    server.always("tools/list", |_| Reply::never());
    let child = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["check", &server.url(), "--auth=none"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.wait("tools/list", 1);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(server.seen("DELETE").len(), 1);
}

#[cfg(unix)]
#[test]
fn changes_are_told() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().join("stdout");
    let child = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["check", &server.url(), "--auth=none", "--watch=50ms"])
        .stdout(std::fs::File::create(&shown).unwrap())
        .spawn()
        .unwrap();
    server.wait("DELETE", 3);
    server.once("tools/list", Reply::json("{}"));
    let rounds = server.seen("DELETE").len();
    server.wait("DELETE", rounds + 3);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    let text = std::fs::read_to_string(shown).unwrap();
    let (first, changes) = text.split_once("works: ").unwrap();
    assert!(first.contains("session ended"), "{text}");
    let changes: Vec<&str> = changes.lines().skip(1).collect();
    assert_eq!(changes.len(), 2, "{text}");
    assert!(changes[0].contains("tools: failed, "), "{text}");
    assert!(changes[1].ends_with("tools: ok, 1"), "{text}");
}

#[test]
fn for_people() {
    let server = Server::start();
    server.mcp().set(|settings| settings.strict = false);
    let shown = check(&[&server.url()]);
    let text = "\
http://127.0.0.1:PORT_/mcp
- dns                                  the URL names an address
\u{2713} tcp                 N ms ==========  127.0.0.1:PORT_
- tls                                  http: everything is readable on the way
\u{2713} http                N ms ==========  HTTP/1.1, first answer 400
\u{2713} authorization                        none is asked for
\u{2713} era                                  legacy, 2025-11-25, streamable-http
\u{2713} handshake           N ms ==========  scripted 1.2.3
\u{2713} tools               N ms ==========  1
- resources                            not declared
- prompts                              not declared
\u{2713} stream              N ms ==========  open
\u{2713} end                 N ms ==========  session ended

works: streamable-http, N ms";
    assert_eq!(normalised(&shown.code(0).stdout, &server), text);
    assert_eq!(shown.stderr, "");

    let page = "<html><title>A page that people like to look at in the evening</title></html>";
    server.always("*", move |_| Reply::body(404, "text/html", page));
    let narrow = "\
\u{2717} handshake           N ms ==========  HTTP 404 Not Found (\u{201c}A page that people
                                       like to look at in the evening\u{201d}): there
                                       is no MCP endpoint at this URL";
    let wide = "\
\u{2717} handshake           N ms ==========  HTTP 404 Not Found (\u{201c}A page that people like to look at in the evening\u{201d}): there
                                       is no MCP endpoint at this URL";
    for (columns, part) in [("80", narrow), ("120", wide)] {
        let shown = check_with(&[&server.url()], &[("COLUMNS", columns)]);
        let text = normalised(&shown.code(5).stdout, &server);
        assert!(text.contains(part), "{columns}:\n{text}");
        assert!(text.ends_with("\nnext: check its path"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= columns.parse().unwrap()));
        assert!(!shown.stdout.contains('\u{1b}'), "colours are for terminals");
    }
}
