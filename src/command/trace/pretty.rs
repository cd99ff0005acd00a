//! JSON for people: what fits stays on one line, the rest is indented. Nothing is parsed into values, so
//! that numbers, the order of members and strings stay as they were written.

use crate::command::text::width;

/// Columns for each level.
const STEP: usize = 2;

/// Deepest level that is indented; what lies deeper is lined up with it.
const DEEPEST: usize = 16;

/// What part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The name of a member.
    Name,
    /// A string.
    String,
    /// A number, `true`, `false` or `null`.
    Other,
    /// Brackets, commas, colons.
    Mark,
}

/// Part of a line.
pub(super) type Span = (Kind, String);

struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// Of an opening bracket: the columns up to and with the closing one, if all is on one line.
    columns: usize,
    /// Of an opening bracket: whether there is nothing between it and the closing one.
    empty: bool,
}

/// Lines of at most `columns` where that can be done by breaking them.
pub(super) fn lines(json: &str, columns: usize) -> Vec<Vec<Span>> {
    let tokens = tokens(json);
    let mut lines = vec![Vec::new()];
    let (mut depth, mut used) = (0_usize, 0);
    // The depth at which a container began that is on one line.
    let mut flat: Option<usize> = None;
    let indent = |depth: usize| depth.min(DEEPEST) * STEP;
    for (at, token) in tokens.iter().enumerate() {
        let mut breaks = false;
        match token.text {
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                let empty = at > 0 && tokens[at - 1].empty;
                breaks = flat.is_none() && !empty;
                if flat == Some(depth) {
                    flat = None;
                }
            }
            _ if at > 0 && matches!(tokens[at - 1].text, "{" | "[" | ",") => {
                breaks = flat.is_none() && tokens[at - 1].kind == Kind::Mark;
            }
            _ => {}
        }
        if breaks {
            lines.push(vec![(Kind::Mark, " ".repeat(indent(depth)))]);
            used = indent(depth);
        }
        let spaced = match token.text {
            ":" => ": ",
            "," if flat.is_some() && token.kind == Kind::Mark => ", ",
            text => text,
        };
        used += width(spaced);
        if let Some(line) = lines.last_mut() {
            line.push((token.kind, spaced.to_owned()));
        }
        if token.kind == Kind::Mark && matches!(token.text, "{" | "[") {
            if flat.is_none() && used - 1 + token.columns < columns {
                flat = Some(depth);
            }
            depth += 1;
        }
    }
    lines
}

/// A line that is at most `columns` wide, with an ellipsis where something was cut.
pub(super) fn cut(line: &[Span], columns: usize) -> Vec<Span> {
    if line.iter().map(|(_, text)| width(text)).sum::<usize>() <= columns {
        return line.to_vec();
    }
    let mut out: Vec<Span> = Vec::new();
    let mut left = columns.saturating_sub(1);
    for (kind, text) in line {
        let mut taken = String::new();
        for c in text.chars() {
            let needed = width(c.encode_utf8(&mut [0; 4]));
            if needed > left {
                out.push((*kind, taken + "…"));
                return out;
            }
            left -= needed;
            taken.push(c);
        }
        out.push((*kind, taken));
    }
    out
}

/// Takes JSON apart. What is none gives tokens all the same.
fn tokens(json: &str) -> Vec<Token<'_>> {
    let bytes = json.as_bytes();
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut columns = 0;
    // Columns before each open bracket.
    let mut before: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                while !json.is_char_boundary(at) {
                    at += 1;
                }
                Kind::String
            }
            b'{' | b'[' | b'}' | b']' | b',' | b':' => {
                at += 1;
                Kind::Mark
            }
            _ => {
                while at < bytes.len() && !b" \n\r\t\"{}[],:".contains(&bytes[at]) {
                    at += 1;
                }
                Kind::Other
            }
        };
        let text = &json[start..at];
        if text == ":"
            && let Some(name) = tokens.last_mut().filter(|token| token.kind == Kind::String)
        {
            name.kind = Kind::Name;
        }
        match text {
            "{" | "[" => {
                open.push(tokens.len());
                before.push(columns);
            }
            "}" | "]" => {
                if let (Some(opened), Some(columns_before)) = (open.pop(), before.pop()) {
                    tokens[opened].columns = columns + 1 - columns_before;
                    tokens[opened].empty = opened + 1 == tokens.len();
                }
            }
            _ => {}
        }
        columns += width(text) + usize::from(matches!(text, "," | ":"));
        tokens.push(Token { kind, text, columns: usize::MAX / 2, empty: false });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, columns: usize) -> String {
        let line = |spans: Vec<Span>| spans.into_iter().map(|(_, text)| text).collect::<String>();
        lines(json, columns).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_fits_is_on_one_line() {
        assert_eq!(text(r#"{"a":[1,2],"b":{}}"#, 40), r#"{"a": [1, 2], "b": {}}"#);
        assert_eq!(
            text(r#"{"a":[1,2.0,{"c":"d,:{"}],"b":{},"e":[ ]}"#, 24),
            "{\n  \"a\": [\n    1,\n    2.0,\n    {\"c\": \"d,:{\"}\n  ],\n  \"b\": {},\n  \"e\": []\n}"
        );
        assert_eq!(text("12345678901234567890", 4), "12345678901234567890");
    }

    #[test]
    fn the_tokens_stay_as_they_are() {
        let json = r#"{"\"x\\":{"y":[1.0e5,null,"[\"{"],"z":[[[[]]]]}}"#;
        for columns in 0..80 {
            let text = text(json, columns);
            assert_eq!(text.replace([' ', '\n'], ""), json, "{text}");
        }
    }

    #[test]
    fn names_are_told_from_strings() {
        let spans: Vec<_> = lines(r#"{"a":"b"}"#, 80).remove(0);
        assert_eq!(spans[1], (Kind::Name, "\"a\"".into()));
        assert_eq!(spans[3], (Kind::String, "\"b\"".into()));
    }

    #[test]
    fn lines_are_cut_by_columns() {
        let line = [(Kind::Name, "ab".to_owned()), (Kind::String, "日本語".to_owned())];
        let cut =
            |columns| cut(&line, columns).into_iter().map(|(_, text)| text).collect::<String>();
        assert_eq!(
            [cut(8), cut(7), cut(6), cut(2), cut(1)],
            ["ab日本語", "ab日本…", "ab日…", "a…", "…"]
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_is_survived(text in ".{0,60}", columns in 0_usize..90) {
            for line in lines(&text, columns) {
                cut(&line, columns);
            }
            tokens(&format!("[{text}\\é"));
        }
    }
}
