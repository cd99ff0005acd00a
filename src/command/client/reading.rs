//! `mcp-tether read`: a resource.

use serde_json::Value;

use super::content::decode;
use super::progress::Shown;
use super::{Client, Stop, write};
use crate::cli::client::ReadArgs;
use crate::json;

impl Client {
    /// Reads a resource. A single binary one goes to a pipe as it is.
    pub(super) async fn read(&self, args: &ReadArgs, shown: &Shown) -> Result<(), Stop> {
        let params = json!({ "uri": args.uri }).to_string();
        let (answer, result) = self.ask("resources/read", &params).await?;
        shown.clear();
        if self.print_as_json(&answer, &result)? {
            return Ok(());
        }
        let value: Value = serde_json::from_str(&result).unwrap_or_default();
        let contents = value["contents"].as_array().cloned().unwrap_or_default();
        if let ([only], false, None) = (contents.as_slice(), self.terminal, &args.save)
            && let Some(bytes) = only["blob"].as_str().and_then(decode)
        {
            return write(&[&bytes]);
        }
        contents.iter().try_for_each(|contents| self.print_contents(contents, args.save.as_deref()))
    }
}
