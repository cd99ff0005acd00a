//! Patterns of names: `*` stands for any characters, `?` for one, everything else for itself.

/// A pattern. Matching takes time in proportion to the product of both lengths, whatever the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// A pattern. Every text is one.
    pub fn new(text: &str) -> Glob {
        let mut pattern: Vec<char> = text.chars().collect();
        pattern.dedup_by(|one, other| *one == '*' && *other == '*');
        Glob(pattern)
    }

    /// Whether it is the pattern of a whole name.
    pub fn matches(&self, name: &str) -> bool {
        self.fits(name, |one, other| one == other)
    }

    /// The same where upper and lower case are one.
    pub fn matches_in_any_case(&self, name: &str) -> bool {
        self.fits(name, |one, other| one == other || one.to_lowercase().eq(other.to_lowercase()))
    }

    fn fits(&self, name: &str, same: impl Fn(char, char) -> bool) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut read) = (0, 0);
        // Where the last star is, and how much of the name it stands for.
        let mut star: Option<(usize, usize)> = None;
        while read < name.len() {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(&c) if c == '?' || same(c, name[read]) => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((place, taken)) = star else { return false };
                    star = Some((place, taken + 1));
                    at = place + 1;
                    read = taken + 1;
                }
            }
        }
        self.0[at..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, fits, not) in [
            ("delete*", &["delete", "deleteTask"][..], &["undelete", "Delete", "delet"][..]),
            ("*account", &["account", "getaccount"], &["accounts"]),
            ("exact", &["exact"], &["exacts", "xexact", ""]),
            ("*", &["", "a", "äöü"], &[]),
            ("a**b?c", &["abxc", "axxbxc"], &["abc", "axbc x"]),
            ("get.*", &["get.x"], &["getx"]),
            ("[a]", &["[a]"], &["a"]),
            ("", &[""], &["a"]),
        ] {
            let glob = Glob::new(pattern);
            for name in fits {
                assert!(glob.matches(name), "{pattern} {name}");
            }
            for name in not {
                assert!(!glob.matches(name), "{pattern} {name}");
            }
        }
        assert!(Glob::new("DELETE?ä*").matches_in_any_case("delete_Äx"));
        assert!(!Glob::new("delete").matches_in_any_case("deletes"));
    }

    #[test]
    fn stars_do_not_multiply() {
        let glob = Glob::new(&"a*".repeat(2000));
        assert!(!glob.matches(
            &("a".repeat(4000) + "b").repeat(2).replace('a', "ab")[..4000].replace('a', "c")
        ));
    }

    /// The obvious way, for short texts.
    fn slowly(pattern: &[char], name: &[char]) -> bool {
        match (pattern.first(), name.first()) {
            (None, first) => first.is_none(),
            (Some('*'), _) => (0..=name.len()).any(|taken| slowly(&pattern[1..], &name[taken..])),
            (Some('?'), Some(_)) => slowly(&pattern[1..], &name[1..]),
            (Some(one), Some(other)) => one == other && slowly(&pattern[1..], &name[1..]),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn the_same_as_the_obvious_way(pattern in "[ab*?]{0,7}", name in "[ab]{0,8}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).matches(&name), slowly(&p, &n));
        }
    }
}
