//! The ways to the server, behind one interface: without a bridge, and through each of the bridges.

use std::path::Path;
use std::process;
use std::time::Duration;

use super::Error;
use super::contender::Contender;
use super::direct::Direct;
use super::stdio::Bridge;
use super::wire::Tool;

/// A bridge that delivers nothing for this long (twice this, at most) has failed.
const SILENCE: Duration = Duration::from_secs(20);

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
        let side = match &self.contender {
            None => Direct::connect(url).map(|side| Box::new(side) as Box<dyn Side>),
            Some(contender) => Bridge::start(contender.command(url, home), SILENCE, false)
                .map(|side| Box::new(side) as Box<dyn Side>),
        };
        match side {
            Ok(side) => self.side = Some(side),
            Err(error) => drop(self.fail(&error)),
        }
    }

    /// Ends it.
    pub fn disconnect(&mut self) {
        self.side = None;
    }

    /// Lets it do something. After a failure, which is told once, it does nothing until it is connected anew.
    pub fn run<T>(
        &mut self,
        what: impl FnOnce(&mut dyn Side) -> Result<T, Error>,
    ) -> Result<T, String> {
        let Some(side) = &mut self.side else {
            return Err(self.failure.clone().unwrap_or_else(|| "not connected".to_owned()));
        };
        what(side.as_mut()).map_err(|error| {
            self.side = None;
            self.fail(&error)
        })
    }

    fn fail(&mut self, error: &Error) -> String {
        let told = error.to_string();
        let last = told.lines().last().unwrap_or_default();
        eprintln!("  {}: {} … {last}", self.name, told.lines().next().unwrap_or_default());
        let line = error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect::<String>();
        self.failure.insert(line).clone()
    }
}
