//! `docs/dependencies.md` explains every direct dependency, and names none that is not there; the licences are
//! those that the crates have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use toml_edit::{Document, TableLike};

fn text(path: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    text.replace("\r\n", "\n")
}

/// The names in `Cargo.toml`, of what is in the binary on any system.
fn direct() -> BTreeSet<String> {
    let manifest = Document::parse(text("Cargo.toml")).unwrap();
    let mut found = BTreeSet::new();
    let mut take = |table: &dyn TableLike| {
        if let Some(dependencies) = table.get("dependencies").and_then(|item| item.as_table_like())
        {
            found.extend(dependencies.iter().map(|(name, _)| name.to_owned()));
        }
    };
    take(manifest.as_table());
    for (_, target) in manifest["target"].as_table_like().unwrap().iter() {
        take(target.as_table_like().unwrap());
    }
    assert!(found.len() > 40 && found.contains("tokio"), "{found:?}");
    found
}

/// Names and licences on the page.
fn explained() -> BTreeMap<String, String> {
    let page = text("docs/dependencies.md");
    let mut found = BTreeMap::new();
    for paragraph in page.split("\n\n").filter(|paragraph| paragraph.starts_with("**`")) {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let parts: Vec<&str> = words.splitn(4, " · ").collect();
        let [name, licence, from, rest] = parts[..] else { panic!("not as the others: {words}") };
        assert!(
            from.starts_with("from ") && rest.contains("alone. ") && rest.contains("*May:*"),
            "{words}"
        );
        found.insert(name.trim_matches(['*', '`']).to_owned(), licence.to_owned());
    }
    found
}

#[test]
fn every_direct_dependency_is_explained() {
    let page = text("docs/dependencies.md");
    let direct = direct();
    let explained = explained();
    assert_eq!(explained.keys().cloned().collect::<BTreeSet<_>>(), direct);
    assert!(page.contains(&format!("has {} direct dependencies", direct.len())));
}

#[test]
fn licences_are_those_of_the_crates() {
    let features: &[&str] = if cfg!(feature = "aws") { &["--all-features"] } else { &[] };
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let ask = |more: &[&str]| {
        Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["metadata", "--format-version=1", "--locked", "--filter-platform", host])
            .args(features)
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap()
    };
    // What was built is here already. What was not, and is listed all the same, may have to be fetched.
    let mut output = ask(&["--offline"]);
    if !output.status.success() {
        output = ask(&[]);
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let explained = explained();
    let mut compared = 0;
    for package in metadata["packages"].as_array().unwrap() {
        // Several versions of a crate have the same licence.
        if let Some(licence) = explained.get(package["name"].as_str().unwrap()) {
            assert_eq!(package["license"], licence[..], "{}", package["name"]);
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}
