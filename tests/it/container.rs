//! A machine with nothing: a read-only file system, no home, no display, no bus, as in a container.

use std::path::Path;
use std::process::Command;

use crate::grants::{SECRET, realm};
use crate::support::bridge::Builder;
use crate::support::oauth::{Shown, State};
use crate::support::*;

/// Makes every file system of a mount namespace of its own read-only, says so, and becomes its arguments.
const SEALED: &str = r#"
    while read -r _ _ _ _ place _; do
        mount -o remount,bind,ro "$(printf '%b' "$place")" 2>/dev/null
    done < /proc/self/mountinfo
    for place in /tmp /var/tmp /run /dev/shm / "$BEFORE" .; do
        test -d "$place" || continue
        if (: > "$place/mcp-tether-probe") 2>/dev/null; then
            rm -f "$place/mcp-tether-probe"
            echo "$place can be written to" >&2
            exit 99
        fi
    done
    unset BEFORE
    exec "$@"
"#;

/// Whether such a namespace can be had here; otherwise says why not.
fn can_seal() -> bool {
    let tried = Command::new("unshare")
        .args(["--mount", "sh", "-c", SEALED, "sh", "true"])
        .env("BEFORE", "/")
        .output();
    let reason = match tried {
        Ok(tried) if tried.status.success() => return true,
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!(
        "skipped: no read-only mount namespace (unshare --mount needs root on Linux): {reason}"
    );
    false
}

/// The binary with these arguments in such a place, with this environment and nothing else.
fn sealed(args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SEALED, "sh", env!("CARGO_BIN_EXE_mcp-tether")]);
    command
        .args(args)
        .env_clear()
        .envs(crate::support::profile())
        .envs(environment.iter().copied());
    // For the script.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("BEFORE", std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    command
}

#[test]
fn a_client_needs_nothing_but_its_secret() {
    if !can_seal() {
        return;
    }
    for proofs in [false, true] {
        let realm = realm();
        if proofs {
            realm.set(|o| o.proofs = crate::dpop::BOTH);
        }
        let url = realm.mcp.url();
        let args =
            ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE_SECRET"];
        let command = sealed(&[&[url.as_str()], &args[..]].concat(), &[("FAKE_SECRET", SECRET)]);
        let bridge = Builder::of(command).ready(&realm.mcp);
        for id in 1..=3 {
            realm.state(State::expire);
            bridge.ask(id, "tools/call").result();
        }
        let exit = bridge.finish();
        exit.clean();
        realm.no_secret_in("stderr", &exit.stderr);
        realm.asked(0, 4, 0);
        assert_eq!(realm.browser.opened(), [""; 0]);
        assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
    }
}

#[test]
fn without_a_grant_the_message_says_what_to_do() {
    if !can_seal() {
        return;
    }
    let realm = realm();
    let url = realm.mcp.url();
    let bridge = Builder::of(sealed(&[&url], &[])).start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("HOME") && text.contains("--grant"), "{text}");
    bridge.finish();
    let shown = Shown::of(&mut sealed(&["ping", &url], &[]));
    shown.code(3).says(&["--grant"]);
    // A home that cannot be written to is as good as none.
    let shown = Shown::of(&mut sealed(&["ping", &url], &[("HOME", "/root")]));
    assert!(Path::new("/root").is_dir());
    shown.says(&["Read-only file system", "MCP_TETHER_HOME", "--grant"]);
    assert_ne!(shown.code, Some(0));
    realm.asked(0, 0, 0);
}
