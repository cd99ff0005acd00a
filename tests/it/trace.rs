//! `--trace FILE`: everything that was said, in the order in which it was.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::*;

/// A trace, record by record.
fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

fn header<'a>(record: &'a Value, name: &str) -> Option<&'a str> {
    let headers = record["headers"].as_array()?;
    headers.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str())
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    (folder, path)
}

#[test]
fn cookies_are_sent_and_not_shown() {
    let server = Server::start();
    let (_folder, path) = place();
    let cookie = Reply::status(202).header("set-cookie", "lb=node-7; Path=/");
    server.once("notifications/initialized", cookie);
    let bridge = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.finish();
    assert_eq!(server.wait("tools/list", 1)[0].header("cookie"), Some("lb=node-7"));
    let records = read(&path);
    let requests = of(&records, "request");
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| header(request, "cookie").is_none()), "{requests:?}");
}

#[test]
fn every_message_and_every_exchange() {
    let server = Server::start();
    let (_folder, path) = place();
    let progress = notification("notifications/progress");
    let answer = result(1, r#"{"big":12345678901234567890,"x":1.0}"#);
    server.once("tools/call", Reply::sse([event(&progress), event(&answer)]));
    let bridge = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    assert_eq!(bridge.ask(1, "tools/call").text, answer);
    bridge.finish();

    let records = read(&path);
    let start = &records[0];
    assert_eq!((&start["type"], &start["format"]), (&"start".into(), &1.into()));
    assert_eq!((&start["command"], &start["continues"]), (&"bridge".into(), &false.into()));
    assert_eq!(start["server"], server.url());
    let times: Vec<f64> = records[1..].iter().map(|record| record["t"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let texts: Vec<(String, String)> = of(&records, "message")
        .iter()
        .map(|m| {
            (m["from"].as_str().unwrap().into(), m["rpc"]["method"].as_str().unwrap_or("").into())
        })
        .collect();
    let expected = [
        ("client", "initialize"),
        ("bridge", ""),
        ("client", "notifications/initialized"),
        ("client", "tools/call"),
        ("bridge", "notifications/progress"),
        ("bridge", ""),
    ];
    assert_eq!(texts, expected.map(|(from, method)| (from.to_owned(), method.to_owned())));
    // Numbers are as they were.
    let line = fs::read_to_string(&path).unwrap();
    assert_eq!(line.matches(r#"{"big":12345678901234567890,"x":1.0}"#).count(), 2);

    // Every exchange has a beginning and an end.
    let requests = of(&records, "request");
    for request in &requests {
        let n = &request["n"];
        let ends = of(&records, "end").iter().filter(|end| end["n"] == *n).count();
        assert_eq!(ends, 1, "exchange {n}");
    }
    let methods: Vec<&str> = requests.iter().map(|r| r["method"].as_str().unwrap()).collect();
    assert!(methods.contains(&"GET") && methods.contains(&"DELETE"), "{methods:?}");
    let call = requests.iter().find(|r| r["rpc"]["method"] == "tools/call").unwrap();
    let id = header(call, "mcp-session-id").unwrap();
    assert!(id.starts_with("[redacted "), "{id}");
    let given = of(&records, "response");
    let given = given.iter().find_map(|r| header(r, "mcp-session-id")).unwrap();
    assert_eq!(id, given, "the same session");
    let events: Vec<&Value> =
        of(&records, "event").into_iter().filter(|event| event["n"] == call["n"]).collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["rpc"]["kind"], "notification");
    assert_eq!(events[1]["content"]["json"]["id"], 1);
    // And the decisions.
    let notes = of(&records, "note");
    assert!(notes.iter().any(|n| n["module"] == "bridge::inbound"), "{notes:?}");
}

#[test]
fn what_goes_wrong_is_there_too() {
    let (_folder, path) = place();
    let url = format!("http://127.0.0.1:{}/mcp", dead_port());
    let bridge = Bridge::with(&url).path("--trace", &path).start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("connect");
    bridge.finish();
    let records = read(&path);
    let failures = of(&records, "failure");
    assert!(!failures.is_empty());
    assert_eq!(failures[0]["kind"], "connect");

    let server = Server::start();
    server.once(
        "tools/call",
        Reply::reset_after(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n",
            "{\"jsonrpc\":",
        )),
    );
    let bridge = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    bridge.ask(1, "tools/call").failed("invalid_response");
    bridge.finish();
    let records = read(&path);
    let broken: Vec<_> = of(&records, "end").into_iter().filter(|e| e["how"] == "broken").collect();
    assert_eq!(broken.len(), 1, "{records:?}");
    assert!(!broken[0]["error"].as_str().unwrap().is_empty());
}

#[test]
fn a_run_begins_the_file_anew_and_keeps_the_one_before() {
    let server = Server::start();
    let (folder, path) = place();
    let mut runs = Vec::new();
    for _ in 0..3 {
        Bridge::with(&server.url()).path("--trace", &path).ready(&server).finish();
        runs.push(read(&path)[0]["run"].clone());
    }
    let before = read(&folder.path().join("trace.jsonl.1"));
    assert_eq!(before[0]["run"], runs[1]);
    assert!(runs[0] != runs[1] && runs[1] != runs[2]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[track_caller]
fn until(done: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !done() {
        assert!(began.elapsed() < DEADLINE, "it does not come");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_files_have_a_limit_together() {
    let server = Server::start();
    let (folder, path) = place();
    let bridge = Bridge::with(&server.url())
        .path("--trace", &path)
        .arg("--trace-max-size=4MiB")
        .ready(&server);
    let text = "x".repeat(200_000);
    for id in 1..=20 {
        server.once("tools/call", Reply::json(result(id, &format!("{{\"t\":\"{text}\"}}"))));
        bridge.ask(id, "tools/call").result();
    }
    // The end does not wait long for what is not written yet.
    until(|| folder.path().join("trace.jsonl.1").exists());
    bridge.finish();
    let records = read(&path);
    assert_eq!(records[0]["continues"], true);
    let before = read(&folder.path().join("trace.jsonl.1"));
    assert_eq!(before[0]["run"], records[0]["run"]);
    let total: u64 =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(total <= 4 << 20, "{total}");
}

#[test]
fn what_is_too_long_is_cut() {
    let server = Server::start();
    let (_folder, path) = place();
    let bridge = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    let answer = result(1, &format!("{{\"t\":\"{}\"}}", "x".repeat(1_000_000)));
    server.once("tools/call", Reply::json(answer.clone()));
    assert_eq!(bridge.ask(1, "tools/call").text, answer);
    server.once(
        "tools/call",
        Reply::sse([event(&result(2, &format!("\"{}\"", "y".repeat(1_000_000))))]),
    );
    bridge.ask(2, "tools/call");
    until(|| fs::read_to_string(&path).unwrap().matches("\"cut\":true").count() == 4);
    bridge.finish();
    let records = read(&path);
    let cut: Vec<&Value> = records.iter().filter(|r| r["content"]["cut"] == true).collect();
    // Each as it came from the server and as it went to the client.
    assert_eq!(cut.len(), 4, "{}", cut.len());
    let body = cut.iter().find(|r| r["type"] == "end").unwrap();
    assert_eq!(body["content"]["bytes"], answer.len());
    let length = body["content"]["text"].as_str().unwrap().len();
    assert!((200_000..300_000).contains(&length), "{length}");
    assert!(fs::metadata(&path).unwrap().len() < 1_500_000);
}

#[test]
fn two_bridges_do_not_write_to_one_file() {
    let server = Server::start();
    let (folder, path) = place();
    let first = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    let second = Bridge::with(&server.url()).path("--trace", &path).ready(&server);
    second.wait_stderr("another process writes to");
    second.finish();
    first.finish();
    let files: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        assert_eq!(of(&read(&file), "message").len(), 3);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_sent() {
    let server = Server::start();
    let (folder, _) = place();
    let exit =
        Bridge::with(&server.url()).path("--trace", &folder.path().join("no/trace")).start().wait();
    exit.code(1);
    assert!(exit.stderr.contains("--trace: cannot write"), "{}", exit.stderr);
    let exit = Bridge::with(&server.url())
        .path("--trace", &folder.path().join("trace"))
        .arg("--trace-max-size=1KiB")
        .start()
        .wait();
    exit.code(1);
    assert!(exit.stderr.contains("at least 4MiB"), "{}", exit.stderr);
    assert_eq!(server.connections(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_trace_and_nothing_else() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).path("--trace", Path::new("/dev/full")).start();
    // Even the first line cannot be written.
    let exit = bridge.wait();
    exit.code(1);
    assert!(exit.stderr.contains("--trace: cannot write /dev/full"), "{}", exit.stderr);
}
