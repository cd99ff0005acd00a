//! Signing in with a code that is entered on another device (RFC 8628).

use std::time::Instant;

use serde_json::json;

use crate::support::oauth::device::{GRANT, printed_code};
use crate::support::oauth::{printed_url, sign_in_url, wait_for};
use crate::support::*;

#[track_caller]
fn code_of(bridge: &Bridge) -> String {
    wait_for("the code", || printed_code(&bridge.stderr()))
}

/// Starts `login` and gives it with the code that it shows.
#[track_caller]
fn login(realm: &Realm, args: &[&str]) -> (oauth::Run, String) {
    let url = realm.mcp.url();
    let run = realm.spawn(&[&["login", &url], args].concat());
    let code = wait_for("the code", || printed_code(&run.stderr()));
    (run, code)
}

#[test]
fn a_bridge_signs_in_with_a_code() {
    let realm = Realm::with_codes(|_| {});
    realm.set(|o| o.challenge_scope = Some("read write"));
    let bridge = realm.bridge().arg("--device-code").start();
    bridge.send(INITIALIZE);
    let code = code_of(&bridge);
    let line = bridge.stderr();
    assert!(line.contains(&format!("{}/enter?user_code={code}", realm.issuer_url())), "{line}");
    wait_for("two questions", || (realm.polls() >= 2).then_some(()));
    realm.enter(&code, true);
    bridge.answer(0).result();
    bridge.finish().clean();
    assert_eq!(realm.browser.opened(), [""; 0]);
    assert_eq!(realm.count("authorize"), 0);
    // It says what it will do, and asks for what it should.
    let registration = realm.registrations().remove(0);
    assert_eq!(registration["grant_types"], json!([GRANT, "refresh_token"]));
    assert_eq!(registration["response_types"], json!([]));
    let asked = oauth::form(realm.issuer.seen("device")[0].text());
    assert_eq!(asked["scope"], "read write");
    assert_eq!(asked["resource"], realm.mcp.url());
    assert_eq!(realm.token_requests()[0]["resource"], realm.mcp.url());
    // The outcome is kept, and refreshed like any other.
    realm.state(oauth::State::expire);
    let bridge = realm.bridge().arg("--auth=stored").start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert_eq!(realm.count("device"), 1);
}

#[test]
fn the_error_of_a_waiting_request_has_the_code() {
    let realm = Realm::with_codes(|_| {});
    let bridge = realm.bridge().arg("--device-code").arg("--initialize-deadline=500ms").start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.send(INITIALIZED);
    bridge.send(request(1, "tools/list"));
    let answer = bridge.answer(1);
    let code = code_of(&bridge);
    assert!(sign_in_url(&answer).ends_with(&format!("/enter?user_code={code}")), "{answer}");
    let error = answer.value()["error"].take();
    assert_eq!(error["data"]["signInCode"], *code, "{answer}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("with the code {code} and try again")), "{message}");
    realm.enter(&code, true);
    bridge.incoming("notifications/tools/list_changed");
    bridge.ask(2, "tools/list").result();
    bridge.finish();
}

#[test]
fn without_a_browser_it_is_done_unasked() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    let bridge = realm.bridge_without_browser().start();
    bridge.send(INITIALIZE);
    bridge.answer(0).result();
    bridge.finish();
    assert_eq!((realm.count("device"), realm.count("authorize")), (1, 0));
}

#[test]
fn where_a_browser_can_come_back_it_is_not() {
    // A browser that can be opened; a person who wants the URL; one who has said how a browser
    // elsewhere gets here; a server that offers nothing else.
    let free = format!("127.0.0.1:{}", free_port());
    let callback = format!("http://{free}/callback");
    let offers = [true, true, true, false];
    let flags =
        [None, Some("--no-browser".to_owned()), Some(format!("--callback-url={callback}")), None];
    for (number, (offers, flag)) in offers.into_iter().zip(flags).enumerate() {
        let realm = if offers { Realm::with_codes(|_| {}) } else { Realm::new() };
        let bare = if number == 0 { realm.bridge() } else { realm.bridge_without_browser() };
        let builder = flag.iter().fold(bare, |builder, flag| builder.arg(flag));
        if number == 0 {
            let bridge = builder.start();
            bridge.handshake().result();
            bridge.finish().clean();
        } else {
            oauth::sign_in_by_the_printed_url(builder);
        }
        assert_eq!((realm.count("device"), realm.count("authorize")), (0, 1), "{number}");
    }
}

#[test]
fn a_client_that_may_not_use_codes_uses_the_url() {
    let realm = Realm::with_codes(|_| {});
    let refused = r#"{"error":"unauthorized_client","error_description":"not this one"}"#;
    realm.issuer.always("device", move |_| Reply::body(400, "application/json", refused));
    oauth::sign_in_by_the_printed_url(realm.bridge_without_browser());
    // Who has asked for it is told.
    let shown = realm.run(&["login", &realm.mcp.url(), "--device-code"]);
    shown.code(3).says(&["unauthorized_client", "not this one"]);
    let plain = Realm::new();
    let shown = plain.run(&["login", &plain.mcp.url(), "--device-code"]);
    shown.code(3).says(&["offers no sign-in with a code", "leave out --device-code"]);
}

#[test]
fn slower_when_told_to() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    let body = r#"{"error":"slow_down"}"#;
    realm.issuer.once("token", Reply::body(400, "application/json", body));
    let begin = Instant::now();
    let (run, _) = login(&realm, &["--device-code"]);
    run.wait().code(0);
    // 1 s, and then 5 s more.
    assert!(begin.elapsed().as_millis() >= 6900, "{:?}", begin.elapsed());
    assert_eq!(realm.polls(), 2);
}

#[test]
fn trouble_passes() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    realm.issuer.once("device", Reply::status(503));
    realm.issuer.once("token", Reply::status(502));
    realm.issuer.once("token", Reply::reset_after(""));
    let (run, _) = login(&realm, &["--device-code"]);
    run.wait().code(0);
    assert_eq!(realm.polls(), 3);
    assert_eq!(realm.count("device"), 2);
}

#[test]
fn a_refusal_of_the_person() {
    let realm = Realm::with_codes(|_| {});
    let (run, code) = login(&realm, &["--device-code"]);
    realm.enter(&code, false);
    run.wait().code(3).says(&["access_denied"]);
    assert_eq!(realm.count("device"), 1);
}

#[test]
fn an_expired_code_is_replaced_a_few_times() {
    let realm = Realm::with_codes(|_| {});
    let (run, first) = login(&realm, &["--device-code"]);
    realm.state(|state| state.devices.clear());
    let second = wait_for("another code", || {
        printed_code(&run.stderr()).filter(|code| *code != first || realm.count("device") > 1)
    });
    wait_for("its request", || (realm.count("device") == 2).then_some(()));
    realm.enter(&second, true);
    run.wait().code(0).says(&["the code has expired"]);
    // By the clock here as well.
    let realm = Realm::with_codes(|codes| codes.answer = json!({ "expires_in": 1 }));
    let (run, _) = login(&realm, &["--device-code"]);
    run.wait().code(3).says(&["nobody entered a code", "3 times", "mcp-tether login"]);
    assert_eq!(realm.count("device"), 3);
}

#[test]
fn nobody_enters_the_code() {
    let realm = Realm::with_codes(|_| {});
    let (run, _) = login(&realm, &["--device-code", "--auth-timeout=2s"]);
    run.wait().code(3).says(&["--auth-timeout"]);
}

#[test]
fn a_resource_that_is_refused_is_left_out() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    realm.issuer.maybe("device", |r| {
        let body = r#"{"error":"invalid_target"}"#;
        let asked = oauth::form(r.text()).contains_key("resource");
        asked.then(|| Reply::body(400, "application/json", body))
    });
    let (run, _) = login(&realm, &["--device-code"]);
    run.wait().code(0);
    assert_eq!(realm.count("device"), 2);
}

#[test]
fn registration_that_wants_a_redirect_uri() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    realm.issuer.maybe("register", |r| {
        let asked: serde_json::Value = serde_json::from_slice(&r.body).unwrap();
        let body = r#"{"error":"invalid_redirect_uri"}"#;
        let none = asked["redirect_uris"] == json!([]);
        none.then(|| Reply::body(400, "application/json", body))
    });
    let (run, _) = login(&realm, &["--device-code"]);
    run.wait().code(0);
    let last = realm.registrations().pop().unwrap();
    assert_eq!(last["grant_types"], json!([GRANT, "authorization_code", "refresh_token"]));
}

#[test]
fn a_client_with_a_secret() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let realm = Realm::with_codes(|codes| codes.agreed = true);
        realm.set(|o| {
            o.metadata = json!({ "token_endpoint_auth_methods_supported": [method] });
            o.clients = vec![("fake client", Some("fake+secret/1 &2"))];
            o.registers = false;
        });
        let url = realm.mcp.url();
        let args = ["login", &url, "--device-code", "--client-id=fake client"];
        let secret = [("MCP_TETHER_CLIENT_SECRET", "fake+secret/1 &2")];
        realm.spawn_with(&args, &secret).wait().code(0);
    }
}

#[test]
fn answers_that_cannot_be_used() {
    for (answer, why) in [
        (json!({ "user_code": "a\u{1b}[2J" }), "cannot be shown"),
        (json!({ "user_code": "x".repeat(100) }), "cannot be shown"),
        (json!({ "verification_uri": "javascript:alert(1)" }), "is not an https URL"),
        (json!({ "verification_uri": null, "verification_uri_complete": null }), "no device code"),
        (json!({ "device_code": null }), "no device code"),
        (
            json!({ "verification_uri": format!("https://as.invalid/{}", "x".repeat(2000)) }),
            "too long",
        ),
    ] {
        let realm = Realm::with_codes(|codes| codes.answer = answer);
        let shown = realm.run(&["login", &realm.mcp.url(), "--device-code"]);
        shown.code(3).says(&[why]);
    }
    // The URL with the code in it can be done without.
    let answer = json!({ "verification_uri_complete": "file:///etc/passwd" });
    let realm = Realm::with_codes(|codes| codes.answer = answer);
    let (run, code) = login(&realm, &["--device-code"]);
    realm.enter(&code, true);
    let shown = run.wait();
    assert!(!shown.code(0).stderr.contains("file:"), "{shown:?}");
}

#[test]
fn one_code_for_everybody_and_it_survives_a_death() {
    let realm = Realm::with_codes(|_| {});
    realm.many_clients();
    let bridge = || {
        let bridge = realm.bridge().arg("--device-code").start();
        bridge.send(INITIALIZE);
        bridge
    };
    let first = bridge();
    let code = code_of(&first);
    let second = bridge();
    wait_for("the second one", || (realm.mcp.seen("initialize").len() >= 2).then_some(()));
    drop(first);
    // It goes on with the code of the dead one.
    wait_for("the same code", || {
        second.stderr().contains("another process has begun").then_some(())
    });
    assert_eq!(code_of(&second), code);
    let third = bridge();
    realm.enter(&code, true);
    second.answer(0).result();
    third.answer(0).result();
    second.finish();
    third.finish();
    assert_eq!(realm.count("device"), 1);
}

#[test]
fn the_device_code_is_a_secret_and_the_other_one_is_not() {
    let realm = Realm::with_codes(|_| {});
    let echo = |r: &Request| {
        let body = json!({ "error": "authorization_pending", "error_description": r.text() });
        Reply::body(400, "application/json", body.to_string())
    };
    realm.issuer.maybe("token", {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        move |r| {
            let first = seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            first.then(|| echo(r))
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let (log, trace) = (folder.path().join("log"), folder.path().join("trace"));
    let bridge = realm
        .bridge()
        .arg("--device-code")
        .arg("-vv")
        .path("--log-file", &log)
        .path("--trace", &trace)
        .start();
    bridge.send(INITIALIZE);
    let code = code_of(&bridge);
    wait_for("questions", || (realm.polls() >= 2).then_some(()));
    realm.no_secret_in("stderr", &bridge.stderr());
    for (path, bytes) in realm.kept() {
        if !path.starts_with(realm.home().join("credentials")) {
            realm.no_secret_in(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
    realm.enter(&code, true);
    bridge.answer(0).result();
    let exit = bridge.finish();
    assert!(exit.stderr.contains(&code));
    for (place, path) in [("the log", log), ("the trace", trace)] {
        realm.no_secret_in(place, &std::fs::read_to_string(path).unwrap());
    }
    realm.no_secret_in("stderr", &exit.stderr);
    let kept = realm.state(|state| state.secrets.clone());
    assert!(kept.iter().any(|secret| secret.contains("device-code")), "{kept:?}");
}

#[test]
fn in_a_container() {
    // No home: nothing can be kept, and what to set is said.
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    let bare = |args: &[&str], home: Option<&str>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command
            .args(args)
            .env_clear()
            .envs(crate::support::profile())
            .current_dir("/proc")
            .stdin(std::process::Stdio::null());
        if let Some(home) = home {
            command.env("MCP_TETHER_HOME", home);
        }
        oauth::Shown::of(&mut command)
    };
    let url = realm.mcp.url();
    bare(&["login", &url], None).code(3).says(&["HOME", "MCP_TETHER_HOME"]);
    // A home that cannot be written to.
    let shown = bare(&["login", &url], Some("/proc/none"));
    assert!(shown.code != Some(0) && shown.stderr.contains("/proc/none"), "{shown:?}");
    // One that can: no display, no keyring, and the server offers codes.
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    bare(&["login", &url], Some(home)).code(0).says(&["enter the code FAKE-"]);
    // A server that does not: what to do with a browser on another machine is said.
    let plain = Realm::new();
    let url = plain.mcp.url();
    let shown = bare(&["login", &url, "--auth-timeout=1s"], Some(home));
    shown.code(3).says(&["open this URL: ", "no display", "in a terminal", "--no-browser"]);
    assert!(printed_url(&shown.stderr).is_some());
}
