//! The requests that are answered at once: everything but `initialize` and `tools/call`.

use serde::Deserialize;
use serde_json::Value;

use super::log_level::LogLevel;
use super::page::{ListParams, page};
use super::rpc::{METHOD_NOT_FOUND, Params, RpcError};
use super::session::Session;
use super::{prompts, resources, tools};
use crate::json;

/// Items on one page of the lists that are too short to be cut.
const PAGE: usize = 10;

/// Parameters that name a resource.
#[derive(Deserialize)]
struct UriParams {
    uri: String,
}

/// Parameters of `logging/setLevel`.
#[derive(Deserialize)]
struct LevelParams {
    level: LogLevel,
}

/// The outcome of a request.
///
/// # Errors
/// The JSON-RPC error that answers it.
pub fn answer(session: &Session, method: &str, params: &Params) -> Result<Value, RpcError> {
    let revision = session.revision;
    match method {
        "ping" => Ok(json!({})),
        "tools/list" => {
            let items = tools::list(revision, &session.contents());
            page("tools", "name", items, &params.read::<ListParams>()?, tools::PAGE)
        }
        "resources/list" => {
            page("resources", "uri", resources::list(revision), &params.read()?, resources::PAGE)
        }
        "resources/templates/list" => page(
            "resourceTemplates",
            "uriTemplate",
            resources::templates(revision),
            &params.read()?,
            PAGE,
        ),
        "resources/read" => {
            let params: UriParams = params.read()?;
            resources::read(&params.uri, &session.contents())
        }
        "resources/subscribe" => {
            let params: UriParams = params.read()?;
            resources::check(&params.uri)?;
            session.contents().subscriptions.insert(params.uri);
            Ok(json!({}))
        }
        "resources/unsubscribe" => {
            let params: UriParams = params.read()?;
            resources::check(&params.uri)?;
            session.contents().subscriptions.remove(&params.uri);
            Ok(json!({}))
        }
        "prompts/list" => page("prompts", "name", prompts::list(revision), &params.read()?, PAGE),
        "prompts/get" => prompts::get(&params.read()?),
        "completion/complete" => prompts::complete(&params.read()?),
        "logging/setLevel" => {
            let params: LevelParams = params.read()?;
            session.contents().log_level = params.level;
            Ok(json!({}))
        }
        _ => Err(RpcError::new(METHOD_NOT_FOUND, "Method not found")),
    }
}
