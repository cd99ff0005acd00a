//! The report of a check for people: a line for each step, folded to the width of the terminal.

use std::time::Duration;

use super::report::{Report, Step, Verdict, cause_and_next};

/// Columns of the bar.
const BAR: usize = 10;
/// Columns before the detail: mark, name, milliseconds, bar and the spaces between.
const INDENT: usize = 2 + 14 + 10 + 1 + BAR + 2;

/// The whole text. `width` is that of the terminal.
pub fn text(report: &Report, width: usize, colour: bool) -> String {
    let width = width.clamp(60, 160);
    let longest = report.steps.iter().filter_map(|step| step.took).max().unwrap_or_default();
    let mut out = vec![format!("{}", report.url)];
    for step in &report.steps {
        out.push(line(step, longest, width, colour));
    }
    if let Some(survey) = &report.survey {
        out.push(String::new());
        let issuer = survey.issuer.as_deref().unwrap_or("none was found");
        out.push(format!("authorization server: {issuer}"));
        for tried in &survey.documents {
            let outcome = match &tried.outcome {
                Ok(status) => status.to_string(),
                Err(reason) => reason.clone(),
            };
            fold(&mut out, &format!("  GET {} \u{2192} {outcome}", tried.url), width, 6);
        }
        if let Some(proofs) = &survey.proofs {
            let text = format!("  tokens bound to a key (DPoP): {}", proofs.text());
            fold(&mut out, &text, width, 4);
        }
        for deviation in &survey.deviations {
            fold(&mut out, &format!("  - {deviation}"), width, 4);
        }
    }
    out.push(String::new());
    match (report.failure(), &report.server) {
        (Some(failure), _) => {
            let (cause, next) = cause_and_next(&failure.message);
            fold(&mut out, &paint(&format!("failed: {cause}"), RED, colour), width, 2);
            if !next.is_empty() {
                fold(&mut out, &format!("next: {next}"), width, 2);
            }
        }
        (None, Some(server)) => {
            let text = format!("works: {}, {}", server.transport(), milliseconds(report.took));
            out.push(paint(&text, GREEN, colour));
        }
        (None, None) => {}
    }
    out.join("\n")
}

fn line(step: &Step, longest: Duration, width: usize, colour: bool) -> String {
    let (mark, paint_with) = match step.verdict {
        Verdict::Fine => ("\u{2713}", GREEN),
        Verdict::Warning => ("!", YELLOW),
        Verdict::Failed => ("\u{2717}", RED),
        Verdict::Skipped => ("-", GREY),
    };
    let took = step.took.map(milliseconds).unwrap_or_default();
    let bar = step.took.map(|took| bar(took, longest)).unwrap_or_default();
    let head =
        format!("{} {:<14}{took:>10} {bar:<BAR$}", paint(mark, paint_with, colour), step.name);
    let mut detail = match step.verdict {
        Verdict::Failed => cause_and_next(&step.detail).0.to_owned(),
        _ => step.detail.clone(),
    };
    if detail.is_empty() && step.verdict == Verdict::Skipped {
        detail = "not reached".into();
    }
    let mut lines = Vec::new();
    fold(&mut lines, &detail, width.saturating_sub(INDENT), 0);
    let indent = format!("\n{}", " ".repeat(INDENT));
    format!("{head}  {}", lines.join(&indent)).trim_end().to_owned()
}

/// A share of the longest step in eighths of a column; what took time at all is seen.
fn bar(took: Duration, longest: Duration) -> String {
    const EIGHTHS: [char; 8] =
        [' ', '\u{258f}', '\u{258e}', '\u{258d}', '\u{258c}', '\u{258b}', '\u{258a}', '\u{2589}'];
    let share = took.as_secs_f64() / longest.as_secs_f64().max(f64::MIN_POSITIVE);
    // At most 80.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = ((share * 8.0 * BAR as f64).round() as usize).clamp(1, 8 * BAR);
    let mut out = "\u{2588}".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        out.push(EIGHTHS[eighths % 8]);
    }
    out
}

pub fn milliseconds(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

/// Appends `text` in lines of at most `width` columns, broken at spaces where there are any; further
/// lines are indented.
pub fn fold(out: &mut Vec<String>, text: &str, width: usize, indent: usize) {
    let mut line = String::new();
    let mut columns = 0;
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    line.push_str(&lead);
    columns += lead.len();
    let mut first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !first && columns + 1 + length > width {
            out.push(std::mem::replace(&mut line, " ".repeat(indent)));
            columns = indent;
        } else if !first {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += length;
        first = false;
    }
    out.push(line);
}

pub const RED: &str = "31";
pub const GREEN: &str = "32";
pub const YELLOW: &str = "33";
pub const GREY: &str = "90";

pub fn paint(text: &str, colour: &str, on: bool) -> String {
    if on { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}
