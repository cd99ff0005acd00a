//! Whatever comes in whatever order: each request is answered once.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::era::revisions::LOG_LEVELS;

/// What happens next. The numbers choose among what is possible, by their remainder.
#[derive(Clone, Debug)]
enum Event {
    Request { method: usize, declared: usize, level: usize },
    Listen { declared: usize, resources: usize },
    Cancel(usize),
    ServerAnswers { which: usize, failure: usize },
    ServerAsks { link: usize, what: usize, during: usize },
    ServerWithdraws(usize),
    ServerAnnounces { link: usize, what: usize },
    Retry { which: usize, answers: bool },
    Wake(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let n = 0..12usize;
    prop_oneof![
        4 => (n.clone(), 0..6usize, n.clone())
            .prop_map(|(method, declared, level)| Event::Request { method, declared, level }),
        1 => (0..6usize, n.clone())
            .prop_map(|(declared, resources)| Event::Listen { declared, resources }),
        1 => n.clone().prop_map(Event::Cancel),
        5 => (n.clone(), n.clone())
            .prop_map(|(which, failure)| Event::ServerAnswers { which, failure }),
        4 => (n.clone(), n.clone(), n.clone())
            .prop_map(|(link, what, during)| Event::ServerAsks { link, what, during }),
        1 => n.clone().prop_map(Event::ServerWithdraws),
        1 => (n.clone(), n.clone()).prop_map(|(link, what)| Event::ServerAnnounces { link, what }),
        3 => (n.clone(), any::<bool>()).prop_map(|(which, answers)| Event::Retry { which, answers }),
        2 => n.prop_map(Event::Wake),
    ]
}

const DECLARED: [&str; 6] = [
    "{}",
    r#"{"roots":{}}"#,
    r#"{"elicitation":{}}"#,
    r#"{"roots":{},"elicitation":{"form":{},"url":{}},"sampling":{}}"#,
    r#"{"sampling":{"tools":{}}}"#,
    r#"{"extensions":{"a.b/c":{}}}"#,
];
const METHODS: [&str; 5] =
    ["tools/call", "prompts/get", "resources/read", "tools/list", "server/discover"];
const QUESTIONS: [&str; 5] =
    ["roots/list", "elicitation/create", "sampling/createMessage", "ping", "tasks/get"];
const ANNOUNCED: [&str; 5] = [
    "notifications/tools/list_changed",
    "notifications/resources/updated",
    "notifications/message",
    "notifications/progress",
    "notifications/elicitation/complete",
];
const CAPABILITIES: &str =
    r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}"#;

/// What the client was asked and has not brought answers for.
struct Round {
    method: &'static str,
    declared: usize,
    state: String,
    keys: Vec<String>,
}

/// Both sides, and what they are owed.
struct World {
    adapter: ModernClient,
    next: usize,
    /// The client's unanswered requests: method and what was declared.
    open: HashMap<String, (&'static str, usize)>,
    /// Its subscriptions that nothing was said about.
    unacknowledged: HashSet<String>,
    rounds: Vec<Round>,
    /// Requests that the server has not answered: link, id and method.
    given: Vec<(u32, String, String)>,
    given_ever: HashSet<String>,
    /// Requests of the server that have no answer.
    asked: Vec<(u32, String)>,
    alarms: Vec<u64>,
    links: HashSet<u32>,
}

impl World {
    fn new() -> World {
        World {
            adapter: ModernClient::new(1),
            next: 0,
            open: HashMap::new(),
            unacknowledged: HashSet::new(),
            rounds: Vec::new(),
            given: Vec::new(),
            given_ever: HashSet::new(),
            asked: Vec::new(),
            alarms: Vec::new(),
            links: HashSet::new(),
        }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        if self.next.is_multiple_of(2) {
            self.next.to_string()
        } else {
            format!("\"{}\"", self.next)
        }
    }

    fn client(&mut self, text: String) {
        let message = Message::parse(Bytes::from(text), Source::Client).unwrap();
        let mut actions = Vec::new();
        self.adapter.take_from_client(&message, &mut actions);
        self.carry_out(actions);
    }

    fn server(&mut self, link: u32, text: String) {
        self.server_during(link, text, None);
    }

    fn server_during(&mut self, link: u32, text: String, during: Option<&str>) {
        let during = during.and_then(|id| Id::from_raw(Bytes::from(id.to_owned())));
        let message = Message::parse(Bytes::from(text), Source::Server).unwrap();
        let mut actions = Vec::new();
        self.adapter.take_from_server(Link(link), &message, during.as_ref(), &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Wake(_, token) => self.alarms.push(token),
                Action::Close(Link(link)) => {
                    assert!(self.links.remove(&link), "a link is closed once");
                    self.given.retain(|(other, _, _)| *other != link);
                    self.asked.retain(|(other, _)| *other != link);
                }
                Action::ToClient(bytes) => {
                    let message: Value = serde_json::from_slice(&bytes).unwrap();
                    assert!(message["method"].is_string() && message.get("id").is_none());
                    let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
                    if message["method"] == "notifications/subscriptions/acknowledged" {
                        assert!(self.unacknowledged.remove(&tag.to_string()), "{message}");
                    } else if !tag.is_null() {
                        assert!(!self.unacknowledged.contains(&tag.to_string()), "{message}");
                        assert!(self.open.contains_key(&tag.to_string()), "{message}");
                    }
                }
                Action::Answer(bytes) => {
                    let answer: Value = serde_json::from_slice(&bytes).unwrap();
                    let id = answer["id"].to_string();
                    self.unacknowledged.remove(&id);
                    let (method, declared) =
                        self.open.remove(&id).unwrap_or_else(|| panic!("not owed: {answer}"));
                    let result = &answer["result"];
                    if result["resultType"] == "input_required" {
                        assert!(MAY_NEED_INPUT.contains(&method));
                        let requests = result["inputRequests"].as_object().unwrap();
                        assert!(!requests.is_empty());
                        let keys = requests.keys().cloned().collect();
                        let state = result["requestState"].to_string();
                        self.rounds.push(Round { method, declared, state, keys });
                    }
                }
                Action::ToServer(Link(link), bytes) => {
                    let message: Value = serde_json::from_slice(&bytes).unwrap();
                    self.sent(link, &message);
                }
            }
        }
    }

    fn sent(&mut self, link: u32, message: &Value) {
        let id = message["id"].to_string();
        match message["method"].as_str() {
            Some("notifications/cancelled") => {
                let id = message["params"]["requestId"].to_string();
                let place = self.given.iter().position(|(_, given, _)| *given == id);
                self.given.remove(place.expect("only what is unanswered is cancelled"));
            }
            Some("notifications/initialized") => {}
            Some(method) => {
                assert!(self.links.contains(&link) || method == "initialize", "{message}");
                self.links.insert(link);
                assert!(self.given_ever.insert(id.clone()), "ids are unique");
                self.given.push((link, id, method.to_owned()));
            }
            None => {
                let place = self.asked.iter().position(|(on, asked)| (*on, asked) == (link, &id));
                self.asked.remove(place.unwrap_or_else(|| panic!("not asked: {message}")));
            }
        }
    }

    fn request(
        &mut self,
        method: &'static str,
        declared: usize,
        params: &str,
        level: Option<&str>,
    ) {
        let id = self.id();
        self.open.insert(id.clone(), (method, declared));
        if method == "subscriptions/listen" {
            self.unacknowledged.insert(id.clone());
        }
        let level = level.map(|level| format!(r#","io.modelcontextprotocol/logLevel":"{level}""#));
        let level = level.unwrap_or_default();
        let text = request_of(DECLARED[declared], &id, method, params);
        self.client(text.replace(VERSION, &format!("{VERSION}{level}")));
    }

    fn answer(&mut self, place: usize, failure: usize) {
        let (link, id, method) = self.given.remove(place);
        let text = match (&*method, failure) {
            (_, 0) => format!(r#"{{"id":{id},"error":{{"code":-31002,"message":"m"}}}}"#),
            ("initialize", _) => initialized(&id, CAPABILITIES),
            ("tools/call", 1) => json!({"id": serde_json::from_str::<Value>(&id).unwrap(),
                "error": {"code": -32042, "message": "m", "data": {"elicitations": [{"url": "a:b"}]}}})
            .to_string(),
            _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        };
        self.server(link, text);
    }

    fn retry(&mut self, place: usize, answers: bool) {
        let round = self.rounds.remove(place);
        let given = round.keys.iter().filter(|_| answers);
        let responses: serde_json::Map<_, _> =
            given.map(|key| (key.clone(), json!({"action": "accept"}))).collect();
        let params = format!(
            r#","name":"t","uri":"a:b","requestState":{},"inputResponses":{}"#,
            round.state,
            Value::from(responses)
        );
        self.request(round.method, round.declared, &params, None);
    }

    fn happens(&mut self, event: Event) {
        let link = |world: &World, n: usize| {
            let mut links: Vec<u32> = world.links.iter().copied().collect();
            links.sort_unstable();
            (!links.is_empty()).then(|| links[n % links.len()])
        };
        match event {
            Event::Request { method, declared, level } => {
                let method = METHODS[method % METHODS.len()];
                let level = LOG_LEVELS.get(level).copied();
                self.request(method, declared, r#","name":"t","uri":"a:b""#, level);
            }
            Event::Listen { declared, resources } => {
                let uris: Vec<_> = (0..resources).map(|n| format!("\"a:{n}\"")).collect();
                let params = format!(
                    r#","notifications":{{"toolsListChanged":true,"resourceSubscriptions":[{}]}}"#,
                    uris.join(",")
                );
                self.request("subscriptions/listen", declared, &params, None);
            }
            Event::Cancel(n) => {
                let mut ids: Vec<String> = self.open.keys().cloned().collect();
                ids.sort();
                if !ids.is_empty() {
                    let id = ids[n % ids.len()].clone();
                    self.open.remove(&id);
                    self.unacknowledged.remove(&id);
                    self.client(format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                    ));
                }
            }
            Event::ServerAnswers { which, failure } if !self.given.is_empty() => {
                self.answer(which % self.given.len(), failure);
            }
            Event::ServerAsks { link: n, what, during } => {
                let Some(link) = link(self, n) else { return };
                let id = self.id();
                self.asked.push((link, id.clone()));
                let method = QUESTIONS[what % QUESTIONS.len()];
                let given = self.given.iter().filter(|(on, _, _)| *on == link);
                let during = given.map(|(_, id, _)| id.clone()).nth(during);
                self.server_during(
                    link,
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#),
                    during.as_deref(),
                );
            }
            Event::ServerWithdraws(n) if !self.asked.is_empty() => {
                let (link, id) = self.asked.remove(n % self.asked.len());
                self.server(
                    link,
                    format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                    ),
                );
            }
            Event::ServerAnnounces { link: n, what } => {
                let Some(link) = link(self, n) else { return };
                let method = ANNOUNCED[what % ANNOUNCED.len()];
                self.server(
                    link,
                    format!(
                        r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"uri":"a:1","level":"error","progressToken":1}}}}"#
                    ),
                );
            }
            Event::Retry { which, answers } if !self.rounds.is_empty() => {
                self.retry(which % self.rounds.len(), answers);
            }
            Event::Wake(n) if !self.alarms.is_empty() => {
                let token = self.alarms.remove(n % self.alarms.len());
                let mut actions = Vec::new();
                self.adapter.wake(token, &mut actions);
                self.carry_out(actions);
            }
            _ => {}
        }
    }

    /// Everybody does what they owe, until nothing is left.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.given.is_empty() {
                self.answer(0, 2);
            } else if !self.rounds.is_empty() {
                self.retry(0, true);
            } else if !self.alarms.is_empty() {
                self.happens(Event::Wake(0));
            } else {
                assert!(self.unacknowledged.is_empty(), "{:?}", self.unacknowledged);
                let mut actions = Vec::new();
                self.adapter.end(&mut actions);
                return self.carry_out(actions);
            }
        }
        panic!("it never ends");
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_once(events in proptest::collection::vec(event(), 0..120)) {
        let mut world = World::new();
        for event in events {
            world.happens(event);
        }
        world.settle();
        prop_assert!(world.open.is_empty(), "unanswered: {:?}", world.open);
        prop_assert!(world.asked.is_empty(), "the server waits for {:?}", world.asked);
        let adapter = &world.adapter;
        prop_assert!(adapter.calls.is_empty() && adapter.listens.is_empty());
        prop_assert!(adapter.open.is_empty() && adapter.states.is_empty());
        prop_assert!(adapter.asked.is_empty() && adapter.alarms.is_empty());
    }
}
