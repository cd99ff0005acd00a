//! What is wrong with the command line is said before anything is sent.

use std::process::{Command, Stdio};

use crate::support::*;

#[test]
fn errors_of_usage() {
    let server = Server::start();
    let url = server.url();
    let cases: [(&[&str], &str); 16] = [
        (&["not a url"], "not a url"),
        (&["ftp://127.0.0.1/mcp"], "ftp"),
        (&["127.0.0.1/mcp"], ""),
        (&["http://mcp.invalid/mcp"], "--allow-http"),
        (&["http://127.0.0.1.invalid/mcp"], "--allow-http"),
        (&["http://localhost.invalid/mcp"], "--allow-http"),
        (&["http://192.0.2.1/mcp"], "--allow-http"),
        (&[&url, "--header", "no colon"], "--header"),
        (&[&url, "--header", "Bad Name: x"], "--header"),
        (&[&url, "--header", "X-A: ${UNSET_ONE}"], "UNSET_ONE"),
        (&[&url, "--header", "X-A: a${UNSET_TWO}b"], "UNSET_TWO"),
        (&[&url, "--max-message-size", "many"], "--max-message-size"),
        (&[&url, "--drain-timeout", "soon"], "--drain-timeout"),
        (&[&url, "--no-such-option"], "--no-such-option"),
        (&[&url, "--client-key", "only.pem"], "--client-cert"),
        (&[&url, "more"], "a word too many"),
    ];
    for (args, named) in cases {
        let mut bridge = Bridge::with(args[0]);
        for arg in &args[1..] {
            bridge = bridge.arg(arg);
        }
        let bridge = bridge.start();
        bridge.send(INITIALIZE);
        let exit = bridge.wait();
        assert_eq!(exit.code, Some(1), "{args:?}: {}", exit.stderr);
        assert!(exit.stderr.contains(named), "{args:?}: {}", exit.stderr);
        assert_eq!(exit.rest, []);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn plain_http_elsewhere_if_allowed() {
    let bridge = Bridge::with("http://mcp.invalid/mcp").arg("--allow-http").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("dns");
    bridge.finish().clean();
}

#[test]
fn sizes_and_times_that_are_understood() {
    let server = Server::start();
    for (option, value) in [
        ("--max-message-size", "65536"),
        ("--max-message-size", "500KiB"),
        ("--max-message-size", "1MiB"),
        ("--drain-timeout", "500ms"),
        ("--drain-timeout", "2m"),
        ("--drain-timeout", "5"),
        ("--connect-timeout", "3s"),
        ("--resume-timeout", "1m"),
    ] {
        Bridge::with(&server.url()).arg(option).arg(value).start().finish().clean();
    }
}

/// Runs a command to its end.
fn command(args: &[&str], stdout: Stdio) -> std::process::Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command.args(args).env("MCP_TETHER_HOME", home.path()).env("COLUMNS", "80");
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn errors_of_usage_in_json() {
    let server = Server::start();
    let url = server.url();
    let cases: [(&[&str], &str); 8] = [
        (&["call", &url], "<TOOL>"),
        (&["call", "not a url", "x"], "not a URL"),
        (&["inspect", &url, "--ca-cert", "no-such.pem"], "no-such.pem"),
        (&["tools", &url, "--timeout", "soon"], "--timeout"),
        (&["check", "not a url"], "not a URL"),
        (&["check", &url, "--timeout", "soon"], "--timeout"),
        (&["auth", "status", "not a url"], "not a URL"),
        (&["ping", &url, "--no-such-option"], "--no-such-option"),
    ];
    for (args, named) in cases {
        let shown = command(&[args, &["--json"]].concat(), Stdio::piped());
        let stderr = String::from_utf8(shown.stderr).unwrap();
        assert_eq!(
            (shown.status.code(), &*shown.stdout),
            (Some(1), &b""[..]),
            "{args:?}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        let error: serde_json::Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!(
            (&error["error"]["code"], &error["error"]["kind"]),
            (&1.into(), &"usage".into())
        );
        assert!(error["error"]["message"].as_str().unwrap().contains(named), "{args:?}: {stderr}");
    }
    assert_eq!(server.connections(), 0);
}

#[cfg(unix)]
#[test]
fn nobody_reads_what_a_command_prints() {
    let server = Server::start();
    let url = server.url();
    let cases: [&[&str]; 6] = [
        &["check", &url],
        &["check", &url, "--json"],
        &["inspect", &url],
        &["auth", "status"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let shown = command(args, writer.into());
        let stderr = String::from_utf8(shown.stderr).unwrap();
        assert_eq!((shown.status.code(), &*stderr), (Some(7), ""), "{args:?}");
    }
}
