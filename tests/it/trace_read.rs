//! Commands that read traces, with those in `tests/traces`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::*;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces").join(name)
}

fn trace(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command.arg("trace").args(args).env_remove("NO_COLOR").env("COLUMNS", "80");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn good(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = trace(args).output().unwrap();
    assert_eq!((status.code(), &*String::from_utf8_lossy(&stderr)), (Some(0), ""), "{args:?}");
    String::from_utf8(stdout).unwrap()
}

fn show(name: &str, more: &[&str]) -> String {
    good(&[&["show", path(name).to_str().unwrap()], more].concat())
}

/// Compares with what was looked at; `MCP_TETHER_BLESS=1` writes it anew.
#[track_caller]
fn like(name: &str, text: &str) {
    let path = path(name);
    if std::env::var_os("MCP_TETHER_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(expected == text, "{name} is no longer what is shown:\n{text}");
}

#[test]
fn shown_in_80_and_120_columns() {
    for columns in ["80", "120"] {
        let file = path("session.jsonl");
        let output =
            trace(&["show", file.to_str().unwrap()]).env("COLUMNS", columns).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        like(&format!("session.{columns}.txt"), &text);
        let most = columns.parse().unwrap();
        for line in text.lines().filter(|line| !line.contains("https://")) {
            assert!(line.chars().count() <= most, "{line}");
        }
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
    like("session.lines.txt", &show("session.jsonl", &["--bodies", "none"]));
    like("session.errors.txt", &show("session.jsonl", &["--errors", "--bodies", "none"]));
}

#[test]
fn all_of_a_body_is_shown_if_it_is_asked_for() {
    let text = show("session.jsonl", &["--full"]);
    assert!(text.contains("code_verifier=[redacted 1b02ce]&client_id=mcp-tether&redirect_uri="));
    assert!(text.contains("\"name\": \"buy\"") && !text.contains("--full"));
}

#[test]
fn filters() {
    let lines = |args: &[&str]| {
        let text = show("session.jsonl", &[&["--json"], args].concat());
        // The first line says which run it is.
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines(&[]);
    let original = std::fs::read_to_string(path("session.jsonl")).unwrap();
    let mut sorted: Vec<_> = original.lines().skip(1).map(str::to_owned).collect();
    let mut same = all.clone();
    sorted.sort();
    same.sort();
    assert_eq!(same, sorted, "without a filter it is everything");

    for line in lines(&["--method", "tools/*"]) {
        assert!(
            line.contains("\"tools/")
                || line.contains("\"n\":1")
                || line.contains("\"response\"")
                || line.contains("\"error\""),
            "{line}"
        );
    }
    assert_eq!(lines(&["--method", "tools/list"]).len(), 6);
    assert_eq!(lines(&["--exchange", "5"]).len(), 4);
    assert_eq!(lines(&["--id", "four"]).len(), 10);
    assert_eq!(lines(&["--id", "\"four\""]).len(), 10);
    assert!(
        lines(&["--only", "notes"])
            .iter()
            .all(|line| line.contains("\"note\"") || line.contains("\"missed\""))
    );
    let (stdio, http) = (lines(&["--only", "stdio"]).len(), lines(&["--only", "http"]).len());
    assert_eq!(lines(&["--only", "stdio,http"]).len(), stdio + http - 1, "missed is in both");
    assert!(lines(&["--only", "auth"]).len() > 16);
    assert_eq!(lines(&["--since", "15.1"]).len(), 7);
    assert_eq!(lines(&["--until", "1ms"]).len(), 3);
    assert_eq!(lines(&["--since", "6200ms", "--until", "7"]).len(), 6);
    assert_eq!(lines(&["--grep", "RED SHOES"]).len(), 4);
    assert_eq!(lines(&["--only", "stdio", "--errors"]).len(), 7);
}

#[test]
fn the_part_before_is_read_too_and_what_is_broken_is_told() {
    let output = trace(&["show", path("rotated.jsonl").to_str().unwrap(), "--bodies", "none"])
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0));
    assert!(out.find("#1 POST").unwrap() < out.find("#3 POST").unwrap(), "{out}");
    assert_eq!(out.matches("mcp-tether 0.1.0 call").count(), 1, "{out}");
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(err.contains("no record") && err.contains("of a type that"), "{err}");
}

/// What the bridge itself has written, with everything that reads it.
#[test]
fn a_trace_of_a_call_can_be_read_by_all() {
    let server = Server::start();
    server.always("tools/call", |request| {
        Reply::sse([
            event(&notification("notifications/message")),
            event(
                &request
                    .result(r#"{"content":[{"type":"text","text":"</script>"}],"isError":true}"#),
            ),
        ])
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.jsonl");
    let file = file.to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["call", &server.url(), "buy", "--no-check", "--trace", file])
        .args(["-H", "Authorization: Bearer fake-token-123"])
        .env("MCP_TETHER_HOME", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");

    let original = std::fs::read_to_string(file).unwrap();
    let lines = good(&["show", file, "--json"]);
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&lines), sorted(&original));
    let errors = good(&["show", file, "--errors", "--method", "tools/call", "--bodies", "none"]);
    assert!(errors.contains("client ← bridge  failed response"), "{errors}");

    let requests: Vec<Value> = original
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &Value| record["type"] == "request")
        .collect();
    let har: Value = serde_json::from_str(&good(&["har", file])).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), requests.len());
    let call = entries.iter().find(|entry| entry["_rpcMethod"] == "tools/call").unwrap();
    assert_eq!(call["_eventSourceMessages"].as_array().map(Vec::len), Some(2));

    let page = good(&["report", file]);
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(data).unwrap();
    let bad: Vec<_> =
        data["items"].as_array().unwrap().iter().filter(|item| item["bad"] == true).collect();
    assert!(bad.iter().any(|item| item["k"] == "call" && item["why"] == "</script>"), "{bad:?}");

    let n =
        requests.iter().find(|it| it["rpc"]["method"] == "tools/call").unwrap()["n"].to_string();
    let script = good(&["curl", file, &n]);
    assert!(script.contains("\"authorization: Bearer $TOKEN\""), "{script}");
    for text in [lines, har.to_string(), page, script] {
        assert!(!text.contains("fake-token-123"));
    }
}

#[test]
fn from_a_pipe_and_into_one_that_closes() {
    let mut child = trace(&["show", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let text = std::fs::read(path("session.jsonl")).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, show("session.jsonl", &[]).as_bytes());

    let mut child = trace(&["show", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    while stdin.write_all(&text).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(7), &b""[..]));
}

#[test]
fn following_survives_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.jsonl");
    let whole = std::fs::read_to_string(path("rotated.jsonl.1")).unwrap();
    let half = whole.len() / 2;
    std::fs::write(&file, &whole[..half]).unwrap();
    let mut child = trace(&["show", file.to_str().unwrap(), "--json", "--follow"]).spawn().unwrap();
    let (lines, found) = std::sync::mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)) {
            let _ = lines.send(line.unwrap());
        }
    });
    let wait = |text: &str| {
        let began = Instant::now();
        while !found.recv_timeout(DEADLINE).expect("a line").contains(text) {
            assert!(began.elapsed() < DEADLINE, "no {text}");
        }
    };
    wait("\"start\"");
    let mut open = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    open.write_all(&whole.as_bytes()[half..]).unwrap();
    wait("\"t\":60.4");
    std::fs::rename(&file, folder.path().join("t.jsonl.1")).unwrap();
    let next = std::fs::read_to_string(path("rotated.jsonl")).unwrap();
    std::fs::write(&file, next).unwrap();
    wait("\"t\":100.2");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn following_a_pipe_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = trace(&["show", pipe.to_str().unwrap(), "--json", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::fs::write(&pipe, std::fs::read(path("session.jsonl")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, std::fs::read(path("session.jsonl")).unwrap());
}

#[test]
fn names_of_files_do_not_reach_a_terminal_as_escapes() {
    let output = trace(&["show", "missing\u{1b}]0;x\u{7}.jsonl"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("missing\\u{1b}]0;x\\u{7}.jsonl"), "{said}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "hello\n").unwrap();
    let (other, session) = (other.to_str().unwrap(), path("session.jsonl"));
    let session = session.to_str().unwrap();
    for (args, said) in [
        (&["show", "missing.jsonl"][..], "cannot read missing.jsonl"),
        (&["show", other], "is no trace"),
        (&["har", other], "is no trace"),
        (&["curl", session, "99"], "they are 1 to 19"),
        (&["show", session, "--since", "soon"], "--since"),
        (&["har", session, "-o", "missing/x"], "cannot write missing/x"),
    ] {
        let output = trace(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
}

/// Whatever shell there is, curl has to be asked for.
#[cfg(unix)]
#[test]
fn a_curl_command_sends_what_was_sent() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("there is no curl here");
        return;
    }
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.jsonl");
    let original = std::fs::read_to_string(path("session.jsonl")).unwrap();
    let text = original.replace("https://mcp.example.com", &server.url_at(""));
    std::fs::write(&file, &text).unwrap();
    server.always("tools/call", |request| Reply::json(request.result("{\"content\":[]}")));
    server.always("resources/read", |request| Reply::json(request.result("{\"contents\":[]}")));
    for (n, kind, uri) in [
        (11, "tools/call", "/mcp"),
        (13, "resources/read", "/mcp?key=it%27s"),
        (10, "tools/list", "/mcp"),
    ] {
        let script = good(&["curl", file.to_str().unwrap(), &n.to_string()]);
        let output = Command::new("sh")
            .args(["-euc", &script])
            .envs([
                ("TOKEN", "fake token's \"$x"),
                ("SESSION_ID", "fake-session"),
                ("KEY", "it%27s"),
            ])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{stderr}");
        let seen = server.wait(kind, 1);
        assert_eq!(seen[0].uri.to_string(), uri);
        assert_eq!(seen[0].header("authorization"), Some("Bearer fake token's \"$x"));
        assert_eq!(seen[0].header("mcp-session-id"), Some("fake-session"));
        assert_eq!(seen[0].header("content-type"), Some("application/json"));
        assert_eq!(seen[0].header("accept"), Some("application/json, text/event-stream"));
        let record =
            text.lines().find(|line| line.contains(&format!("\"n\":{n},\"purpose\""))).unwrap();
        assert!(record.contains(seen[0].text()), "{}\n{record}", seen[0].text());
    }
}
