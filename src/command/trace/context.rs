//! What a record belongs to: the exchange, and the request that a message answers. Bounded, because a
//! trace may be endless and its requests may never be answered.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::limits::{MAX_TRACE_OPEN, MAX_TRACE_OPEN_BYTES};
use crate::order;
use crate::trace::join::{is_bad, is_bad_end};
use crate::trace::read::Read;
use crate::trace::record::{Content, From, Purpose, Record, Response, Rpc};

/// What is shown as one: a record, or the head of a response with its end.
#[derive(Debug)]
pub(super) struct Block {
    /// The records, in order.
    pub reads: Vec<Read>,
    /// What they belong to.
    pub about: About,
}

/// What earlier records tell about a record.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The exchange.
    pub n: Option<u64>,
    /// Whether it is about signing in.
    pub auth: bool,
    /// The JSON-RPC method that it is about.
    pub method: Option<String>,
    /// The JSON-RPC id of the request that it is about.
    pub id: Option<String>,
    /// When the request was sent.
    pub began: Option<f64>,
    /// When its body was handed over.
    pub sent: Option<f64>,
    /// When the response began.
    pub first: Option<f64>,
    /// Events so far.
    pub events: u64,
}

impl Block {
    /// When it happened: the last record of it.
    pub fn t(&self) -> Option<f64> {
        Some(match &self.reads.last()?.record {
            Record::Start(_) => return None,
            Record::Message(it) => it.t,
            Record::Request(it) => it.t,
            Record::Sent(it) => it.t,
            Record::Response(it) => it.t,
            Record::Event(it) => it.t,
            Record::End(it) => it.t,
            Record::Failure(it) => it.t,
            Record::Note(it) => it.t,
            Record::Missed(it) => it.t,
        })
    }

    /// Whether it says that something went wrong.
    pub fn is_error(&self) -> bool {
        let bad = |rpc: &Option<Rpc>, content: &Content| is_bad(rpc.as_ref(), content);
        self.reads.iter().any(|read| match &read.record {
            Record::Message(it) => bad(&it.rpc, &it.content),
            Record::Event(it) => bad(&it.rpc, &it.content),
            Record::Response(it) => it.status >= 400,
            Record::End(it) => is_bad_end(it),
            Record::Failure(_) | Record::Missed(_) => true,
            Record::Note(it) => matches!(&*it.level, "error" | "warn"),
            Record::Start(_) | Record::Request(_) | Record::Sent(_) => false,
        })
    }
}

/// An exchange that is not over.
#[derive(Debug, Default)]
struct Open {
    about: About,
    request: Option<Read>,
    /// The head of a response that waits for its end.
    response: Option<Read>,
}

/// A request between the client and the bridge without an answer.
#[derive(Debug)]
struct Asked {
    method: Option<String>,
    t: f64,
    message: Option<Read>,
}

/// Puts records together.
#[derive(Debug)]
pub(super) struct Context {
    /// Whether requests are held back until it is known what became of them.
    holds: bool,
    exchanges: Recent<u64, Open>,
    asked: Recent<(bool, String), Asked>,
    /// Methods of the requests of all exchanges: answers may come on other streams.
    methods: Recent<String, String>,
}

impl Context {
    /// `holds`: requests are no blocks of their own, but what [`Context::before`] gives.
    pub fn new(holds: bool) -> Context {
        Context {
            holds,
            exchanges: Recent::default(),
            asked: Recent::default(),
            methods: Recent::default(),
        }
    }

    /// Takes the next record, and gives what can be shown now.
    pub fn take(&mut self, read: Read) -> Vec<Block> {
        let size = read.line.len();
        match &read.record {
            Record::Start(_) => {
                let blocks = self.rest();
                *self = Context::new(self.holds);
                blocks.into_iter().chain([block(read, About::default())]).collect()
            }
            Record::Message(message) => {
                let from_client = message.from == From::Client;
                let mut about = About::default();
                if let Some(rpc) = &message.rpc {
                    about.method.clone_from(&rpc.method);
                    about.id.clone_from(&rpc.id);
                }
                let kind = message.rpc.as_ref().map_or("", |rpc| &*rpc.kind);
                match (kind, about.id.clone()) {
                    ("request", Some(id)) => {
                        let (method, t) = (about.method.clone(), message.t);
                        let (kept, shown) =
                            if self.holds { (Some(read), None) } else { (None, Some(read)) };
                        let kept_size = if kept.is_some() { size } else { 0 };
                        let asked = Asked { method, t, message: kept };
                        self.asked.insert((from_client, id), asked, kept_size);
                        return shown.into_iter().map(|read| block(read, about.clone())).collect();
                    }
                    ("response" | "error", Some(id)) => {
                        if let Some(asked) = self.asked.get(&(!from_client, id)) {
                            about.method.clone_from(&asked.method);
                            about.began = Some(asked.t);
                        }
                    }
                    _ => {}
                }
                vec![block(read, about)]
            }
            Record::Request(request) => {
                let rpc = request.rpc.clone();
                let about = About {
                    n: Some(request.n),
                    auth: request.purpose == Purpose::Auth,
                    method: rpc.as_ref().and_then(|rpc| rpc.method.clone()),
                    id: rpc.and_then(|rpc| rpc.id),
                    began: Some(request.t),
                    ..About::default()
                };
                if let (Some(id), Some(method)) = (&about.id, &about.method) {
                    self.methods.insert(id.clone(), method.clone(), 0);
                }
                let (n, held) = (request.n, self.holds);
                let (request, shown) = if held { (Some(read), None) } else { (None, Some(read)) };
                let open = Open { about: about.clone(), request, response: None };
                let evicted = self.exchanges.insert(n, open, if held { size } else { 0 });
                let late = evicted.into_iter().filter_map(Open::pending);
                late.chain(shown.map(|read| block(read, about))).collect()
            }
            Record::Sent(sent) => {
                let (n, t) = (sent.n, sent.t);
                let open = self.exchanges.entry(n);
                open.about.sent = Some(t);
                vec![block(read, open.about_of(n))]
            }
            Record::Response(response) => {
                let n = response.n;
                let t = response.t;
                let stream = is_stream(response);
                let open = self.exchanges.entry(n);
                open.about.first = Some(t);
                if stream {
                    return vec![block(read, open.about_of(n))];
                }
                let earlier = open.pending_now(n);
                open.response = Some(read);
                self.exchanges.grow(&n, size);
                earlier.into_iter().collect()
            }
            Record::Event(event) => {
                let n = event.n;
                let rpc = event.rpc.clone();
                let open = self.exchanges.entry(n);
                let waiting = open.pending_now(n);
                open.about.events += 1;
                let about = self.of_answer(n, rpc.as_ref());
                waiting.into_iter().chain([block(read, about)]).collect()
            }
            Record::End(end) => {
                let n = end.n;
                let about = self.of_answer(n, end.rpc.as_ref());
                let head = self.exchanges.entry(n).response.take();
                vec![Block { reads: head.into_iter().chain([read]).collect(), about }]
            }
            Record::Failure(failure) => {
                let n = failure.n;
                let open = self.exchanges.entry(n);
                let waiting = open.pending_now(n);
                let about = open.about_of(n);
                waiting.into_iter().chain([block(read, about)]).collect()
            }
            Record::Note(_) | Record::Missed(_) => vec![block(read, About::default())],
        }
    }

    /// What was held back, when there will be nothing more.
    pub fn rest(&mut self) -> Vec<Block> {
        self.exchanges.drain().filter_map(Open::pending).collect()
    }

    /// The request that a block answers, once.
    pub fn before(&mut self, of: &Block) -> Option<Block> {
        if let Some(n) = of.about.n {
            let open = self.exchanges.get_mut(&n)?;
            let read = open.request.take()?;
            return Some(block(
                read,
                About { first: None, sent: None, events: 0, ..open.about.clone() },
            ));
        }
        let Record::Message(message) = &of.reads.first()?.record else {
            return None;
        };
        let key = (message.from == From::Bridge, of.about.id.clone()?);
        let asked = self.asked.get_mut(&key)?;
        let read = asked.message.take()?;
        let about =
            About { method: asked.method.clone(), id: of.about.id.clone(), ..About::default() };
        Some(block(read, about))
    }

    /// What is to be forgotten after a block was shown or not.
    pub fn over(&mut self, of: &Block) {
        match of.reads.last().map(|read| &read.record) {
            Some(Record::End(end)) => self.exchanges.remove(&end.n),
            Some(Record::Failure(failure)) => self.exchanges.remove(&failure.n),
            Some(Record::Message(message)) => {
                if let Some(Rpc { kind, id: Some(id), .. }) = &message.rpc
                    && matches!(&**kind, "response" | "error")
                {
                    self.asked.remove(&(message.from == From::Bridge, id.clone()));
                }
            }
            _ => {}
        }
    }

    /// What a message in a response is about: the exchange, but for what is on a stream for others.
    fn of_answer(&mut self, n: u64, rpc: Option<&Rpc>) -> About {
        let open = self.exchanges.entry(n);
        let mut about = open.about_of(n);
        let Some(rpc) = rpc else { return about };
        if rpc.method.is_some() {
            about.method.clone_from(&rpc.method);
        } else if rpc.id.is_some() && rpc.id != about.id {
            about.method = rpc.id.as_ref().and_then(|id| self.methods.get(id)).cloned();
        }
        if rpc.id.is_some() {
            about.id.clone_from(&rpc.id);
        }
        about
    }
}

impl Open {
    fn about_of(&mut self, n: u64) -> About {
        self.about.n = Some(n);
        self.about.clone()
    }

    fn pending(mut self) -> Option<Block> {
        Some(block(self.response.take()?, self.about))
    }

    fn pending_now(&mut self, n: u64) -> Option<Block> {
        let read = self.response.take()?;
        Some(block(read, self.about_of(n)))
    }
}

fn block(read: Read, about: About) -> Block {
    Block { reads: vec![read], about }
}

/// Whether a response is an event stream, so that its end may be far away.
pub(super) fn is_stream(response: &Response) -> bool {
    response.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type")
            && value.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
    })
}

/// A map that forgets the oldest, by number and by bytes.
#[derive(Debug)]
struct Recent<K, V> {
    map: HashMap<K, (u64, usize, V)>,
    order: VecDeque<(u64, K)>,
    next: u64,
    bytes: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Recent<K, V> {
        Recent { map: HashMap::new(), order: VecDeque::new(), next: 0, bytes: 0 }
    }
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn insert(&mut self, key: K, value: V, bytes: usize) -> Vec<V> {
        let mut gone = Vec::new();
        if let Some((_, bytes, value)) = self.map.remove(&key) {
            self.bytes -= bytes;
            gone.push(value);
        }
        self.order.push_back((self.next, key.clone()));
        self.map.insert(key, (self.next, bytes, value));
        self.bytes += bytes;
        self.next += 1;
        while self.map.len() > MAX_TRACE_OPEN || self.bytes > MAX_TRACE_OPEN_BYTES {
            let Some((number, key)) = self.order.pop_front() else { break };
            if self.map.get(&key).is_some_and(|(current, ..)| *current == number)
                && let Some((_, bytes, value)) = self.map.remove(&key)
            {
                self.bytes -= bytes;
                gone.push(value);
            }
        }
        // What was removed leaves its place in the order behind.
        if self.order.len() > 2 * MAX_TRACE_OPEN {
            let map = &self.map;
            self.order.retain(|(number, key)| map.get(key).is_some_and(|it| it.0 == *number));
        }
        gone
    }

    fn grow(&mut self, key: &K, more: usize) {
        if let Some((_, bytes, _)) = self.map.get_mut(key) {
            *bytes += more;
            self.bytes += more;
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(.., value)| value)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|(.., value)| value)
    }

    fn remove(&mut self, key: &K) {
        if let Some((_, bytes, _)) = self.map.remove(key) {
            self.bytes -= bytes;
        }
    }

    /// All of them, the oldest first.
    fn drain(&mut self) -> impl Iterator<Item = V> {
        let mut all: Vec<_> = std::mem::take(&mut self.map).into_values().collect();
        order::sort_by_key(&mut all, |(number, ..)| *number);
        self.order.clear();
        self.bytes = 0;
        all.into_iter().map(|(.., value)| value)
    }
}

impl<V: Default> Recent<u64, V> {
    /// The value of a key, made where there is none: what the file begins in the middle of.
    fn entry(&mut self, key: u64) -> &mut V {
        if !self.map.contains_key(&key) {
            self.insert(key, V::default(), 0);
        }
        let (.., value) = self.map.entry(key).or_insert_with(|| (0, 0, V::default()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut recent = Recent::default();
        for key in 0..MAX_TRACE_OPEN as u64 + 2 {
            let gone = recent.insert(key, key, 1);
            assert_eq!(
                gone,
                if key < MAX_TRACE_OPEN as u64 {
                    vec![]
                } else {
                    vec![key - MAX_TRACE_OPEN as u64]
                }
            );
        }
        assert_eq!((recent.get(&1), recent.get(&2)), (None, Some(&2)));
        assert_eq!(recent.insert(9999, 9999, MAX_TRACE_OPEN_BYTES).len(), MAX_TRACE_OPEN);
        assert_eq!((recent.map.len(), recent.bytes), (1, MAX_TRACE_OPEN_BYTES));
    }

    #[test]
    fn what_comes_and_goes_leaves_nothing_behind() {
        let mut recent = Recent::default();
        for key in 0..MAX_TRACE_OPEN as u64 * 5 {
            recent.insert(key, (), 3);
            recent.remove(&key);
        }
        assert!(recent.order.len() <= 2 * MAX_TRACE_OPEN + 1);
        assert_eq!((recent.map.len(), recent.bytes), (0, 0));
    }
}
