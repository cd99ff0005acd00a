//! How a scripted server answers one request.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::DEADLINE;

/// A latch: closed until a test opens it, then open for good.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|open| *open).await;
    }
}

/// One step of a response body.
#[derive(Clone)]
pub enum Step {
    /// Send these bytes as one chunk.
    Send(Bytes),
    /// Go on when the gate is open.
    Wait(Gate),
    /// Go on after this time.
    Pause(Duration),
    /// Break the connection in the middle of the body.
    Abort,
    /// Leave the body open for ever.
    Hold,
}

impl From<&str> for Step {
    fn from(text: &str) -> Step {
        Step::Send(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Step {
    fn from(text: String) -> Step {
        Step::Send(text.into())
    }
}

impl From<Vec<u8>> for Step {
    fn from(bytes: Vec<u8>) -> Step {
        Step::Send(bytes.into())
    }
}

impl From<&Gate> for Step {
    fn from(gate: &Gate) -> Step {
        Step::Wait(gate.clone())
    }
}

pub(super) type Chunk = Result<Bytes, std::io::Error>;

/// The writing end of a body that a test feeds by hand.
#[derive(Clone)]
pub struct Feed {
    sender: Arc<Mutex<Option<mpsc::Sender<Chunk>>>>,
    receiver: Arc<Mutex<Option<mpsc::Receiver<Chunk>>>>,
}

impl Feed {
    /// A body with nothing in it yet.
    pub fn new() -> Feed {
        Feed::with_room(1)
    }

    /// The same with room for many chunks, so that a server may write while it answers.
    pub fn roomy() -> Feed {
        Feed::with_room(1024)
    }

    fn with_room(chunks: usize) -> Feed {
        let (sender, receiver) = mpsc::channel(chunks);
        Feed {
            sender: Arc::new(Mutex::new(Some(sender))),
            receiver: Arc::new(Mutex::new(Some(receiver))),
        }
    }

    /// Sends bytes, waiting while the connection takes none. `false` if the peer is gone.
    pub fn send(&self, bytes: impl Into<Bytes>) -> bool {
        let sender = self.sender.lock().unwrap().clone().expect("the feed has not ended");
        sender.blocking_send(Ok(bytes.into())).is_ok()
    }

    /// Sends bytes without waiting. `false` if the peer is gone or the feed has ended.
    pub fn push(&self, bytes: impl Into<Bytes>) -> bool {
        let sender = self.sender.lock().unwrap().clone();
        sender.is_some_and(|sender| sender.try_send(Ok(bytes.into())).is_ok())
    }

    /// Ends the body properly.
    pub fn end(&self) {
        self.sender.lock().unwrap().take();
    }

    /// Breaks the connection.
    pub fn abort(&self) {
        let sender = self.sender.lock().unwrap().take();
        if let Some(sender) = sender {
            let _ = sender.blocking_send(Err(broken()));
        }
    }

    /// Whether [`end`](Feed::end) or [`abort`](Feed::abort) was called.
    pub fn has_ended(&self) -> bool {
        self.sender.lock().unwrap().is_none()
    }

    /// Whether the peer still takes bytes.
    pub fn is_open(&self) -> bool {
        self.sender.lock().unwrap().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Returns when the peer has closed it, which the server notices some time after the peer has done so.
    #[track_caller]
    pub fn wait_closed(&self) {
        let began = Instant::now();
        while self.is_open() {
            assert!(began.elapsed() < DEADLINE, "the stream stays open");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn take(&self) -> mpsc::Receiver<Chunk> {
        self.receiver.lock().unwrap().take().expect("a feed answers one request")
    }
}

fn broken() -> std::io::Error {
    std::io::Error::other("aborted by the test")
}

/// What follows the status line and headers.
#[derive(Clone)]
pub(super) enum Content {
    Whole(Bytes),
    Steps(Vec<Step>),
    Feed(Feed),
    /// Bytes on the socket instead of an HTTP response, then a close or a reset.
    Raw {
        bytes: Bytes,
        reset: bool,
    },
    /// No answer at all.
    Never,
}

/// A response: status, headers, body, and what to wait for first.
#[derive(Clone)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
    pub(super) first: Vec<Step>,
}

impl Reply {
    fn new(status: u16, content_type: &str, content: Content) -> Reply {
        let reply = Reply { status, headers: Vec::new(), content, first: Vec::new() };
        if content_type.is_empty() { reply } else { reply.header("content-type", content_type) }
    }

    /// A status with an empty body and no content type.
    pub fn status(status: u16) -> Reply {
        Reply::new(status, "", Content::Whole(Bytes::new()))
    }

    /// A body of any type.
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply::new(status, content_type, Content::Whole(body.into()))
    }

    /// A JSON body under status 200.
    pub fn json(body: impl Into<Bytes>) -> Reply {
        Reply::body(200, "application/json", body)
    }

    /// An event stream that sends one step after the other and then ends properly.
    pub fn sse<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Reply {
        let steps = steps.into_iter().map(Into::into).collect();
        Reply::new(200, "text/event-stream", Content::Steps(steps))
    }

    /// A body of any type, in steps.
    pub fn steps(content_type: &str, steps: Vec<Step>) -> Reply {
        Reply::new(200, content_type, Content::Steps(steps))
    }

    /// An event stream that the test writes.
    pub fn feed(feed: &Feed) -> Reply {
        Reply::new(200, "text/event-stream", Content::Feed(feed.clone()))
    }

    /// These bytes on the socket instead of a response, then the end of the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Reply {
        Reply::new(0, "", Content::Raw { bytes: bytes.into(), reset: false })
    }

    /// These bytes, then a TCP reset.
    pub fn reset_after(bytes: impl Into<Bytes>) -> Reply {
        Reply::new(0, "", Content::Raw { bytes: bytes.into(), reset: true })
    }

    /// Never answers, but keeps the connection.
    pub fn never() -> Reply {
        Reply::new(0, "", Content::Never)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Holds everything, headers included, until the gate is open.
    pub fn after(mut self, gate: &Gate) -> Reply {
        self.first.push(Step::Wait(gate.clone()));
        self
    }

    /// Holds everything, headers included, for this time.
    pub fn late(mut self, by: Duration) -> Reply {
        self.first.push(Step::Pause(by));
        self
    }
}

/// Runs the steps of a body into a channel with room for one chunk.
pub(super) fn run(content: Content) -> mpsc::Receiver<Chunk> {
    let steps = match content {
        Content::Steps(steps) => steps,
        Content::Feed(feed) => return feed.take(),
        Content::Whole(bytes) => vec![Step::Send(bytes)],
        Content::Raw { .. } | Content::Never => vec![Step::Hold],
    };
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    if sender.send(Ok(bytes)).await.is_err() {
                        return;
                    }
                }
                Step::Abort => {
                    let _ = sender.send(Err(broken())).await;
                    return;
                }
                Step::Hold => sender.closed().await,
                other => wait(&other).await,
            }
        }
    });
    receiver
}

/// The channel as a body. Between two chunks it says once "not yet", so that every chunk is flushed
/// to the socket by itself: splits are real, and what precedes a break does arrive.
pub(super) fn body(mut chunks: mpsc::Receiver<Chunk>) -> axum::body::Body {
    let mut pause = false;
    axum::body::Body::from_stream(futures_util::stream::poll_fn(move |context| {
        pause = !pause;
        if !pause {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        let chunk = chunks.poll_recv(context);
        pause = chunk.is_ready();
        chunk
    }))
}

/// Waits for what a step says, if it says to wait.
pub(super) async fn wait(step: &Step) {
    match step {
        Step::Wait(gate) => gate.passed().await,
        Step::Pause(time) => tokio::time::sleep(*time).await,
        Step::Hold => std::future::pending().await,
        Step::Send(_) | Step::Abort => {}
    }
}

/// One SSE event.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// One SSE event with an id.
pub fn event_id(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}
