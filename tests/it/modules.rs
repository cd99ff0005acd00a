//! The rules between modules (docs/architecture.md): who may use whom, and who owns what.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `src`, with the top-level module it belongs to.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.components().any(|part| part.as_os_str() == "tests")
                && !path.ends_with("tests.rs")
            {
                let relative = path.strip_prefix(&root).unwrap();
                let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push((module, relative.to_path_buf(), without_tests(&text)));
            }
        }
    }
    assert!(found.len() > 40, "the sources were not found");
    found
}

/// Tests may use what they like.
fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

/// The modules of this crate that a text names, by `crate::name` or `mcp_tether::name`.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for prefix in ["crate::", "mcp_tether::"] {
            for (at, _) in line.match_indices(prefix) {
                let rest = &line[at + prefix.len()..];
                let parts = match rest.strip_prefix('{') {
                    Some(list) => list.split(',').map(str::trim).collect(),
                    None => vec![rest],
                };
                for part in parts {
                    let end = part.find(|c: char| !c.is_alphanumeric() && c != '_');
                    let name = &part[..end.unwrap_or(part.len())];
                    if !name.is_empty() {
                        names.push(name.to_owned());
                    }
                }
            }
        }
    }
    names
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let everywhere = ["limits", "error", "json", "order", "secret", "tasks"];
    let allowed: [(&str, &[&str]); 25] = [
        ("main", &["cli", "command"]),
        (
            "command",
            &[
                "auth",
                "aws",
                "bridge",
                "cache",
                "cli",
                "clients",
                "config",
                "demo",
                "era",
                "foreign",
                "http",
                "jsonrpc",
                "logging",
                "platform",
                // The queue behind which a command is a client.
                "stdio",
                "store",
                "supply",
                "trace",
                "transport",
            ],
        ),
        (
            "config",
            &[
                "auth",
                "aws",
                "bridge",
                "cli",
                "era",
                "http",
                // Whose a file is.
                "platform",
                "shape",
                "stdio",
                "store",
                "supply",
                "trace",
                "transport",
            ],
        ),
        ("cli", &["demo"]),
        ("clients", &[]),
        (
            "bridge",
            &[
                "auth",
                "cache",
                "clock",
                "era",
                "http",
                "jsonrpc",
                "platform",
                "random",
                "shape",
                "stdio",
                "supply",
                "transport",
            ],
        ),
        ("era", &["jsonrpc"]),
        ("shape", &["jsonrpc"]),
        ("auth", &["clock", "foreign", "http", "store", "supply"]),
        ("foreign", &[]),
        // A child of its crates that hangs.
        ("aws", &["http", "platform"]),
        ("store", &[]),
        ("supply", &["platform", "store"]),
        ("cache", &["store"]),
        ("transport", &["http", "jsonrpc"]),
        ("trace", &["http", "jsonrpc", "logging", "random", "stdio", "transport"]),
        ("http", &[]),
        ("stdio", &["jsonrpc", "platform"]),
        ("jsonrpc", &[]),
        ("demo", &[]),
        ("error", &["jsonrpc"]),
        // Which file it is.
        ("logging", &["platform"]),
        ("platform", &[]),
        ("random", &[]),
        ("clock", &[]),
    ];
    for (module, path, text) in sources() {
        let Some((_, below)) = allowed.iter().find(|(name, _)| *name == module) else {
            assert!(
                matches!(&*module, "json" | "lib" | "limits" | "order" | "secret" | "tasks"),
                "{module} has no rule"
            );
            continue;
        };
        for name in named(&text) {
            let fine = name == module || everywhere.contains(&&*name) || below.contains(&&*name);
            assert!(fine, "{}: {module} must not use {name}", path.display());
        }
    }
}

#[test]
fn outside_things_have_one_owner() {
    let owners = [
        ("clap::", &["cli"][..]),
        ("clap_complete::", &["cli"]),
        ("clap_mangen::", &["cli"]),
        ("reqwest::", &["http"]),
        // Signing takes the type of a key in PEM.
        ("rustls::", &["auth", "http"]),
        ("rustls_platform_verifier::", &["http"]),
        ("use ring::", &["auth"]),
        ("aws_config::", &["aws"]),
        ("aws_sigv4::", &["aws"]),
        ("std::env::var", &["command"]),
        // Platform only asks how the terminal on it is set.
        ("io::stdin", &["command", "platform"]),
        ("io::stdout", &["platform"]),
        ("tokio::signal", &["platform", "demo"]),
        ("hyper::server", &["demo"]),
        ("hyper_util::", &["demo"]),
        ("oauth2::", &["auth"]),
        ("keyring_core::", &["store"]),
        ("open::that", &["auth"]),
        ("getrandom::", &["random", "demo"]),
        ("rustyline::", &["command"]),
        ("tokio::process", &["supply"]),
        ("rustix::", &["platform"]),
        ("tokio_util::", &["bridge"]),
        ("qrcodegen::", &["command"]),
        ("rpassword::", &["platform"]),
        ("jsonc_parser::", &["clients"]),
        ("toml_edit::", &["clients", "config"]),
        ("saphyr_parser::", &["clients"]),
        ("zeroize::", &["secret"]),
        // One copy of the code for all of them.
        ("tokio::spawn(", &["aws", "demo", "tasks"]),
        ("thread::Builder", &["tasks"]),
        ("serde_json::json", &["json"]),
        (".sort_by(", &["order"]),
        (".sort_by_key(", &["order"]),
    ];
    for (module, path, text) in sources() {
        for (thing, modules) in owners {
            let owns = modules.contains(&&*module) || !text.contains(thing);
            assert!(owns, "{} uses {thing}", path.display());
        }
    }
}

#[test]
fn pure_modules_wait_for_nothing() {
    let pure = [
        "era/",
        "era.rs",
        "jsonrpc/",
        "jsonrpc.rs",
        "secret.rs",
        "shape/",
        "shape.rs",
        "stdio/lines.rs",
        "transport/sse.rs",
        "transport/backoff.rs",
        "transport/status.rs",
        "http/redirect.rs",
        "http/certificate.rs",
        "config/values.rs",
        "config/headers.rs",
        "config/enterprise/document.rs",
        "config/file/keys.rs",
        "config/file/merge.rs",
        "config/file/names.rs",
        "config/file/read.rs",
        "config/file/schema.rs",
        "auth/challenge.rs",
        "auth/dpop.rs",
        "auth/metadata.rs",
        "auth/openid.rs",
        "auth/scope.rs",
        "auth/parameters.rs",
        "auth/authorization_response.rs",
        "auth/client.rs",
        "auth/token_answer.rs",
        "auth/device_answer.rs",
        "auth/pasted.rs",
        "auth/polling.rs",
        "command/login/terminal/block.rs",
        "command/login/terminal/qr.rs",
        "clients/arguments.rs",
        "clients/document.rs",
        "clients/edit.rs",
        "clients/edit/",
        "clients/form.rs",
        "clients/launch.rs",
        "clients/layout.rs",
        "clients/migration.rs",
        "clients/places.rs",
        "clients/private.rs",
        "clients/servers.rs",
        "clients/template.rs",
        "supply/output.rs",
        "supply/words.rs",
        "trace/join.rs",
        "trace/moment.rs",
        "trace/read.rs",
        "trace/record.rs",
    ];
    let mut seen = 0;
    for (_, path, text) in sources() {
        let name = path.to_string_lossy().replace('\\', "/");
        if !pure.iter().any(|pure| name.starts_with(pure)) {
            continue;
        }
        seen += 1;
        for impure in
            ["tokio::", "reqwest::", "Instant", "SystemTime", "std::fs", "std::env", "async fn"]
        {
            assert!(!text.contains(impure), "{name} must not use {impure}");
        }
    }
    assert!(seen >= pure.len());
}
