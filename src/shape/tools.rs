//! Which tools of a server there are for the client.
//!
//! A tool that is hidden is in no list, and calling it is refused without asking the server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;

use super::Rules;
use crate::jsonrpc::splice::members;
use crate::jsonrpc::{Message, member};
use crate::limits::MAX_SHAPED_TOOLS;
use crate::secret::{harmless, truncate};

/// Whether a request may go to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may not; the text is for whoever reads the error.
    Refused(String),
    /// It depends on what the server says of this tool, which is not known.
    Unknown,
}

/// Whether tools say that they change nothing, by their names.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, bool>>);

impl Known {
    /// Takes note of the tools in an answer to `tools/list`, [`MAX_SHAPED_TOOLS`] at most.
    pub fn learn(&self, response: &[u8]) {
        let mut known = self.lock();
        for tool in tools(response).unwrap_or_default() {
            let Some(name) = name(tool) else { continue };
            if known.len() < MAX_SHAPED_TOOLS || known.contains_key(&name) {
                known.insert(name, says_read_only(tool));
            }
        }
    }

    /// Forgets them all.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn get(&self, name: &str) -> Option<bool> {
        self.lock().get(name).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    /// Whether there is any rule about tools.
    pub(super) fn choose_tools(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty() || self.read_only
    }

    /// Why a tool of that name is hidden, without regard to what it says of itself.
    fn hidden_by(&self, name: &str) -> Option<&'static str> {
        if self.deny.iter().any(|glob| glob.matches_in_any_case(name)) {
            return Some("--deny-tool");
        }
        let allowed = self.allow.is_empty() || self.allow.iter().any(|glob| glob.matches(name));
        (!allowed).then_some("--allow-tool")
    }

    /// Whether a `tools/call` may go to the server.
    pub(super) fn call(&self, request: &Message, known: &Known) -> Verdict {
        let names = names_called(request.bytes());
        let [name] = &names[..] else {
            // Which of several the server takes, it alone knows.
            return Verdict::Refused("tools/call does not name one tool".to_owned());
        };
        let refused = |flag: &str| {
            let name = truncate(&harmless(name), 64);
            Verdict::Refused(format!("Unknown tool: {name} (hidden by {flag} of mcp-tether)"))
        };
        match self.hidden_by(name) {
            Some(flag) => refused(flag),
            None if !self.read_only => Verdict::Admitted,
            None => match known.get(name) {
                Some(true) => Verdict::Admitted,
                Some(false) => refused("--read-only"),
                None => Verdict::Unknown,
            },
        }
    }

    /// The tools in an answer to `tools/list` that there are for the client, as a JSON array; `None` if that
    /// changes nothing.
    pub(super) fn chosen(&self, response: &[u8]) -> Option<String> {
        let all = tools(response)?;
        let stays = |tool: &&&RawValue| {
            name(tool).is_some_and(|name| self.hidden_by(&name).is_none())
                && (!self.read_only || says_read_only(tool))
        };
        let chosen: Vec<&str> = all.iter().filter(stays).map(|tool| tool.get()).collect();
        (chosen.len() < all.len()).then(|| format!("[{}]", chosen.join(",")))
    }
}

/// The tools in an answer to `tools/list`.
fn tools(response: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_str(member::lookup(response, &["result", "tools"])?).ok()
}

fn name(tool: &RawValue) -> Option<String> {
    member::lookup_string(tool.get().as_bytes(), &["name"])
}

fn says_read_only(tool: &RawValue) -> bool {
    member::is_true(tool.get().as_bytes(), &["annotations", "readOnlyHint"])
}

/// Whether a message has a second `method`, in whatever case: which of them counts the server alone knows, and
/// some read members in any case.
pub(super) fn has_other_method(message: &[u8]) -> bool {
    let text = std::str::from_utf8(message).unwrap_or_default();
    let all = members(text).unwrap_or_default();
    all.iter().filter(|member| member.key.eq_ignore_ascii_case("method")).count() > 1
}

/// Every `name` in every `params` of a request, repeated ones and those in another case included.
fn names_called(request: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(request).unwrap_or_default();
    let of = |text, wanted: &'static str| {
        let all = members(text).unwrap_or_default().into_iter();
        all.filter(move |member| member.key.eq_ignore_ascii_case(wanted)).map(|member| member.value)
    };
    let names = of(text, "params").flat_map(|params| of(params, "name"));
    names.filter_map(|name| serde_json::from_str(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jsonrpc::Source;
    use crate::shape::{Glob, Shape};

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(text)).collect()
    }

    fn call(shape: &Shape, params: &str) -> Verdict {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        shape.admits(&Message::parse(Bytes::from(text), Source::Client).unwrap())
    }

    #[track_caller]
    fn refused(shape: &Shape, params: &str, flag: &str) {
        match call(shape, params) {
            Verdict::Refused(text) => assert!(text.contains(flag), "{text}"),
            other => panic!("{params}: {other:?}"),
        }
    }

    #[test]
    fn hidden_tools_are_in_no_list_and_cannot_be_called() {
        let rules = Rules {
            allow: globs(&["get*", "list"]),
            deny: globs(&["*secret*"]),
            ..Rules::default()
        };
        let shape = Shape::new(rules).unwrap();
        let list = r#"{"id":1,"result":{"tools":[{"name":"get", "n":1.0},{"name":"GET"}, {"name":"getSecret"},{"name":"l\u0069st"},{},7],"nextCursor":"c"}}"#;
        assert_eq!(
            shape.answer("tools/list", Bytes::from(list)),
            r#"{"id":1,"result":{"tools":[{"name":"get", "n":1.0},{"name":"l\u0069st"}],"nextCursor":"c"}}"#
        );
        assert_eq!(shape.answer("prompts/list", Bytes::from(list)), list);
        assert_eq!(call(&shape, r#"{"name":"list"}"#), Verdict::Admitted);
        refused(&shape, r#"{"name":"get\u0053ECRET"}"#, "--deny-tool");
        refused(&shape, r#"{"name":"drop"}"#, "--allow-tool");
        for trick in [r#"{"name":"get","name":"drop"}"#, "{}", r#"{"name":7}"#, "[]"] {
            refused(&shape, trick, "one tool");
        }
        for twice in ["params", "Params"] {
            let twice = format!(r#"{{"name":"get"}},"{twice}":{{"name":"drop"}}"#);
            refused(&shape, &twice, "one tool");
        }
        refused(&shape, r#"{"name":"get","Name":"drop"}"#, "one tool");
        refused(&shape, r#"{"name":"get"},"METHOD":"tools/list""#, "two ways");
        let hidden = r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"drop"}}"#;
        let hidden = Message::parse(Bytes::from_static(hidden.as_bytes()), Source::Client).unwrap();
        assert!(matches!(shape.admits(&hidden), Verdict::Refused(_)));
    }

    #[test]
    fn a_list_from_which_nothing_goes_is_not_touched() {
        let shape = Shape::new(Rules { deny: globs(&["x"]), ..Rules::default() }).unwrap();
        for same in [
            r#"{"id":1,"result":{"tools":[ {"name":"a"} , {"name":"b"} ]}}"#,
            r#"{"id":1,"result":{}}"#,
        ] {
            assert_eq!(shape.answer("tools/list", Bytes::from(same)), same);
        }
    }

    #[test]
    fn read_only_is_what_the_server_last_said() {
        let shape = Shape::new(Rules { read_only: true, ..Rules::default() }).unwrap();
        assert_eq!(call(&shape, r#"{"name":"look"}"#), Verdict::Unknown);
        let list = r#"{"id":1,"result":{"tools":[
            {"name":"look","annotations":{"readOnlyHint":true}},
            {"name":"touch","annotations":{"readOnlyHint":false}},
            {"name":"both","annotations":{"readOnlyHint":true,"readOnlyHint":false}},
            {"name":"quiet"}]}}"#;
        let left = shape.answer("tools/list", Bytes::from(list));
        assert_eq!(
            left,
            r#"{"id":1,"result":{"tools":[{"name":"look","annotations":{"readOnlyHint":true}}]}}"#
        );
        assert_eq!(call(&shape, r#"{"name":"look"}"#), Verdict::Admitted);
        for name in ["touch", "both", "quiet"] {
            refused(&shape, &format!(r#"{{"name":"{name}"}}"#), "--read-only");
        }
        shape.tools_changed();
        assert_eq!(call(&shape, r#"{"name":"look"}"#), Verdict::Unknown);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let known = Known::default();
        for n in 0..MAX_SHAPED_TOOLS + 5 {
            known.learn(format!(r#"{{"result":{{"tools":[{{"name":"{n}"}}]}}}}"#).as_bytes());
        }
        let count = known.lock().len();
        assert_eq!((count, known.get("3")), (MAX_SHAPED_TOOLS, Some(false)));
        assert_eq!(known.get(&MAX_SHAPED_TOOLS.to_string()), None);
    }
}
