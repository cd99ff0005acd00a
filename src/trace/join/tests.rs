use super::*;

/// Joins lines; those of `Start` say when.
fn joined(lines: &[&str]) -> Joined {
    let mut joined = Joined::default();
    for line in lines {
        let record = Record::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        joined.take(Read { line: (*line).to_owned(), record });
    }
    joined
}

fn start(run: &str, time: &str) -> String {
    format!(
        r#"{{"type":"start","format":1,"time":"{time}","version":"0","command":"bridge","server":"http://h/","run":"{run}","continues":false}}"#
    )
}

const REQUEST: &str = r#"{"type":"request","t":1,"n":1,"purpose":"mcp","method":"POST","url":"http://h/","headers":[],"rpc":{"kind":"request","id":"1","method":"ping"}}"#;

#[test]
fn parts_of_an_exchange_find_each_other_among_others() {
    let joined = joined(&[
        &start("a", "2026-01-01T00:00:00.000Z"),
        REQUEST,
        r#"{"type":"request","t":2,"n":2,"purpose":"auth","method":"GET","url":"http://h/","headers":[]}"#,
        r#"{"type":"failure","t":3,"n":2,"kind":"dns","text":"no"}"#,
        r#"{"type":"sent","t":4,"n":1}"#,
        r#"{"type":"response","t":5,"n":1,"status":200,"http":"HTTP/1.1","headers":[]}"#,
        r#"{"type":"event","t":6,"n":1,"event":"message","content":{"bytes":1}}"#,
        r#"{"type":"end","t":7,"n":1,"how":"whole","bytes":9}"#,
    ]);
    let [first, second] = &joined.exchanges[..] else { panic!("{joined:?}") };
    assert_eq!((first.began(), first.ended(), first.sent), (1.0, 7.0, Some(4.0)));
    assert_eq!((first.method(), first.events.len(), first.is_error()), (Some("ping"), 1, false));
    assert!(first.is_over() && !first.is_auth());
    assert!(second.is_over() && second.is_auth() && second.is_error());
    assert_eq!(joined.lasted(), 7.0);
}

#[test]
fn parts_without_a_request_are_kept() {
    let joined = joined(&[r#"{"type":"end","t":7,"n":9,"how":"broken","bytes":9}"#]);
    assert_eq!((joined.exchanges[0].n, joined.exchanges[0].began()), (9, 7.0));
    assert!(joined.exchanges[0].is_error());
}

#[test]
fn answers_find_their_requests_by_who_asked() {
    let message = |t: u32, from: &str, kind: &str, id: &str, more: &str| {
        format!(
            r#"{{"type":"message","t":{t},"from":"{from}","rpc":{{"kind":"{kind}","id":"{id}"}},"content":{{"bytes":1{more}}}}}"#
        )
    };
    let lines = [
        message(1, "client", "request", "1", ""),
        message(2, "bridge", "request", "1", ""),
        message(3, "client", "response", "1", ""),
        message(5, "bridge", "response", "1", r#","json":{"result":{"isError":true}}"#),
        message(6, "bridge", "error", "1", ""),
    ];
    let joined = joined(&lines.each_ref().map(String::as_str));
    let took: Vec<_> = joined.calls.iter().map(Call::took).collect();
    assert_eq!(took, [Some(4.0), Some(1.0), None]);
    let errors: Vec<_> = joined.calls.iter().map(Call::is_error).collect();
    assert_eq!(errors, [true, false, true]);
}

#[test]
fn numbers_begin_anew_with_a_run_and_not_with_a_file() {
    let (a, b) = (start("a", "2026-01-01T00:00:00.000Z"), start("b", "2026-01-01T00:00:02.500Z"));
    let sent = r#"{"type":"sent","t":4,"n":1}"#;
    let joined = joined(&[&a, REQUEST, &a, sent, &b, REQUEST]);
    let found: Vec<_> = joined.exchanges.iter().map(|it| (it.offset, it.sent)).collect();
    assert_eq!(found, [(0.0, Some(4.0)), (2500.0, None)]);
    assert_eq!(joined.runs.len(), 2);
}

#[test]
fn a_number_that_comes_again_is_another_exchange() {
    let joined = joined(&[REQUEST, REQUEST, r#"{"type":"sent","t":4,"n":1}"#]);
    assert_eq!(joined.exchanges.iter().map(|it| it.sent).collect::<Vec<_>>(), [None, Some(4.0)]);
}

#[test]
fn bodies_beyond_the_limit_are_left_out_and_said_so() {
    let body = format!(
        r#"{{"type":"message","t":1,"from":"client","content":{{"bytes":9,"text":"{}"}}}}"#,
        "x".repeat(1 << 20)
    );
    let mut joined = Joined { held: MAX_TRACE_HELD - (3 << 19), ..Joined::default() };
    for _ in 0..2 {
        joined.take(Read { record: Record::parse(&body).unwrap(), line: body.clone() });
    }
    let kept: Vec<_> = joined.calls.iter().map(|c| c.message.content.text.is_some()).collect();
    assert_eq!((kept, joined.emptied), (vec![true, false], 1));
    assert_eq!(
        (joined.calls[1].message.content.bytes, joined.calls[1].message.content.cut),
        (9, true)
    );
    joined.records = MAX_TRACE_RECORDS;
    joined.take(Read { record: Record::parse(REQUEST).unwrap(), line: REQUEST.into() });
    assert_eq!((joined.exchanges.len(), joined.left_out), (0, 1));
}
