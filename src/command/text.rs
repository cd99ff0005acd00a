//! Text for people: folded to the width of the terminal, in columns, with or without colour.

/// Narrowest column for a text beside others; below that it gets lines of its own.
const NARROWEST: usize = 24;

/// Widest column in front of a text.
const WIDEST: usize = 28;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether escape sequences for colour are wanted.
    pub colour: bool,
}

impl Style {
    /// A name.
    pub fn strong(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// What is less important.
    pub fn faint(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// With a code for its colour, if colours are wanted.
    pub fn painted(self, code: &str, text: &str) -> String {
        if self.colour && !code.is_empty() && !text.is_empty() {
            return format!("\u{1b}[{code}m{text}\u{1b}[0m");
        }
        text.to_owned()
    }

    /// A text, folded and indented; its own line breaks stay.
    pub fn folded(self, indent: usize, text: &str) -> String {
        let pad = " ".repeat(indent);
        let mut out = String::new();
        for line in text.trim().lines() {
            for part in fold(line, self.width.saturating_sub(indent)) {
                out.push_str(format!("{pad}{part}").trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// Rows of columns, the last of which is folded. The first one is strong.
    pub fn columns(self, indent: usize, rows: &[Vec<String>]) -> String {
        let count = rows.iter().map(Vec::len).max().unwrap_or_default();
        let mut widths = vec![0; count.saturating_sub(1)];
        for row in rows {
            for (column, cell) in widths.iter_mut().zip(row) {
                *column = (*column).max(width(cell)).min(WIDEST);
            }
        }
        let before: usize = indent + widths.iter().map(|width| width + 2).sum::<usize>();
        let beside = self.width >= before + NARROWEST;
        let mut out = String::new();
        for row in rows {
            let mut line = " ".repeat(indent);
            let mut at = indent;
            for (number, (cell, column)) in row.iter().zip(&widths).enumerate() {
                line.push_str(&if number == 0 { self.strong(cell) } else { cell.clone() });
                let gap = column.saturating_sub(width(cell)) + 2;
                line.push_str(&" ".repeat(gap));
                at += width(cell) + gap;
            }
            let last = row.get(widths.len()).map_or("", |cell| cell.trim());
            // A cell that is wider than its column pushes the text into lines of its own.
            let fits = beside && at == before;
            let indent = if fits { before } else { indent + 4 };
            let text = self.folded(indent, last);
            if last.is_empty() {
                out.push_str(line.trim_end());
                out.push('\n');
            } else if fits {
                out.push_str(&line);
                out.push_str(text.trim_start());
            } else {
                out.push_str(line.trim_end());
                out.push('\n');
                out.push_str(&text);
            }
        }
        out
    }
}

/// One line in parts of at most `limit` columns, broken at spaces where there are any.
pub(super) fn fold(line: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(NARROWEST / 2);
    let margin = line.len() - line.trim_start_matches(' ').len();
    let (margin, line) = line.split_at(margin);
    let mut used = margin.len().min(limit / 2);
    let mut parts = vec![" ".repeat(used)];
    let mut begun = false;
    for word in line.split(' ') {
        let needed = width(word);
        let last = parts.len() - 1;
        if begun && used + 1 + needed > limit {
            parts.push(word.to_owned());
            used = needed;
        } else {
            if std::mem::replace(&mut begun, true) {
                parts[last].push(' ');
                used += 1;
            }
            parts[last].push_str(word);
            used += needed;
        }
        // A word that is too long for any line is cut.
        while used > limit {
            let last = parts.len() - 1;
            let (mut cut, mut columns) = (0, 0);
            for (at, c) in parts[last].char_indices() {
                if columns + columns_of(c) > limit && at > 0 {
                    break;
                }
                columns += columns_of(c);
                cut = at + c.len_utf8();
            }
            let rest = parts[last].split_off(cut);
            used = width(&rest);
            if rest.is_empty() {
                break;
            }
            parts.push(rest);
        }
    }
    parts
}

/// A text cut to fit one line of a terminal, whose last column stays free: some terminals begin a new
/// line when it is written to.
pub(super) fn one_line(mut text: String, columns: Option<usize>) -> String {
    let columns = columns.unwrap_or(80).saturating_sub(1);
    while width(&text) > columns {
        text = crate::secret::truncate(&text, text.chars().count() - 1);
    }
    text
}

/// The columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The same of one character: nothing for what is put onto the one before it, two for the scripts of
/// East Asia and for pictures. As near as is needed to line columns up.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 || unit == "MiB" {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { width: 40, colour: false };

    #[test]
    fn lines_are_folded_at_spaces() {
        let text = PLAIN.folded(4, "The quick brown fox jumps over the lazy dog.\n\n  - kept\n");
        assert_eq!(text, "    The quick brown fox jumps over the\n    lazy dog.\n\n      - kept\n");
        let word = "x".repeat(50);
        for line in PLAIN.folded(2, &format!("a {word} b")).lines() {
            assert!(width(line) <= 40, "{line}");
        }
        assert_eq!(
            PLAIN.folded(2, &format!("a {word} b")).replace(['\n', ' '], ""),
            format!("a{word}b")
        );
    }

    #[test]
    fn columns_line_up() {
        let rows =
            [("a", "number", "one two three four five"), ("longer", "text", "six"), ("n", "", "")]
                .map(|(a, b, c)| vec![a.to_owned(), b.to_owned(), c.to_owned()]);
        let wide = Style { width: 44, colour: false };
        assert_eq!(
            wide.columns(1, &rows),
            " a       number  one two three four five\n longer  text    six\n n\n"
        );
        let narrow = Style { width: 30, colour: false };
        assert_eq!(
            narrow.columns(1, &rows),
            " a       number\n     one two three four five\n longer  text\n     six\n n\n"
        );
        let colour = Style { width: 80, colour: true };
        assert!(colour.columns(0, &rows).starts_with("\u{1b}[1ma\u{1b}[0m       number  one"));
    }

    #[test]
    fn wide_characters_count_twice_and_accents_not_at_all() {
        assert_eq!((width("日本"), width("e\u{301}"), width("🙂"), width("abc")), (4, 1, 2, 3));
        for line in PLAIN.folded(0, &"日本語".repeat(20)).lines() {
            assert!(width(line) <= 40, "{line}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!([size(5), size(1536), size(3 << 20)], ["5 B", "1.5 KiB", "3.0 MiB"]);
    }
}
