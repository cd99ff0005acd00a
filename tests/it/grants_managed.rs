//! The file of an administrator, which says for which servers a company's identity provider vouches.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::grants::realm;
use crate::grants_login::{Company, SECRETS, with_secrets};
use crate::support::bridge::Builder;
use crate::support::oauth::{Shown, initialize};
use crate::support::*;

const VARIABLE: &str = "MCP_TETHER_ENTERPRISE_FILE";

struct Managed {
    realm: Realm,
    company: Company,
    folder: tempfile::TempDir,
}

impl Managed {
    /// With a file that is about this realm's server.
    fn new() -> Managed {
        let realm = realm();
        realm.set(|o| o.assertions = vec!["fake-id-jag"]);
        let managed =
            Managed { realm, company: Company::new(), folder: tempfile::tempdir().unwrap() };
        managed.write(&managed.text());
        managed
    }

    fn text(&self) -> String {
        format!(
            "[idp]\nissuer = \"{}\"\nclient-id = \"at-idp\"\nclient-secret = \"env:FAKE_IDP_SECRET\"\n\
             scope = \"openid email\"\n\n[[server]]\nurl = \"{}\"\nclient-id = \"me\"\n\
             client-secret = \"env:FAKE_SECRET\"\nscope = \"a b\"\n",
            self.company.issuer(),
            self.realm.mcp.url_at(""),
        )
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("enterprise.toml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
        self.mode(&self.path(), 0o644);
    }

    fn mode(&self, path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn bridge(&self) -> Builder {
        with_secrets(self.realm.bridge()).env(VARIABLE, self.path())
    }

    fn run(&self, args: &[&str]) -> Shown {
        let path = self.path();
        let file = (VARIABLE, path.to_str().unwrap());
        self.realm.spawn_with(args, &[&SECRETS[..], &[file]].concat()).wait()
    }

    fn doctor(&self) -> Shown {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        let home = self.realm.home();
        command.args(["doctor", "--json"]).env("HOME", home).env("MCP_TETHER_HOME", home);
        Shown::of(command.env(VARIABLE, self.path()))
    }
}

#[test]
fn a_server_of_the_company_just_works() {
    let managed = Managed::new();
    let (realm, url) = (&managed.realm, managed.realm.mcp.url());
    managed.bridge().ready(&realm.mcp).finish().clean();
    realm.asked(0, 1, 0);
    assert_eq!(realm.browser.opened().len(), 1);
    let asked = managed.company.server.seen("authorize")[0].uri.query().unwrap().to_owned();
    assert!(asked.contains("scope=openid+email"), "{asked}");
    let exchange = &managed.company.asked("token-exchange")[0];
    assert_eq!(exchange["scope"], "a b");
    assert_eq!(realm.token_requests()[0]["client_id"], "me");
    // Whoever asks is told.
    let file = managed.path().display().to_string();
    let shown = managed.run(&["auth", "status", &url]);
    assert!(shown.code(0).stdout.contains(&format!("{file} has {}", managed.company.issuer())));
    let status: Value =
        serde_json::from_str(&managed.run(&["auth", "status", "--json"]).stdout).unwrap();
    assert_eq!(status["enterprise"]["file"], *file);
    assert_eq!(status["enterprise"]["servers"][0], realm.mcp.url_at(""));
    let checked = managed.run(&["check", &url, "--json"]);
    assert!(checked.stdout.contains(&format!("\"managedBy\":\"{file}\"")), "{checked:?}");
    let doctor = managed.doctor();
    assert!(doctor.stdout.contains(&format!("\"subject\":\"{file}\"")), "{doctor:?}");
}

#[test]
fn other_servers_and_other_grants_are_as_without_it() {
    let managed = Managed::new();
    let elsewhere = managed.text().replace(&managed.realm.mcp.url_at(""), "https://*.corp.example");
    managed.write(&elsewhere);
    managed.bridge().arg("--client-id=me").start().finish();
    let answer = initialize(with_secrets(managed.realm.bridge()).env(VARIABLE, managed.path()));
    answer.result();
    assert_eq!(managed.company.server.connections(), 0);
    assert_eq!(managed.realm.count("authorize"), 1, "a person signs in to the server");
    // What was typed goes before it.
    let managed = Managed::new();
    let builder = managed.bridge().arg("--grant=client-credentials").arg("--client-id=me");
    builder.arg("--client-secret=env:FAKE_SECRET").ready(&managed.realm.mcp).finish().clean();
    assert_eq!(managed.company.server.connections(), 0);
    let managed = Managed::new();
    managed.bridge().arg("--scope=c").ready(&managed.realm.mcp).finish().clean();
    assert_eq!(managed.company.asked("token-exchange")[0]["scope"], "c");
}

#[test]
fn a_file_that_cannot_be_used_stops_every_sign_in() {
    let managed = Managed::new();
    let url = managed.realm.mcp.url();
    let refused = |said: &[&str]| {
        let shown = managed.run(&["login", &url]);
        shown.code(1).says(said).says(&[&managed.path().display().to_string()]);
        assert!(!shown.stderr.contains("hunter2"), "{shown:?}");
    };
    managed.write(&managed.text().replace("client-id = \"at-idp\"", "cleint-id = \"at-idp\""));
    refused(&["enterprise.toml:3: ", "none of issuer"]);
    managed.write(&managed.text().replace("env:FAKE_IDP_SECRET", "hunter2"));
    refused(&["enterprise.toml:4: ", "a reference"]);
    managed.write(&managed.text().replace("env:FAKE_IDP_SECRET", "env:FAKE_NOT_SET"));
    refused(&["FAKE_NOT_SET is not set"]);
    managed.write(&managed.text().replace("[idp]", "[idp"));
    refused(&["enterprise.toml:1: ", "not TOML"]);
    managed.write(&managed.text());
    managed.mode(&managed.path(), 0o666);
    refused(&["could be written by others"]);
    managed.mode(&managed.path(), 0o644);
    managed.mode(managed.folder.path(), 0o777);
    refused(&["could be written by others"]);
    managed.mode(managed.folder.path(), 0o700);
    std::fs::remove_file(managed.path()).unwrap();
    refused(&["cannot be read"]);
    // Nobody waits for a writer.
    assert!(Command::new("mkfifo").arg(managed.path()).status().unwrap().success());
    managed.mode(&managed.path(), 0o644);
    refused(&["not a regular file"]);
    std::fs::remove_file(managed.path()).unwrap();
    managed.realm.no_oauth();
    let status: Value =
        serde_json::from_str(&managed.run(&["auth", "status", "--json"]).stdout).unwrap();
    assert!(status["enterprise"]["error"].as_str().unwrap().contains("cannot be read"), "{status}");
    let doctor = managed.doctor();
    assert!(doctor.stdout.contains("\"area\":\"enterprise\","), "{doctor:?}");
    // Where nobody signs in nothing depends on it.
    let builder = managed.bridge().header("Authorization: Bearer fake-key");
    builder.start().finish().clean();
}
