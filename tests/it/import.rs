//! Taking over the sign-ins of other bridges.

use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::support::oauth::{Shown, State};
#[cfg(unix)]
use crate::support::terminal::Terminal;
use crate::support::*;

/// A sign-in of ours that is forgotten here and still known there: its record.
fn forgotten(realm: &Realm) -> Value {
    realm.login(&[]);
    let record = |(_, bytes): (PathBuf, Vec<u8>)| -> Option<Value> {
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        value["access_token"].is_string().then_some(value)
    };
    let record = realm.kept().into_iter().find_map(record).unwrap();
    for folder in ["credentials", "state", "cache"] {
        let _ = std::fs::remove_dir_all(realm.home().join(folder));
    }
    record
}

/// Puts a sign-in where mcp-remote would, with changes. `words` are what its name is made of.
fn at_mcp_remote(realm: &Realm, words: &str, record: &Value, tokens: &Value) -> PathBuf {
    let folder = realm.home().join(".mcp-auth/mcp-remote-v1");
    std::fs::create_dir_all(&folder).unwrap();
    let digest = Md5::digest(words);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = json!({
        "access_token": record["access_token"],
        "refresh_token": record["refresh_token"],
        "token_type": "Bearer",
        "expires_at": 4_000_000_000_000_u64,
        "issuer": record["issuer"],
    });
    merge(&mut all, tokens);
    let client = json!({
        "client_id": record["client"]["client_id"],
        "token_endpoint_auth_method": "none",
        "redirect_uris": [record["client"]["redirect_uri"]],
        "issuer": record["issuer"],
    });
    let file = folder.join(format!("{digest}_tokens.json"));
    std::fs::write(&file, all.to_string()).unwrap();
    std::fs::write(folder.join(format!("{digest}_client_info.json")), client.to_string()).unwrap();
    file
}

/// Whether it was said on stdout.
#[track_caller]
fn told(shown: &Shown, texts: &[&str]) {
    for text in texts {
        assert!(shown.stdout.contains(text), "{text:?} is not in {shown:?}");
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

/// A bridge that asks nobody.
#[track_caller]
fn works(realm: &Realm, args: &[&str]) {
    let mut builder = realm.bridge().arg("--auth=stored");
    for arg in args {
        builder = builder.arg(arg);
    }
    let bridge = builder.ready(&realm.mcp);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn a_sign_in_of_mcp_remote_goes_on_here() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    let file = at_mcp_remote(&realm, &url, &record, &json!({}));
    let before = std::fs::read(&file).unwrap();
    // Nobody can be asked.
    realm.run(&["auth", "import", &url]).code(1).says(&["--yes"]);
    let shown = realm.run(&["auth", "import", &url, "--yes", "-vv"]);
    told(shown.code(0), &["taken over from mcp-remote", "tokens.json", "renewed when needed"]);
    realm.no_secret_in("stdout", &shown.stdout);
    realm.no_secret_in("stderr", &shown.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    works(&realm, &[]);
    // The access token was used as it is; then it is renewed as the client that had it.
    realm.asked(1, 1, 1);
    realm.state(State::expire);
    works(&realm, &[]);
    let renewed = realm.token_requests().pop().unwrap();
    assert_eq!(renewed["grant_type"], "refresh_token");
    assert_eq!(Value::from(renewed["client_id"].clone()), record["client"]["client_id"]);
    realm.asked(1, 2, 1);
    // Once is enough.
    realm.run(&["auth", "import", &url, "--yes"]).code(3).says(&["there is a sign-in already"]);
}

#[test]
fn flags_tell_sign_ins_apart() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    at_mcp_remote(&realm, &format!("{url}|{{\"A\":\"1\",\"b\":\"two\"}}"), &record, &json!({}));
    realm.run(&["auth", "import", &url, "--yes"]).code(3).says(&["no sign-in"]);
    let words = ["--header", "b: two", "--header", "A:1"];
    let import = ["auth", "import", &url, "--yes"];
    realm.run(&[&import[..], &words].concat()).code(0);
    works(&realm, &words);
}

#[test]
fn what_cannot_be_taken_over_is_said() {
    for (tokens, reason) in [
        (json!({ "issuer": "https://elsewhere.example" }), "it is from https://elsewhere.example"),
        (json!({ "expires_at": 1_000_000_000_000_u64, "refresh_token": null }), "has expired"),
        (json!({ "token_type": "DPoP" }), "bound to a key"),
        (json!({ "access_token": null }), "no access token"),
    ] {
        let realm = Realm::new();
        let record = forgotten(&realm);
        let url = realm.mcp.url();
        at_mcp_remote(&realm, &url, &record, &tokens);
        realm.run(&["auth", "import", &url, "--yes"]).code(3).says(&[reason]);
        realm.run(&["auth", "status", &url]).code(3);
    }
}

#[test]
fn the_client_may_be_in_no_file() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    let file = at_mcp_remote(&realm, &url, &record, &json!({}));
    let client = file.to_str().unwrap().replace("_tokens", "_client_info");
    std::fs::remove_file(client).unwrap();
    let import = ["auth", "import", &url, "--yes"];
    realm.run(&import).code(3).says(&["--client-id"]);
    let id = record["client"]["client_id"].as_str().unwrap();
    realm.run(&[&import[..], &["--client-id", id]].concat()).code(0);
    works(&realm, &["--client-id", id]);
}

#[test]
fn an_expired_access_token_is_renewed() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    at_mcp_remote(
        &realm,
        &realm.mcp.url(),
        &record,
        &json!({ "expires_at": 1_000_000_000_000_u64 }),
    );
    realm.state(State::expire);
    let shown = realm.run(&["auth", "import", &realm.mcp.url(), "--yes"]);
    told(shown.code(0), &["expired, renewed"]);
    works(&realm, &[]);
    realm.asked(1, 2, 1);
}

#[test]
#[cfg(unix)]
fn a_person_is_asked() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    at_mcp_remote(&realm, &url, &record, &json!({}));
    let own = Arc::new(tempfile::tempdir().unwrap());
    let home = realm.home().to_str().unwrap();
    let variables =
        [("MCP_TETHER_HOME", home), ("MCP_REMOTE_CONFIG_DIR", &*format!("{home}/.mcp-auth"))];
    for (answer, code) in [("", 1), ("no", 1), ("y", 0)] {
        let import = ["auth", "import", &url, "--store=file"];
        let mut terminal = Terminal::run_in(&own, &import, &variables);
        terminal.sees("Take over this sign-in? [y/N]");
        terminal.enter(answer);
        assert_eq!(terminal.code(), Some(code), "{answer:?}");
        let status = realm.run(&["auth", "status", &url]);
        status.code(if code == 0 { 0 } else { 3 });
    }
}

/// A configuration of a client with these arguments behind `npx`.
fn configure(home: &Path, args: &Value) {
    let folder = home.join(".cursor");
    std::fs::create_dir_all(&folder).unwrap();
    let text = json!({ "mcpServers": { "one": { "command": "npx", "args": args } } });
    std::fs::write(folder.join("mcp.json"), text.to_string()).unwrap();
}

#[test]
fn all_that_clients_name() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    at_mcp_remote(&realm, &format!("{url}|{}", r#"{"X-A":"${NOTHING}"}"#), &record, &json!({}));
    at_mcp_remote(&realm, "https://nobody.example/", &record, &json!({}));
    configure(realm.home(), &json!(["-y", "mcp-remote", url, "--header", "X-A:${NOTHING}"]));
    let shown = realm.run(&["auth", "import", "--all", "--yes"]);
    // Without the variable nobody knows what to send.
    shown.says(&["1 more in", "NOTHING"]);
    configure(realm.home(), &json!(["-y", "mcp-remote", url, "--resource", "urn:x"]));
    at_mcp_remote(&realm, &format!("{url}|urn:x"), &record, &json!({}));
    let shown = realm.run(&["auth", "import", "--all", "--yes"]);
    told(shown.code(0).says(&["2 more in"]), &["taken over"]);
    works(&realm, &["--resource", "urn:x"]);
    // The entry may be ours by now.
    realm.run(&["logout", "--all"]).code(0);
    let record = forgotten(&realm);
    at_mcp_remote(&realm, &format!("{url}|{}", r#"{"X-A":"b"}"#), &record, &json!({}));
    let folder = realm.home().join(".cursor");
    let entry = json!({ "command": "mcp-tether", "args": [url, "--header", "X-A: b"] });
    let text = json!({ "mcpServers": { "one": entry } }).to_string();
    std::fs::write(folder.join("mcp.json"), text).unwrap();
    told(realm.run(&["auth", "import", "--all", "--yes"]).code(0), &["taken over"]);
    works(&realm, &["--header", "X-A: b"]);
}

#[test]
fn a_sign_in_of_mcp_stdio_goes_on_here() {
    let realm = Realm::new();
    let record = forgotten(&realm);
    let url = realm.mcp.url();
    let folder = realm.home().join(".config/mcp-stdio");
    std::fs::create_dir_all(&folder).unwrap();
    let entry = json!({
        "access_token": record["access_token"], "token_type": "Bearer", "expires_at": 4_000_000_000.5,
        "refresh_token": record["refresh_token"], "client_id": record["client"]["client_id"],
        "client_secret": null, "issuer": record["issuer"], "token_endpoint_auth_method": "none",
        "no_resource_indicator": false, "oauth_resource": null,
    });
    let text = json!({ &url: entry }).to_string();
    std::fs::write(folder.join("tokens.json"), text).unwrap();
    let shown = realm.run(&["auth", "import", "--all", "--yes"]);
    told(shown.code(0), &["taken over from mcp-stdio"]);
    works(&realm, &[]);
    realm.asked(1, 1, 1);
}
