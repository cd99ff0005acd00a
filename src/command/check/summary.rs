//! The checks of several servers for people: a line or a few for each.

use super::entries::{Checked, Checks, End};
use super::report::{Report, Step, Verdict, cause_and_next, era};
use super::table::{GREEN, GREY, RED, YELLOW, fold, milliseconds, paint};
use crate::command::text::width as columns;

/// Widest name that the others are lined up with.
const WIDEST: usize = 28;

/// The whole text. `width` is that of the terminal.
pub(super) fn text(checks: &Checks, width: usize, colour: bool) -> String {
    let width = width.clamp(60, 160);
    let mut head = checks.file.clone();
    if let Some(client) = checks.client {
        head.push_str(&format!(" ({})", client.name));
    }
    let mut out = vec![head];
    if checks.servers.is_empty() {
        out.push("no remote servers".to_owned());
        return out.join("\n");
    }
    let names = checks.servers.iter().map(|server| columns(&server.name));
    // Longer ones get a line of their own.
    let widest = names.filter(|width| *width <= WIDEST).max().unwrap_or_default();
    for server in &checks.servers {
        lines(server, widest, width, colour, &mut out);
    }
    let checked = checks.servers.iter().filter(|server| !matches!(server.end, End::Skipped(_)));
    let (mut all, mut good) = (0, 0);
    for server in checked {
        all += 1;
        good += usize::from(server.failure().is_none());
    }
    if all > 0 {
        out.push(String::new());
        let took = milliseconds(checks.took);
        let text = if good == all && all == 1 {
            format!("it works, {took}")
        } else if good == all {
            format!("all {all} work, {took}")
        } else {
            format!("{good} of {all} work, {took}")
        };
        out.push(paint(&text, if good == all { GREEN } else { RED }, colour));
    }
    out.join("\n")
}

fn lines(server: &Checked, widest: usize, width: usize, colour: bool, out: &mut Vec<String>) {
    let (mark, paint_with) = match server.result() {
        "ok" => ("\u{2713}", GREEN),
        "warning" => ("!", YELLOW),
        "failed" => ("\u{2717}", RED),
        _ => ("-", GREY),
    };
    let mut details = Vec::new();
    if let Some(project) = &server.project {
        details.push(format!("in {project}"));
    }
    match &server.end {
        End::Report(report) => told(report, &mut details),
        End::Skipped(why) => details.push(format!("skipped: {why}")),
        End::Trouble(failure) => {
            let (cause, next) = cause_and_next(&failure.message);
            details.push(format!("not checked: {cause}"));
            details.push(format!("next: {next}"));
        }
    }
    details.extend(server.notes.iter().map(|note| format!("note: {note}")));
    let indent = 2 + widest + 2;
    let mut head = format!("{} {}", paint(mark, paint_with, colour), server.name);
    let gap = widest.checked_sub(columns(&server.name));
    match gap {
        Some(gap) => head.push_str(&" ".repeat(gap + 2)),
        None => out.push(std::mem::take(&mut head)),
    }
    for detail in details {
        let mut folded = Vec::new();
        fold(&mut folded, &detail, width.saturating_sub(indent), 2);
        for line in folded {
            let lead = if head.is_empty() { " ".repeat(indent) } else { std::mem::take(&mut head) };
            out.push(format!("{lead}{line}"));
        }
    }
}

/// What a report comes to.
fn told(report: &Report, details: &mut Vec<String>) {
    if let Some(failure) = report.failure() {
        let (cause, next) = cause_and_next(&failure.message);
        let failed = report.steps.iter().find(|step| step.verdict == Verdict::Failed);
        details.push(format!("{}: {cause}", failed.map_or("check", |step| step.name)));
        if !next.is_empty() {
            details.push(format!("next: {next}"));
        }
        return;
    }
    let mut works = vec!["works".to_owned()];
    if let Some(server) = &report.server {
        works[0] = format!("works: {}, {}", server.transport(), era(server.era));
    }
    let counted =
        report.steps.iter().filter(|step| ["tools", "resources", "prompts"].contains(&step.name));
    works.extend(counted.filter_map(count));
    works.push(milliseconds(report.took));
    details.push(works.join(", "));
    let warned = report.steps.iter().filter(|step| step.verdict == Verdict::Warning);
    details.extend(warned.map(|step| format!("{}: {}", step.name, step.detail)));
}

fn count(step: &Step) -> Option<String> {
    let count = step.facts.get("count")?.as_u64()?;
    let name = if count == 1 { step.name.trim_end_matches('s') } else { step.name };
    Some(format!("{count} {name}"))
}
