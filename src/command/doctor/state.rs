//! What is stored, and what earlier processes have left behind.

use std::path::PathBuf;

use super::{Finding, Verdict};
use crate::limits::KEYRING_TIMEOUT;
use crate::order;
use crate::secret::shown;
use crate::store::{Choice, Places, Store};

/// Sign-ins, and files that nobody needs. `urls` are those of the servers that clients name.
pub(super) fn look(places: Places, urls: &[url::Url]) -> Vec<Finding> {
    let store = Store::new(places, Choice::Auto, KEYRING_TIMEOUT);
    let mut findings = Vec::new();
    match store.entries() {
        Err(error) => {
            let fix = "see whether the folder can be read";
            findings.push(Finding::new("sign-ins", Verdict::Problem, error.to_string()).fix(fix));
        }
        Ok(mut entries) => {
            order::sort_by(&mut entries, |a, b| {
                (&a.server, &a.profile).cmp(&(&b.server, &b.profile))
            });
            let named = |server: &str| urls.iter().any(|url| shown(url) == server);
            let (used, unused): (Vec<_>, Vec<_>) =
                entries.iter().partition(|entry| named(&entry.server));
            let detail = match entries.len() {
                0 => "none".to_owned(),
                all => format!("{all}, of which {} for servers that a client names", used.len()),
            };
            findings.push(Finding::new("sign-ins", Verdict::Fine, detail));
            for entry in unused {
                let profile = match &*entry.profile {
                    "default" => String::new(),
                    name => format!(" --profile {name}"),
                };
                // Of an identity provider the two are one; no configuration names it as a server.
                let issuer = url::Url::parse(&entry.issuer).map(|issuer| shown(&issuer));
                let detail = match issuer.is_ok_and(|issuer| issuer == entry.server) {
                    true => {
                        "no client's configuration names it; it may be the identity provider of others"
                    }
                    false => "no client's configuration names it",
                };
                findings.push(
                    Finding::new("sign-ins", Verdict::Note, detail).of(&entry.server).fix(format!(
                        "mcp-tether logout {}{profile}, if nobody needs it",
                        entry.server
                    )),
                );
            }
        }
    }
    let left = store.leftovers();
    if left.is_empty() {
        findings.push(Finding::new("leftovers", Verdict::Fine, "none"));
        return findings;
    }
    let remove = "remove them while no mcp-tether runs";
    for (paths, verdict, what) in [
        (left.orphans, Verdict::Warning, "credentials that nothing leads to any more"),
        (
            left.staged,
            Verdict::Warning,
            "files of processes that were killed; they may hold secrets",
        ),
        (left.tabs, Verdict::Note, "notes on sign-ins that are over"),
        (left.locks, Verdict::Note, "locks of sign-ins that are gone; they do no harm"),
    ] {
        if let Some(text) = list(&paths, what) {
            findings.push(Finding::new("leftovers", verdict, text).fix(remove));
        }
    }
    findings
}

fn list(paths: &[PathBuf], what: &str) -> Option<String> {
    let first = paths.first()?;
    let more = match paths.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("{what}: {}{more}", first.display()))
}
