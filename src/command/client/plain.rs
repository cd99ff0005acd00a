//! `mcp-tether raw`, `ping` and `listen`: messages as they are.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::calls::{apart, read};
use super::progress::Shown;
use super::{Client, Stop, WHOLE, duration, write};
use crate::cli::client::{ListenArgs, OutputArg, PingArgs, RawArgs};
use crate::command::arguments::Source;
use crate::command::peer::Notifications;
use crate::era::Era;
use crate::json;
use crate::jsonrpc::member::lookup;
use crate::jsonrpc::splice::members;

/// One request, as it was typed.
pub(in crate::command) struct Raw<'a> {
    method: &'a str,
    params: String,
    /// Whether stdin was read for the parameters.
    pub stdin: bool,
}

impl<'a> Raw<'a> {
    pub(super) async fn new(args: &'a RawArgs) -> Result<Raw<'a>, Stop> {
        let source = match args.params.as_deref() {
            None => Source::Typed("{}".to_owned()),
            Some("-") => Source::Stdin,
            Some(text) => match text.strip_prefix('@') {
                Some(path) => Source::File(path.to_owned()),
                None => Source::Typed(text.to_owned()),
            },
        };
        let (params, stdin) = apart(move || {
            let mut stdin = false;
            Ok((read(source, &mut stdin)?.trim().to_owned(), stdin))
        })
        .await?;
        // serde_json would take what follows an object for another value.
        let one = serde_json::from_str::<&serde_json::value::RawValue>(&params).is_ok();
        if !one || members(&params).is_none() {
            return Err(Stop::Usage(vec!["the parameters must be one JSON object".to_owned()]));
        }
        Ok(Raw { method: &args.method, params, stdin })
    }
}

impl Client {
    pub(super) async fn raw(&self, raw: &Raw<'_>, shown: &Shown) -> Result<(), Stop> {
        if raw.method.starts_with("notifications/") {
            self.peer.notify(raw.method, Some(&raw.params)).await;
            return Ok(());
        }
        let (answer, result) = self.ask(raw.method, &raw.params).await?;
        shown.clear();
        self.keep(&result);
        match self.output.get() {
            OutputArg::Raw => self.print_json(answer.bytes()),
            _ => self.print_json(result.as_bytes()),
        }
    }

    /// Asks again and again. A modern server knows no `ping` (2026-07-28), and is asked what it is.
    pub(super) async fn ping(&self, args: &PingArgs) -> Result<(), Stop> {
        let interval = duration("--interval", &args.interval)?;
        let method = match self.peer.introduction().era {
            Era::Legacy => "ping",
            Era::Modern => "server/discover",
        };
        let mut times = Vec::new();
        for number in 1..=args.count {
            let start = Instant::now();
            let (answer, _) = self.ask(method, "{}").await?;
            let took = start.elapsed();
            times.push(took);
            match self.output.get() {
                OutputArg::Text => write(&[format!("{number:>4}  {}\n", shown(took)).as_bytes()])?,
                OutputArg::Raw => self.print_json(answer.bytes())?,
                OutputArg::Json => {}
            }
            if number < args.count {
                sleep(interval).await;
            }
        }
        let least = times.iter().min().copied().unwrap_or_default();
        let most = times.iter().max().copied().unwrap_or_default();
        let mean = times.iter().sum::<Duration>() / args.count.max(1);
        match self.output.get() {
            OutputArg::Text => {
                let text =
                    format!("least {}, mean {}, most {}\n", shown(least), shown(mean), shown(most));
                write(&[text.as_bytes()])
            }
            OutputArg::Json => {
                let ms = |time: Duration| (time.as_secs_f64() * 1e5).round() / 1e2;
                let all: Vec<f64> = times.iter().map(|time| ms(*time)).collect();
                let value = json!({
                    "method": method, "milliseconds": all,
                    "least": ms(least), "mean": ms(mean), "most": ms(most),
                });
                self.print_json(value.to_string().as_bytes())
            }
            OutputArg::Raw => Ok(()),
        }
    }

    /// Prints notifications, one a line.
    pub(super) async fn listen(
        &self,
        args: &ListenArgs,
        mut notifications: Notifications,
    ) -> Result<(), Stop> {
        let end = args.duration.as_deref().map(|text| duration("--duration", text)).transpose()?;
        let end = end.map(|time| Instant::now() + time);
        let mut left = args.count.unwrap_or(u64::MAX);
        let mut asked = Box::pin(async {
            if let Some(level) = &args.level {
                self.ask("logging/setLevel", &json!({ "level": level }).to_string()).await?;
            }
            for uri in &args.subscribe {
                self.ask("resources/subscribe", &json!({ "uri": uri }).to_string()).await?;
            }
            Ok::<_, Stop>(())
        });
        let mut asking = true;
        let over = async {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        while left > 0 {
            let message = tokio::select! {
                outcome = &mut asked, if asking => {
                    outcome?;
                    asking = false;
                    continue;
                }
                message = notifications.next() => message,
                () = &mut over => return Ok(()),
            };
            let Some(message) = message else { return Ok(()) };
            left -= 1;
            if self.output.get() == OutputArg::Text {
                let params = lookup(message.bytes(), &["params"]).unwrap_or_default();
                let method = self.redactor.clean(message.method().unwrap_or_default(), WHOLE);
                let params = if self.terminal {
                    self.redactor.clean(params, WHOLE)
                } else {
                    params.replace('\n', " ")
                };
                write(&[
                    format!("{} {params}", self.style.strong(&method)).trim_end().as_bytes(),
                    b"\n",
                ])?;
            } else {
                self.print_json(message.bytes())?;
            }
        }
        Ok(())
    }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
