//! A line in words, as a shell splits it, but for JSON: behind `:=`, and where a word begins with `{`,
//! a whole JSON value is one word, quotes, spaces and all.

use serde_json::value::RawValue;

/// One word, without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    /// Where it begins in the line.
    pub start: usize,
    /// The quote that is still open at its end.
    pub open: Option<char>,
}

/// The words of a line. The last one may have an open quote.
pub(super) fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return words;
        }
        let (word, left) = take(rest, line.len() - rest.len());
        words.push(word);
        rest = left;
    }
}

/// The first word of a text that begins with one, and what is behind it.
fn take(text: &str, start: usize) -> (Word, &str) {
    let mut word = Word { start, ..Word::default() };
    let mut rest = text;
    // Whether JSON is expected next: at the start, and behind the first `:=`.
    let mut json = text.starts_with('{');
    let mut named = false;
    while let Some(c) = rest.chars().next() {
        if std::mem::take(&mut json)
            && let Some(length) = value(rest)
        {
            word.text.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        if c.is_whitespace() {
            break;
        }
        rest = &rest[c.len_utf8()..];
        match (c, rest.chars().next()) {
            ('\'' | '"', _) => rest = quoted(c, rest, &mut word),
            ('\\', Some(next)) if next.is_whitespace() || matches!(next, '\'' | '"') => {
                word.text.push(next);
                rest = &rest[next.len_utf8()..];
            }
            _ => word.text.push(c),
        }
        if c == '=' && !std::mem::replace(&mut named, true) {
            json = word.text.ends_with(":=");
        }
    }
    (word, rest)
}

/// Puts what is in quotes into the word, and gives what is behind them.
fn quoted<'t>(quote: char, text: &'t str, word: &mut Word) -> &'t str {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return &text[at + c.len_utf8()..],
            '\\' if quote == '"' => match chars.next() {
                Some((_, next @ ('"' | '\\'))) => word.text.push(next),
                Some((_, next)) => word.text.extend(['\\', next]),
                None => word.text.push('\\'),
            },
            c => word.text.push(c),
        }
    }
    word.open = Some(quote);
    ""
}

/// The length of the JSON value that a text begins with.
fn value(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// A word as it has to be typed.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '\'' | '"');
    // A backslash at the end would take the space behind it along.
    let ends_well = !word.is_empty() && !word.ends_with('\\');
    if ends_well && word.chars().all(plain) && !word.starts_with('{') {
        return word.to_owned();
    }
    if !word.contains('\'') {
        return format!("'{word}'");
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_as_in_a_shell() {
        assert_eq!(texts(" call  add a=1 "), ["call", "add", "a=1"]);
        assert_eq!(texts(r#"x 'a b'=c"d e" "q\"\\n" ''"#), ["x", "a b=cd e", r#"q"\n"#, ""]);
        assert_eq!(texts(r"C:\dir a\ b \' a\=b"), [r"C:\dir", "a b", "'", r"a\=b"]);
        let words = split("call 'a b");
        assert_eq!((words[1].text.as_str(), words[1].start, words[1].open), ("a b", 5, Some('\'')));
        assert_eq!(split("x y ").len(), 2);
    }

    #[test]
    fn json_is_one_word() {
        assert_eq!(
            texts(r#"a:={"b": [1, "x y"]} c:="d e" f:=[1, 2]"#),
            [r#"a:={"b": [1, "x y"]}"#, r#"c:="d e""#, "f:=[1, 2]"]
        );
        assert_eq!(texts(r#"raw x {"a": "b c"} y"#), ["raw", "x", r#"{"a": "b c"}"#, "y"]);
        // What is no JSON is an ordinary word, and what is behind = is none.
        assert_eq!(
            texts(r#"a:='{"b": 1}' c:={x y d={"e f"}"#),
            [r#"a:={"b": 1}"#, "c:={x", "y", "d={e f}"]
        );
    }

    proptest::proptest! {
        #[test]
        fn quoted_words_come_back(words: Vec<String>) {
            let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
            // An argument with a name may be JSON, which is kept as it is.
            if words.iter().all(|word| !word.contains(":=")) {
                assert_eq!(texts(&line.join(" ")), words);
            }
        }

        #[test]
        fn any_line_has_words(line: String) {
            for word in split(&line) {
                assert!(line.is_char_boundary(word.start));
            }
        }
    }
}
