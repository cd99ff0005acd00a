//! The ways to the server, behind one interface: without a bridge, and through each of the bridges.

use std::path::Path;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Error;
use super::contender::Contender;
use super::direct::Direct;
use super::stdio::Bridge;
use super::wire::Tool;

/// What takes longer than this has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One way to the server, in an initialised session.
pub trait Side {
    /// Makes one call and gives the time until its answer is complete.
    fn call(&mut self, tool: Tool) -> Result<Duration, Error>;

    /// Makes `count` small calls with `in_flight` of them under way and gives the whole time.
    fn parallel(&mut self, count: usize, in_flight: usize) -> Result<Duration, Error>;

    /// The process that does the work.
    fn pid(&self) -> u32;

    /// How many of so many notifications came before the answer to the last burst.
    fn delivered(&self, sent: usize) -> usize;
}

impl Side for Direct {
    fn call(&mut self, tool: Tool) -> Result<Duration, Error> {
        Direct::call(self, tool)
    }

    fn parallel(&mut self, count: usize, in_flight: usize) -> Result<Duration, Error> {
        Direct::parallel(self, count, in_flight)
    }

    fn pid(&self) -> u32 {
        process::id()
    }

    fn delivered(&self, sent: usize) -> usize {
        sent
    }
}

impl Side for Bridge {
    fn call(&mut self, tool: Tool) -> Result<Duration, Error> {
        Bridge::call(self, tool)
    }

    fn parallel(&mut self, count: usize, in_flight: usize) -> Result<Duration, Error> {
        Bridge::parallel(self, count, in_flight)
    }

    fn pid(&self) -> u32 {
        Bridge::pid(self)
    }

    fn delivered(&self, _: usize) -> usize {
        Bridge::delivered(self)
    }
}

/// Kills a bridge when its time is over, whatever it does by then. The one in `stdio` asks for silence: it sees neither
/// a bridge that takes nothing in nor one that delivers a little at a time.
pub struct Alarm {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    /// Kills this process after [`PATIENCE`]; it must not be waited for before the alarm is dropped.
    pub fn set(pid: u32) -> Alarm {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            if stopped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                kill(pid);
            }
        });
        Alarm { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn kill(pid: u32) {
    #[cfg(unix)]
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // Fails only when it has ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = pid;
}

/// A way that stays what it is when one measurement breaks it: the next one connects anew.
pub struct Lane {
    pub name: &'static str,
    /// `None` for the one without a bridge.
    pub contender: Option<Contender>,
    side: Option<Box<dyn Side>>,
    failure: Option<String>,
}

impl Lane {
    /// A way that is not connected.
    pub fn new(contender: Option<Contender>) -> Lane {
        let name = contender.as_ref().map_or("direct", |contender| contender.name);
        Lane { name, contender, side: None, failure: None }
    }

    /// Connects anew.
    pub fn connect(&mut self, url: &str, home: &Path) {
        self.side = None;
        self.failure = None;
        let started = Instant::now();
        let side = match &self.contender {
            None => Direct::connect(url).map(|side| Box::new(side) as Box<dyn Side>),
            Some(contender) => Bridge::start(contender.command(url, home), PATIENCE, false)
                .map(|side| Box::new(side) as Box<dyn Side>),
        };
        match side {
            Ok(side) => self.side = Some(side),
            Err(error) => drop(self.fail(&error, started.elapsed())),
        }
    }

    /// Whether it can do something.
    pub fn is_connected(&self) -> bool {
        self.side.is_some()
    }

    /// Ends it.
    pub fn disconnect(&mut self) {
        self.side = None;
    }

    /// Ends it; until it is connected anew, this is why.
    pub fn leave_out(&mut self, why: &str) {
        self.side = None;
        self.failure = Some(why.to_owned());
    }

    /// Lets it do something, for [`PATIENCE`] at most. After a failure it does nothing until it is connected anew.
    pub fn run<T>(
        &mut self,
        what: impl FnOnce(&mut dyn Side) -> Result<T, Error>,
    ) -> Result<T, String> {
        let Some(side) = &mut self.side else {
            let failure = self.failure.clone();
            return Err(failure.unwrap_or_else(|| "failed: not connected".to_owned()));
        };
        let alarm = self.contender.is_some().then(|| Alarm::set(side.pid()));
        let started = Instant::now();
        let result = what(side.as_mut());
        drop(alarm);
        result.map_err(|error| {
            self.side = None;
            self.fail(&error, started.elapsed())
        })
    }

    fn fail(&mut self, error: &Error, after: Duration) -> String {
        let told = error.to_string();
        let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
        let last = rest.lines().next_back().unwrap_or_default();
        eprintln!("  {}, after {} s: {first} {last}", self.name, after.as_secs());
        let first = first.strip_prefix("the bridge failed: ").unwrap_or(first);
        let first = first.strip_suffix("; its stderr:").unwrap_or(first);
        let why = if after >= PATIENCE {
            format!("failed: more than {} s", PATIENCE.as_secs())
        } else {
            format!("failed: {}", first.chars().take(80).collect::<String>())
        };
        self.failure.insert(why).clone()
    }
}
