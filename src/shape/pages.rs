//! Lists that come in pages (2025-11-25, server/utilities/pagination), put together for clients that take the
//! first page for the whole.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::jsonrpc::splice::Patch;
use crate::jsonrpc::{Id, Message, member};
use crate::limits::MAX_MERGED_PAGES;

/// The member of a result that holds the items, for methods that list something.
pub fn member_of(method: &str) -> Option<&'static str> {
    match method {
        "tools/list" => Some("tools"),
        "resources/list" => Some("resources"),
        "resources/templates/list" => Some("resourceTemplates"),
        "prompts/list" => Some("prompts"),
        _ => None,
    }
}

/// The pages of one list that there are already.
#[derive(Debug)]
pub struct Pages {
    member: &'static str,
    /// Largest message, in bytes.
    limit: usize,
    first: Option<Bytes>,
    items: Vec<String>,
    bytes: usize,
    count: usize,
    /// Where the next one begins, as JSON.
    cursor: Option<String>,
}

/// What to do after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for the page behind this cursor, which is JSON.
    Page(String),
    /// This is the answer.
    Done(Bytes),
}

impl Pages {
    /// None yet, of a list in `member` that may not be larger than `limit` bytes.
    pub fn new(member: &'static str, limit: usize) -> Pages {
        let (first, items, cursor) = (None, Vec::new(), None);
        Pages { member, limit, first, items, bytes: 0, count: 0, cursor }
    }

    /// Takes a response. An error is the answer to the whole, because half a list is not to be had for a
    /// whole one; where a limit is reached, the cursor stays in it and the client can go on from there.
    pub fn take(&mut self, response: Bytes) -> Next {
        let list = member::lookup(&response, &["result", self.member])
            .and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list).ok());
        let Some(list) = list else { return Next::Done(response) };
        self.count += 1;
        self.bytes += response.len();
        let cursor = member::lookup(&response, &["result", "nextCursor"])
            .filter(|cursor| cursor.starts_with('"'))
            .map(ToOwned::to_owned);
        if self.first.is_none() && cursor.is_none() {
            return Next::Done(response);
        }
        self.items.extend(list.into_iter().map(|item| item.get().to_owned()));
        let stuck = cursor.is_some() && cursor == self.cursor;
        let full = self.count == MAX_MERGED_PAGES || self.bytes > self.limit / 2;
        self.cursor = if stuck { None } else { cursor };
        if self.first.is_none() {
            self.first = Some(response);
        }
        match &self.cursor {
            Some(cursor) if !full => Next::Page(cursor.clone()),
            _ => Next::Done(self.merged()),
        }
    }

    fn merged(&self) -> Bytes {
        let first = self.first.clone().unwrap_or_default();
        let items = format!("[{}]", self.items.join(","));
        let patch = Patch::new().set(&["result", self.member], items);
        let patch = match &self.cursor {
            Some(cursor) => patch.set(&["result", "nextCursor"], cursor),
            None => patch.remove(&["result", "nextCursor"]),
        };
        patch.apply(&first).unwrap_or(first)
    }
}

/// The request for a page: the client's own with another id, and the cursor if there is one.
pub fn request(original: &Message, id: &Id, cursor: Option<&str>) -> Option<Bytes> {
    let id = String::from_utf8_lossy(id.raw()).into_owned();
    let mut patch = Patch::new().set(&["id"], id);
    if let Some(cursor) = cursor {
        patch = patch.set(&["params", "cursor"], cursor);
        // Who asked for progress got it with the first page.
        patch = patch.remove(&["params", "_meta", "progressToken"]);
    }
    patch.apply(original.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Source;

    fn page(items: &str, more: &str) -> Bytes {
        Bytes::from(format!(r#"{{"id":1,"result":{{"tools":[{items}],"x":1.0{more}}}}}"#))
    }

    #[test]
    fn all_pages_become_the_first() {
        let mut pages = Pages::new("tools", 1 << 20);
        assert_eq!(pages.take(page("1.0, 2", r#","nextCursor":"a""#)), Next::Page("\"a\"".into()));
        assert_eq!(pages.take(page("", r#","nextCursor":"b\"""#)), Next::Page(r#""b\"""#.into()));
        assert_eq!(pages.take(page("3e1", "")), Next::Done(page("1.0,2,3e1", "")));
        // One page is left as it came.
        let one = page("1 , 2", "");
        assert_eq!(Pages::new("tools", 99).take(one.clone()), Next::Done(one));
    }

    #[test]
    fn an_error_is_the_answer() {
        let mut pages = Pages::new("tools", 1 << 20);
        pages.take(page("1", r#","nextCursor":"a""#));
        let error = Bytes::from_static(br#"{"id":1,"error":{"code":1,"message":"x"}}"#);
        assert_eq!(pages.take(error.clone()), Next::Done(error));
    }

    #[test]
    fn limits_leave_the_cursor_and_a_cursor_that_comes_again_ends_the_list() {
        let mut pages = Pages::new("tools", 300);
        let mut next = pages.take(page("1", r#","nextCursor":"c0""#));
        let mut asked = 1;
        while let Next::Page(_) = next {
            next = pages.take(page("1", &format!(r#","nextCursor":"c{asked}""#)));
            asked += 1;
        }
        let Next::Done(answer) = next else { unreachable!() };
        assert_eq!(asked, 3);
        assert!(answer.ends_with(br#""nextCursor":"c2"}}"#), "{answer:?}");

        let mut pages = Pages::new("tools", 1 << 20);
        pages.take(page("1", r#","nextCursor":"a""#));
        let Next::Done(answer) = pages.take(page("2", r#","nextCursor":"a""#)) else { panic!() };
        assert_eq!(answer, page("1,2", ""));

        let mut pages = Pages::new("tools", 1 << 30);
        let mut count = 0;
        while let Next::Page(_) = pages.take(page("", &format!(r#","nextCursor":"{count}""#))) {
            count += 1;
        }
        assert_eq!(count + 1, MAX_MERGED_PAGES);
    }

    #[test]
    fn requests_for_pages_are_the_clients_own() {
        let text = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"progressToken":1,"k":2.0}}}"#;
        let original = Message::parse(Bytes::from_static(text.as_bytes()), Source::Client).unwrap();
        let id = Id::from_raw(Bytes::from_static(b"\"m\"")).unwrap();
        assert_eq!(
            request(&original, &id, Some("\"c\"")).unwrap(),
            r#"{"jsonrpc":"2.0","id":"m","method":"tools/list","params":{"_meta":{"k":2.0},"cursor":"c"}}"#
        );
        assert!(
            request(&original, &id, None).unwrap().starts_with(br#"{"jsonrpc":"2.0","id":"m","#)
        );
    }
}
