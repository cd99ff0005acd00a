//! A sign-in that lies in the store of each bridge that has one, as a person has left it behind: the start with a token.

use std::fs;
use std::path::Path;

use md5::{Digest as _, Md5};
use serde_json::json;

use super::Error;
use super::contender::Contender;
use super::wire::TOKEN;

/// Nobody refreshes a token that is good until then: 2096, in seconds.
const EXPIRES: u64 = 4_000_000_000;

const CLIENT: &str = "bench-client";

/// Puts a sign-in to the server at `url` into the store of the bridge, below `home`. Gives the flags with which it
/// looks there.
///
/// # Errors
/// If it has no store, or takes nothing over.
pub fn prepare(
    contender: &Contender,
    url: &str,
    home: &Path,
) -> Result<&'static [&'static str], Error> {
    match contender.name {
        "mcp-remote" => mcp_remote(url, home).map(|()| &[][..]),
        "mcp-stdio" => {
            let sign_in = json!({
                "access_token": TOKEN,
                "token_type": "Bearer",
                "expires_at": EXPIRES,
                "refresh_token": null,
                "client_id": CLIENT,
                "client_secret": null,
                "issuer": issuer(url),
            });
            let folder = home.join(".config/mcp-stdio");
            fs::create_dir_all(&folder)?;
            let file = folder.join("tokens.json");
            fs::write(&file, json!({ url: sign_in }).to_string())?;
            // What others may read is not taken.
            #[cfg(unix)]
            for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            }
            Ok(&["--oauth"])
        }
        "mcp-tether" => {
            // It takes over what mcp-remote has, which is a check of that as well.
            mcp_remote(url, home)?;
            let mut import = contender.bare(home);
            let output = import.args(["auth", "import", url, "--yes"]).output()?;
            let said = || String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(&[]) } else { Err(said().into()) }
        }
        _ => Err("it keeps no sign-ins".into()),
    }
}

fn mcp_remote(url: &str, home: &Path) -> Result<(), Error> {
    let folder = home.join(".mcp-auth/mcp-remote-v1");
    fs::create_dir_all(&folder)?;
    let digest: String = Md5::digest(url).iter().map(|byte| format!("{byte:02x}")).collect();
    let issuer = issuer(url);
    let tokens = json!({
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 3_000_000,
        "expires_at": EXPIRES * 1000,
        "issuer": issuer,
    });
    let client = json!({
        "client_id": CLIENT,
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://localhost:3334/oauth/callback"],
        "issuer": issuer,
    });
    fs::write(folder.join(format!("{digest}_tokens.json")), tokens.to_string())?;
    Ok(fs::write(folder.join(format!("{digest}_client_info.json")), client.to_string())?)
}

/// The authorization server is the server itself.
fn issuer(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |at| &url[..host + at])
}
