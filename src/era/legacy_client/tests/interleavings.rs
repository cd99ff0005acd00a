//! Whatever happens in whatever order: one answer, no question left, no change lost.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Ids of the client; two of them look like ours.
const IDS: [&str; 6] = ["1", "2", "\"1\"", "4.5", "\"mcp-tether/7\"", "\"mcp-tether/12\""];
const METHODS: [&str; 5] =
    ["tools/list", "tools/call", "prompts/get", "resources/subscribe", "resources/unsubscribe"];
const FILTER: &str = r#"{"toolsListChanged":true,"resourceSubscriptions":["a:0","a:1"]}"#;

#[derive(Clone, Debug)]
enum Step {
    Request(Index, Index),
    /// `resources/subscribe` or `resources/unsubscribe`.
    Subscribe(Index),
    Cancel(Index),
    Respond(Index, Response),
    /// An answer to a request that was taken back.
    Late(Index),
    Acknowledge(Index),
    Change(Index),
    Reply(Index, bool),
    Wake(Index),
    Initialize,
    Initialized,
}

#[derive(Clone, Copy, Debug)]
enum Response {
    Complete,
    Error,
    Odd,
    Questions(usize),
    State,
}

fn step() -> impl Strategy<Value = Step> {
    let response = prop_oneof![
        3 => Just(Response::Complete),
        1 => Just(Response::Error),
        1 => Just(Response::Odd),
        3 => (1..4_usize).prop_map(Response::Questions),
        1 => Just(Response::State),
    ];
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), index()).prop_map(|(id, method)| Step::Request(id, method)),
        2 => index().prop_map(Step::Cancel),
        8 => (index(), response).prop_map(|(open, response)| Step::Respond(open, response)),
        1 => index().prop_map(Step::Late),
        4 => index().prop_map(Step::Acknowledge),
        2 => index().prop_map(Step::Change),
        6 => (index(), any::<bool>()).prop_map(|(open, fine)| Step::Reply(open, fine)),
        4 => index().prop_map(Step::Wake),
        1 => Just(Step::Initialize),
        2 => Just(Step::Initialized),
    ]
}

/// Nothing but subscriptions.
fn stream_step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let response = prop_oneof![Just(Response::Complete), Just(Response::Error)];
    prop_oneof![
        4 => index().prop_map(Step::Subscribe),
        3 => index().prop_map(Step::Acknowledge),
        3 => index().prop_map(Step::Change),
        1 => (index(), response).prop_map(|(open, response)| Step::Respond(open, response)),
        1 => index().prop_map(Step::Wake),
        1 => index().prop_map(Step::Cancel),
    ]
}

/// An open request on the link.
#[derive(Clone, Debug)]
struct Open {
    id: String,
    listen: bool,
    acknowledged: bool,
    serial: String,
}

/// Both sides, and what must hold between them.
struct World {
    adapter: LegacyClient,
    /// Unanswered requests of the client: the serial number of each.
    client: HashMap<String, String>,
    link: Vec<Open>,
    late: Vec<Open>,
    /// Open questions, and the serial number of the request that each is for.
    questions: Vec<(String, String)>,
    wakes: Vec<u64>,
    /// A stream brought a change that the client has not been told of.
    untold: bool,
    serial: u32,
}

fn raw(bytes: &Bytes, path: &[&str]) -> String {
    member::lookup(bytes, path).unwrap_or_default().to_owned()
}

impl World {
    fn new() -> World {
        let capabilities = r#"{"elicitation":{},"roots":{}}"#;
        let initialize = initialize("2025-11-25", capabilities);
        let mut actions = Vec::new();
        let adapter = LegacyClient::open(Some(&initialize), DISCOVERED, false, &mut actions);
        assert_eq!(actions.len(), 1);
        World {
            adapter,
            client: HashMap::new(),
            link: Vec::new(),
            late: Vec::new(),
            questions: Vec::new(),
            wakes: Vec::new(),
            untold: false,
            serial: 0,
        }
    }

    fn take_from_client(&mut self, text: &str) {
        let mut actions = Vec::new();
        self.adapter.take_from_client(&message(text, Source::Client), &mut actions);
        self.carry_out(actions);
    }

    fn take_from_server(&mut self, text: &str) {
        let mut actions = Vec::new();
        self.adapter.take_from_server(LINK, &message(text, Source::Server), None, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Answer(bytes) => self.answered(&bytes),
                Action::ToClient(bytes) => match message(&text(&bytes), Source::Server).method() {
                    Some("notifications/cancelled") => {
                        let id = raw(&bytes, &["params", "requestId"]);
                        let at = self.questions.iter().position(|(open, _)| *open == id);
                        self.questions.remove(at.expect("only open questions are taken back"));
                    }
                    Some("notifications/tools/list_changed") => self.untold = false,
                    Some("elicitation/create" | "roots/list") => {
                        let id = raw(&bytes, &["id"]);
                        assert!(self.questions.iter().all(|(open, _)| *open != id));
                        self.questions.push((id, raw(&bytes, &["params", "n"])));
                    }
                    Some("notifications/resources/list_changed") => {}
                    Some("notifications/resources/updated") => {}
                    other => panic!("{other:?}"),
                },
                Action::ToServer(_, bytes) => self.sent(&bytes),
                Action::Wake(_, token) => self.wakes.push(token),
                Action::Close(_) => panic!("the link lives as long as the adapter"),
            }
        }
    }

    fn answered(&mut self, bytes: &Bytes) {
        let serial = self.client.remove(&raw(bytes, &["id"]));
        let serial = serial.expect("every answer is for an unanswered request");
        let result = member::lookup(bytes, &["result", "n"]);
        assert!(result.is_none_or(|n| n == serial), "an answer to another request");
        self.assert_unasked(&serial);
    }

    fn sent(&mut self, bytes: &Bytes) {
        let message = message(&text(bytes), Source::Client);
        if message.id().is_none() {
            assert_eq!(message.method(), Some("notifications/cancelled"));
            let id = raw(bytes, &["params", "requestId"]);
            let at = self.link.iter().position(|open| open.id == id);
            let open = self.link.remove(at.expect("only open requests are cancelled"));
            self.late.push(open);
            return;
        }
        let id = raw(bytes, &["id"]);
        assert!(self.link.iter().all(|open| open.id != id), "an id that is in use");
        self.link.push(Open {
            id,
            listen: message.method() == Some("subscriptions/listen"),
            acknowledged: false,
            serial: raw(bytes, &["params", "n"]),
        });
    }

    fn request(&mut self, id: &str, method: &str) {
        if self.client.contains_key(id) {
            return;
        }
        self.serial += 1;
        let uri = format!("a:{}", self.serial % 3);
        self.client.insert(id.to_owned(), self.serial.to_string());
        self.take_from_client(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"n":{},"uri":"{uri}"}}}}"#,
            self.serial
        ));
    }

    fn respond(&mut self, open: &Open, response: Response) {
        let Open { id, serial, .. } = open;
        let n = if serial.is_empty() { "0" } else { serial };
        let body = match response {
            Response::Complete => format!(r#""result":{{"resultType":"complete","n":{n}}}"#),
            Response::Error => r#""error":{"code":-32603,"message":"m"}"#.to_owned(),
            Response::Odd => r#""result":{"resultType":"odd"}"#.to_owned(),
            Response::State => {
                r#""result":{"resultType":"input_required","requestState":"s"}"#.to_owned()
            }
            Response::Questions(count) => {
                let questions = [
                    format!(r#""a":{{"method":"roots/list","params":{{"n":{n}}}}}"#),
                    format!(r#""b":{{"method":"elicitation/create","params":{{"n":{n}}}}}"#),
                    r#""c":{"method":"elicitation/create","params":{"mode":"url"}}"#.to_owned(),
                ];
                let questions = questions[3 - count..].join(",");
                format!(
                    r#""result":{{"resultType":"input_required","inputRequests":{{{questions}}}}}"#
                )
            }
        };
        self.take_from_server(&format!(r#"{{"jsonrpc":"2.0","id":{id},{body}}}"#));
    }

    fn acknowledge(&mut self, at: usize) {
        self.link[at].acknowledged = true;
        let id = self.link[at].id.clone();
        self.take_from_server(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{FILTER}}}}}"#
        ));
    }

    fn reply(&mut self, at: usize, fine: bool) {
        let (id, _) = self.questions.remove(at);
        let body = if fine {
            r#""result":{"action":"accept"}"#
        } else {
            r#""error":{"code":-1,"message":"m"}"#
        };
        self.take_from_client(&format!(r#"{{"jsonrpc":"2.0","id":{id},{body}}}"#));
    }

    fn wake(&mut self, at: usize) {
        let token = self.wakes.remove(at);
        let mut actions = Vec::new();
        self.adapter.wake(token, &mut actions);
        self.carry_out(actions);
    }

    fn pick(&self, index: &Index, which: impl Fn(&Open) -> bool) -> Option<usize> {
        let places: Vec<usize> = (0..self.link.len()).filter(|at| which(&self.link[*at])).collect();
        (!places.is_empty()).then(|| *index.get(&places))
    }

    /// Nothing is asked for a request that is over.
    fn assert_unasked(&self, serial: &str) {
        assert!(self.questions.iter().all(|(_, of)| of != serial), "a question is left");
    }

    fn step(&mut self, step: &Step) {
        let picked = |index: &Index, count: usize| (count > 0).then(|| index.index(count.max(1)));
        match step {
            Step::Request(id, method) => {
                self.request(IDS[id.index(IDS.len())], METHODS[method.index(METHODS.len())]);
            }
            Step::Subscribe(index) => {
                let at = index.index(2 * IDS.len());
                self.request(IDS[at / 2], METHODS[3 + at % 2]);
            }
            Step::Cancel(id) => {
                let id = IDS[id.index(IDS.len())];
                let serial = self.client.remove(id);
                self.take_from_client(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                ));
                if let Some(serial) = serial {
                    self.assert_unasked(&serial);
                }
            }
            Step::Respond(index, response) => {
                if let Some(at) = picked(index, self.link.len()) {
                    let open = self.link.remove(at);
                    self.respond(&open, *response);
                }
            }
            Step::Late(index) => {
                if let Some(at) = picked(index, self.late.len()) {
                    let open = self.late.remove(at);
                    self.respond(&open, Response::Complete);
                }
            }
            Step::Acknowledge(index) => {
                if let Some(at) = self.pick(index, |open| open.listen && !open.acknowledged) {
                    self.acknowledge(at);
                }
            }
            Step::Change(index) => {
                let Some(at) = self.pick(index, |open| open.acknowledged) else { return };
                self.untold = true;
                let id = self.link[at].id.clone();
                self.take_from_server(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
                ));
            }
            Step::Reply(index, fine) => {
                if let Some(at) = picked(index, self.questions.len()) {
                    self.reply(at, *fine);
                }
            }
            Step::Wake(index) => {
                if let Some(at) = picked(index, self.wakes.len()) {
                    self.wake(at);
                }
            }
            Step::Initialize => {
                self.client.insert("0".into(), "0".into());
                // The client has forgotten what it heard before.
                self.untold = false;
                self.take_from_client(&text(initialize("2025-11-25", "{}").bytes()));
            }
            Step::Initialized => {
                self.take_from_client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
            }
        }
    }

    /// Everybody does at last what he should.
    fn settle(&mut self) {
        for _ in 0..100 {
            while let Some(at) = self.link.iter().position(|open| !open.listen) {
                let open = self.link.remove(at);
                self.respond(&open, Response::Complete);
            }
            while !self.questions.is_empty() {
                self.reply(0, true);
            }
            while let Some(at) = self.link.iter().position(|open| open.listen && !open.acknowledged)
            {
                self.acknowledge(at);
            }
            if self.wakes.is_empty() {
                return;
            }
            self.wake(0);
        }
        panic!("it does not come to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn one_answer_each_and_nothing_left(steps in proptest::collection::vec(step(), 0..120)) {
        run(&steps);
    }

    #[test]
    fn no_change_is_lost_and_one_stream_is_left(
        steps in proptest::collection::vec(stream_step(), 0..60),
    ) {
        run(&steps);
    }
}

fn run(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.step(step);
    }
    world.settle();
    assert!(world.client.is_empty(), "unanswered: {:?}", world.client);
    assert!(world.questions.is_empty());
    assert!(!world.untold, "a change was lost");
    // One stream at most, and none after the end.
    assert!(world.link.len() <= 1, "{:?}", world.link);
    let mut actions = Vec::new();
    world.adapter.end(&mut actions);
    world.carry_out(actions);
    assert!(world.link.is_empty());
    world.settle();
}
