//! The trace of a session: with `--trace` from the start, and on and off as it is asked for.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::LogArgs;
use crate::command::CommandError;
use crate::command::client::Stop;
use crate::config::trace_size;
use crate::limits::FLUSH_TIMEOUT;
use crate::logging::Listener as _;
use crate::secret::Redactor;
use crate::trace::Trace;
use crate::trace::switch::Switch;

/// What is traced, and where to.
pub(super) struct Recording {
    switch: Switch,
    /// The file of the last trace.
    file: RefCell<Option<PathBuf>>,
    on: RefCell<Option<Trace>>,
    max: u64,
}

impl Recording {
    /// Nothing yet.
    pub(super) fn new(args: &LogArgs) -> Result<Recording, CommandError> {
        Ok(Recording {
            switch: Switch::default(),
            file: RefCell::new(args.trace.clone()),
            on: RefCell::default(),
            max: trace_size(&args.trace_max_size)?,
        })
    }

    /// What has to see everything.
    pub(super) fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Lets a connection whose secrets `redactor` knows be traced, if any is.
    pub(super) fn follow(&self, redactor: &Arc<Redactor>) {
        if let Some(trace) = &*self.on.borrow() {
            self.switch.set(Some(trace.watch(redactor.clone())));
        }
    }

    /// Begins a trace in `file`, or in that of the last one.
    pub(super) fn begin(
        &self,
        file: Option<&Path>,
        server: &str,
        redactor: &Arc<Redactor>,
    ) -> Result<(), Stop> {
        let wrong = |text: String| Stop::Usage(vec![format!(":trace: {text}")]);
        let file = file.map(Path::to_owned).or_else(|| self.file.borrow().clone());
        let file = file.ok_or_else(|| wrong("into which file? :trace on FILE".to_owned()))?;
        // The last one has its file to itself until it is ended.
        self.end();
        let trace = Trace::start(&file, self.max, "repl", server)
            .map_err(|error| wrong(format!("{}: {error}", file.display())))?;
        self.on.replace(Some(trace));
        self.file.replace(Some(file));
        self.follow(redactor);
        Ok(())
    }

    /// Ends the trace, if there is one; all of it is in its file then.
    pub(super) fn end(&self) {
        self.on.take();
        if let Some(trace) = self.switch.set(None) {
            trace.end(FLUSH_TIMEOUT);
        }
    }
}
