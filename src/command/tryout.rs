//! `mcp-tether demo --try`: the whole way once, to see it work: a client, the bridge, the demo server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::demo::{self, DemoOptions};
use crate::error::ExitCode;
use crate::jsonrpc::{Kind, Message, Source};
use crate::secret::truncate;

use super::CommandError;
use crate::tasks;

/// What the client says, with a word about each.
const SCRIPT: [(&str, &str); 5] = [
    (
        "open a session",
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"demo-client","version":"1"}}}"#,
    ),
    ("ready", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
    ("which tools are there?", r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#),
    (
        "call one",
        r#"{"jsonrpc":"2.0","id":"three","method":"tools/call","params":{"name":"add","arguments":{"a":20,"b":22}}}"#,
    ),
    (
        "call one that reports progress",
        r#"{"jsonrpc":"2.0","id":4.0,"method":"tools/call","params":{"name":"count","arguments":{"to":3},"_meta":{"progressToken":"p"}}}"#,
    ),
];

/// Longest wait for an answer of our own server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Characters of a message that are shown.
const SHOWN: usize = 160;

/// Starts the server in this process and the bridge in another, and plays the client.
pub(super) async fn run(options: DemoOptions) -> Result<ExitCode, CommandError> {
    let (end, ended) = oneshot::channel();
    let (listening, address) = tasks::handover();
    let client = tasks::thread("client", move || {
        let outcome = match address.take(PATIENCE) {
            Some(address) => play(address),
            None => Err(io::Error::other("the server did not start")),
        };
        // The server may have ended by itself.
        let _ = end.send(outcome);
    })?;
    let mut outcome = Ok(false);
    demo::run_until(options, |address| listening.give(address), async {
        outcome = ended.await.unwrap_or_else(|_| Err(io::Error::other("the client failed")));
    })
    .await?;
    // It has sent its outcome and does nothing more.
    let _ = client.join();
    Ok(if outcome? { ExitCode::Success } else { ExitCode::Unanswered })
}

/// Plays the client against a bridge of its own. Tells whether every request was answered.
fn play(server: SocketAddr) -> io::Result<bool> {
    let mut bridge = Command::new(std::env::current_exe()?)
        .arg(format!("http://{server}/mcp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let answered = converse(&mut bridge);
    // By the end of its stdin the bridge knows that it is over.
    drop(bridge.stdin.take());
    let status = bridge.wait()?;
    println!("\nThat was a client talking to a server through `mcp-tether http://{server}/mcp`.");
    Ok(answered? && status.success())
}

fn converse(bridge: &mut Child) -> io::Result<bool> {
    let missing = || io::Error::other("no pipe to the bridge");
    let mut to_bridge = bridge.stdin.take().ok_or_else(missing)?;
    let mut from_bridge = BufReader::new(bridge.stdout.take().ok_or_else(missing)?).lines();
    for (word, text) in SCRIPT {
        println!("\n# {word}\n\u{2192} {}", truncate(text, SHOWN));
        to_bridge.write_all(format!("{text}\n").as_bytes())?;
        if !text.contains("\"id\"") {
            continue;
        }
        loop {
            let Some(line) = from_bridge.next().transpose()? else { return Ok(false) };
            println!("\u{2190} {}", truncate(&line, SHOWN));
            let message = Message::parse(line.into(), Source::Server).map_err(io::Error::other)?;
            if matches!(message.kind(), Kind::Response { .. }) {
                break;
            }
        }
    }
    bridge.stdin = Some(to_bridge);
    Ok(true)
}
