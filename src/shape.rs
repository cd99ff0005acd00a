//! What of a server a client gets to see: which tools, under which name, and its lists in one piece.
//!
//! * [`glob`]: patterns of tool names.
//! * [`pages`]: lists that come in pages, put together.
//! * [`tools`]: which tools there are for the client.
//!
//! Pure: [`crate::bridge`] carries it out. Nothing of this is in the way of a message where nothing was asked
//! for; where something was, only the members concerned are written anew.

pub mod glob;
pub mod pages;
pub mod tools;

use bytes::Bytes;

use crate::jsonrpc::Message;
use crate::jsonrpc::member;
use crate::jsonrpc::splice::Patch;

pub use glob::Glob;
pub use tools::Verdict;

/// The name under which a result of a modern server tells who it is from (2026-07-28, basic).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Tools that there are; all where this is empty. Letters count as they are written.
    pub allow: Vec<Glob>,
    /// Tools that there are not, whatever else says that there are. `a` means `A` as well.
    pub deny: Vec<Glob>,
    /// Only tools that say that they change nothing (`annotations.readOnlyHint`).
    pub read_only: bool,
    /// The name by which the server introduces itself.
    pub server_name: Option<String>,
    /// Lists come in one piece.
    pub merge_pages: bool,
}

/// The rules, and what is known of the server's tools.
#[derive(Debug, Default)]
pub struct Shape {
    rules: Rules,
    known: tools::Known,
}

impl Shape {
    /// None where nothing was asked for.
    pub fn new(rules: Rules) -> Option<Shape> {
        (rules != Rules::default()).then(|| Shape { rules, known: tools::Known::default() })
    }

    /// Whether a request of the client may go to the server. Says so at once for all but `tools/call`.
    pub fn admits(&self, request: &Message) -> Verdict {
        if !self.rules.choose_tools() {
            return Verdict::Admitted;
        }
        if tools::has_other_method(request.bytes()) {
            return Verdict::Refused("the request names its method in two ways".to_owned());
        }
        match request.method() {
            Some("tools/call") => self.rules.call(request, &self.known),
            _ => Verdict::Admitted,
        }
    }

    /// Whether a notification of the client may go to the server: not a call that wants no answer, which some
    /// servers carry out.
    pub fn lets_pass(&self, notification: &Message) -> bool {
        !self.rules.choose_tools()
            || (notification.method() != Some("tools/call")
                && !tools::has_other_method(notification.bytes()))
    }

    /// The member of the result of `request` that holds the items of its list, if the list is to be put
    /// together from all pages: not where the client asks for a page.
    pub fn merges(&self, request: &Message) -> Option<&'static str> {
        let list = pages::member_of(request.method()?)?;
        let paged = member::lookup(request.bytes(), &["params", "cursor"])
            .is_some_and(|cursor| cursor != "null");
        (self.rules.merge_pages && !paged).then_some(list)
    }

    /// Takes note of the tools in an answer to `tools/list`.
    pub fn learn(&self, response: &[u8]) {
        if self.rules.read_only {
            self.known.learn(response);
        }
    }

    /// The server has said that its tools are others now.
    pub fn tools_changed(&self) {
        self.known.forget();
    }

    /// The answer to a request as the client gets it.
    pub fn answer(&self, method: &str, response: Bytes) -> Bytes {
        let mut response = response;
        if method == "tools/list" && self.rules.choose_tools() {
            self.learn(&response);
            if let Some(tools) = self.rules.chosen(&response) {
                let patch = Patch::new().set(&["result", "tools"], tools);
                response = patch.apply(&response).unwrap_or(response);
            }
        }
        match &self.rules.server_name {
            Some(name) => renamed(response, method, name),
            None => response,
        }
    }
}

/// The introduction of a server under another name.
fn renamed(response: Bytes, method: &str, name: &str) -> Bytes {
    let info: &[&str] = match method {
        "initialize" => &["result", "serverInfo"],
        _ => &["result", "_meta", SERVER_INFO],
    };
    if !member::lookup(&response, info).is_some_and(|info| info.starts_with('{')) {
        return response;
    }
    let name = serde_json::Value::from(name).to_string();
    let with = |last| [info, &[last]].concat();
    let (at_name, at_title) = (with("name"), with("title"));
    let mut patch = Patch::new().set(&at_name, &*name);
    // Clients show it in preference to the name.
    if member::lookup(&response, &at_title).is_some() {
        patch = patch.set(&at_title, &*name);
    }
    patch.apply(&response).unwrap_or(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Source;

    fn shape(rules: Rules) -> Shape {
        Shape::new(rules).unwrap()
    }

    #[test]
    fn nothing_asked_for_is_nothing_in_the_way() {
        assert!(Shape::new(Rules::default()).is_none());
    }

    #[test]
    fn a_server_gets_another_name_and_nothing_else_changes() {
        let shape = shape(Rules { server_name: Some("my \"one\"".into()), ..Rules::default() });
        let answer = |method, text: &'static str| {
            String::from_utf8(shape.answer(method, Bytes::from_static(text.as_bytes())).to_vec())
                .unwrap()
        };
        assert_eq!(
            answer(
                "initialize",
                r#"{"id":1, "result":{"serverInfo":{"version":1.0,"name":"a"},"x":1e2}}"#
            ),
            r#"{"id":1, "result":{"serverInfo":{"version":1.0,"name":"my \"one\""},"x":1e2}}"#
        );
        assert_eq!(
            answer("initialize", r#"{"id":1,"result":{"serverInfo":{"name":"a","title":"A"}}}"#),
            r#"{"id":1,"result":{"serverInfo":{"name":"my \"one\"","title":"my \"one\""}}}"#
        );
        let modern =
            r#"{"id":1,"result":{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a"}}}}"#;
        assert!(answer("tools/call", modern).contains(r#"{"name":"my \"one\""}"#));
        for untouched in [
            r#"{"id":1,"error":{"code":1,"message":"serverInfo"}}"#,
            r#"{"id":1,"result":{"serverInfo":"a"}}"#,
            r#"{"id":1,"result":{}}"#,
        ] {
            assert_eq!(answer("initialize", untouched), untouched);
        }
    }

    #[test]
    fn a_page_that_the_client_asks_for_stays_a_page() {
        let shape = shape(Rules { merge_pages: true, ..Rules::default() });
        let merges = |text: &'static str| {
            shape.merges(
                &Message::parse(Bytes::from_static(text.as_bytes()), Source::Client).unwrap(),
            )
        };
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"resources/templates/list"}"#;
        assert_eq!(merges(list), Some("resourceTemplates"));
        let null = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":null}}"#;
        assert_eq!(merges(null), Some("tools"));
        let page = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":""}}"#;
        assert_eq!(merges(page), None);
        assert_eq!(merges(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#), None);
    }
}
