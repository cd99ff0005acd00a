//! The stand-in for a browser: a script for `BROWSER` that writes down what it is told to open, and
//! a person's part, played by the test: following the address with plain HTTP requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use url::Url;

use super::DEADLINE;

/// A whole HTTP response, as a browser sees it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is from.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Page {
    /// A header, if it is there exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let first = values.next()?;
        if values.next().is_some() { None } else { Some(first) }
    }
}

/// What one person has on the screen.
pub struct Browser {
    folder: tempfile::TempDir,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    holds: bool,
    closed: bool,
    opened: Vec<String>,
    pages: Vec<Page>,
}

impl Browser {
    /// Follows whatever it is told to open, until [`hold`](Browser::hold).
    pub fn new() -> Browser {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("opened");
        std::fs::write(&list, "").unwrap();
        let script = format!("printf '%s\\n' \"$1\" >> '{}'\n", list.display());
        std::fs::write(folder.path().join("browser.sh"), script).unwrap();
        let seen = Arc::new(Seen::default());
        let watching = seen.clone();
        std::thread::spawn(move || watch(&list, &watching));
        Browser { folder, seen }
    }

    /// The value for `BROWSER`.
    pub fn command(&self) -> String {
        format!("sh {}", self.folder.path().join("browser.sh").display())
    }

    /// Opens tabs from now on without anybody looking at them.
    pub fn hold(&self) {
        self.seen.state.lock().unwrap().holds = true;
    }

    /// Everything that was opened by now.
    pub fn opened(&self) -> Vec<String> {
        self.wait_opened(0)
    }

    /// Waits until `count` tabs were opened, and gives the addresses of all.
    #[track_caller]
    pub fn wait_opened(&self, count: usize) -> Vec<String> {
        self.wait("tabs", |state| (state.opened.len() >= count).then(|| state.opened.clone()))
    }

    /// Waits until `count` tabs show their last page, and gives all of them.
    #[track_caller]
    pub fn wait_pages(&self, count: usize) -> Vec<Page> {
        self.wait("pages", |state| (state.pages.len() >= count).then(|| state.pages.clone()))
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, ready: impl Fn(&State) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        let mut state = self.seen.state.lock().unwrap();
        loop {
            if let Some(found) = ready(&state) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (opened, pages) = (state.opened.clone(), state.pages.clone());
                drop(state);
                panic!("waited for {what}; opened: {opened:?}; pages: {pages:?}");
            }
            state = self.seen.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.seen.state.lock().unwrap().closed = true;
    }
}

/// Looks for new lines in the list of what was opened.
fn watch(list: &PathBuf, seen: &Arc<Seen>) {
    let mut known = 0;
    loop {
        std::thread::sleep(Duration::from_millis(10));
        let text = std::fs::read_to_string(list).unwrap_or_default();
        let mut state = seen.state.lock().unwrap();
        if state.closed {
            return;
        }
        // A line counts when it is whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines().skip(known) {
            known += 1;
            state.opened.push(line.to_owned());
            if !state.holds {
                let (line, seen) = (line.to_owned(), seen.clone());
                std::thread::spawn(move || {
                    if let Ok(page) = follow(&line) {
                        seen.state.lock().unwrap().pages.push(page);
                        seen.changed.notify_all();
                    }
                });
            }
        }
        seen.changed.notify_all();
    }
}

/// Opens an address and goes where it leads, as a browser does. Gives the last page.
pub fn follow(address: &str) -> std::io::Result<Page> {
    let mut page = get(address)?;
    for _ in 0..10 {
        let Some(to) = page.header("location").filter(|_| (300..400).contains(&page.status)) else {
            return Ok(page);
        };
        let to = page.url.join(to).map_err(std::io::Error::other)?;
        page = get(to.as_str())?;
    }
    Err(std::io::Error::other("too many redirects"))
}

/// One GET of an http address.
pub fn get(address: &str) -> std::io::Result<Page> {
    let url = Url::parse(address).map_err(std::io::Error::other)?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::BeforePath];
    send(&url, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Sends these bytes to the host of `url` and reads one response, until the peer closes.
pub fn send(url: &Url, request: &str) -> std::io::Result<Page> {
    let addresses = url.socket_addrs(|| None)?;
    let mut socket = TcpStream::connect(&addresses[..])?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    // What came before a reset counts: a peer may close with bytes of ours unread.
    let _ = socket.read_to_end(&mut bytes);
    parse(url, &String::from_utf8_lossy(&bytes))
        .ok_or_else(|| std::io::Error::other(format!("no HTTP response from {url}")))
}

fn parse(url: &Url, text: &str) -> Option<Page> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
    Some(Page { url: url.clone(), status, headers, body: body.to_owned() })
}

/// All files below a folder, with their contents.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path, bytes));
        }
    }
    found
}
