//! A command line without a shell (pure).

/// Splits as a POSIX shell would, without any other meaning of any character. On Windows a backslash
/// separates folders, and only double quotes keep words together. None if there is no word, or a quote
/// without its pair.
pub fn split(text: &str) -> Option<Vec<String>> {
    let words = if cfg!(windows) { on_windows(text) } else { shlex::split(text) }?;
    words.first().is_some_and(|program| !program.is_empty()).then_some(words)
}

fn on_windows(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

/// The program's bare name, which is all that is ever shown: arguments may be secrets.
pub fn shown(words: &[String]) -> String {
    let program = words.first().map(String::as_str).unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    crate::secret::truncate(&crate::secret::neutralise(name), 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(windows))]
    #[test]
    fn quotes_keep_words_together_and_nothing_else_has_a_meaning() {
        for (text, words) in [
            ("token --aud 'a b'", &["token", "--aud", "a b"][..]),
            ("/a\\ b/c \"$X\" ~ | > ;", &["/a b/c", "$X", "~", "|", ">", ";"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        for text in ["", "  ", "a 'b", "'' x"] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn backslashes_of_windows_stay() {
        let words = on_windows(r#""C:\Program Files\x.exe" --aud  "" a"b c"d"#).unwrap();
        assert_eq!(words, [r"C:\Program Files\x.exe", "--aud", "", "ab cd"]);
        assert_eq!(on_windows("a \"b"), None);
    }

    #[test]
    fn only_the_name_is_shown() {
        for (program, name) in [("/usr/bin/get", "get"), ("C:\\x\\get.exe", "get.exe"), ("g", "g")]
        {
            assert_eq!(shown(&[program.to_owned(), "fake-secret".to_owned()]), name);
        }
        assert_eq!(shown(&[]), "");
    }
}
