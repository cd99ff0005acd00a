//! A message that is checked while it arrives, cut anywhere, against the check of the whole.
//!
//! Input: a byte for the length of the pieces, then the message, in which a backtick stands for 200 letters.
use bytes::Bytes;
use mcp_tether::jsonrpc::skeleton::Sifting;
use mcp_tether::jsonrpc::{Message, Received, Source};
use serde_json::value::RawValue;

/// One input.
pub fn run(input: &[u8]) {
    let [piece, text @ ..] = input else {
        return;
    };
    let mut message = Vec::with_capacity(text.len());
    for byte in text {
        message.extend_from_slice(if *byte == b'`' {
            &[b'x'; 200]
        } else {
            std::slice::from_ref(byte)
        });
    }
    let mut sifting = Sifting::default();
    for piece in message.chunks(usize::from(*piece) + 1) {
        sifting.push(piece);
    }
    let Some(skeleton) = sifting.finish(message.len()) else {
        return;
    };
    assert_eq!(is_json(skeleton.text()), is_json(&message));
    assert!(skeleton.text().len() < message.len());
    let bytes = Bytes::from(message);
    for source in [Source::Client, Source::Server] {
        let whole = Message::parse(bytes.clone(), source);
        let received = Received::with(bytes.clone(), skeleton.clone());
        assert_eq!(format!("{:?}", Message::of(received, source)), format!("{whole:?}"));
    }
}

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok())
}
