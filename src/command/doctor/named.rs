//! Our own file with servers by name.

use super::{Finding, Verdict};
use crate::config::Env;
use crate::config::file;

/// Whether it is there, and what is wrong with it.
pub(super) fn look(env: Env<'_>) -> Vec<Finding> {
    let area = "config";
    // Without a home there is a finding about that already.
    let Some(path) = file::path(env) else { return Vec::new() };
    let place = path.display().to_string();
    let named = match file::load(&path, env) {
        Ok(Some(named)) => named,
        Ok(None) => {
            let detail = "no servers by name; mcp-tether config edit makes the file";
            return vec![Finding::new(area, Verdict::Fine, detail)];
        }
        Err(error) => {
            let fix = "correct it; no server can be named until then";
            return vec![Finding::new(area, Verdict::Problem, error.to_string()).fix(fix)];
        }
    };
    let count = named.contents.servers.len();
    let s = if count == 1 { "" } else { "s" };
    let Some(first) = named.contents.problems.first() else {
        return vec![Finding::new(area, Verdict::Fine, format!("{place}: {count} server{s}"))];
    };
    let more = match named.contents.problems.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let detail = format!("{place}:{}:{}: {}{more}", first.line, first.column, first.text);
    let mut finding = Finding::new(area, Verdict::Problem, detail);
    if let Some(server) = &first.server {
        finding = finding.of(server.clone());
    }
    vec![finding.fix("mcp-tether config edit; mcp-tether config check says all of it")]
}
