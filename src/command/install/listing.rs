//! `mcp-tether clients`: the remote servers in the configurations of all clients.

use serde_json::Value;

use super::harmless;
use crate::cli::ClientsArgs;
use crate::clients::places::files;
use crate::clients::{Kind, KnownFile, Server, System, load};
use crate::command::{CommandError, say};
use crate::config::Env;
use crate::error::ExitCode;
use crate::json;
use crate::secret::shown;

/// Says what there is.
pub(in crate::command) fn run(args: &ClientsArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let here = std::env::current_dir().ok();
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for file in files(System::here(), env, here.as_deref()) {
        // A pipe could keep us waiting for ever.
        if !file.path.is_file() {
            continue;
        }
        match load(&file.path, Some(file.client)) {
            Ok(servers) => found.push((file, servers.unwrap_or_default())),
            Err(error) => unread.push((file, error.to_string())),
        }
    }
    if args.json {
        let servers: Vec<_> =
            found.iter().flat_map(|(file, all)| remote(all).map(|s| line(file, s))).collect();
        let files: Vec<_> = found
            .iter()
            .map(|(file, _)| json!({ "client": file.client.id, "file": path(file) }))
            .chain(unread.iter().map(|(file, error)| {
                json!({ "client": file.client.id, "file": path(file), "error": error })
            }))
            .collect();
        say(&json!({ "servers": servers, "files": files }).to_string())?;
        return Ok(ExitCode::Success);
    }
    let mut text = Vec::new();
    for (file, all) in &found {
        let servers: Vec<_> = remote(all).collect();
        if servers.is_empty() {
            continue;
        }
        text.push(format!("{} ({})", file.client.name, path(file)));
        let wide = |of: &dyn Fn(&Server) -> usize| servers.iter().map(|s| of(s)).max().unwrap_or(0);
        let (name, kind) =
            (wide(&|s| harmless(&s.name).chars().count()), wide(&|s| s.kind_name().len()));
        for server in servers {
            let off = if server.disabled { "  (off)" } else { "" };
            let project = server
                .project
                .as_deref()
                .map(|p| format!("  in {}", harmless(p)))
                .unwrap_or_default();
            text.push(format!(
                "  {:name$}  {:kind$}  {}{project}{off}",
                harmless(&server.name),
                server.kind_name(),
                url(server)
            ));
        }
    }
    for (file, error) in &unread {
        text.push(format!("{} ({}): {error}", file.client.name, path(file)));
    }
    if text.is_empty() {
        text.push("no configuration of a known client has a remote server".into());
    }
    say(&text.join("\n"))?;
    Ok(ExitCode::Success)
}

fn remote(servers: &[Server]) -> impl Iterator<Item = &Server> {
    servers.iter().filter(|server| !matches!(server.kind, Kind::Local(_)))
}

fn path(file: &KnownFile) -> String {
    harmless(&file.path.display().to_string())
}

/// The address, without what may be a secret.
fn url(server: &Server) -> String {
    let text = server.url().map(|url| url.expose().to_owned()).unwrap_or_default();
    match url::Url::parse(&text) {
        Ok(url) => shown(&url),
        // With placeholders.
        Err(_) => harmless(&without_credentials(&text)),
    }
}

/// A URL that cannot be told apart, without user information, query and fragment.
fn without_credentials(text: &str) -> String {
    let is_scheme = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).filter(is_scheme);
    let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let (front, behind) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    if behind.contains('@') {
        // A query that has one, or a password that has the other: nobody knows where the host begins.
        return format!("{scheme}…");
    }
    // A password may contain anything, so that what is before the last @ goes.
    let rest = front.rsplit_once('@').map(|(_, rest)| rest);
    rest.map_or_else(|| front.to_owned(), |rest| format!("{scheme}{rest}"))
}

fn line(file: &KnownFile, server: &Server) -> Value {
    let mut out = json!({
        "client": file.client.id,
        "file": path(file),
        "inProject": file.in_project,
        "name": server.name,
        "kind": server.kind_name(),
        "url": url(server),
        "enabled": !server.disabled,
    });
    if let Some(project) = &server.project {
        out["project"] = json!(project);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn urls_with_placeholders_lose_what_may_be_secret() {
        for (text, shown) in [
            ("https://${input:host}/mcp?key=fake#x", "https://${input:host}/mcp"),
            ("https://me:fake@${input:host}/mcp", "https://${input:host}/mcp"),
            ("https://me:fa@ke/fake@${input:host}/mcp#fake", "https://${input:host}/mcp"),
            ("https://me:fa?ke@${input:host}/mcp", "https://…"),
            ("https://${input:host}/mcp?key=a@fake", "https://…"),
            ("me:fake@${input:host}", "${input:host}"),
            ("fake:fake@x://h", "x://h"),
            ("${input:url}", "${input:url}"),
        ] {
            assert_eq!(without_credentials(text), shown, "{text}");
        }
    }
}
