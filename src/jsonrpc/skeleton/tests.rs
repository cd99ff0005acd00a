//! What is JSON with the inside of its strings left out is JSON, and nothing else is.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::jsonrpc::{Message, Received, Source};

/// Long enough to be followed, whatever it is an end of.
fn long(text: &str) -> String {
    text.repeat(SIEVE_MIN / text.len() + 1)
}

fn received(text: &[u8], cuts: &[usize]) -> Received {
    let (mut sieve, mut gathered) = (Sieve::default(), BytesMut::new());
    let mut start = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        gathered.extend_from_slice(&text[start..cut]);
        sieve.follow(&gathered);
        start = cut;
    }
    Received::new(gathered.freeze(), sieve)
}

fn skeleton(text: &[u8], cuts: &[usize]) -> Option<Skeleton> {
    let mut sieve = Sieve::default();
    for cut in cuts {
        sieve.follow(&text[..*cut]);
    }
    sieve.follow(text);
    sieve.finish(text.len())
}

/// Checked while it arrives, a text is the same message, or fails with the same words.
#[track_caller]
fn same(text: &[u8], cuts: &[usize]) {
    let show = |outcome: Result<Message, crate::jsonrpc::Invalid>| match outcome {
        Ok(message) => {
            format!("{:?} {:?}", message.kind(), message.with_id(&crate::jsonrpc::Id::NULL))
        }
        Err(invalid) => format!("{invalid:?}"),
    };
    let whole = Message::parse(Bytes::copy_from_slice(text), Source::Server);
    let sieved = Message::of(received(text, cuts), Source::Server);
    let (whole, sieved) = (show(whole), show(sieved));
    assert!(
        whole == sieved,
        "{} cut at {cuts:?}",
        String::from_utf8_lossy(&text[..text.len().min(300)])
    );
}

#[test]
fn long_strings_are_left_out() {
    let text =
        format!(r#" {{"id" : 7, "result":{{"a":"{}","b":[1.0]}} }} "#, long("añ\\n\\\"b\\u00e9"));
    for cuts in [vec![], vec![text.len() - 20], (1..text.len()).step_by(4099).collect()] {
        let skeleton = skeleton(text.as_bytes(), &cuts).unwrap();
        let rest = std::str::from_utf8(skeleton.text()).unwrap();
        assert!(rest.len() < 400, "{rest}");
        assert!(rest.starts_with(r#" {"id" : 7, "result":{"a":"añ\n\"b\u00e9"#));
        assert!(rest.ends_with(r#"","b":[1.0]} } "#), "{rest}");
        assert!(serde_json::from_str::<serde_json::Value>(rest).is_ok());
        same(text.as_bytes(), &cuts);
    }
}

#[test]
fn strings_of_nothing_but_escapes_are_left_out_too() {
    for escape in ["\\n", "\\u4e2d", "\\\"", "\\ud83d\\ude00"] {
        let text = format!(r#"{{"id":1,"result":"{}","a":"{0}"}}"#, long(escape));
        for cuts in [vec![], (1..text.len()).step_by(1009).collect()] {
            let skeleton = skeleton(text.as_bytes(), &cuts).unwrap();
            assert!(skeleton.text().len() < 300);
            same(text.as_bytes(), &cuts);
        }
    }
}

#[test]
fn a_head_behind_a_long_string_is_found() {
    let text = format!(r#"  {{"result":"{}","id":"a\n1","jsonrpc":"2.0"}}"#, long("x"));
    let message = Message::of(received(text.as_bytes(), &[]), Source::Server).unwrap();
    assert!(skeleton(text.as_bytes(), &[]).is_some());
    assert_eq!(message.id().unwrap().raw(), &b"\"a\\n1\""[..]);
    let other = message.with_id(&crate::jsonrpc::Id::NULL);
    assert!(other.ends_with(br#"","id":null,"jsonrpc":"2.0"}"#));
}

#[test]
fn a_head_that_is_long_itself_is_not_cut() {
    for text in [
        format!(r#"{{"id":"{}","result":{{}}}}"#, long("i")),
        format!(r#"{{"method":"{}"}}"#, long("m")),
        format!(r#"{{"method":"x","{}":1,"id":1}}"#, long("n")),
        format!(r#"{{"jsonrpc":"{}","method":"x"}}"#, long("2.0")),
        format!(r#"{{"id":1,"error":"{}"}}"#, long("null")),
    ] {
        assert!(skeleton(text.as_bytes(), &[]).is_some());
        same(text.as_bytes(), &[]);
    }
}

#[test]
fn what_is_small_or_has_no_long_strings_is_not_sieved() {
    assert!(skeleton(br#"{"id":1,"result":{}}"#, &[]).is_none());
    let numbers = format!(r#"{{"id":1,"result":[{}0]}}"#, "0,".repeat(MAX_SKELETON));
    assert!(skeleton(numbers.as_bytes(), &[]).is_none());
    same(numbers.as_bytes(), &[]);
    // All of them are short, and together more than a skeleton holds.
    let strings = format!(r#"{{"id":1,"result":[{}0]}}"#, "\"short\",".repeat(MAX_SKELETON));
    assert!(skeleton(strings.as_bytes(), &[]).is_none());
    same(strings.as_bytes(), &[]);
}

#[test]
fn what_is_wrong_with_a_string_is_found_wherever_it_is_cut() {
    let fill = long("x");
    for wrong in ["\n", "\u{0}", "\\x", "\\u12g4", "\\u12", "\\", "\"", "\" \""] {
        let text = format!(r#"{{"id":1,"result":"{fill}{wrong}"}}"#);
        let end = text.len();
        for cut in end - 8..end {
            assert!(
                Message::of(received(text.as_bytes(), &[cut]), Source::Server).is_err(),
                "{wrong:?}"
            );
            same(text.as_bytes(), &[cut]);
        }
    }
    for wrong in
        [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80"]
    {
        let text = [br#"{"id":1,"result":""#, fill.as_bytes(), wrong, br#""}"#].concat();
        for cut in text.len() - 6..text.len() {
            assert!(Message::of(received(&text, &[cut]), Source::Server).is_err(), "{wrong:?}");
            same(&text, &[cut]);
        }
    }
}

#[test]
fn characters_may_be_cut_anywhere() {
    let text = format!(r#"{{"id":1,"result":"{}😀é€\ud83d\u00e9"}}"#, long("x"));
    for cut in text.len() - 30..text.len() {
        for second in cut..text.len() {
            assert!(skeleton(text.as_bytes(), &[cut, second]).is_some(), "{cut} {second}");
        }
        same(text.as_bytes(), &[cut]);
    }
}

#[test]
fn a_text_that_was_not_followed_to_its_end_is_not_believed() {
    let text = format!(r#"{{"id":1,"result":"{}"}}"#, long("x"));
    let mut sieve = Sieve::default();
    sieve.follow(text.as_bytes());
    assert!(sieve.finish(text.len() + 1).is_none());
}

/// Pieces of strings and what may stand around them, of which many together are nearly JSON.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let token = select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\"",
        "\\",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u00e9",
        "\\u",
        "0",
        "-1.5e+3",
        "null",
        "\"id\":",
        "\"result\":",
        "\"a\"",
        "é",
        "€",
        "😀",
        "x",
        "\u{1}",
    ]);
    let token = (token, prop_oneof![4 => Just(1), 1 => 200..400usize]);
    let tokens = prop::collection::vec(token, 0..30);
    tokens.prop_map(|tokens| {
        tokens.into_iter().map(|(token, times)| token.repeat(times)).collect::<String>().into()
    })
}

/// JSON with long strings, in which a byte may be another one.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    let string = select(vec!["x", "é\\n", "\\\\", "\\u00e9€", "😀"]);
    let string =
        (string, 0..600usize).prop_map(|(text, times)| format!("\"{}\"", text.repeat(times)));
    let value = prop_oneof![string.clone(), Just("null".to_owned()), Just("[1.0 , {}]".to_owned())];
    let members =
        prop::collection::vec((prop_oneof![Just("\"id\"".to_owned()), string], value), 0..8);
    (members, any::<Index>(), any::<Option<u8>>()).prop_map(|(members, at, other)| {
        let members: Vec<String> =
            members.into_iter().map(|(name, value)| format!("{name} :{value}")).collect();
        let text = format!(
            r#"{{"result":{{}},{}"id":"1"}}"#,
            members.join(",") + if members.is_empty() { "" } else { "," }
        );
        let mut bytes = text.into_bytes();
        if let Some(other) = other {
            let at = at.index(bytes.len());
            bytes[at] = other;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// `Sifting` itself, so that small texts are looked at too.
    #[test]
    fn the_skeleton_is_json_if_and_only_if_the_text_is(
        text in prop_oneof![pieces(), bent()],
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut sifting, mut start) = (Sifting::default(), 0);
        for cut in cuts.into_iter().chain([text.len()]) {
            sifting.push(&text[start..cut]);
            start = cut;
        }
        let is_json = |text: &[u8]| {
            std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok())
        };
        let whole = is_json(&text);
        let message = Message::parse(Bytes::from(text.clone()), Source::Server);
        if let Some(skeleton) = sifting.finish(text.len()) {
            prop_assert_eq!(is_json(skeleton.text()), whole);
            let received = Received::with(text.into(), skeleton);
            let sieved = Message::of(received, Source::Server);
            prop_assert_eq!(format!("{sieved:?}"), format!("{message:?}"));
        }
    }
}
