//! Commands that ask a server something: what they print, what they say when it fails, and how they
//! end.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::*;

/// Runs a command to its end, with an empty home and stdin.
pub fn run_with(args: &[&str], environment: &[(&str, &str)], stdin: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command
        .args(args)
        .env_clear()
        .envs(crate::support::profile())
        .env("HOME", home.path())
        .env("USERPROFILE", home.path());
    for name in ["PATH", "SystemRoot", "TEMP", "SystemDrive"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A command that does not read it may have ended.
    let _ = std::io::Write::write_all(&mut pipe, stdin.as_bytes());
    drop(pipe);
    child.wait_with_output().unwrap()
}

fn run(args: &[&str]) -> Output {
    run_with(args, &[], "")
}

/// The stdout of a command that has nothing to complain about.
#[track_caller]
fn good(args: &[&str]) -> String {
    succeeded(&run(args))
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What stderr says of a command that fails with this exit code.
#[track_caller]
fn bad(code: i32, args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    stderr
}

const TOOLS: &str = r#"{"tools":[{"name":"search","title":"Search the shop","description":"Finds things that are for sale, by what they are called and by what they are made of.\n\nAnswers are sorted.","inputSchema":{"type":"object","properties":{"query":{"type":"string","description":"What to look for; every word has to be in the name, in the description or in the material of a thing"},"limit":{"type":"integer","minimum":1,"maximum":50,"default":10,"description":"How many"},"order":{"enum":["price","age"]}},"required":["query"]},"annotations":{"readOnlyHint":true}},{"name":"evil\u001b[2J","description":"\u001b]0;x\u0007\u202e","inputSchema":{"type":"object"}}],"n":12345678901234567890}"#;

/// A server with a tool whose schema says something.
fn shop(modern: bool) -> Server {
    let server = if modern { Server::modern() } else { Server::start() };
    server.always("tools/list", |request| Reply::json(request.result(TOOLS)));
    server.maybe("tools/call", |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let arguments = body["params"]["arguments"].to_string();
        let text = Value::from(arguments);
        Some(Reply::json(request.result(&format!(
            r#"{{"content":[{{"type":"text","text":{text}}}],"n":1.0,"resultType":"complete"}}"#
        ))))
    });
    server
}

#[test]
fn tools_at_80_and_120_columns() {
    let server = shop(false);
    let at = |columns| succeeded(&run_with(&["tools", &server.url()], &[("COLUMNS", columns)], ""));
    assert_eq!(
        at("80"),
        "\
Tools (2)

  search  Search the shop · read-only
    Finds things that are for sale, by what they are called and by what they are
    made of.

    Answers are sorted.
      query  string, required  What to look for; every word has to be in the
                               name, in the description or in the material of a
                               thing
      limit  integer           How many [10]
      order  string            (\"price\", \"age\")

  evil\\u{1b}[2J
    \\u{1b}]0;x\\u{7}\\u{202e}
"
    );
    assert_eq!(
        at("120"),
        "\
Tools (2)

  search  Search the shop · read-only
    Finds things that are for sale, by what they are called and by what they are made of.

    Answers are sorted.
      query  string, required  What to look for; every word has to be in the name, in the description or in the material
                               of a thing
      limit  integer           How many [10]
      order  string            (\"price\", \"age\")

  evil\\u{1b}[2J
    \\u{1b}]0;x\\u{7}\\u{202e}
"
    );
}

#[test]
fn json_is_what_the_server_sent() {
    let server = shop(false);
    let url = server.url();
    assert_eq!(good(&["tools", &url, "--json"]), format!("{TOOLS}\n"));
    let raw = good(&["tools", &url, "--output=raw"]);
    assert!(raw.starts_with("{\"jsonrpc\":\"2.0\",\"id\":") && raw.contains(TOOLS), "{raw}");
    assert_eq!(good(&["raw", &url, "tools/list"]), format!("{TOOLS}\n"));
    let called = good(&["call", &url, "search", "query=x", "limit=5", "--json"]);
    assert!(called.contains(r#""n":1.0"#), "{called}");
    let one: Value = serde_json::from_str(&good(&["tools", &url, "search", "--json"])).unwrap();
    assert_eq!(one["name"], "search");
    let all: Value = serde_json::from_str(&good(&["inspect", &url, "--json"])).unwrap();
    assert_eq!((&all["era"], &all["tools"][0]["name"]), (&json!("legacy"), &json!("search")));
}

#[test]
fn arguments_arrive_as_they_were_typed_in_both_eras() {
    for modern in [false, true] {
        let server = shop(modern);
        let url = server.url();
        let words = ["query=12", "limit=5", "order:=\"age\""];
        let args = [&["call", &url, "search"][..], &words[..]].concat();
        let shown: Value = serde_json::from_str(&good(&args)).unwrap();
        assert_eq!(shown, json!({"query": "12", "limit": 5, "order": "age"}));
        let whole = r#"{"query" : "x", "more":12345678901234567890, "f":1.0}"#;
        let args = ["call", &server.url(), "search", "-", "--no-check", "limit:=2e0"];
        succeeded(&run_with(&args, &[], whole));
        let sent = server.seen("tools/call")[1].text().to_owned();
        let kept =
            r#""arguments":{"query" : "x", "more":12345678901234567890, "f":1.0,"limit":2e0}"#;
        assert!(sent.contains(kept), "{sent}");
    }
}

#[test]
fn wrong_arguments_are_not_sent() {
    let server = shop(false);
    let url = server.url();
    for (words, named) in [
        (&["search"][..], "query: this argument is required: string"),
        (&["search", "query=x", "limit=many"], "limit: \"many\" is not what is expected: integer"),
        (&["search", "qurey=x"], "is query meant?"),
        (&["serach", "query=x"], "is search meant?"),
        (&["search", "query"], "name=value"),
        (&["search", "@/no/such/file"], "/no/such/file"),
        (&["search", "query:=x"], "must be JSON"),
    ] {
        let stderr = bad(1, &[&["call", &url], words].concat());
        assert!(stderr.contains(named), "{words:?}: {stderr}");
    }
    let line = bad(1, &["call", &url, "search", "qurey=x", "--json"]);
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["kind"]), (&json!(1), &json!("usage")));
    assert_eq!(server.seen("tools/call").len(), 0);
    good(&["call", &url, "search", "qurey=x", "--no-check"]);
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn exit_codes_tell_what_failed() {
    let server = shop(false);
    let url = server.url();
    server.once(
        "tools/call",
        Reply::json(result(3, r#"{"content":[{"type":"text","text":"sold out"}],"isError":true}"#)),
    );
    let output = run(&["call", &url, "search", "query=x"]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"sold out\n");
    assert_eq!(output.stderr, b"mcp-tether: search reports an error\n");
    server.always("prompts/get", |request| {
        let id = request.id.as_deref().unwrap();
        Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no\u001b[2J"}}}}"#
        ))
    });
    let line = bad(5, &["prompt", &url, "x", "--no-check", "--json"]);
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(error["error"]["kind"], "server_error");
    assert!(error["error"]["message"].as_str().unwrap().contains("-32602: no\\u{1b}"), "{line}");
    let dead = format!("http://127.0.0.1:{}/mcp", dead_port());
    let error: Value = serde_json::from_str(&bad(4, &["tools", &dead, "--json"])).unwrap();
    assert_eq!(error["error"]["kind"], "connect");
    assert!(bad(4, &["tools", &dead]).starts_with("mcp-tether: cannot connect"));
    server.always("tools/list", |_| Reply::never());
    assert!(bad(4, &["tools", &url, "--timeout=200ms"]).contains("tools/list"));
    server.always("tools/list", |request| Reply::json(request.result("{}")));
    bad(8, &["tools", &url]);
    let closed = Server::start();
    closed.always("*", |_| Reply::status(401).header("www-authenticate", "Bearer"));
    bad(3, &["tools", &closed.url(), "--auth=none"]);
}

#[test]
fn all_pages_are_fetched() {
    let server = Server::start();
    server.always("tools/list", |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let page: usize = body["params"]["cursor"].as_str().map_or(0, |c| c.parse().unwrap());
        let next =
            if page < 4 { format!(r#","nextCursor":"{}""#, page + 1) } else { String::new() };
        Reply::json(
            request.result(&format!(r#"{{"tools":[{{"name":"t{page}","n":1.0}}],"x":1e2{next}}}"#)),
        )
    });
    let all = good(&["tools", &server.url(), "--json"]);
    let names: Vec<String> = (0..5).map(|n| format!(r#"{{"name":"t{n}","n":1.0}}"#)).collect();
    assert_eq!(all, format!("{{\"tools\":[{}],\"x\":1e2}}\n", names.join(",")));
    assert_eq!(good(&["tools", &server.url(), "--output=raw"]).lines().count(), 5);
    // One that goes in circles comes to an end.
    server.always("tools/list", |request| {
        Reply::json(request.result(r#"{"tools":[],"nextCursor":"a"}"#))
    });
    assert!(bad(8, &["tools", &server.url()]).contains("does not come to an end"));
}

#[test]
fn a_large_result_is_complete() {
    let server = shop(false);
    let text = "x".repeat(200 << 10);
    let content = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
    server.always("tools/call", move |request| Reply::json(request.result(&content)));
    assert_eq!(good(&["call", &server.url(), "search", "query=x"]), format!("{text}\n"));
}

#[cfg(unix)]
#[test]
fn a_closed_stdout_ends_it_quietly() {
    let server = shop(false);
    let content = format!(r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#, "x".repeat(8 << 20));
    server.always("tools/call", move |request| Reply::json(request.result(&content)));
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["call", &server.url(), "search", "query=x"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(7), &b""[..]));
}

#[test]
fn contents_of_every_kind() {
    let server = shop(false);
    server.always("tools/call", |request| {
        Reply::json(request.result(
            r#"{"content":[{"type":"text","text":"one\n"},{"type":"image","mimeType":"image/png","data":"aGk="},{"type":"resource","resource":{"uri":"a:b","text":"two"}},{"type":"resource_link","uri":"a:c","name":"three"},{"type":"hologram"}]}"#,
        ))
    });
    let args = ["call", &server.url(), "search", "query=x"];
    assert_eq!(
        good(&args),
        "one\n[image, image/png, 2 B; --save FOLDER writes it to a file]\ntwo\n[resource a:c: three]\n{\"type\":\"hologram\"}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let save = format!("--save={}", folder.path().display());
    good(&[&args[..], &[&save]].concat());
    assert_eq!(std::fs::read(folder.path().join("image-1.png")).unwrap(), b"hi");
    server.always("resources/read", |request| {
        Reply::json(request.result(r#"{"contents":[{"uri":"a:b","blob":"AP8="}]}"#))
    });
    assert_eq!(run(&["read", &server.url(), "a:b"]).stdout, [0, 255]);
}

#[test]
fn prompts_and_completions() {
    let server = Server::start();
    server.always("prompts/list", |request| {
        Reply::json(request.result(
            r#"{"prompts":[{"name":"review","arguments":[{"name":"language","required":true}]}]}"#,
        ))
    });
    server.always("prompts/get", |request| {
        Reply::json(request.result(r#"{"messages":[{"role":"user","content":{"type":"text","text":"Review."}},{"role":"assistant","content":{"type":"text","text":"Yes."}}]}"#))
    });
    server.always("completion/complete", |request| {
        Reply::json(request.result(r#"{"completion":{"values":["rust","ruby"]}}"#))
    });
    let url = server.url();
    assert_eq!(
        good(&["prompt", &url, "review", "language=1"]),
        "user:\nReview.\n\nassistant:\nYes.\n"
    );
    assert!(server.seen("prompts/get")[0].text().contains(r#""arguments":{"language":"1"}"#));
    assert!(bad(1, &["prompt", &url, "review"]).contains("language: this argument is required"));
    let args = ["complete", &url, "--prompt=review", "language=ru", "other=x"];
    assert_eq!(good(&args), "rust\nruby\n");
    let sent = server.seen("completion/complete")[0].text().to_owned();
    assert!(
        sent.contains(r#"{"ref":{"name":"review","type":"ref/prompt"},"argument":{"name":"language","value":"ru"},"context":{"arguments":{"other":"x"}}}"#),
        "{sent}"
    );
}

#[test]
fn notifications_as_they_come() {
    for modern in [false, true] {
        let server = if modern { Server::modern() } else { Server::start() };
        let url = server.url();
        let listener = std::thread::spawn(move || {
            run(&["listen", &url, "--count=2", "--json", "--duration=50s"])
        });
        let changed = "notifications/tools/list_changed";
        if modern {
            let stream = server.stateless().stream(1);
            stream.notify(changed, "");
            stream.notify(changed, "");
        } else {
            let text = event(&notification(changed));
            server.mcp().push(text.clone());
            server.mcp().push(text);
        }
        let shown = succeeded(&listener.join().unwrap());
        let lines: Vec<Value> = shown.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines.iter().all(|line| line["method"] == changed), "{shown}");
    }
}

#[test]
fn pings_in_both_eras() {
    for modern in [false, true] {
        let server = if modern { Server::modern() } else { Server::start() };
        let before = good(&["ping", &server.url(), "--count=3", "--interval=1ms", "--json"]);
        let times: Value = serde_json::from_str(&before).unwrap();
        assert_eq!(times["milliseconds"].as_array().unwrap().len(), 3, "{times}");
        let method = if modern { "server/discover" } else { "ping" };
        assert!(server.seen(method).len() >= 3, "{method}");
    }
}

#[test]
fn roots_are_told_on_demand_and_questions_declined() {
    let server = shop(false);
    server.always("tools/call", |request| {
        let question = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;
        Reply::sse([event(question), event(&request.result(r#"{"content":[]}"#))])
    });
    let folder = tempfile::tempdir().unwrap();
    let roots = format!("--roots={}", folder.path().display());
    good(&["call", &server.url(), "search", "query=x", &roots]);
    assert!(server.seen("initialize")[0].text().contains(r#""capabilities":{"roots":{}}"#));
    good(&["call", &server.url(), "search", "query=x"]);
    assert!(server.seen("initialize")[1].text().contains(r#""capabilities":{}"#));
}

#[test]
fn answers_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers.json");
    std::fs::write(
        &file,
        r#"{
            "roots": ["file:///work"],
            "elicitation": [{"when": "name", "content": {"name": "Ann", "n": 1.0}}],
            "sampling": [{"text": "hello"}]
        }"#,
    )
    .unwrap();
    let answers = format!("--answers={}", file.display());
    for modern in [false, true] {
        let server = shop(modern);
        if modern {
            server.maybe("tools/call", |request| {
                let asks = r#"{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"Your name?","requestedSchema":{"type":"object","properties":{}}}},"b":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}},"c":{"method":"roots/list"}}}"#;
                let first = !request.text().contains("inputResponses");
                first.then(|| Reply::json(request.result(asks)))
            });
        } else {
            server.always("tools/call", |request| {
                let ask = |id: u8, method: &str, params: &str| {
                    event(&format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
                    ))
                };
                let elicit = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{}}}"#;
                let sample = r#"{"messages":[],"maxTokens":5}"#;
                Reply::sse([
                    ask(1, "elicitation/create", elicit),
                    ask(2, "sampling/createMessage", sample),
                    ask(3, "roots/list", "{}"),
                    ask(4, "sampling/createMessage", sample),
                    event(&request.result(r#"{"content":[]}"#)),
                ])
            });
        }
        let output = run(&["call", &server.url(), "search", "query=x", &answers]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        if modern {
            let again: Value =
                serde_json::from_slice(&server.wait("tools/call", 2)[1].body).unwrap();
            let given = &again["params"]["inputResponses"];
            assert_eq!(given["a"]["content"]["name"], "Ann", "{again}");
            assert_eq!(given["b"]["content"]["text"], "hello", "{again}");
            assert_eq!(given["c"]["roots"][0]["uri"], "file:///work", "{again}");
            continue;
        }
        assert!(server.seen("initialize")[0].text().contains(
            r#""capabilities":{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}"#
        ));
        let mut given: Vec<(u64, String)> = server
            .wait("response", 4)
            .iter()
            .map(|response| {
                let body: Value = serde_json::from_slice(&response.body).unwrap();
                (body["id"].as_u64().unwrap(), response.text().to_owned())
            })
            .collect();
        given.sort();
        assert!(given[0].1.contains(r#""content":{"name": "Ann", "n": 1.0}"#), "{given:?}");
        assert!(given[2].1.contains(r#"{"roots":[{"uri":"file:///work"}]}"#), "{given:?}");
        // There was one answer for two questions, and that is said.
        let both = [&given[1].1, &given[3].1];
        assert_eq!(both.iter().filter(|text| text.contains("hello")).count(), 1, "{given:?}");
        assert_eq!(both.iter().filter(|text| text.contains("\"code\":-1")).count(), 1, "{given:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let said = "mcp-tether: --answers has none for a sampling/createMessage of the server\n";
        assert_eq!(stderr, said);
    }
    std::fs::write(&file, r#"{"sampling": [{"txt": 1}]}"#).unwrap();
    let server = shop(false);
    let said = bad(1, &["call", &server.url(), "search", "query=x", &answers]);
    assert!(said.contains("sampling[0]: \"txt\" means nothing here"), "{said}");
    assert_eq!(server.kinds().len(), 0);
}

#[test]
fn no_session_is_left_behind() {
    let server = shop(false);
    good(&["tools", &server.url()]);
    bad(1, &["call", &server.url(), "search"]);
    assert_eq!(server.seen("DELETE").len(), 2);
}

#[cfg(unix)]
#[test]
fn whoever_has_to_sign_in_is_told_where_and_only_once() {
    let realm = Realm::new();
    let shown = realm.run(&["tools", &realm.mcp.url(), "--json"]);
    assert!(shown.code(0).stdout.contains("\"tools\""), "{shown:?}");
    let lines: Vec<&str> = shown.stderr.lines().collect();
    assert!(lines[0].starts_with("mcp-tether: to sign in to 127.0.0.1"), "{shown:?}");
    assert_eq!(lines[1..], ["mcp-tether: signed in to 127.0.0.1"]);
    let again = realm.run(&["tools", &realm.mcp.url(), "--json", "--auth=stored"]);
    assert_eq!((again.code(0).stderr.as_str(), &again.stdout), ("", &shown.stdout));
    realm.asked(1, 1, 1);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_in_good_order() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
        .args(["listen", &server.url()])
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    server.mcp().stream();
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(server.seen("DELETE").len(), 1);
}

/// Arguments may come from whoever never writes them.
#[cfg(unix)]
#[test]
fn a_command_that_waits_for_its_arguments_can_be_interrupted() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let from_fifo = format!("text=@{}", fifo.display());
    for (number, last) in ["-", &from_fifo].into_iter().enumerate() {
        // Once there is a trace, signals are heard of.
        let trace = folder.path().join(number.to_string());
        let command = Bridge::with("call")
            .arg(server.url())
            .arg("echo")
            .arg(last)
            .path("--trace", &trace)
            .start();
        let end = std::time::Instant::now() + DEADLINE;
        while !trace.exists() {
            assert!(std::time::Instant::now() < end);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        command.signal("TERM");
        command.wait().code(128 + 15);
    }
    assert_eq!(server.connections(), 0);
}

#[cfg(unix)]
#[test]
fn arguments_have_a_limit() {
    let server = Server::start();
    let text = bad(1, &["call", &server.url(), "echo", "text=@/dev/zero"]);
    assert!(text.contains("/dev/zero: it has more than 64 MiB"), "{text}");
    assert_eq!(server.connections(), 0);
}
