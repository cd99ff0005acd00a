//! Changing a few members of a JSON text; every other byte stays where it was.
//!
//! Translations between revisions need this: a message is never rebuilt from a parsed tree.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::member;

/// Changes to one object, by paths of member names. Cheap to build; applied in one pass a level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch<'a> {
    changes: Vec<(Cow<'a, str>, Change<'a>)>,
    prune: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change<'a> {
    Set(Cow<'a, str>),
    Default(Cow<'a, str>),
    Remove,
    Within(Patch<'a>),
}

impl<'a> Patch<'a> {
    /// Changes nothing.
    pub fn new() -> Patch<'a> {
        Patch::default()
    }

    /// Gives the member at `path` the JSON text `value`. Objects on the way are made where there are
    /// none; new members go behind the others.
    #[must_use]
    pub fn set(self, path: &[&'a str], value: impl Into<Cow<'a, str>>) -> Patch<'a> {
        self.with(path, Change::Set(value.into()))
    }

    /// As [`Patch::set`], but a member that is there stays as it is.
    #[must_use]
    pub fn default_to(self, path: &[&'a str], value: impl Into<Cow<'a, str>>) -> Patch<'a> {
        self.with(path, Change::Default(value.into()))
    }

    /// Takes out the member at `path`, every time it is there.
    #[must_use]
    pub fn remove(self, path: &[&'a str]) -> Patch<'a> {
        self.with(path, Change::Remove)
    }

    /// Takes out the object at `path` if this patch leaves nothing in it.
    #[must_use]
    pub fn prune(mut self, path: &[&'a str]) -> Patch<'a> {
        let mut patch = &mut self;
        for name in path {
            patch = patch.within(name);
        }
        patch.prune = true;
        self
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The text with the changes. A value that is no object where the patch needs one is put
    /// aside for a new object, if something is to be set in it. `None` if `json` is no object.
    pub fn apply(&self, json: &[u8]) -> Option<Bytes> {
        let text = std::str::from_utf8(json).ok()?;
        self.object(text).map(Bytes::from)
    }

    fn with(mut self, path: &[&'a str], change: Change<'a>) -> Patch<'a> {
        let Some((last, way)) = path.split_last() else { return self };
        let mut patch = &mut self;
        for name in way {
            patch = patch.within(name);
        }
        patch.changes.retain(|(name, _)| name != last);
        patch.changes.push((Cow::Borrowed(last), change));
        self
    }

    fn within(&mut self, wanted: &'a str) -> &mut Patch<'a> {
        let place = self.changes.iter().position(|(name, _)| name == wanted);
        let place = place.unwrap_or_else(|| {
            self.changes.push((Cow::Borrowed(wanted), Change::Within(Patch::default())));
            self.changes.len() - 1
        });
        let change = &mut self.changes[place].1;
        if !matches!(change, Change::Within(_)) {
            *change = Change::Within(Patch::default());
        }
        match change {
            Change::Within(patch) => patch,
            _ => unreachable!("it has just been made one"),
        }
    }

    /// What a new object holds that is made for this patch, if anything.
    fn fresh(&self) -> Option<String> {
        let mut out = String::from("{");
        for (name, change) in &self.changes {
            if let Some(value) = change.fresh() {
                if out.len() > 1 {
                    out.push(',');
                }
                push_member(&mut out, name, &value);
            }
        }
        out.push('}');
        (out.len() > 2).then_some(out)
    }

    fn object(&self, text: &str) -> Option<String> {
        let members = members(text)?;
        let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let mut out = String::with_capacity(text.len() + 256);
        let first = members
            .first()
            .map_or_else(|| text.find('{').map(|at| at + 1), |m| Some(place(m.name)));
        out.push_str(&text[..first?]);
        let mut empty = true;
        let mut end = first?;
        let mut seen = vec![false; self.changes.len()];
        for member in &members {
            let before = &text[end..place(member.name)];
            end = place(member.value) + member.value.len();
            let change = self.changes.iter().position(|(name, _)| *name == member.key);
            let mut put = |value: &str| {
                if !empty {
                    out.push_str(if before.is_empty() { "," } else { before });
                }
                empty = false;
                out.push_str(&text[place(member.name)..place(member.value)]);
                out.push_str(value);
            };
            let Some(at) = change else {
                put(member.value);
                continue;
            };
            match &self.changes[at].1 {
                Change::Remove => {}
                Change::Set(_) if seen[at] => {}
                Change::Set(value) => put(value),
                Change::Default(_) => put(member.value),
                Change::Within(patch) => match patch.object(member.value) {
                    Some(inner) if patch.prune && is_empty_object(&inner) => {}
                    Some(inner) => put(&inner),
                    None => put(patch.fresh().as_deref().unwrap_or(member.value)),
                },
            }
            seen[at] = true;
        }
        for ((name, change), _) in self.changes.iter().zip(&seen).filter(|(_, seen)| !**seen) {
            if let Some(value) = change.fresh() {
                if !empty {
                    out.push(',');
                }
                empty = false;
                push_member(&mut out, name, &value);
            }
        }
        out.push_str(&text[end..]);
        Some(out)
    }
}

impl Change<'_> {
    /// The value of a member that was not there.
    fn fresh(&self) -> Option<Cow<'_, str>> {
        match self {
            Change::Set(value) | Change::Default(value) => Some(Cow::Borrowed(value)),
            Change::Remove => None,
            Change::Within(patch) => patch.fresh().map(Cow::Owned),
        }
    }
}

fn push_member(out: &mut String, name: &str, value: &str) {
    out.push_str(&serde_json::Value::from(name).to_string());
    out.push(':');
    out.push_str(value);
}

fn is_empty_object(text: &str) -> bool {
    members(text).is_some_and(|members| members.is_empty())
}

/// One member of an object, where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name with its escapes resolved.
    pub key: Cow<'a, str>,
    /// The name as it is spelled, with its quotes.
    pub name: &'a str,
    /// The JSON text of the value.
    pub value: &'a str,
}

/// The members of the object `text`, in order, repeated ones included. `None` if it is no object.
pub fn members(text: &str) -> Option<Vec<Member<'_>>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Member<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                found.push(Member {
                    key: member::name(name),
                    name: name.get(),
                    value: value.get(),
                });
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Members).ok()
}

/// The JSON texts of the elements of the array `text`. `None` if it is no array.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    struct Elements;
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(element) = sequence.next_element::<&'de RawValue>()? {
                found.push(element.get());
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(Elements).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(patch: &Patch<'_>, text: &str) -> String {
        String::from_utf8(patch.apply(text.as_bytes()).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn only_the_named_members_change() {
        let text = r#" { "a" : 1.0 , "b":{ "c" : 12345678901234567890 }, "\u0064" : [ 1 ] } "#;
        for (patch, expected) in [
            (Patch::new(), text),
            (
                Patch::new().set(&["a"], "2"),
                r#" { "a" : 2 , "b":{ "c" : 12345678901234567890 }, "\u0064" : [ 1 ] } "#,
            ),
            (
                Patch::new().remove(&["a"]),
                r#" { "b":{ "c" : 12345678901234567890 }, "\u0064" : [ 1 ] } "#,
            ),
            (
                Patch::new().remove(&["d"]),
                r#" { "a" : 1.0 , "b":{ "c" : 12345678901234567890 } } "#,
            ),
            (
                Patch::new().set(&["b", "x"], "true"),
                r#" { "a" : 1.0 , "b":{ "c" : 12345678901234567890,"x":true }, "\u0064" : [ 1 ] } "#,
            ),
            (
                Patch::new().remove(&["b", "c"]).prune(&["b"]),
                r#" { "a" : 1.0, "\u0064" : [ 1 ] } "#,
            ),
            (Patch::new().remove(&["b", "c"]), r#" { "a" : 1.0 , "b":{  }, "\u0064" : [ 1 ] } "#),
            (
                Patch::new().default_to(&["a"], "9").default_to(&["e", "f"], "9"),
                r#" { "a" : 1.0 , "b":{ "c" : 12345678901234567890 }, "\u0064" : [ 1 ],"e":{"f":9} } "#,
            ),
            (
                Patch::new().set(&["a", "x"], "null"),
                r#" { "a" : {"x":null} , "b":{ "c" : 12345678901234567890 }, "\u0064" : [ 1 ] } "#,
            ),
        ] {
            assert_eq!(apply(&patch, text), expected);
        }
    }

    #[test]
    fn small_objects_and_repeated_members() {
        assert_eq!(apply(&Patch::new().set(&["a"], "1"), "{}"), r#"{"a":1}"#);
        assert_eq!(apply(&Patch::new().set(&["a"], "1"), "{ }"), r#"{"a":1 }"#);
        assert_eq!(apply(&Patch::new().remove(&["a"]), r#"{"a":1,"a":2}"#), "{}");
        assert_eq!(
            apply(&Patch::new().set(&["a"], "3"), r#"{"a":1,"b":0,"a":2}"#),
            r#"{"a":3,"b":0}"#
        );
        assert_eq!(apply(&Patch::new().remove(&["x", "y"]), "{}"), "{}");
        assert_eq!(Patch::new().apply(b"[]"), None);
        assert_eq!(elements("[ 1 , {\"a\":[]} ]").unwrap(), ["1", "{\"a\":[]}"]);
        assert_eq!(elements("{}"), None);
    }

    proptest! {
        #[test]
        fn the_result_is_json_with_exactly_the_change(
            names in proptest::collection::vec("[a-d]{1,2}", 0..6),
            name in "[a-d]{1,2}",
            value in any::<i64>(),
        ) {
            let members: Vec<_> = names.iter().enumerate().map(|(i, n)| format!("\"{n}\" :{i}")).collect();
            let text = format!("{{{}}}", members.join(" , "));
            let value = value.to_string();
            let mut expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
            let set: serde_json::Map<_, _> =
                serde_json::from_str(&apply(&Patch::new().set(&[&name], value.as_str()), &text)).unwrap();
            let removed: serde_json::Map<_, _> =
                serde_json::from_str(&apply(&Patch::new().remove(&[&name]), &text)).unwrap();
            expected.remove(&name);
            prop_assert_eq!(&removed, &expected);
            expected.insert(name, serde_json::from_str(&value).unwrap());
            prop_assert_eq!(&set, &expected);
        }
    }
}
