//! `mcp-tether repl`: one thing after the other over one connection, from a person or from a script.
//!
//! * `line`: what a line means; `words`: how it is taken apart.
//! * `editor`: the line editor; `history`: the lines of earlier sessions.
//! * `completion`: what Tab offers; `catalogue`: what it knows of the server.
//! * `script`: commands from a pipe; `recording`: traces.

mod catalogue;
mod completion;
mod editor;
mod history;
mod line;
mod recording;
mod script;
mod words;

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use self::catalogue::{Catalogue, Shared};
use self::editor::{Editor, Typed, Wanted};
use self::history::History;
use self::line::{COMMANDS, Line};
use self::recording::Recording;
use self::script::Script;
use super::client::{
    Client, Job, Questions, Shown, Stop, Terminal, explain, output, someone_is_there, write,
};
use super::remote::start_listened_log;
use super::{CommandError, login};
use crate::cli::client::{ClientArgs, OutputArg};
use crate::config::{Config, Env};
use crate::error::ExitCode;
use crate::jsonrpc::Message;
use crate::limits::{COMPLETION_TIMEOUT, MAX_NOTICE};
use crate::logging::Log;
use crate::platform::{self, Signals};
use crate::secret::{Redactor, shown};

/// The number of the signal that Ctrl-C sends.
const SIGINT: i32 = 2;

/// Where the commands come from.
enum Front {
    Person { editor: Editor, wanted: mpsc::Receiver<Wanted>, catalogue: Shared },
    Script { script: Script, number: usize },
}

/// Why a session with the server ends.
enum End {
    /// Another one is wanted.
    Again,
    Over(ExitCode),
}

/// Reads commands, and does them.
pub(super) async fn run(
    args: &ClientArgs,
    env: Env<'_>,
    log: &mut Option<Log>,
) -> Result<ExitCode, CommandError> {
    let recording = Recording::new(&args.log)?;
    start_listened_log(&args.log, log, Box::new(recording.switch()))?;
    let mut signals = Signals::install()?;
    let mut front = None;
    let modes = platform::TerminalModes::save();
    let mut wanted_output = output(args);
    loop {
        let mut config = Config::of_command(&args.connection, &args.sign_in, env)?;
        let redactor = config.target.redactor.clone();
        let server = shown(&config.target.url);
        config.target.observe(recording.switch());
        match (&front, &args.log.trace) {
            (None, Some(file)) => {
                if let Err(stop) = recording.begin(Some(file), &server, &redactor) {
                    return Ok(explain(&stop, wanted_output != OutputArg::Text, &redactor));
                }
            }
            _ => recording.follow(&redactor),
        }
        let front = match &mut front {
            Some(front) => front,
            none => none.insert(Front::new(&config, redactor.clone())?),
        };
        let person = front.editor().map(|editor| Arc::new(editor.clone()) as Arc<dyn Terminal>);
        let connect = async {
            let asks = Questions::new(args, person, redactor.clone())?;
            let connected = Client::connect(config, args, env, &asks).await?;
            Ok((asks, connected))
        };
        let connected = tokio::select! {
            connected = connect => connected,
            number = signals.recv() => return Ok(ExitCode::Signal(number)),
        };
        let (asks, (client, notifications)) = match connected {
            Ok(connected) => connected,
            Err(stop) => return Ok(explain(&stop, wanted_output != OutputArg::Text, &redactor)),
        };
        let client = client.keeping();
        client.output.set(wanted_output);
        let changed = Arc::new(Notify::new());
        let told = front.editor().map(|editor| {
            let (editor, changed, redactor) = (editor.clone(), changed.clone(), redactor.clone());
            Arc::new(move |message: &Message| tell(message, &editor, &changed, &redactor)) as _
        });
        let progress = Shown::spawn(notifications, asks.quiet(), redactor.clone(), told);
        let recording = &recording;
        let mut session =
            Session { client, shown: progress, asks, args, env, changed, recording, server };
        let end = match front {
            Front::Person { editor, wanted, catalogue } => {
                session.converse(editor, wanted, catalogue, &mut signals).await
            }
            Front::Script { script, number } => session.obey(script, number, &mut signals).await,
        };
        let Session { client, shown: progress, .. } = session;
        drop(progress);
        wanted_output = client.output.get();
        if front.editor().is_some_and(Editor::is_editing) {
            modes.restore();
        }
        client.peer.end().await;
        if let End::Over(code) = end {
            return Ok(code);
        }
    }
}

impl Front {
    fn new(config: &Config, redactor: Arc<Redactor>) -> Result<Front, CommandError> {
        if !someone_is_there() {
            return Ok(Front::Script { script: Script::start()?, number: 0 });
        }
        let places = config.target.sign_in.places.as_ref();
        let history = History::new(places.map(|places| places.state.clone()));
        let (sender, wanted) = mpsc::channel(1);
        let catalogue = Shared::default();
        let to_terminal = platform::stdout_is_terminal();
        let editor = Editor::start(history, catalogue.clone(), sender, redactor, to_terminal)?;
        Ok(Front::Person { editor, wanted, catalogue })
    }

    fn editor(&self) -> Option<&Editor> {
        match self {
            Front::Person { editor, .. } => Some(editor),
            Front::Script { .. } => None,
        }
    }
}

/// Shows a notification.
fn tell(message: &Message, editor: &Editor, changed: &Notify, redactor: &Redactor) {
    let method = message.method().unwrap_or_default();
    if method.ends_with("/list_changed") {
        changed.notify_one();
    }
    // About a question of the server, which is taken back where it is asked.
    if method == "notifications/cancelled" {
        return;
    }
    let params = crate::jsonrpc::member::lookup(message.bytes(), &["params"]).unwrap_or_default();
    let text = redactor.clean(&format!("{method} {params}"), MAX_NOTICE);
    editor.show(format!("« {text}\n"));
}

/// A session with the server.
struct Session<'a> {
    client: Client,
    shown: Shown,
    asks: Questions,
    args: &'a ClientArgs,
    env: Env<'a>,
    /// Told when lists have changed.
    changed: Arc<Notify>,
    recording: &'a Recording,
    /// Its address, as it may be shown.
    server: String,
}

impl Session<'_> {
    /// Does what a person types.
    async fn converse(
        &mut self,
        editor: &Editor,
        wanted: &mut mpsc::Receiver<Wanted>,
        catalogue: &Shared,
        signals: &mut Signals,
    ) -> End {
        let redactor = self.client.redactor.clone();
        let name = self.client.peer.introduction().info("name").unwrap_or_default();
        let prompt = format!("{}> ", redactor.clean(&name, 30));
        self.changed.notify_one();
        let turn = self.asks.turn();
        let session = &*self;
        let mut attended = pin!(attend(&session.client, &session.changed, wanted, catalogue));
        loop {
            let next = async {
                // A question of the server that waits goes first.
                let _turn = turn.lock().await;
                editor.command(&prompt).await
            };
            let typed = tokio::select! {
                typed = next => typed,
                never = &mut attended => match never {},
                number = signals.recv() => {
                    // Where the editor does not take Ctrl-C itself.
                    if number == SIGINT { continue }
                    return End::Over(ExitCode::Signal(number));
                }
            };
            let line = match typed {
                Typed::Line(line) => line,
                Typed::Interrupted => {
                    editor.show("Ctrl-D or :quit ends.\n".to_owned());
                    continue;
                }
                Typed::End => return End::Over(ExitCode::Success),
            };
            let outcome = tokio::select! {
                outcome = session.perform(&line) => outcome,
                never = &mut attended => match never {},
                number = signals.recv() => {
                    session.shown.clear();
                    if number != SIGINT {
                        return End::Over(ExitCode::Signal(number));
                    }
                    editor.show("\r\x1b[Ktaken back\n".to_owned());
                    continue;
                }
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                // Nobody would see anything any more.
                Err(stop @ Stop::Closed) => return End::Over(explain(&stop, false, &redactor)),
                Err(stop) => {
                    explain(&stop, false, &redactor);
                }
            }
        }
    }

    /// Does what a script says, up to the first command that fails.
    async fn obey(
        &mut self,
        script: &mut Script,
        number: &mut usize,
        signals: &mut Signals,
    ) -> End {
        let redactor = self.client.redactor.clone();
        loop {
            let work = async {
                let Some(line) = script.line().await.map_err(Stop::System)? else {
                    return Ok(Some(End::Over(ExitCode::Success)));
                };
                *number += 1;
                self.perform(line.trim_end_matches(['\n', '\r'])).await
            };
            let outcome = tokio::select! {
                outcome = work => outcome,
                number = signals.recv() => return End::Over(ExitCode::Signal(number)),
            };
            let stop = match outcome {
                Ok(None) => continue,
                Ok(Some(end)) => return end,
                Err(Stop::Usage(lines)) => Stop::Usage(
                    lines.into_iter().map(|line| format!("line {number}: {line}")).collect(),
                ),
                Err(stop) => stop,
            };
            let json = self.client.output.get() != OutputArg::Text;
            return End::Over(explain(&stop, json, &redactor));
        }
    }

    /// One line; gives the end of the session if that is what it asks for.
    async fn perform(&self, line: &str) -> Result<Option<End>, Stop> {
        let usage = |text: String| Stop::Usage(vec![self.client.redactor.clean(&text, MAX_NOTICE)]);
        match line::parse(line).map_err(usage)? {
            Line::Nothing => {}
            Line::Ask(ask) => self.client.perform(&Job::prepare(&ask).await?, &self.shown).await?,
            Line::Request(method, params) => {
                self.client.ask(method, &params).await?;
            }
            Line::Info => self.client.print_info()?,
            Line::Output(output) => self.client.output.set(output),
            Line::Save(path) => self.save(&path)?,
            Line::Login => return self.sign_in().await.map(Some),
            Line::Reconnect => return Ok(Some(End::Again)),
            Line::Trace(true, path) => {
                self.recording.begin(path.as_deref(), &self.server, &self.client.redactor)?;
            }
            Line::Trace(false, _) => self.recording.end(),
            Line::Help => self.client.print_columns(&help())?,
            Line::Quit => return Ok(Some(End::Over(ExitCode::Success))),
        }
        Ok(None)
    }

    /// Writes the last result into a new file.
    fn save(&self, path: &Path) -> Result<(), Stop> {
        let Some(result) = self.client.last() else {
            return Err(Stop::Usage(vec![":save: there is no result yet".to_owned()]));
        };
        let wrong = |error| Stop::Usage(vec![format!(":save: {}: {error}", path.display())]);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(wrong)?;
        file.write_all(result.as_bytes()).map_err(wrong)
    }

    /// Signs in with the browser, and asks for another session, which the new token is used in.
    async fn sign_in(&self) -> Result<End, Stop> {
        let (connection, sign_in) = (&self.args.connection, &self.args.sign_in);
        let remote = login::remote(connection, sign_in, self.env, self.recording.switch())
            .map_err(|error| Stop::Usage(vec![error.to_string()]))?;
        let said = remote.by_hand(None).await?;
        write(&[said.as_bytes(), b"\n"])?;
        Ok(End::Again)
    }
}

/// Keeps the catalogue, and answers what Tab asks for.
async fn attend(
    client: &Client,
    changed: &Notify,
    wanted: &mut mpsc::Receiver<Wanted>,
    catalogue: &Shared,
) -> Infallible {
    let fetching = async {
        loop {
            changed.notified().await;
            Catalogue::fetch(client, catalogue).await;
        }
    };
    let completing = async {
        while let Some(Wanted { params, reply }) = wanted.recv().await {
            let asked =
                client.peer.request("completion/complete", Some(&params), COMPLETION_TIMEOUT);
            let result = asked.await.unwrap_or_default();
            let result: Value = serde_json::from_str(&result).unwrap_or_default();
            let values = result["completion"]["values"].as_array().into_iter().flatten();
            // Tab may have stopped waiting.
            reply.give(values.filter_map(Value::as_str).map(str::to_owned).collect());
        }
        std::future::pending().await
    };
    let (fetching, completing): (Pin<&mut dyn Future<Output = Infallible>>, _) =
        (pin!(fetching), pin!(completing));
    tokio::select! {
        never = fetching => never,
        never = completing => never,
    }
}

/// The commands, for people.
fn help() -> Vec<Vec<String>> {
    let listed = COMMANDS.iter().filter(|command| !command.about.is_empty());
    listed
        .map(|command| {
            let name = format!("{} {}", command.name, command.takes);
            vec![name.trim_end().to_owned(), command.about.to_owned()]
        })
        .collect()
}
