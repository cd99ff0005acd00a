//! Finding the id in a line that cannot be parsed, so that its sender gets an answer it can place.

use bytes::Bytes;

use super::id::Id;

/// The top-level `id` of the JSON object that `prefix` begins, if it stands whole within it.
///
/// `prefix` may be cut anywhere and may be broken JSON after the id. Reads it once.
pub fn salvage_id(prefix: &[u8]) -> Option<Id> {
    let mut scan = Scan { text: prefix, at: 0 };
    scan.white();
    scan.expect(b'{')?;
    loop {
        scan.white();
        let name = scan.string()?;
        scan.white();
        scan.expect(b':')?;
        scan.white();
        let value = scan.value()?;
        if name == b"\"id\"" {
            // A number or literal that ends with the prefix may go on behind it.
            let whole = value.first() == Some(&b'"') || scan.at < prefix.len();
            // Skipping over a string would not check its UTF-8.
            let valid = std::str::from_utf8(value)
                .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
            return (whole && valid).then(|| Id::from_raw(Bytes::copy_from_slice(value))).flatten();
        }
        scan.white();
        scan.expect(b',')?;
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn white(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let step = match self.peek()? {
                b'"' => break,
                b'\\' => 2,
                _ => 1,
            };
            self.at += step;
        }
        self.at += 1;
        self.text.get(start..self.at)
    }

    /// One value; nested ones are skipped by counting brackets outside strings.
    fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                    if depth == 0 {
                        break;
                    }
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') if depth == 0 => break,
                Some(_) => {}
                None if depth == 0 => break,
                None => return None,
            }
            self.at += 1;
        }
        (self.at > start).then(|| self.text.get(start..self.at)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_id() {
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":17,"method":"x","params":{"a":"#, Some("17")),
            (r#"{"params":{"id":1,"s":"}\""},"id":"b\"c","x"#, Some("\"b\\\"c\"")),
            (r#"  { "id" : 1.5 , oops"#, Some("1.5")),
            (r#"{"id":null,"#, Some("null")),
            (r#"{"id":17"#, None),
            (r#"{"id":true,"#, None),
            (r#"{"id":1x,"#, None),
            (r#"{"id":{"a":1},"#, None),
            (r#"{"params":{"id":1"#, None),
            (r#"{"params":["id",1],"id""#, None),
            (r#"["id",1]"#, None),
            ("", None),
            (r#"{"id":"abc"#, None),
            ("{\"id\":\"\\", None),
        ] {
            let found = salvage_id(text.as_bytes());
            assert_eq!(found.map(|i| i.to_string()).as_deref(), id, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_only_finds_ids(bytes: Vec<u8>) {
            if let Some(id) = salvage_id(&bytes) {
                assert!(serde_json::from_slice::<serde_json::Value>(id.raw()).is_ok());
            }
        }
    }
}
