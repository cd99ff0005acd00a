//! What a check says about authorization.

use super::*;
use crate::support::oauth::State;

fn checked(realm: &Realm, args: &[&str], code: i32) -> Value {
    let url = realm.mcp.url();
    let shown = realm.run(&[&["check", &url, "--json"], args].concat());
    realm.no_secret_in("stdout", &shown.stdout);
    realm.no_secret_in("stderr", &shown.stderr);
    if args.is_empty() {
        judged(&shown, code)
    } else {
        serde_json::from_str(&shown.code(code).stdout).unwrap()
    }
}

#[test]
fn needed() {
    let realm = Realm::new();
    let found = checked(&realm, &[], 3);
    failed_at(&found, "authorization", "unauthorized");
    let step = step(&found, "authorization");
    assert!(step["next"].as_str().unwrap().contains("mcp-tether login"), "{step}");
    let seen = &found["authorization"];
    assert_eq!(seen["issuer"], realm.issuer_url());
    assert_eq!((&seen["usable"], &seen["deviations"]), (&json!(true), &json!([])), "{seen}");
    let documents = seen["documents"].as_array().unwrap();
    assert!(documents.iter().all(|tried| tried["status"] == 200), "{seen}");
    assert_eq!(documents.len(), 2);
    realm.asked(0, 0, 0);
    assert_eq!(realm.browser.opened(), [""; 0], "no browser is opened");
}

#[test]
fn deviations() {
    let realm = Realm::with(|o| o.resource = Some("https://other.invalid/mcp".into()));
    let seen = &checked(&realm, &[], 3)["authorization"];
    assert_eq!(seen["usable"], false);
    assert!(seen["deviations"][0].as_str().unwrap().contains("RFC 9728"), "{seen}");
    let realm = Realm::with(|o| {
        o.metadata = json!({
            "code_challenge_methods_supported": null, "registration_endpoint": null,
        });
        o.hint = false;
    });
    let seen = checked(&realm, &[], 3)["authorization"].to_string();
    for named in ["PKCE", "resource_metadata", "--client-id"] {
        assert!(seen.contains(named), "{named}: {seen}");
    }
    let realm = Realm::with(|o| (o.prm, o.metadata_at) = (None, None));
    let seen = &checked(&realm, &[], 3)["authorization"];
    let documents = seen["documents"].as_array().unwrap();
    assert!(documents.len() > 2 && documents.iter().all(|tried| tried["status"] == 404), "{seen}");
}

#[test]
fn stored_refreshed_and_signed_in() {
    let realm = Realm::new();
    let found = checked(&realm, &["--login"], 0);
    assert_eq!(step(&found, "authorization")["state"], "signed-in");
    assert_eq!(step(&checked(&realm, &[], 0), "authorization")["state"], "stored");
    realm.state(State::expire);
    assert_eq!(step(&checked(&realm, &[], 0), "authorization")["state"], "refreshed");
    let shown = realm.run(&["check", &realm.mcp.url(), "--header=Authorization: Bearer fake"]);
    shown.code(3);
    assert!(shown.stdout.contains("configured Authorization header"), "{shown:?}");
}
