//! Beginning and end of the server itself.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::client::{Demo, End, PATIENCE, call};
use crate::demo::limits::Limits;
use crate::demo::{DemoError, DemoOptions, Fault, greeting, run_until};

#[tokio::test]
async fn it_serves_on_loopback_until_told_to_stop() {
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = DemoOptions { port: 0, faults: Vec::new() };
    let serving =
        tokio::spawn(run_until(options, move |address| ready.send(address).unwrap(), async {
            let _ = stopped.await;
        }));
    let address = timeout(PATIENCE, address).await.unwrap().unwrap();
    assert!(address.ip().is_loopback());
    assert!(TcpStream::connect(address).await.is_ok());
    let taken = DemoOptions { port: address.port(), faults: Vec::new() };
    let refused = run_until(taken, |_| panic!("cannot be ready"), async {}).await.unwrap_err();
    assert!(matches!(refused, DemoError::Listen { .. }));
    assert!(refused.to_string().contains("--port"), "{refused}");
    stop.send(()).unwrap();
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stopping_ends_running_calls_and_open_streams() {
    let mut demo = Demo::plain().await;
    let stop = demo.stop.take().unwrap();
    let client = demo.session().await;
    let mut standalone = client.listen(None).await;
    standalone.next().await.unwrap();
    let mut stream =
        client.stream(&call(1, "count", json!({"to": 1000, "delay_ms": 10_000}))).await;
    stream.next().await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(standalone.rest().await.1, End::Closed);
    let (events, end) = stream.rest().await;
    assert!(events.iter().all(|event| event.json().get("id").is_none()));
    assert_eq!(end, End::Closed);
    timeout(PATIENCE, demo.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_at_once_are_bounded() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let demo = Demo::start(&[], limits).await;
    // Connections are accepted in the order in which they were made.
    let first = TcpStream::connect(demo.address).await.unwrap();
    let _second = TcpStream::connect(demo.address).await.unwrap();
    let message = super::client::request(1, "ping", json!({}));
    let mut waiting = std::pin::pin!(super::client::send(demo.post(&message)));
    // Nothing can be seen of a request that is not served, so a while has to do; a slow machine
    // only makes the test blinder, not wrong.
    let early = timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "served beyond the bound");
    drop(first);
    assert_eq!(waiting.await.status(), 400, "no session was named");
}

#[test]
fn the_greeting_names_the_address_and_the_faults() {
    let address = "127.0.0.1:4000".parse().unwrap();
    let text = greeting(address, &[Fault::NoGet, Fault::DropStreams]);
    assert!(text.contains("| mcp-tether http://127.0.0.1:4000/mcp"));
    assert!(text.contains("no-get, drop-streams"));
    let messages: Vec<serde_json::Value> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('\'')?.strip_suffix("' \\"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let methods: Vec<_> = messages.iter().map(|message| &message["method"]).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call"]);
}
