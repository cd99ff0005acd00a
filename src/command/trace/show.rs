//! `mcp-tether trace show`: blocks in the order of time.

use std::io::{self, Write};

use super::block::View;
use super::context::{Block, Context};
use super::filter::Filter;
use super::source::Source;
use super::{TraceError, tell_passed, warn};
use crate::cli::trace::{BodiesArg, ShowArgs};
use crate::command::client::style;
use crate::config::Env;
use crate::limits::FOLLOW_PAUSE;
use crate::platform;
use crate::trace::read::Read;
use crate::trace::record::{FORMAT, Record};

struct Show<W> {
    filter: Filter,
    context: Context,
    view: View,
    json: bool,
    errors: bool,
    out: W,
    any: bool,
}

pub(super) async fn run(args: &ShowArgs, env: Env<'_>) -> Result<(), TraceError> {
    let failed = |source| TraceError::Read { path: args.file.clone(), source };
    let bodies = if args.full { BodiesArg::Full } else { args.bodies };
    let mut show = Show {
        filter: Filter::new(args)?,
        context: Context::new(args.errors),
        view: View::new(style(env), bodies),
        json: args.json,
        errors: args.errors,
        out: io::BufWriter::with_capacity(1 << 16, platform::stdout()?),
        any: false,
    };
    let mut source = Source::open(&args.file).map_err(failed)?;
    let follow = args.follow && source.may_grow();
    loop {
        while let Some(read) = source.next_record().map_err(failed)? {
            show.take(read)?;
            if args.follow {
                show.out.flush()?;
            }
        }
        if !follow {
            break;
        }
        show.out.flush()?;
        tokio::time::sleep(FOLLOW_PAUSE).await;
        // What is in the file at hand comes first, also if it has just been replaced.
        while let Some(read) = source.next_record().map_err(failed)? {
            show.take(read)?;
        }
        source.renew().map_err(failed)?;
    }
    if let Some(read) = source.finish() {
        show.take(read)?;
    }
    for block in show.context.rest() {
        show.block(block)?;
    }
    show.out.flush()?;
    if !show.any {
        return Err(TraceError::NoTrace(args.file.clone()));
    }
    tell_passed(&args.file, source.passed());
    Ok(())
}

impl<W: Write> Show<W> {
    fn take(&mut self, read: Read) -> Result<(), TraceError> {
        self.any = true;
        if let Record::Start(start) = &read.record
            && start.format > FORMAT
        {
            warn("the trace was written by a newer version; some of it may be missing");
        }
        for block in self.context.take(read) {
            self.block(block)?;
        }
        Ok(())
    }

    fn block(&mut self, block: Block) -> Result<(), TraceError> {
        if self.filter.wants(&block) {
            if self.errors
                && let Some(before) = self.context.before(&block)
            {
                self.print(&before)?;
            }
            self.print(&block)?;
        }
        self.context.over(&block);
        Ok(())
    }

    fn print(&mut self, block: &Block) -> Result<(), TraceError> {
        if self.json {
            for read in &block.reads {
                self.out.write_all(read.line.as_bytes())?;
                self.out.write_all(b"\n")?;
            }
            return Ok(());
        }
        Ok(self.out.write_all(self.view.text(block).as_bytes())?)
    }
}
