//! Answers from a file (`--answers`) to what a server asks meanwhile: sampling, elicitation, roots.
//!
//! JSON in the file that goes to the server does so byte for byte.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;

use crate::command::arguments::schema::is_json;
use crate::command::peer::Answer;
use crate::json;
use crate::jsonrpc::framing::one_line;
use crate::jsonrpc::member::{lookup, lookup_string};
use crate::jsonrpc::splice::{elements, members};
use crate::limits::MAX_ANSWERS;

/// What the specification says for a request that a person has refused (client/sampling).
const REFUSED: i32 = -1;

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswersError {
    /// It cannot be read.
    #[error("--answers: {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large.
    #[error("--answers: {}: it has more than {MAX_ANSWERS} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It is not as it should be.
    #[error("--answers: {place}{reason}")]
    Wrong {
        /// `sampling[1]: `, or nothing for the whole.
        place: String,
        /// Why.
        reason: String,
    },
}

/// Everything in the file.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// JSON texts of roots.
    pub roots: Option<Vec<String>>,
    pub elicitation: Option<Queue>,
    pub sampling: Option<Queue>,
}

/// Answers to one kind of question, in order.
#[derive(Debug)]
pub(super) struct Queue(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    /// A text that has to be in the question.
    when: Option<String>,
    /// Whether it answers more than one question.
    repeat: bool,
    answer: Answer,
}

impl Queue {
    /// The first answer that fits a question, from its parameters. One that is not to be repeated is
    /// gone then.
    pub(super) fn take(&self, params: &str) -> Option<Answer> {
        let said = said(params);
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |entry: &Entry| entry.when.as_ref().is_none_or(|when| said.contains(when));
        let at = left.iter().position(fits)?;
        Some(if left[at].repeat { left[at].answer.clone() } else { left.remove(at).answer })
    }
}

/// That the file has nothing more to say.
pub(super) fn none_left() -> Answer {
    Err((REFUSED, "nobody is there to answer this".to_owned()))
}

impl Answers {
    pub(super) fn load(path: &Path) -> Result<Answers, AnswersError> {
        let read = |source| AnswersError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(read)?;
        file.take(MAX_ANSWERS as u64 + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() > MAX_ANSWERS {
            return Err(AnswersError::TooLarge(path.to_owned()));
        }
        Answers::parse(&text)
    }

    fn parse(text: &str) -> Result<Answers, AnswersError> {
        let whole = Place(String::new());
        // What follows an object would not be looked at.
        if !is_json(text) {
            return Err(whole.wrong("it is not one JSON object"));
        }
        let mut answers = Answers::default();
        for member in members(text).ok_or_else(|| whole.wrong("it is not one JSON object"))? {
            match &*member.key {
                "roots" => answers.roots = Some(roots(member.value)?),
                "elicitation" => {
                    answers.elicitation = Some(queue(&member.key, member.value, elicited)?)
                }
                "sampling" => answers.sampling = Some(queue(&member.key, member.value, sampled)?),
                other => {
                    let text = format!("{other:?} is none of roots, elicitation, sampling");
                    return Err(whole.wrong(text));
                }
            }
        }
        Ok(answers)
    }
}

/// Where in the file something is.
struct Place(String);

impl Place {
    fn wrong(&self, reason: impl fmt::Display) -> AnswersError {
        let place = if self.0.is_empty() { String::new() } else { format!("{}: ", self.0) };
        AnswersError::Wrong { place, reason: reason.to_string() }
    }
}

/// Roots, each with its URI alone or as the specification has them.
fn roots(text: &str) -> Result<Vec<String>, AnswersError> {
    let place = Place("roots".to_owned());
    let list = elements(text).ok_or_else(|| place.wrong("it is no list"))?;
    list.into_iter()
        .map(|root| match serde_json::from_str::<String>(root) {
            Ok(uri) => Ok(json!({ "uri": uri }).to_string()),
            Err(_) if lookup_string(root.as_bytes(), &["uri"]).is_some() => Ok(line(root)),
            Err(_) => Err(place.wrong("each is a URI, or an object with one")),
        })
        .collect()
}

/// One answer, which is for all questions, or a list of them.
fn queue(
    name: &str,
    text: &str,
    read: fn(&Place, &str, &str) -> Option<Result<Answer, AnswersError>>,
) -> Result<Queue, AnswersError> {
    let entries = match elements(text) {
        Some(list) => list
            .into_iter()
            .enumerate()
            .map(|(at, text)| entry(&Place(format!("{name}[{at}]")), text, false, read))
            .collect::<Result<_, _>>()?,
        None => vec![entry(&Place(name.to_owned()), text, true, read)?],
    };
    Ok(Queue(Mutex::new(entries)))
}

fn entry(
    place: &Place,
    text: &str,
    repeat: bool,
    read: fn(&Place, &str, &str) -> Option<Result<Answer, AnswersError>>,
) -> Result<Entry, AnswersError> {
    let list = members(text).ok_or_else(|| place.wrong("it is no object"))?;
    let mut entry = Entry { when: None, repeat, answer: none_left() };
    let mut answered = false;
    for member in list {
        let wrong = |what: &str| place.wrong(format!("{} must be {what}", member.key));
        match &*member.key {
            "when" => {
                let when = serde_json::from_str(member.value).map_err(|_| wrong("a text"))?;
                entry.when = Some(when);
            }
            "repeat" => {
                entry.repeat =
                    serde_json::from_str(member.value).map_err(|_| wrong("true or false"))?;
            }
            name => {
                let answer = match name {
                    "error" => error(member.value).ok_or_else(|| wrong("a code and a message"))?,
                    name => match read(place, name, member.value) {
                        Some(answer) => answer?,
                        None => return Err(place.wrong(format!("{name:?} means nothing here"))),
                    },
                };
                if std::mem::replace(&mut answered, true) {
                    return Err(place.wrong("it has two answers"));
                }
                entry.answer = answer;
            }
        }
    }
    if answered { Ok(entry) } else { Err(place.wrong("it has no answer")) }
}

/// An answer to `elicitation/create`.
fn elicited(place: &Place, name: &str, value: &str) -> Option<Result<Answer, AnswersError>> {
    match name {
        "content" if members(value).is_some() => {
            Some(Ok(Ok(format!(r#"{{"action":"accept","content":{}}}"#, line(value)))))
        }
        "content" => Some(Err(place.wrong("content must be an object"))),
        "action" => Some(match serde_json::from_str::<String>(value).as_deref() {
            Ok(action @ ("accept" | "decline" | "cancel")) => {
                Ok(Ok(json!({ "action": action }).to_string()))
            }
            _ => Err(place.wrong("action must be accept, decline or cancel")),
        }),
        _ => None,
    }
}

/// An answer to `sampling/createMessage`.
fn sampled(place: &Place, name: &str, value: &str) -> Option<Result<Answer, AnswersError>> {
    match name {
        "text" => Some(match serde_json::from_str::<String>(value) {
            Ok(text) => Ok(Ok(json!({
                "role": "assistant",
                "content": { "type": "text", "text": text },
                "model": "answers",
                "stopReason": "endTurn",
            })
            .to_string())),
            Err(_) => Err(place.wrong("text must be a text")),
        }),
        "result" if members(value).is_some() => Some(Ok(Ok(line(value)))),
        "result" => Some(Err(place.wrong("result must be an object"))),
        _ => None,
    }
}

fn error(value: &str) -> Option<Answer> {
    let code = lookup(value.as_bytes(), &["code"])?.parse().ok()?;
    Some(Err((code, lookup_string(value.as_bytes(), &["message"])?)))
}

/// The same JSON without line breaks between its tokens.
fn line(json: &str) -> String {
    let line = one_line(Bytes::copy_from_slice(json.as_bytes()));
    String::from_utf8_lossy(&line).into_owned()
}

/// The texts in a question that a person would read.
fn said(params: &str) -> String {
    let params: Value = serde_json::from_str(params).unwrap_or_default();
    let mut said = String::new();
    let mut add = |text: &Value| {
        if let Some(text) = text.as_str() {
            said.push_str(text);
            said.push('\n');
        }
    };
    add(&params["message"]);
    add(&params["systemPrompt"]);
    for message in params["messages"].as_array().into_iter().flatten() {
        match &message["content"] {
            Value::Array(blocks) => blocks.iter().for_each(|block| add(&block["text"])),
            block => add(&block["text"]),
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(queue: &Queue, params: Value) -> Option<Result<Value, i32>> {
        let answer = queue.take(&params.to_string())?;
        Some(answer.map(|text| serde_json::from_str(&text).unwrap()).map_err(|(code, _)| code))
    }

    #[test]
    fn answers_are_used_in_order_and_once() {
        let answers = Answers::parse(
            r#"{"sampling": [
                {"text": "one"},
                {"when": "weather", "text": "rain", "repeat": true},
                {"result": {"n": 1.0}},
                {"error": {"code": -5, "message": "no"}}
            ]}"#,
        )
        .unwrap();
        let queue = answers.sampling.unwrap();
        let ask = |text: &str| {
            take(&queue, json!({ "messages": [{ "content": { "type": "text", "text": text } }] }))
        };
        assert_eq!(ask("x").unwrap().unwrap()["content"]["text"], "one");
        assert_eq!(ask("the weather?").unwrap().unwrap()["content"]["text"], "rain");
        assert_eq!(ask("the weather?").unwrap().unwrap()["content"]["text"], "rain");
        assert_eq!(queue.take("{}").unwrap().unwrap(), r#"{"n": 1.0}"#);
        assert_eq!(ask("x"), Some(Err(-5)));
        assert_eq!(ask("x"), None);
        let listed = json!({ "messages": [{ "content": [{ "text": "weather" }] }] });
        assert!(take(&queue, listed).is_some());
    }

    #[test]
    fn one_answer_is_for_all_questions() {
        let text = "{\"elicitation\": {\"content\": {\"a\":\n1.0}}, \"roots\": [\"file:///a\", {\"uri\":\"file:///b\",\"name\":\"b\"}]}";
        let answers = Answers::parse(text).unwrap();
        let queue = answers.elicitation.unwrap();
        for _ in 0..3 {
            let answer = queue.take("{}").unwrap().unwrap();
            assert_eq!(answer, r#"{"action":"accept","content":{"a": 1.0}}"#);
        }
        let roots = [r#"{"uri":"file:///a"}"#, r#"{"uri":"file:///b","name":"b"}"#];
        assert_eq!(answers.roots.unwrap(), roots);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, said) in [
            ("[]", "not one JSON object"),
            ("{} {}", "not one JSON object"),
            (r#"{"sample": 1}"#, "\"sample\" is none of"),
            (
                r#"{"sampling": [{"text": "a"}, {"txt": "b"}]}"#,
                "sampling[1]: \"txt\" means nothing",
            ),
            (r#"{"sampling": {"when": "x"}}"#, "sampling: it has no answer"),
            (r#"{"sampling": {"text": "x", "result": {}}}"#, "two answers"),
            (r#"{"sampling": {"when": 1, "text": ""}}"#, "when must be a text"),
            (r#"{"elicitation": {"action": "perhaps"}}"#, "accept, decline or cancel"),
            (r#"{"elicitation": {"content": []}}"#, "content must be an object"),
            (r#"{"elicitation": {"error": {}}}"#, "a code and a message"),
            (r#"{"roots": [1]}"#, "roots: each is a URI"),
        ] {
            let error = Answers::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("--answers: ") && error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.json");
        assert!(matches!(Answers::load(&path), Err(AnswersError::Read { .. })));
        std::fs::write(&path, " ".repeat(MAX_ANSWERS + 1)).unwrap();
        assert!(matches!(Answers::load(&path), Err(AnswersError::TooLarge(_))));
        std::fs::write(&path, "{}").unwrap();
        assert!(Answers::load(&path).is_ok());
    }
}
