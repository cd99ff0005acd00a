//! The standard's rules case by case, each cut in every way, and against another implementation.

use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

/// (type, data, last event id) of every dispatched event.
type Seen = Vec<(String, String, String)>;

fn decode(pieces: &[&[u8]]) -> Seen {
    let mut decoder = Decoder::new(LIMIT);
    let mut seen = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        while let Some(Item::Event(event)) = decoder.next_item() {
            let name = if event.name.is_empty() { "message".into() } else { text(&event.name) };
            seen.push((name, text(&event.data), text(decoder.last_event_id())));
        }
    }
    seen
}

/// Whole, byte by byte, and cut in two at every place.
fn every_cut(input: &[u8], expected: &Seen) {
    assert_eq!(&decode(&[input]), expected, "{:?}", String::from_utf8_lossy(input));
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(&decode(&bytes), expected, "byte by byte: {:?}", String::from_utf8_lossy(input));
    for cut in 0..=input.len() {
        assert_eq!(&decode(&[&input[..cut], &input[cut..]]), expected, "cut at {cut}");
    }
}

#[test]
fn the_standard_case_by_case() {
    /// An input and the type, data and last event id of the events in it.
    type Case = (&'static str, &'static [(&'static str, &'static str, &'static str)]);
    let cases: &[Case] = &[
        ("data: a\n\n", &[("message", "a", "")]),
        ("data: a\r\ndata: b\r\n\r\n", &[("message", "a\nb", "")]),
        ("data: a\rdata: b\r\rdata: c\r\r", &[("message", "a\nb", ""), ("message", "c", "")]),
        ("data: a\r\n\ndata: b\n\r\n", &[("message", "a", ""), ("message", "b", "")]),
        ("\u{feff}data: a\n\n", &[("message", "a", "")]),
        ("data: \u{feff}a\n\n\u{feff}data: b\n\n", &[("message", "\u{feff}a", "")]),
        ("data\n\n", &[("message", "", "")]),
        ("id: 7\ndata:\n\n", &[("message", "", "7")]),
        ("data\n\ndata\ndata\n\ndata:", &[("message", "", ""), ("message", "\n", "")]),
        ("data:test\n\ndata:  two\n\n", &[("message", "test", ""), ("message", " two", "")]),
        ("id: 1\ndata: a\n\nid\ndata: b\n\n", &[("message", "a", "1"), ("message", "b", "")]),
        ("id: a\0b\ndata: x\n\n", &[("message", "x", "")]),
        ("id: 5\n\ndata: x\n\n", &[("message", "x", "5")]),
        ("event: foo\n\ndata: x\n\n", &[("message", "x", "")]),
        (": hi\n\n:\ndata: x\n\n", &[("message", "x", "")]),
        ("data: a\n\ndata: b\n", &[("message", "a", "")]),
        ("foo: 1\n data: no\nDATA: no\ndata: x\n\n", &[("message", "x", "")]),
        ("\n\n\ndata: x\n\n\n\n", &[("message", "x", "")]),
        ("data: a\u{2028}b\u{85}c\n\n", &[("message", "a\u{2028}b\u{85}c", "")]),
        (
            "event: a\nevent: b\ndata: x\n\nevent: a\nevent\ndata: y\n\n",
            &[("b", "x", ""), ("message", "y", "")],
        ),
        ("data: a:b\n\n", &[("message", "a:b", "")]),
        ("data: \u{1f980}\n\n", &[("message", "\u{1f980}", "")]),
        ("id: 1\ndata: a\n\nid: 2\ndata: b\n", &[("message", "a", "1")]),
    ];
    for (input, expected) in cases {
        let expected: Seen =
            expected.iter().map(|(n, d, i)| ((*n).into(), (*d).into(), (*i).into())).collect();
        every_cut(input.as_bytes(), &expected);
    }
    every_cut(
        b"data: a\xffb\n\ndata: c\n\n",
        &vec![
            ("message".into(), "a\u{fffd}b".into(), "".into()),
            ("message".into(), "c".into(), "".into()),
        ],
    );
}

#[test]
fn an_id_counts_only_when_its_block_is_complete() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.feed(Bytes::from_static(b"id: 1\n\nid: 2\ndata: lost"));
    assert_eq!(decoder.next_item(), None);
    assert_eq!(&decoder.last_event_id()[..], b"1");
    assert!(matches!(decoder.finish(), Some(Item::Event(event)) if &event.data[..] == b"lost"));
    assert_eq!(&decoder.last_event_id()[..], b"1");
}

#[test]
fn retry_is_all_digits() {
    for (line, expected) in [
        ("retry: 500", Some(500)),
        ("retry:0", Some(0)),
        ("retry: 99999999999999999999999", Some(u64::MAX)),
        ("retry: +5", None),
        ("retry: 1e3", None),
        ("retry:", None),
        ("retry: 5 ", None),
    ] {
        let mut decoder = Decoder::new(LIMIT);
        decoder.feed(Bytes::from(format!("{line}\n")));
        assert_eq!(decoder.next_item(), None);
        assert_eq!(decoder.retry(), expected, "{line}");
    }
}

#[test]
fn progress_is_events_and_new_ids() {
    let mut decoder = Decoder::resuming(LIMIT, Bytes::from_static(b"3"));
    decoder.feed(Bytes::from_static(b": comment\n\nretry: 1\n\nid: 3\n\n"));
    assert_eq!(decoder.next_item(), None);
    assert_eq!(decoder.progress(), 0);
    decoder.feed(Bytes::from_static(b"id: 4\ndata:\n\n"));
    assert!(decoder.next_item().is_some());
    assert_eq!(decoder.progress(), 1);
    decoder.feed(Bytes::from_static(b"data: x\n\n"));
    assert!(decoder.next_item().is_some());
    assert_eq!(decoder.progress(), 2);
}

#[test]
fn the_size_limit_drops_one_event_and_no_more() {
    let body = format!(
        "data: {{\"id\":7,{}\n\ndata: {}\ndata: {}\n\ndata: ok\n\n",
        "x".repeat(3000),
        "y".repeat(1500),
        "z".repeat(1500)
    );
    for size in [1, 7, 100, 1999, 10_000] {
        let mut decoder = Decoder::new(2000);
        let mut items = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            decoder.feed(Bytes::copy_from_slice(piece));
            while let Some(item) = decoder.next_item() {
                items.push(item);
            }
            assert!(decoder.partial.len() <= 2000 + 10_000);
        }
        let Item::TooLarge { prefix } = &items[0] else { panic!("{items:?}") };
        assert!(prefix.trim_ascii_start().starts_with(b"{\"id\":7,"), "pieces of {size}");
        assert!(matches!(&items[1], Item::TooLarge { prefix } if prefix.starts_with(b"y")));
        assert!(
            matches!(&items[2], Item::Event(event) if &event.data[..] == b"ok"),
            "pieces of {size}"
        );
        assert_eq!(items.len(), 3);
    }
}

#[test]
fn an_event_at_the_limit_passes() {
    let body = format!("data: {}\n\n", "x".repeat(2000));
    for size in [1, 1000, 5000] {
        let mut decoder = Decoder::new(2000);
        let mut found = None;
        for piece in body.as_bytes().chunks(size) {
            decoder.feed(Bytes::copy_from_slice(piece));
            found = found.or(decoder.next_item());
        }
        assert!(matches!(found, Some(Item::Event(event)) if event.data.len() == 2000));
    }
}

#[test]
fn a_large_event_is_not_copied_when_it_comes_in_one_piece() {
    let piece = Bytes::from(format!("data: {}\n\n", "x".repeat(100_000)));
    let mut decoder = Decoder::new(LIMIT);
    decoder.feed(piece.clone());
    let Some(Item::Event(event)) = decoder.next_item() else { panic!() };
    assert_eq!(event.data.as_ptr(), piece[6..].as_ptr());
}

#[test]
fn empty_lines_count_for_the_limit() {
    for (limit, body, fits) in [
        (0, "data\n\n", true),
        (0, "data\ndata\n\n", false),
        (3, "data\ndata: ab\n\n", true),
        (3, "data\ndata: abc\n\n", false),
        (3, "data\ndata\ndata\ndata\n\n", true),
        (3, "data\ndata\ndata\ndata\ndata\n\n", false),
    ] {
        let mut decoder = Decoder::new(limit);
        decoder.feed(Bytes::from_static(body.as_bytes()));
        let item = decoder.next_item().unwrap();
        assert_eq!(matches!(item, Item::Event(_)), fits, "{limit}: {body:?}");
    }
}

proptest! {
    #[test]
    fn cutting_changes_nothing(
        input in "(data|id|event|retry|:|[ab:\\r\\n \u{feff}é]){0,40}",
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let bytes = input.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        pieces.push(&bytes[start..]);
        prop_assert_eq!(decode(&pieces), decode(&[bytes]));
    }

    /// `eventsource-stream` differs by defect where a BOM, a lone CR or an event without data comes
    /// in; everywhere else the two must agree.
    #[test]
    fn agrees_with_another_decoder(
        blocks in proptest::collection::vec(
            proptest::collection::vec("(data: ?|event: ?|id: ?|:|other: )[a-zé0-9 ]{0,8}", 0..5), 0..6),
        crlf: bool,
        size in 1usize..50,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut input = String::new();
        for block in &blocks {
            for line in block {
                input += line;
                input += end;
            }
            input += "data: .";
            input += end;
            input += end;
        }
        let pieces: Vec<&[u8]> = input.as_bytes().chunks(size).collect();
        let other: Seen = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(input.as_bytes())])
            .eventsource()
            .map(|event| event.unwrap())
            .map(|event| (event.event, event.data, event.id))
            .collect::<Vec<_>>()
            .now_or_never_unwrap();
        prop_assert_eq!(decode(&pieces), other);
    }
}

trait NowOrNever: Future + Sized {
    fn now_or_never_unwrap(self) -> Self::Output {
        futures_util::FutureExt::now_or_never(self).unwrap()
    }
}

impl<F: Future> NowOrNever for F {}
