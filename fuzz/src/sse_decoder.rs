//! An event stream, cut anywhere, against a plain reading of the whole by the letter of the WHATWG
//! HTML standard, section 9.2.6.
//!
//! Input: a byte for the length of the pieces, a byte for the limit, then the bytes of the stream.
use bytes::Bytes;
use mcp_tether::limits::SALVAGE_PREFIX;
use mcp_tether::transport::sse::{Decoder, Item};

/// One input.
pub fn run(input: &[u8]) {
    let [piece, limit, text @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece) + 1;

    let mut decoder = Decoder::new(usize::MAX / 2);
    let events: Vec<_> = decode(&mut decoder, text, piece)
        .into_iter()
        .map(|item| match item {
            Item::Event(event) => (event.name.to_vec(), event.data.to_vec()),
            Item::TooLarge { .. } => panic!("nothing is over this limit"),
        })
        .collect();
    let (expected, last_event_id, retry) = expected(text);
    assert_eq!(events, expected);
    assert_eq!(decoder.last_event_id(), &last_event_id[..]);
    assert_eq!(decoder.retry(), retry);

    // With a limit, no event is over it, the last one included, whose blank line may be missing.
    let limit = usize::from(*limit);
    let mut decoder = Decoder::new(limit);
    let mut items = decode(&mut decoder, text, piece);
    items.extend(decoder.finish());
    for item in items {
        match item {
            Item::Event(event) => assert!(event.data.len() <= limit),
            Item::TooLarge { prefix } => assert!(prefix.len() <= SALVAGE_PREFIX),
        }
    }
}

fn decode(decoder: &mut Decoder, text: &[u8], piece: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in text.chunks(piece) {
        decoder.feed(Bytes::copy_from_slice(piece));
        items.extend(std::iter::from_fn(|| decoder.next_item()));
    }
    items
}

type Events = Vec<(Vec<u8>, Vec<u8>)>;

/// Names and data of the events, the last event id, and the last `retry`.
fn expected(text: &[u8]) -> (Events, Vec<u8>, Option<u64>) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut events, mut last_event_id, mut retry) = (Vec::new(), Vec::new(), None);
    let (mut name, mut data, mut id) = (Vec::new(), None::<Vec<u8>>, None);
    for line in lines(text) {
        if line.is_empty() {
            last_event_id = id.take().unwrap_or(last_event_id);
            let name = std::mem::take(&mut name);
            if let Some(data) = data.take() {
                events.push((name, data));
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = value.to_vec(),
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"id" if !value.contains(&0) => id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(value).expect("digits");
                retry = Some(digits.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    (events, last_event_id, retry)
}

/// The lines that have an end: LF, CR, or CR and LF.
fn lines(mut text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&text[..end]);
        let both = text[end..].starts_with(b"\r\n");
        text = &text[end + 1 + usize::from(both)..];
    }
    lines
}
