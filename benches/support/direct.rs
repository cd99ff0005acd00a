//! The client without a bridge: reqwest on one thread, with the headers that MCP asks for.
//!
//! It does the least that a client can do: it collects an answer in one piece of memory, which
//! any parser needs, and counts the events of a burst without looking into them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use tokio::runtime::Runtime;

use super::Error;
use super::wire::{self, Tool};

/// The direct client.
pub struct Direct {
    runtime: Runtime,
    client: Client,
    url: String,
    next_id: u64,
}

impl Direct {
    /// Makes the client and initialises a session.
    pub fn connect(url: &str) -> Result<Direct, Error> {
        // Fails only when one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("mcp-protocol-version", HeaderValue::from_static(wire::REVISION));
        headers.insert("mcp-session-id", HeaderValue::from_static(wire::SESSION));
        let client = Client::builder()
            .default_headers(headers)
            .no_proxy()
            .tcp_nodelay(true)
            .tls_certs_only([])
            .build()?;
        let mut direct = Direct { runtime, client, url: url.to_owned(), next_id: 1 };
        for message in [wire::INITIALIZE, wire::INITIALIZED] {
            direct.runtime.block_on(async {
                let response =
                    post(&direct.client, &direct.url, Bytes::from_static(message.as_bytes()))
                        .await?;
                response.bytes().await?;
                Ok::<(), Error>(())
            })?;
        }
        direct.call(Tool::Small)?;
        Ok(direct)
    }

    /// Sends one small call after the other and gives the time of each.
    pub fn sequential(&mut self, count: usize) -> Result<Vec<Duration>, Error> {
        (0..count).map(|_| self.call(Tool::Small)).collect()
    }

    /// Sends `count` small calls with `in_flight` of them under way and gives the whole time.
    pub fn parallel(&mut self, count: usize, in_flight: usize) -> Result<Duration, Error> {
        let first = self.ids(count);
        let (client, url) = (&self.client, &self.url);
        let started = Instant::now();
        self.runtime.block_on(async {
            let workers: Vec<_> = (0..in_flight)
                .map(|worker| {
                    let (client, url) = (client.clone(), url.clone());
                    tokio::spawn(async move {
                        for number in (worker..count).step_by(in_flight) {
                            small(&client, &url, first + number as u64).await?;
                        }
                        Ok::<(), Error>(())
                    })
                })
                .collect();
            for worker in workers {
                worker.await??;
            }
            Ok::<(), Error>(())
        })?;
        Ok(started.elapsed())
    }

    /// Makes one call and gives the time until its answer is complete.
    pub fn call(&mut self, tool: Tool) -> Result<Duration, Error> {
        let id = self.ids(1);
        let (client, url) = (&self.client, &self.url);
        let call = Bytes::from(tool.call(id));
        let started = Instant::now();
        self.runtime.block_on(async {
            let response = post(client, url, call).await?;
            match tool {
                Tool::Small | Tool::Upload(_) => answers(&response.bytes().await?, id),
                Tool::SmallSse => answers(&only_event(response).await?, id),
                Tool::Burst(count) => expect("events", events(response).await?, count + 1),
                Tool::Json(bytes) => {
                    expect("bytes", response.bytes().await?.len(), wire::large_length(id, bytes))
                }
                Tool::Sse(bytes) => expect(
                    "bytes",
                    only_event(response).await?.len(),
                    wire::large_length(id, bytes),
                ),
            }
        })?;
        Ok(started.elapsed())
    }

    fn ids(&mut self, count: usize) -> u64 {
        let first = self.next_id;
        self.next_id += count as u64;
        first
    }
}

async fn post(client: &Client, url: &str, body: Bytes) -> Result<Response, Error> {
    Ok(client.post(url).body(body).send().await?.error_for_status()?)
}

async fn small(client: &Client, url: &str, id: u64) -> Result<(), Error> {
    let answer = post(client, url, Tool::Small.call(id).into()).await?.bytes().await?;
    answers(&answer, id)
}

fn answers(answer: &[u8], id: u64) -> Result<(), Error> {
    if wire::is_result(answer) && wire::id(answer) == Some(id) {
        Ok(())
    } else {
        Err(format!("a wrong answer to call {id}").into())
    }
}

/// Counts the events of a stream by the blank lines that end them.
async fn events(mut response: Response) -> Result<usize, Error> {
    let finder = memmem::Finder::new(b"\n\n");
    let (mut count, mut after_newline) = (0, false);
    while let Some(chunk) = response.chunk().await? {
        // A blank line may lie across two chunks.
        count += usize::from(after_newline && chunk.first() == Some(&b'\n'));
        count += finder.find_iter(&chunk).count();
        after_newline = chunk.last() == Some(&b'\n') && !chunk.ends_with(b"\n\n");
    }
    Ok(count)
}

/// The data of a stream of one event whose fields are each in one line.
async fn only_event(mut response: Response) -> Result<Vec<u8>, Error> {
    let (mut data, mut in_data) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await? {
        let mut chunk = &chunk[..];
        if !in_data {
            // The server sends the field name in its first piece.
            let start = memmem::find(chunk, b"data: ").ok_or("no data in the first piece")?;
            (chunk, in_data) = (&chunk[start + b"data: ".len()..], true);
        }
        data.extend_from_slice(chunk);
    }
    data.truncate(data.len().saturating_sub(b"\n\n".len()));
    Ok(data)
}

fn expect(what: &str, got: usize, expected: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(format!("{got} {what} instead of {expected}").into()) }
}
