//! Commands that ask a server something. Each is a client of a bridge in this process.
//!
//! * `lists`: lists with all their pages, and `describe`: the same for people.
//! * `calls`: tools, prompts, completions; `reading`: resources; `content`: what came, for people;
//!   `images`: pictures on the terminal.
//! * `plain`: one request, pings, and notifications.
//! * `questions`: what the server asks us meanwhile; `form`: asking a person; `answers`: from a file.
//! * `progress`: how far it is.

mod answers;
mod calls;
mod content;
mod describe;
mod form;
mod images;
pub(super) mod lists;
mod plain;
mod progress;
mod questions;
mod reading;

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::CommandError;
use super::outcome::{fail, tell};
use super::peer::{Notifications, Peer, Refusal, declared, result_of};
use super::remote::{Remote, start_quiet_log, start_trace};
use super::repl;
use super::text::Style;
use crate::cli::ClientCommand;
use crate::cli::client::{Ask, ClientArgs, OutputArg};
use crate::config::{Config, Env, values};
use crate::error::{ExitCode, Failure, FailureKind};
use crate::jsonrpc::Message;
use crate::limits::{COMMAND_TIMEOUT, INITIALIZE_TIMEOUT, KEYRING_TIMEOUT};
use crate::logging::Log;
use crate::platform::{self, Signals};
use crate::secret::{Redactor, changes_direction, shown};

pub(super) use self::calls::schema_of_prompt;
pub(super) use self::form::Terminal;
pub(super) use self::progress::Shown;
pub(super) use self::questions::Questions;

/// Text of the server that is not cut: whoever asked for it wants all of it.
const WHOLE: usize = usize::MAX;

/// Why a command ends before its work is done.
pub(super) enum Stop {
    /// There is no result.
    Refused(Refusal),
    /// The tool says that it failed.
    Tool(String),
    /// What was typed is wrong, a line each.
    Usage(Vec<String>),
    /// Nobody reads stdout any more.
    Closed,
    /// stdout or a file cannot be written.
    System(io::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Refused(Refusal::Failed(failure))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Stop::Closed,
            _ => Stop::System(error),
        }
    }
}

/// A connection, and how its results are shown.
pub(super) struct Client {
    pub peer: Peer,
    pub limit: Duration,
    pub redactor: Arc<Redactor>,
    pub output: Cell<OutputArg>,
    style: Style,
    pub terminal: bool,
    /// How pictures are shown, where they can be.
    images: Option<images::Protocol>,
    /// The JSON text of the last result, where somebody may want it again.
    last: Option<RefCell<String>>,
}

/// Does what was typed.
pub(super) async fn run(
    command: ClientCommand,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    let name = command.name();
    let (args, ask) = command.into_parts();
    if let Ask::Repl = ask {
        return repl::run(&args, env, log).await;
    }
    start_quiet_log(&args.log, log)?;
    let mut signals = Signals::install()?;
    let mut client = None;
    let mut config = Config::of_command(&args.connection, &args.sign_in, env)?;
    let trace = start_trace(&args.log, log, name, &shown(&config.target.url))?;
    config.target.record(trace.as_ref());
    let redactor = config.target.redactor.clone();
    let work = async {
        // What is wrong with the words is said before anything is sent.
        let job = Job::prepare(&ask).await?;
        let person = someone_is_there() && !job.reads_stdin();
        let asks = Questions::new(
            &args,
            person.then(|| form::stdin() as Arc<dyn Terminal>),
            redactor.clone(),
        )?;
        let (connected, notifications) = Client::connect(config, &args, env, &asks).await?;
        let client = client.insert(connected);
        if let Ask::Listen(args) = &ask {
            return client.listen(args, notifications).await;
        }
        let shown = Shown::spawn(notifications, asks.quiet(), redactor.clone(), None);
        client.perform(&job, &shown).await
    };
    let outcome = tokio::select! {
        outcome = work => Ok(outcome),
        number = signals.recv() => Err(number),
    };
    if let Some(client) = client {
        client.peer.end().await;
    }
    Ok(match outcome {
        Ok(Ok(())) => ExitCode::Success,
        Ok(Err(stop)) => explain(&stop, output(&args) != OutputArg::Text, &redactor),
        Err(number) => ExitCode::Signal(number),
    })
}

/// What is to be printed.
pub(super) fn output(args: &ClientArgs) -> OutputArg {
    if args.json { OutputArg::Json } else { args.output }
}

/// Says why a command did not do its work.
pub(super) fn explain(stop: &Stop, json: bool, redactor: &Redactor) -> ExitCode {
    let (kind, text, code) = match stop {
        Stop::Refused(refusal) => return fail(refusal, json, redactor),
        Stop::Closed => return ExitCode::OutputClosed,
        Stop::Tool(name) => ("tool_error", format!("{name} reports an error"), ExitCode::Refused),
        Stop::Usage(lines) if json => ("usage", lines.join("; "), ExitCode::Usage),
        Stop::Usage(lines) => ("usage", lines.join("\nmcp-tether: "), ExitCode::Usage),
        Stop::System(error) => ("system", error.to_string(), ExitCode::Usage),
    };
    tell(kind, &Failure::new(FailureKind::Internal, text), code, json);
    code
}

/// Width and colour. `COLUMNS` goes before what the terminal says.
pub(super) fn style(env: Env<'_>) -> Style {
    let columns = env("COLUMNS").and_then(|text| text.parse().ok());
    let width =
        columns.filter(|width| (20..=1000).contains(width)).or_else(platform::terminal_width);
    let unwanted = env("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env("TERM").is_some_and(|terminal| terminal == "dumb");
    Style { width: width.unwrap_or(80), colour: platform::stdout_is_terminal() && !unwanted }
}

/// A duration that was typed.
fn duration(flag: &str, text: &str) -> Result<Duration, Stop> {
    values::duration(text).map_err(|reason| Stop::Usage(vec![format!("{flag}: {reason}")]))
}

/// What is to be done, with the words of the command line taken apart.
pub(super) enum Job<'a> {
    /// Those without words.
    Other(&'a Ask),
    Call(calls::Call<'a>),
    Raw(plain::Raw<'a>),
}

impl<'a> Job<'a> {
    pub(super) async fn prepare(ask: &'a Ask) -> Result<Job<'a>, Stop> {
        Ok(match ask {
            Ask::Call(args) => Job::Call(calls::Call::tool(args).await?),
            Ask::Prompt(args) => Job::Call(calls::Call::prompt(args).await?),
            Ask::Complete(args) => Job::Call(calls::Call::completion(args).await?),
            Ask::Raw(args) => Job::Raw(plain::Raw::new(args).await?),
            other => Job::Other(other),
        })
    }

    fn reads_stdin(&self) -> bool {
        match self {
            Job::Call(call) => call.stdin,
            Job::Raw(raw) => raw.stdin,
            Job::Other(_) => false,
        }
    }
}

impl Client {
    /// Opens a session.
    pub(super) async fn connect(
        config: Config,
        args: &ClientArgs,
        env: Env<'_>,
        asks: &Questions,
    ) -> Result<(Client, Notifications), Stop> {
        let Config { target, bridge, .. } = config;
        let redactor = target.redactor.clone();
        let timeout =
            args.timeout.as_deref().map(|text| duration("--timeout", text)).transpose()?;
        let first = timeout.unwrap_or(bridge.initialize_deadline + INITIALIZE_TIMEOUT);
        let remote = Remote::new(target, bridge.max_message, KEYRING_TIMEOUT)
            .map_err(|error| Stop::Usage(vec![error.to_string()]))?;
        let capabilities = declared(asks.capabilities(), &remote.authorizer);
        let link = remote.attach(bridge, redactor.clone());
        let (peer, notifications) =
            Peer::connect(link, &capabilities, asks.handler(), first).await?;
        let client = Client {
            peer,
            limit: timeout.unwrap_or(COMMAND_TIMEOUT),
            redactor,
            output: Cell::new(output(args)),
            style: style(env),
            terminal: platform::stdout_is_terminal(),
            images: images::protocol(args.images, env).filter(|_| platform::stdout_is_terminal()),
            last: None,
        };
        Ok((client, notifications))
    }

    /// Keeps the last result from here on.
    pub(super) fn keeping(self) -> Client {
        Client { last: Some(RefCell::default()), ..self }
    }

    /// The JSON text of the last result, if there was one and it is kept.
    pub(super) fn last(&self) -> Option<String> {
        self.last.as_ref().map(|last| last.borrow().clone()).filter(|last| !last.is_empty())
    }

    fn keep(&self, result: &str) {
        if let Some(last) = &self.last {
            last.replace(result.to_owned());
        }
    }

    /// Does what was typed, other than listening.
    pub(super) async fn perform(&self, job: &Job<'_>, shown: &Shown) -> Result<(), Stop> {
        let outcome = match job {
            Job::Call(call) => self.call(call, shown).await,
            Job::Raw(raw) => self.raw(raw, shown).await,
            Job::Other(Ask::Inspect) => self.inspect().await,
            Job::Other(Ask::Tools(args)) => {
                self.print_lists(&[lists::TOOLS], args.name.as_deref()).await
            }
            Job::Other(Ask::Resources(args)) => {
                self.print_lists(&[lists::RESOURCES, lists::TEMPLATES], args.name.as_deref()).await
            }
            Job::Other(Ask::Prompts(args)) => {
                self.print_lists(&[lists::PROMPTS], args.name.as_deref()).await
            }
            Job::Other(Ask::Read(args)) => self.read(args, shown).await,
            Job::Other(Ask::Ping(args)) => self.ping(args).await,
            Job::Other(_) => Ok(()),
        };
        shown.clear();
        outcome
    }

    /// Asks, and gives the whole response and the JSON text of its result. With `--output raw` an error
    /// of the server is printed before it is one.
    pub(super) async fn ask(&self, method: &str, params: &str) -> Result<(Message, String), Stop> {
        self.ask_for(method, params, true).await
    }

    /// The same; errors are printed only `aloud`.
    async fn ask_for(
        &self,
        method: &str,
        params: &str,
        aloud: bool,
    ) -> Result<(Message, String), Stop> {
        let answer = self.peer.exchange(method, Some(params), self.limit).await?;
        match result_of(&answer) {
            Ok(result) => Ok((answer, result)),
            Err(refusal) => {
                if aloud && self.output.get() == OutputArg::Raw {
                    self.print_json(answer.bytes())?;
                }
                Err(refusal.into())
            }
        }
    }

    /// What the server said of itself, without lists.
    pub(super) fn print_info(&self) -> Result<(), Stop> {
        let introduction = self.peer.introduction();
        match self.output.get() {
            OutputArg::Text => write(&[describe::server(self, introduction).as_bytes()]),
            _ => self.print_json(introduction.result.as_bytes()),
        }
    }

    /// Rows of columns.
    pub(super) fn print_columns(&self, rows: &[Vec<String>]) -> Result<(), Stop> {
        write(&[self.style.columns(2, rows).as_bytes()])
    }

    /// Prints what JSON was asked for; `false` if it is text.
    fn print_as_json(&self, answer: &Message, result: &str) -> Result<bool, Stop> {
        self.keep(result);
        match self.output.get() {
            OutputArg::Text => return Ok(false),
            OutputArg::Json => self.print_json(result.as_bytes())?,
            OutputArg::Raw => self.print_json(answer.bytes())?,
        }
        Ok(true)
    }

    /// One line of JSON. On a terminal characters that could harm it are written as escapes, which is
    /// the same JSON: they can only be in strings.
    fn print_json(&self, json: &[u8]) -> Result<(), Stop> {
        let line = crate::jsonrpc::framing::one_line(bytes::Bytes::copy_from_slice(json));
        if !self.terminal {
            return write(&[&line, b"\n"]);
        }
        let mut out = String::with_capacity(line.len());
        for c in String::from_utf8_lossy(&line).chars() {
            if c.is_control() || changes_direction(c) {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
        }
        write(&[out.as_bytes(), b"\n"])
    }

    /// Text of the server: to a terminal without what could harm it, else as it came.
    fn print_text(&self, text: &str) -> Result<(), Stop> {
        let end: &[u8] = if text.ends_with('\n') || text.is_empty() { b"" } else { b"\n" };
        if self.terminal {
            return write(&[self.redactor.clean_lines(text).as_bytes(), end]);
        }
        write(&[text.as_bytes(), end])
    }
}

/// Writes to stdout, all of it.
pub(super) fn write(parts: &[&[u8]]) -> Result<(), Stop> {
    let mut stdout = platform::stdout()?;
    for part in parts {
        stdout.write_all(part)?;
    }
    Ok(stdout.flush()?)
}

/// Whether a person can be asked.
pub(super) fn someone_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
