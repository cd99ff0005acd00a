//! The line editor, on a thread of its own: reading from a terminal blocks. What is to be shown
//! meanwhile goes through a second one, which puts it above the line.

use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Behavior, CompletionType, Config, Context, ExternalPrinter as _};
use tokio::sync::{mpsc, oneshot};

use super::catalogue::{Shared, can_be_typed};
use super::completion::complete;
use super::history::{History, is_kept};
use crate::command::client::Terminal;
use crate::limits::{COMPLETION_TIMEOUT, MAX_HISTORY_LINES, NOTICE_QUEUE};
use crate::secret::Redactor;
use crate::tasks;

/// What a person did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// Values that Tab waits for.
pub(super) struct Wanted {
    /// The parameters of `completion/complete`.
    pub params: String,
    pub reply: tasks::Giver<Vec<String>>,
}

/// What the thread is asked for.
struct Request {
    prompt: String,
    /// Whether it is a command, with completion and history.
    command: bool,
    reply: oneshot::Sender<Typed>,
}

/// The editor. Clones are the same one.
#[derive(Clone)]
pub(super) struct Editor {
    requests: mpsc::Sender<Request>,
    notices: mpsc::Sender<String>,
    /// How many did not fit.
    missed: Arc<AtomicU64>,
    /// Set while a line is being edited.
    editing: Arc<AtomicBool>,
}

impl Editor {
    /// Starts the threads, which end with the process.
    ///
    /// # Errors
    /// If there is no terminal to be used.
    pub(super) fn start(
        history: History,
        catalogue: Shared,
        wanted: mpsc::Sender<Wanted>,
        redactor: Arc<Redactor>,
        to_terminal: bool,
    ) -> io::Result<Editor> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY_LINES)
            .map_err(io::Error::other)?
            .completion_type(CompletionType::List)
            // Where stdout is no terminal, results go there, and prompts do not.
            .behavior(if to_terminal { Behavior::Stdio } else { Behavior::PreferTerm })
            .build();
        let mut lines = rustyline::Editor::<Helper, DefaultHistory>::with_config(config)
            .map_err(io::Error::other)?;
        for line in history.load() {
            // It is in memory, where nothing can fail.
            let _ = lines.add_history_entry(line);
        }
        lines.set_helper(Some(Helper {
            catalogue,
            wanted,
            on: Cell::new(false),
            shown: RefCell::default(),
        }));
        let mut printer = lines.create_external_printer().ok();
        let (notices, mut to_show) = mpsc::channel::<String>(NOTICE_QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        let counted = missed.clone();
        tasks::thread("notices", move || {
            while let Some(mut text) = to_show.blocking_recv() {
                let missed = counted.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    text.push_str(&format!("({missed} more)\n"));
                }
                let shown = printer.as_mut().is_some_and(|p| p.print(text.clone()).is_ok());
                if !shown {
                    let _ = write!(io::stderr(), "{text}");
                }
            }
        })?;
        let (requests, asked) = mpsc::channel(1);
        let editing = Arc::new(AtomicBool::new(false));
        let busy = editing.clone();
        tasks::thread("terminal", move || serve(lines, asked, &history, &redactor, &busy))?;
        Ok(Editor { requests, notices, missed, editing })
    }

    /// A command.
    pub(super) async fn command(&self, prompt: &str) -> Typed {
        self.ask(prompt.to_owned(), true).await
    }

    async fn ask(&self, prompt: String, command: bool) -> Typed {
        let (reply, typed) = oneshot::channel();
        if self.requests.send(Request { prompt, command, reply }).await.is_err() {
            return Typed::End;
        }
        typed.await.unwrap_or(Typed::End)
    }

    /// Shows lines, above the one that is being edited if there is one.
    pub(super) fn show(&self, text: String) {
        if !self.is_editing() {
            // There is nobody to tell that this cannot be shown.
            let _ = write!(io::stderr(), "{text}");
        } else if self.notices.try_send(text).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the terminal is in the mode for editing.
    pub(super) fn is_editing(&self) -> bool {
        self.editing.load(Ordering::Relaxed)
    }
}

/// Forms. Ctrl-C and Ctrl-D end them.
impl Terminal for Editor {
    fn line(&self, prompt: String) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            match self.ask(prompt, false).await {
                Typed::Line(line) => Some(line),
                Typed::Interrupted | Typed::End => None,
            }
        })
    }

    fn busy(&self) {
        self.show("The server asks something; press Enter to see it.\n".to_owned());
    }
}

fn serve(
    mut lines: rustyline::Editor<Helper, DefaultHistory>,
    mut asked: mpsc::Receiver<Request>,
    history: &History,
    redactor: &Redactor,
    editing: &AtomicBool,
) {
    while let Some(Request { prompt, command, reply }) = asked.blocking_recv() {
        if reply.is_closed() {
            continue;
        }
        if let Some(helper) = lines.helper() {
            helper.on.set(command);
        }
        editing.store(true, Ordering::Relaxed);
        let typed = lines.readline(&prompt);
        editing.store(false, Ordering::Relaxed);
        let typed = match typed {
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Typed::Interrupted,
            Err(_) => Typed::End,
        };
        if let (true, Typed::Line(line)) = (command, &typed)
            && is_kept(line)
            && !redactor.knows_part_of(line)
        {
            let _ = lines.add_history_entry(line);
            history.add(line);
        }
        // Whoever asked may not want to know any more.
        let _ = reply.send(typed);
    }
}

/// What Tab does.
struct Helper {
    catalogue: Shared,
    wanted: mpsc::Sender<Wanted>,
    on: Cell<bool>,
    /// The last question to the server and its answer: Tab is pressed twice to see a list.
    shown: RefCell<Option<(String, Vec<String>)>>,
}

impl Helper {
    fn ask(&self, params: String) -> Vec<String> {
        if let Some((last, values)) = &*self.shown.borrow()
            && *last == params
        {
            return values.clone();
        }
        let (reply, values) = tasks::handover();
        if self.wanted.try_send(Wanted { params: params.clone(), reply }).is_err() {
            return Vec::new();
        }
        let Some(mut values) = values.take(COMPLETION_TIMEOUT) else { return Vec::new() };
        values.retain(|value| can_be_typed(value));
        self.shown.replace(Some((params, values.clone())));
        values
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..pos).filter(|_| self.on.get()).unwrap_or_default();
        if !self.on.get() {
            return Ok((pos, Vec::new()));
        }
        let completion = complete(line, &self.catalogue.lock());
        let question = completion.question.as_ref().map(|question| question.params.clone());
        let more = question.map(|params| self.ask(params)).unwrap_or_default();
        let candidates = completion.candidates(line, more).into_iter();
        let pairs = candidates.map(|(display, replacement)| Pair { display, replacement });
        Ok((completion.start, pairs.collect()))
    }
}

impl Hinter for Helper {
    type Hint = String;
}

impl Highlighter for Helper {}

impl Validator for Helper {}

impl rustyline::Helper for Helper {}
