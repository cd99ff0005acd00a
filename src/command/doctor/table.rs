//! Findings for people: a line or a few for each.

use super::{Finding, Verdict};
use crate::command::check::table::{GREEN, RED, YELLOW, fold, paint};

/// Columns before the text: mark, area and the spaces between.
const INDENT: usize = 2 + 12 + 2;

/// Blue.
const NOTE: &str = "34";

/// The whole text. `width` is that of the terminal.
pub(super) fn text(findings: &[Finding], width: usize, colour: bool) -> String {
    let width = width.clamp(60, 160);
    let mut out = Vec::new();
    let mut before = "";
    for finding in findings {
        let (mark, paint_with) = match finding.verdict {
            Verdict::Fine => ("\u{2713}", GREEN),
            Verdict::Note => ("i", NOTE),
            Verdict::Warning => ("!", YELLOW),
            Verdict::Problem => ("\u{2717}", RED),
        };
        let area = if finding.area == before { "" } else { finding.area };
        before = finding.area;
        let mut head = format!("{} {area:<12}  ", paint(mark, paint_with, colour));
        let detail = match &finding.subject {
            Some(subject) => format!("{subject}: {}", finding.detail),
            None => finding.detail.clone(),
        };
        let fix = finding.fix.as_ref().map(|fix| format!("fix: {fix}"));
        for text in std::iter::once(detail).chain(fix) {
            let mut lines = Vec::new();
            fold(&mut lines, &text, width - INDENT, 2);
            for line in lines {
                out.push(format!("{head}{line}"));
                head = " ".repeat(INDENT);
            }
        }
    }
    out.push(String::new());
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    let plural = |count: usize, what: &str| {
        let s = if count == 1 { "" } else { "s" };
        format!("{count} {what}{s}")
    };
    out.push(match (problems, warnings) {
        (0, 0) => paint("no problems", GREEN, colour),
        (0, warnings) => paint(&plural(warnings, "warning"), YELLOW, colour),
        (problems, 0) => paint(&plural(problems, "problem"), RED, colour),
        (problems, warnings) => {
            let text = format!("{}, {}", plural(problems, "problem"), plural(warnings, "warning"));
            paint(&text, RED, colour)
        }
    });
    out.join("\n")
}
