//! `mcp-tether login` on a terminal: what a person pastes, and what they see of a code.

use std::sync::Arc;

use crate::support::browser::follow;
use crate::support::oauth::{Iss, form, wait_for};
use crate::support::terminal::Terminal;
use crate::support::*;

/// Runs `login` on a terminal, in the home of the realm.
fn login(realm: &Realm, args: &[&str]) -> Terminal {
    let url = realm.mcp.url();
    let args = [&["login", &url, "--store=file"], args].concat();
    let home = realm.home().to_str().unwrap();
    let own = Arc::new(tempfile::tempdir().unwrap());
    Terminal::run_in(&own, &args, &[("MCP_TETHER_HOME", home)])
}

/// Waits for the prompt, and gives the URL that it shows.
#[track_caller]
fn shown_url(terminal: &Terminal) -> String {
    terminal.sees("paste it here");
    let bytes = String::from_utf8(terminal.bytes()).unwrap();
    let lines = bytes.lines().map(|line| line.trim_end_matches('\r'));
    lines.into_iter().rfind(|line| line.contains("/authorize?")).expect("the URL").to_owned()
}

/// What the browser on another machine ends up at, where nobody listens: the query of the redirect.
#[track_caller]
fn elsewhere(url: &str) -> String {
    let answer = browser::get(url).unwrap();
    assert_eq!(answer.status, 302, "{url}");
    let to = answer.header("location").expect("a redirect").to_owned();
    assert!(to.starts_with("http://127.0.0.1:"), "{to}");
    to
}

#[test]
fn the_whole_address() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &["--no-browser"]);
    let to = elsewhere(&shown_url(&terminal));
    terminal.enter(&to);
    terminal.sees("signed in to 127.0.0.1");
    assert_eq!(terminal.code(), Some(0));
    realm.run(&["login", &realm.mcp.url(), "--silent"]).code(0);
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn its_query_where_no_browser_can_be_opened() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &[]);
    let to = elsewhere(&shown_url(&terminal));
    terminal.enter(to.split_once('?').unwrap().1);
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn the_code_alone() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &["--no-browser"]);
    let to = elsewhere(&shown_url(&terminal));
    let code = form(to.split_once('?').unwrap().1).remove("code").unwrap();
    // One that is mistyped is explained.
    terminal.enter("fake-mistyped");
    terminal.sees("A code alone does not tell");
    terminal.sees("It cannot be used: ");
    terminal.sees("invalid_grant");
    terminal.enter(&code);
    terminal.sees("signed in to");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(realm.count("token"), 2);
}

#[test]
fn what_is_wrong_is_explained_and_asked_again() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &["--no-browser"]);
    let url = shown_url(&terminal);
    let to = elsewhere(&url);
    let state = form(to.split_once('?').unwrap().1).remove("state").unwrap();
    let issuer: String =
        url::form_urlencoded::byte_serialize(realm.issuer_url().as_bytes()).collect();
    for (wrong, why) in [
        (to.replace(&state, "fake-state"), "another sign-in"),
        (url.clone(), "not the page at the end"),
        ("two words".to_owned(), "neither an address nor a code"),
        (to.replace(&issuer, "https%3A%2F%2Fattacker.invalid"), "was answered by"),
        (String::new(), "empty"),
    ] {
        terminal.enter(&wrong);
        terminal.sees("It cannot be used: ");
        terminal.sees(why);
    }
    assert_eq!(realm.count("token"), 0);
    terminal.enter(&to);
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn wrong_pastes_have_an_end() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &["--no-browser"]);
    shown_url(&terminal);
    for _ in 0..7 {
        terminal.enter("two words");
        terminal.sees("Try again.");
    }
    terminal.enter("two words");
    terminal.sees("what was pasted does not fit");
    assert_eq!(terminal.code(), Some(3));
    assert_eq!(realm.count("token"), 0);
}

#[test]
fn the_browser_may_come_first() {
    let realm = Realm::new();
    let mut terminal = login(&realm, &["--no-browser"]);
    assert_eq!(follow(&shown_url(&terminal)).unwrap().status, 200);
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_server_that_does_not_name_itself() {
    let realm = Realm::with(|o| o.iss = Iss::Missing);
    let mut terminal = login(&realm, &["--no-browser"]);
    let to = elsewhere(&shown_url(&terminal));
    // The whole address lacks what the server promises.
    terminal.enter(&to);
    terminal.sees("did not name itself");
    // The code alone cannot have it.
    terminal.enter(&form(to.split_once('?').unwrap().1)["code"]);
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_refusal_ends_it() {
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "no")));
    let mut terminal = login(&realm, &["--no-browser"]);
    let to = elsewhere(&shown_url(&terminal));
    terminal.enter(&to);
    terminal.sees("access_denied");
    assert_eq!(terminal.code(), Some(3));
}

#[test]
fn a_resource_that_is_refused_makes_another_address() {
    let realm = Realm::with(|o| {
        o.refuses_resource = Some((oauth::At::Authorize, "invalid_target", "no"));
    });
    let mut terminal = login(&realm, &["--no-browser"]);
    let first = shown_url(&terminal);
    terminal.enter(&elsewhere(&first));
    let second = shown_url(&terminal);
    assert_ne!(first, second);
    terminal.enter(&elsewhere(&second));
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_bridge_never_asks_a_terminal() {
    let realm = Realm::new();
    let home = realm.home().to_str().unwrap();
    let own = Arc::new(tempfile::tempdir().unwrap());
    let url = realm.mcp.url();
    let args = [&*url, "--no-browser", "--store=file"];
    let mut terminal = Terminal::run_in(&own, &args, &[("MCP_TETHER_HOME", home)]);
    terminal.enter(INITIALIZE);
    terminal.sees("to sign in to 127.0.0.1 open this URL: ");
    let url = wait_for("the URL", || {
        let text = String::from_utf8(terminal.bytes()).unwrap();
        oauth::printed_url(&text.replace('\r', ""))
    });
    let to = elsewhere(&url);
    terminal.enter(&to);
    // It is no message, and nothing else.
    terminal.sees("-32700");
    assert_eq!(realm.count("token"), 0);
    terminal.signal("-TERM");
    terminal.code();
}

#[test]
fn a_code_is_shown_large_and_as_a_picture() {
    let realm = Realm::with_codes(|_| {});
    let mut terminal = login(&realm, &["--device-code"]);
    terminal.sees("\u{2588}\u{2580}");
    terminal.sees("open ");
    terminal.sees("/enter on any device");
    terminal.sees("enter this code:");
    terminal.sees("FAKE-0001");
    terminal.sees("has the code in it already");
    terminal.sees("/enter?user_code=FAKE-0001");
    let bytes = String::from_utf8(terminal.bytes()).unwrap();
    assert!(bytes.contains("\x1b[30;107m"), "{bytes}");
    // Black on white, and as wide as it is high: two rows in each line.
    let rows: Vec<&str> = bytes.lines().filter(|line| line.contains("\x1b[30;107m")).collect();
    let width = rows[0].chars().count() - "\x1b[30;107m\x1b[0m\r".len();
    assert!(rows.len() * 2 >= width && width > 20, "{} {width}", rows.len());
    realm.enter("FAKE-0001", true);
    terminal.sees("signed in to 127.0.0.1");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_terminal_that_cannot_draw() {
    let realm = Realm::with_codes(|codes| codes.agreed = true);
    let home = realm.home().to_str().unwrap();
    let own = Arc::new(tempfile::tempdir().unwrap());
    let url = realm.mcp.url();
    let args = ["login", &url, "--store=file", "--device-code"];
    let environment = [("MCP_TETHER_HOME", home), ("TERM", "dumb")];
    let mut terminal = Terminal::run_in(&own, &args, &environment);
    terminal.sees("FAKE-0001");
    assert_eq!(terminal.code(), Some(0));
    let text = String::from_utf8(terminal.bytes()).unwrap();
    assert!(!text.contains('\x1b') && !text.contains('\u{2588}'), "{text}");
}
