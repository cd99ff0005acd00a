//! An MCP server on `rmcp` with the tools that the interoperability tests expect of every server.
//!
//! `interop-rmcp-server [--port N] [--mode session|stateless-json]` listens on 127.0.0.1, prints
//! `listening <port>` and serves `/mcp` until it is killed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        JsonObject, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Calls of the tool `hold` that have not been released, by name. Shared by all sessions.
type Holds = Arc<Mutex<BTreeMap<String, Arc<Notify>>>>;

#[derive(Clone, Default)]
struct Server {
    holds: Holds,
}

/// Removes a held call from the table when the call ends, whatever ends it.
struct HoldGuard {
    holds: Holds,
    name: String,
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        if let Ok(mut holds) = self.holds.lock() {
            holds.remove(&self.name);
        }
    }
}

fn schema(properties: Value) -> JsonObject {
    let required: Vec<String> =
        properties.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    match json!({"type": "object", "properties": properties, "required": required}) {
        Value::Object(map) => map,
        _ => JsonObject::new(),
    }
}

fn tools() -> Vec<Tool> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "number"});
    vec![
        Tool::new("echo", "Gives the message back", schema(json!({"message": text()}))),
        Tool::new("get-sum", "Adds two numbers", schema(json!({"a": number(), "b": number()}))),
        Tool::new(
            "trigger-long-running-operation",
            "Works for some seconds and reports progress",
            schema(json!({"duration": number(), "steps": number()})),
        ),
        Tool::new("hold", "Answers when it is released", schema(json!({"name": text()}))),
        Tool::new("release", "Releases a held call", schema(json!({"name": text()}))),
        Tool::new("holds", "Lists the held calls", schema(json!({}))),
        Tool::new("announce", "Sends list_changed on the standalone stream", schema(json!({}))),
    ]
}

fn text_argument(arguments: &JsonObject, name: &str) -> Result<String, ErrorData> {
    arguments
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| ErrorData::invalid_params(format!("{name} must be a string"), None))
}

fn number_argument(arguments: &JsonObject, name: &str) -> Result<f64, ErrorData> {
    arguments
        .get(name)
        .and_then(Value::as_f64)
        .ok_or_else(|| ErrorData::invalid_params(format!("{name} must be a number"), None))
}

impl Server {
    fn held(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<String, Arc<Notify>>>, ErrorData> {
        self.holds
            .lock()
            .map_err(|_| ErrorData::internal_error("the table of held calls is poisoned", None))
    }

    async fn run(
        &self,
        tool: &str,
        arguments: &JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        match tool {
            "echo" => Ok(format!("Echo: {}", text_argument(arguments, "message")?)),
            "get-sum" => {
                let (a, b) = (number_argument(arguments, "a")?, number_argument(arguments, "b")?);
                Ok(format!("The sum of {a} and {b} is {}.", a + b))
            }
            "trigger-long-running-operation" => {
                let steps = number_argument(arguments, "steps")?.max(1.0);
                let pause =
                    Duration::from_secs_f64(number_argument(arguments, "duration")? / steps);
                let token = context.meta.get_progress_token();
                for step in 1..=(steps as u32) {
                    tokio::time::sleep(pause).await;
                    if let Some(token) = &token {
                        let progress =
                            ProgressNotificationParam::new(token.clone(), f64::from(step))
                                .with_total(steps);
                        // A peer that has gone must not fail the work itself.
                        let _ = context.peer.notify_progress(progress).await;
                    }
                }
                Ok(format!("Long running operation completed. Steps: {steps}."))
            }
            "hold" => {
                let name = text_argument(arguments, "name")?;
                let gate = Arc::new(Notify::new());
                self.held()?.insert(name.clone(), gate.clone());
                let _guard = HoldGuard { holds: self.holds.clone(), name: name.clone() };
                tokio::select! {
                    () = gate.notified() => Ok(format!("released: {name}")),
                    () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
                }
            }
            "release" => {
                let name = text_argument(arguments, "name")?;
                match self.held()?.get(&name) {
                    Some(gate) => {
                        // `notify_one` stores the permit, should the call not wait yet.
                        gate.notify_one();
                        Ok("true".to_owned())
                    }
                    None => Ok("false".to_owned()),
                }
            }
            "holds" => Ok(json!(self.held()?.keys().collect::<Vec<_>>()).to_string()),
            "announce" => {
                context
                    .peer
                    .notify_tool_list_changed()
                    .await
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                Ok("announced".to_owned())
            }
            other => Err(ErrorData::invalid_params(format!("unknown tool {other}"), None)),
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("interop-rmcp", "1.0.0"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = self.run(&request.name, &arguments, &context).await?;
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == name {
            return arguments.next();
        }
    }
    None
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = option("--port").map_or(Ok(0), |text| text.parse())?;
    let stateless = match option("--mode").as_deref() {
        None | Some("session") => false,
        Some("stateless-json") => true,
        Some(other) => return Err(format!("unknown --mode {other}").into()),
    };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(!stateless)
        .with_json_response(stateless)
        .with_sse_retry(Some(Duration::from_millis(300)));
    let server = Server::default();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening {}", listener.local_addr()?.port());
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}
