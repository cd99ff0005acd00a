//! Configuration files of clients, and that no value in an entry prints.
//!
//! Input: a byte for the format (`j`, `t`, `y`, in capitals for a client that knows `$NAME`), then the text of
//! the file.
use mcp_tether::clients::document::{Format, parse};
use mcp_tether::clients::places::CLIENTS;
use mcp_tether::clients::template::Plain;
use mcp_tether::clients::{Kind, servers};
use mcp_tether::limits::MAX_CLIENT_SERVERS;
use mcp_tether::secret::REDACTED;

/// One input.
pub fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let format = match choice.to_ascii_lowercase() {
        b't' => Format::Toml,
        b'y' => Format::Yaml,
        _ => Format::Json,
    };
    let client = CLIENTS.iter().find(|client| client.bare_dollars && choice.is_ascii_uppercase());
    let Ok(tree) = parse(text, format) else { return };
    let Some(found) = servers::find(&tree, client) else { return };
    assert!(found.len() <= MAX_CLIENT_SERVERS);
    for server in found {
        let env = |name: &str| Some(name.to_lowercase());
        for (_, value) in &server.env {
            assert_eq!(format!("{value:?}"), REDACTED);
            let _ = value.fill(&env, Plain::Fill);
        }
        if let Some(url) = server.url() {
            assert!(
                url.has_placeholders()
                    || url.fill(&env, Plain::Fill).unwrap().expose() == url.expose()
            );
        }
        if let Kind::Bridge(bridge) = &server.kind {
            let given = bridge.arguments.positional.len() + bridge.arguments.flags.len();
            assert!(given <= 2 * bridge.launched.arguments.len());
        }
    }
}
