//! The parsers of foreign bytes alone: `cargo bench --bench parsers`.
//!
//! Prints one line per case: the best of several runs, as time per item and rate.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_tether::era::headers::{Learned, ToolHeaders, of_request};
use mcp_tether::jsonrpc::{Message, Source, framing};
use mcp_tether::stdio::lines::Lines;
use mcp_tether::transport::sse::Decoder;

/// Size of a read from the network.
const PIECE: usize = 16 << 10;

fn main() {
    let small = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"abc","progress":41,"total":100,"message":"still at it, nothing to see"}}"#;
    let small = Bytes::from(small);
    report("message, 150 B", small.len(), 1, || parse(&small));

    let text =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "x".repeat(20 << 20));
    let text = Bytes::from(text);
    report("message, one string of 20 MiB", text.len(), 1, || parse(&text));

    let object = r#"{"id":12,"name":"some name","tags":["a","b"],"ratio":0.25},"#;
    let objects = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":[{}0]}}"#,
        object.repeat((20 << 20) / object.len())
    );
    let objects = Bytes::from(objects);
    report("message, 20 MiB of small objects", objects.len(), 1, || parse(&objects));
    report("one line of it", objects.len(), 1, || {
        black_box(framing::one_line(objects.clone()));
    });

    let event = [b"data: ", &small[..], b"\n\n"].concat();
    let many = Bytes::from(event.repeat(100_000));
    report("SSE, 100,000 events of 150 B", many.len(), 100_000, || decode(&many, 100_000));

    let large = Bytes::from([b"data: ".as_slice(), &vec![b'x'; 64 << 20], b"\n\n"].concat());
    report("SSE, one event of 64 MiB", large.len(), 1, || decode(&large, 1));

    let line = [&small[..], b"\n"].concat();
    let lines = line.repeat(100_000);
    report("lines, 100,000 of 150 B", lines.len(), 100_000, || {
        let mut framer = Lines::new(64 << 20);
        let mut count = 0;
        for piece in lines.chunks(PIECE) {
            framer.feed(piece);
            while let Some(line) = framer.next_line() {
                black_box(line);
                count += 1;
            }
        }
        assert_eq!(count, 100_000);
    });

    headers();
}

/// What a modern request costs beside sending it.
fn headers() {
    let schema = |annotation: &str| {
        format!(
            r#"{{"type":"object","properties":{{"region":{{"type":"string","description":"Where to run it"{annotation}}},"query":{{"type":"string","description":"What to run, in the dialect of the region"}},"options":{{"type":"object","properties":{{"limit":{{"type":"integer","minimum":1}},"dry":{{"type":"boolean"}}}}}}}},"required":["region","query"]}}"#
        )
    };
    let list = |schema: &str| {
        let tools: Vec<_> = (0..100)
            .map(|i| format!(r#"{{"name":"tool_{i}","description":"Runs a query and returns the rows that it finds, the newest first.","inputSchema":{schema}}}"#))
            .collect();
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, tools.join(","));
        Message::parse(text.into(), Source::Server).expect("the message is valid")
    };
    let mut tools = ToolHeaders::default();
    for (name, list) in [
        ("learn, 100 tools", list(&schema(""))),
        ("learn, 100 annotated tools", list(&schema(r#","x-mcp-header":"Region""#))),
    ] {
        report(name, list.bytes().len(), 1, || {
            assert_eq!(black_box(tools.learn(&list, true)), Learned::default());
        });
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_7","arguments":{"region":"us-west1","query":"SELECT * FROM users","options":{"limit":10}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let call = Message::parse(call.into(), Source::Client).expect("the message is valid");
    report("headers of a call", call.bytes().len(), 1, || {
        assert_eq!(black_box(of_request(&call, &tools)).len(), 4);
    });
}

fn parse(bytes: &Bytes) {
    black_box(Message::parse(bytes.clone(), Source::Server).expect("the message is valid"));
}

fn decode(body: &Bytes, events: usize) {
    let mut decoder = Decoder::new(65 << 20);
    let mut count = 0;
    let mut at = 0;
    while at < body.len() {
        let end = (at + PIECE).min(body.len());
        decoder.feed(body.slice(at..end));
        at = end;
        while let Some(item) = decoder.next_item() {
            black_box(item);
            count += 1;
        }
    }
    assert_eq!(count, events);
}

/// Runs `work` for a while; it handles `items` items of `bytes` bytes in all.
fn report(name: &str, bytes: usize, items: u32, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    #[allow(clippy::cast_precision_loss)] // sizes are far below 2^52
    let rate = bytes as f64 / best.as_secs_f64() / 1e6;
    println!(
        "{name:<34} {:>12.0} ns/item {rate:>9.0} MB/s",
        best.as_secs_f64() * 1e9 / f64::from(items)
    );
}
