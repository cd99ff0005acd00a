//! What need not change stays as it was written.

use super::*;

#[test]
fn a_request_keeps_its_bytes() {
    let mut rig = Rig::open("{}", "{}");
    let odd = r#" "b" : 12345678901234567890 , "a":1.0,"\u0063":"\u00e9\/", "d" : [ 1e3, -0 ]"#;
    let trace = r#""traceparent":"00-0af7-01","com.example/x":{ "y" : 1.50 }"#;
    let text = format!(
        r#"{{ "params" : {{ "arguments":{{{odd}}} , "name" : "t","_meta" : {{ {VERSION}, "io.modelcontextprotocol/clientCapabilities": {{}}, {trace} , "progressToken" : 7.0}} }},"method":"tools\/call", "id" : 1 , "x-own":null,"jsonrpc":"2.0"}}"#
    );
    let sent = rig.client(&text);
    let id = id_of(&sent, "tools/call");
    assert_eq!(
        sent,
        [format!(
            r#"server 0 {{ "params" : {{ "arguments":{{{odd}}} , "name" : "t","_meta" : {{ {trace} , "progressToken" : 7.0}} }},"method":"tools\/call", "id" : {id} , "x-own":null,"jsonrpc":"2.0"}}"#
        )]
    );
}

#[test]
fn a_result_keeps_its_bytes() {
    let mut rig = Rig::open("{}", "{}");
    let id = rig.call("{}", "\"\\u0061\"");
    let odd = r#"{ "b" : 12345678901234567890 , "a":1.0,"\u0063":"\u00e9\/", "d" : [ 1e3, -0 ]"#;
    let text = format!(r#"{{"result" : {odd} }} , "own":[ ],"id": {id},"jsonrpc" : "2.0" }}"#);
    assert_eq!(
        rig.server(&text),
        [format!(
            r#"answer {{"result" : {odd},"resultType":"complete","_meta":{{{INFO}}} }} , "own":[ ],"id": "\u0061","jsonrpc" : "2.0" }}"#
        )]
    );
}

#[test]
fn questions_and_answers_keep_their_bytes() {
    let declared = r#"{"elicitation":{}}"#;
    let mut rig = Rig::open(declared, "{}");
    rig.call(declared, "1");
    let schema = r#"{ "type" : "object", "properties":{"n":{"type":"number","default":1.0}} }"#;
    rig.server(&format!(
        r#"{{"jsonrpc":"2.0","id":12345678901234567890,"method":"elicitation/create","params":{{"message":"\u00e9", "requestedSchema" : {schema}}}}}"#
    ));
    let asked = rig.wake();
    let part = format!(r#""params":{{"message":"\u00e9", "requestedSchema" : {schema}}}"#);
    assert!(asked.iter().any(|action| action.contains(&part)), "{asked:?}");
    let key = answer(&asked)["result"]["inputRequests"].as_object().unwrap().keys().next().cloned();
    let result = r#"{ "action" : "accept","content":{"n":1.0,"m":12345678901234567890} }"#;
    let responses = format!(r#"{{"{}": {result} }}"#, key.unwrap());
    let retry = request_of(declared, "2", "tools/call", &retry(&state_of(&asked), &responses));
    assert_eq!(
        rig.client(&retry),
        [format!(r#"server 0 {{"jsonrpc":"2.0","id":12345678901234567890,"result":{result}}}"#)]
    );
}
