//! Messages that parsers disagree about, or that take all there is.

use super::*;

fn json(text: impl Into<String>) -> Reply {
    Reply::json(text.into())
}

/// The same text as the answer and as what is seen of it.
macro_rules! relayed {
    ($($name:ident: $text:expr;)*) => {
        answers! { $($name: json($text) => Seen::Itself($text.into());)* }
    };
}

relayed! {
    a_number_that_is_out_of_all_ranges: result(1, "[1e999999999,-1e-999999999,123456789012345678901234567890]");
    a_number_of_half_a_mebibyte: result(1, &"9".repeat(MIB / 2));
    nesting_of_a_hundred_thousand: result(1, &("[".repeat(100_000) + &"]".repeat(100_000)));
    objects_in_objects: result(1, &("{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000)));
    lone_surrogates: result(1, r#""\ud800 \udfff \ud800\ud800""#);
    escaped_nuls: result(1, r#""\u0000""#);
    a_key_of_half_a_mebibyte: result(1, &format!("{{\"{}\":1}}", "k".repeat(MIB / 2)));
    members_without_end: result(1, &format!("{{{}\"z\":0}}", "\"a\":1,".repeat(150_000)));
}

answers! {
    nesting_that_never_closes: json("[".repeat(MIB - 1)) => NO_ANSWER;
    nesting_around_the_answer:
        json("[".repeat(100_000) + &result(1, "{}") + &"]".repeat(100_000)) => NO_ANSWER;
    a_string_of_64_mebibytes: json(result(1, &format!("\"{}\"", "x".repeat(64 * MIB))))
        => Seen::Failed(&["too_large"]);
    a_string_that_never_ends: json(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{}", "x".repeat(MIB / 2)))
        => NO_ANSWER;
    raw_nuls: json("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\0\"}") => NO_ANSWER;
    raw_control_characters: json("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\x1b[2J\x07\"}") => NO_ANSWER;
    an_answer_and_rubbish: json(result(1, "{}") + "}") => NO_ANSWER;
    two_answers_in_a_row: json(result(1, "{}") + &result(1, "[]")) => NO_ANSWER;
    a_string: json(r#""{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}""#) => NO_ANSWER;
    numbers_that_are_none: json(result(1, "NaN")) => NO_ANSWER;
    a_comma_too_many: json(r#"{"jsonrpc":"2.0","id":1,"result":{},}"#) => NO_ANSWER;
    comments: json(r#"{"jsonrpc":"2.0","id":1,/* x */"result":{}}"#) => NO_ANSWER;
    overlong_utf8: Reply::json(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xc0\x80\"}".to_vec()) => NO_ANSWER;
    surrogates_as_utf8: Reply::json(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xed\xa0\x80\"}".to_vec())
        => NO_ANSWER;
    utf16: Reply::json(result(1, "{}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()) => NO_ANSWER;
    /// Whichever of the two a reader takes, there is one answer.
    a_result_and_an_error:
        json(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#) => Seen::One;
    two_ids: json(r#"{"jsonrpc":"2.0","id":2,"id":1,"result":{}}"#) => Seen::One;
    two_ids_the_other_way: json(r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#) => Seen::One;
    two_results: json(r#"{"jsonrpc":"2.0","id":1,"result":{},"result":[]}"#) => Seen::One;
    a_request_that_looks_like_an_answer:
        json(r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#) => Seen::One;
    names_in_escapes: json(r#"{"jsonrpc":"2.0","\u0069d":1,"resul\u0074":{}}"#) => Seen::Result;
    no_version: json(r#"{"id":1,"result":{}}"#) => Seen::One;
    another_version: json(r#"{"jsonrpc":"1.0","id":1,"result":{}}"#) => NO_ANSWER;
    neither_result_nor_error: json(r#"{"jsonrpc":"2.0","id":1}"#) => NO_ANSWER;
    an_error_that_is_none: json(r#"{"jsonrpc":"2.0","id":1,"error":null}"#) => NO_ANSWER;
    an_error_of_another_type: json(r#"{"jsonrpc":"2.0","id":1,"error":"boom"}"#) => Seen::One;
    an_id_in_an_array: json(r#"{"jsonrpc":"2.0","id":[1],"result":{}}"#) => NO_ANSWER;
    an_id_that_is_true: json(r#"{"jsonrpc":"2.0","id":true,"result":{}}"#) => NO_ANSWER;
    an_id_that_is_text: json(result("\"1\"", "{}")) => NO_ANSWER;
    /// The same number. The client's spelling is put back.
    an_id_in_another_spelling: json(result("1.0", "{}")) => Seen::Result;
    an_id_that_is_a_little_more: json(result("1.0000000000000000000001", "{}")) => NO_ANSWER;
    an_id_of_half_a_mebibyte: json(result(format!("\"{}\"", "i".repeat(MIB / 2)), "{}")) => NO_ANSWER;
    a_batch_of_twenty_thousand:
        json(format!("[{}{}]", (result(7, "0") + ",").repeat(20_000), result(1, "{}"))) => Seen::One;
    a_batch_with_the_answer_twice: json(format!("[{0},{0}]", result(1, "{}"))) => Seen::Result;
    batches_in_batches: json(format!("[[{}]]", result(1, "{}"))) => NO_ANSWER;
    line_ends_within:
        json("{\r\n\"jsonrpc\":\"2.0\",\n\"id\":1,\r\"result\":\"\u{2028}\u{2029}\"}") => Seen::Result;
}
