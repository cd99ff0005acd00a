//! Opening the browser, and what becomes of a sign-in when processes die, wait or give up.

use std::time::Duration;

use crate::support::browser::follow;
use crate::support::oauth::{printed_url, sign_in_by_the_printed_url, wait_for};
use crate::support::*;

#[test]
fn the_url_is_printed_too() {
    let realm = Realm::new();
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    let printed = wait_for("the URL", || printed_url(&bridge.stderr()));
    assert_eq!(printed, opened[0]);
    follow(&printed).unwrap();
    bridge.answer(0).result();
    bridge.finish();
}

#[test]
fn no_browser() {
    let realm = Realm::new();
    let bridge = realm.bridge().arg("--no-browser").start();
    bridge.send(INITIALIZE);
    let printed = wait_for("the URL", || printed_url(&bridge.stderr()));
    assert_eq!(follow(&printed).unwrap().status, 200);
    bridge.answer(0).result();
    bridge.finish();
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
#[cfg(target_os = "linux")]
fn no_screen() {
    for variable in [("LANG", "C"), ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")] {
        let realm = Realm::new();
        sign_in_by_the_printed_url(realm.bridge_without_browser().env(variable.0, variable.1));
    }
}

#[test]
fn a_browser_that_does_not_start() {
    let realm = Realm::new();
    let browser = "/nonexistent/browser";
    sign_in_by_the_printed_url(realm.bridge_without_browser().env("BROWSER", browser));
}

#[test]
fn nothing_in_the_url_is_run_by_a_shell() {
    let realm = Realm::new();
    let proof = realm.home().join("proof");
    let endpoint = realm.issuer.url_at(&format!(
        "/authorize?x=$(touch${{IFS}}{0})&y=`touch {0}`;touch {0}&z='\"",
        proof.display()
    ));
    realm.set(|o| o.metadata = serde_json::json!({ "authorization_endpoint": endpoint }));
    realm.browser.hold();
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    assert_eq!(url::Url::parse(&opened[0]).unwrap().as_str(), opened[0], "as the parser has it");
    assert!(!opened[0].contains([' ', '"', '<']), "{}", opened[0]);
    follow(&opened[0]).unwrap();
    bridge.answer(0).result();
    bridge.finish();
    assert!(!proof.exists());
}

#[test]
fn twenty_bridges_open_one_tab() {
    let realm = Realm::new();
    realm.many_clients();
    realm.browser.hold();
    let bridges: Vec<_> = (0..20).map(|_| realm.bridge().start()).collect();
    bridges.iter().for_each(|bridge| bridge.send(INITIALIZE));
    realm.mcp.wait("initialize", 20);
    let opened = realm.browser.wait_opened(1);
    follow(&opened[0]).unwrap();
    for bridge in &bridges {
        bridge.answer(0).result();
    }
    bridges.into_iter().for_each(|bridge| drop(bridge.finish()));
    assert_eq!(realm.browser.opened().len(), 1);
    realm.asked(1, 1, 1);
}

#[test]
fn the_next_process_goes_on_when_one_is_killed() {
    let realm = Realm::new();
    realm.browser.hold();
    let first = realm.bridge().start();
    first.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    first.signal("KILL");
    assert_eq!(first.wait().code, None);
    let second = realm.bridge().start();
    second.send(INITIALIZE);
    // The tab of the first one leads to the second.
    let page = wait_for("the second to listen", || follow(&opened[0]).ok());
    assert_eq!(page.status, 200, "{page:?}");
    second.answer(0).result();
    second.finish().clean();
    assert_eq!(realm.browser.opened().len(), 1);
    assert_eq!((realm.count("register"), realm.count("token")), (1, 1));
}

#[test]
fn one_that_waits_already_goes_on_when_another_is_killed() {
    let realm = Realm::new();
    realm.many_clients();
    realm.browser.hold();
    let bridges: Vec<_> = (0..3).map(|_| realm.bridge().start()).collect();
    bridges.iter().for_each(|bridge| bridge.send(INITIALIZE));
    let opened = realm.browser.wait_opened(1);
    realm.mcp.wait("initialize", 3);
    let (killed, left): (Vec<_>, Vec<_>) =
        bridges.into_iter().partition(|bridge| printed_url(&bridge.stderr()).is_some());
    // Those that did not open the tab may name its address; whoever listens is among them.
    if let [only] = &killed[..] {
        only.signal("KILL");
        let page = wait_for("another to listen", || follow(&opened[0]).ok());
        assert_eq!(page.status, 200, "{page:?}");
    } else {
        let _ = follow(&opened[0]);
        killed.iter().for_each(|bridge| drop(bridge.answer(0).result()));
    }
    for bridge in left {
        bridge.answer(0).result();
        bridge.finish().clean();
    }
    assert_eq!(realm.browser.opened().len(), 1);
    assert_eq!(realm.count("token"), 1);
}

#[test]
fn one_tab_in_ten_minutes() {
    let realm = Realm::with(|o| o.refuses = Some(("access_denied", "no")));
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    bridge.answer(0).failed("unauthorized");
    bridge.finish();
    assert_eq!(realm.browser.opened().len(), 1);
    // The person has closed the matter; the next bridge does not nag, but says where to go.
    realm.set(|o| o.refuses = None);
    let bridge = realm.bridge().start();
    bridge.send(INITIALIZE);
    let printed = wait_for("the URL", || printed_url(&bridge.stderr()));
    assert_eq!(follow(&printed).unwrap().status, 200);
    bridge.answer(0).result();
    bridge.finish();
    assert_eq!(realm.browser.opened().len(), 1);
    // Whoever asks for it gets a tab.
    realm.login(&[]);
    assert_eq!(realm.browser.opened().len(), 2);
}

#[test]
fn tabs_are_counted_for_each_server() {
    let (one, two) = (Realm::new(), Realm::new());
    one.browser.hold();
    two.browser.hold();
    let first = one.bridge().start();
    first.send(INITIALIZE);
    one.browser.wait_opened(1);
    let bridge = one.at_home(Bridge::with(&two.mcp.url())).env("BROWSER", two.browser.command());
    let second = bridge.start();
    second.send(INITIALIZE);
    two.browser.wait_opened(1);
}

#[test]
fn a_sign_in_has_a_limit() {
    let realm = Realm::new();
    realm.browser.hold();
    let bridge = realm.bridge().arg("--auth-timeout=1s").start();
    bridge.send(INITIALIZE);
    let opened = realm.browser.wait_opened(1);
    let error = bridge.answer(0).failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("--auth-timeout"), "{message}");
    bridge.finish();
    let page = follow(&opened[0]);
    assert!(page.is_err(), "nobody listens any more: {page:?}");
}

#[test]
fn the_end_of_stdin_ends_it_at_once() {
    let realm = Realm::new();
    realm.browser.hold();
    let bridge = realm.bridge().arg("--drain-timeout=50s").start();
    bridge.send(INITIALIZE);
    realm.browser.wait_opened(1);
    let exit = bridge.finish();
    assert!(exit.took < Duration::from_secs(30), "{:?}", exit.took);
    assert_eq!(exit.rest.len(), 1, "{:?}", exit.rest);
    assert!(exit.rest[0].answers("0") && exit.rest[0].is_error);
}
