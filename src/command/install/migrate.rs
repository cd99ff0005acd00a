//! `mcp-tether migrate`: entries of other bridges become ours.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::change::{self, Change};
use super::{InstallError, harmless, own_command, show, tell, tell_kept};
use crate::cli::{self, MigrateArgs};
use crate::clients::document::{Format, parse};
use crate::clients::places::{files, owner};
use crate::clients::private::tells;
use crate::clients::{
    Bridge, BridgeKind, Client, Kind, Server, System, edit, form, migration, servers,
};
use crate::command::{CommandError, say};
use crate::config::{Config, Env};
use crate::error::ExitCode;

/// What becomes of one file.
struct Plan {
    change: Change,
    /// The entries that change.
    names: Vec<String>,
}

/// Changes what can be changed, after asking.
pub(in crate::command) fn run(args: &MigrateArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let command = own_command(env)?;
    let mut found = false;
    let mut left = false;
    let asked =
        args.yes || args.dry_run || (io::stdin().is_terminal() && io::stderr().is_terminal());
    let mut unasked = false;
    for (client, path) in meant(args, env) {
        // A pipe could keep us waiting for ever.
        if args.config.is_none() && !path.is_file() {
            continue;
        }
        let plan = match plan(client, &path, &command, env) {
            Ok(plan) => plan,
            // Another file is no reason to leave the others alone.
            Err(error) if args.config.is_none() => {
                tell(&format!("left alone: {error}"))?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let (plan, refused) = plan;
        refused.iter().try_for_each(|line| tell(line))?;
        found |= plan.is_some() || !refused.is_empty();
        let Some(Plan { change, names }) = plan else { continue };
        show(&change.difference())?;
        if args.dry_run || !asked {
            unasked |= !asked;
            continue;
        }
        let question = format!("Make {} start mcp-tether in {}?", names.join(", "), path.display());
        if !args.yes && !agreed(&question)? {
            left = true;
            continue;
        }
        let kept = {
            let _turn = change::turn(env, &path)?;
            change.write()?
        };
        let s = if names.len() == 1 { "s" } else { "" };
        say(&format!("{} start{s} mcp-tether in {}", names.join(", "), path.display()))?;
        tell_kept(kept.as_deref())?;
    }
    if unasked {
        return Err(InstallError::Unasked.into());
    }
    if !found {
        say("there is no entry of mcp-remote or mcp-stdio")?;
    } else if !left && !args.dry_run {
        tell(
            "mcp-tether auth import --all takes over the sign-ins, so that nobody has to sign in again",
        )?;
    }
    Ok(ExitCode::Success)
}

/// The files in question.
fn meant(args: &MigrateArgs, env: Env<'_>) -> Vec<(Option<&'static Client>, PathBuf)> {
    if let Some(path) = &args.config {
        return vec![(owner(path), path.clone())];
    }
    let here = std::env::current_dir().ok();
    let all = files(System::here(), env, here.as_deref());
    let meant = |id: &str| args.client.as_deref().is_none_or(|client| client == id);
    let own = all.into_iter().filter(|file| meant(file.client.id));
    own.map(|file| (Some(file.client), file.path)).collect()
}

/// What can be done about a file, and about which entries nothing.
fn plan(
    client: Option<&'static Client>,
    path: &Path,
    command: &str,
    env: Env<'_>,
) -> Result<(Option<Plan>, Vec<String>), InstallError> {
    let before = change::read(path)?;
    let format = Format::of(path);
    let mut text = before.clone().unwrap_or_default();
    let wrong = |source| InstallError::Edit { path: path.to_owned(), source };
    let tree = parse(text.as_bytes(), format).map_err(|error| wrong(error.into()))?;
    let (mut names, mut refused) = (Vec::new(), Vec::new());
    for server in servers::find(&tree, client).unwrap_or_default() {
        let Kind::Bridge(bridge) = &server.kind else { continue };
        if bridge.kind == BridgeKind::Ours {
            continue;
        }
        let name = harmless(&server.name);
        let moved = arguments(bridge, &server, env).and_then(|words| {
            let entry = edit::find(&tree, &server.place).ok_or("it is not there any more")?;
            let parts = form::restarted(entry, command, &words).ok_or("its form is not known")?;
            let mut changed = text.clone();
            for (below, node) in parts {
                let steps = [server.place.clone(), below].concat();
                changed = edit::set(&changed, format, &steps, &node)
                    .map_err(|error| error.to_string())?;
            }
            Ok((changed, words))
        });
        match moved {
            Ok((changed, words)) => {
                text = changed;
                if bridge
                    .headers
                    .iter()
                    .any(|(name, value)| tells(name) && !value.has_placeholders())
                {
                    refused.push(format!(
                        "note: a header of {name} in {} seems to hold a secret; mcp-tether secret set NAME keeps \
                         it, and keyring:NAME stands for it",
                        path.display()
                    ));
                }
                drop(words);
                names.push(name);
            }
            Err(reason) => {
                refused.push(format!("left alone: {name} in {}: {reason}", path.display()));
            }
        }
    }
    let change = Change { path: path.to_owned(), before, after: text, private: true };
    Ok(((!names.is_empty()).then_some(Plan { change, names }), refused))
}

/// Our arguments, known to be taken.
fn arguments(bridge: &Bridge, server: &Server, env: Env<'_>) -> Result<Vec<String>, String> {
    let words = migration::arguments(bridge, &server.env).or_else(|reason| {
        // What is called the same here needs no translation.
        let same: Vec<String> =
            bridge.launched.arguments.iter().map(|word| word.expose().to_owned()).collect();
        let fine = bridge.kind == BridgeKind::McpRemote
            && !reason.starts_with("it is started")
            && bridge.launched.assigned.is_empty()
            && cli::bridge_arguments(&same).is_ok();
        if fine { Ok(same) } else { Err(reason) }
    })?;
    let typed = cli::bridge_arguments(&words)?;
    // Variables are the client's to have, and placeholders in a URL its to fill in.
    let lenient = |name: &str| {
        env(name).or_else(|| {
            let named = words.iter().any(|word| {
                word.contains(&format!("${{{name}}}")) || word.contains(&format!("env:{name}"))
            });
            named.then(|| "placeholder".to_owned())
        })
    };
    if bridge.url.as_ref().is_some_and(|url| !url.has_placeholders()) {
        Config::resolve(&typed, &lenient).map_err(|error| error.to_string())?;
    }
    Ok(words)
}

/// Asks on the terminal.
fn agreed(question: &str) -> Result<bool, CommandError> {
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(&*line.trim().to_ascii_lowercase(), "y" | "yes"))
}
