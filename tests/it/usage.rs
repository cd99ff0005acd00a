//! What is wrong with the command line is said before anything is sent.

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
        (&[&url, "more"], "more"),
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
