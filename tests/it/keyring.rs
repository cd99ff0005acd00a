//! The store with a real keyring. These tests need one in a known state and are ignored unless
//! `tests/interop/keyring/run` runs them, each in a process of its own, with `KEYRING_HOME` for
//! the files of the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_tether::limits::KEYRING_TIMEOUT;
use mcp_tether::store::{
    Choice, ClientKey, Kept, LoginRecord, Places, RecordKey, Store, StoreError, TokenRecord, Vault,
};

use crate::client_commands::run_with;
use crate::support::{Bridge, Server};

const SERVER: &str = "https://mcp.example/mcp";

/// The passwords of the keyring and every secret of these tests contain this.
const SECRET: &str = "fake-secret-";

/// What stuck calls may cost on a slow machine. A keyring that hangs would take for ever.
const LONG: Duration = Duration::from_secs(30);

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("KEYRING_HOME").expect("run by tests/interop/keyring/run"))
}

fn store(choice: Choice) -> Store {
    Store::new(Places::below(&folder()), choice, KEYRING_TIMEOUT)
}

/// A record of a realistic size, and larger than one item of any keyring with a limit.
fn record(profile: &str) -> TokenRecord {
    let client = serde_json::json!({
        "version": 1, "issuer": "https://as.example", "client_id": "client",
        "client_secret": format!("{SECRET}client"), "redirect_uri": "http://127.0.0.1:1/",
    });
    serde_json::from_value(serde_json::json!({
        "version": 1, "server": SERVER, "profile": profile, "resource": SERVER,
        "issuer": "https://as.example", "client": client,
        "token_endpoint": "https://as.example/token",
        "access_token": format!("{SECRET}access-{}", "x".repeat(20_000)),
        "refresh_token": format!("{SECRET}refresh"), "obtained_at": 1,
    }))
    .unwrap()
}

fn login() -> LoginRecord {
    serde_json::from_value(serde_json::json!({
        "version": 1, "url": "https://as.example/authorize", "state": format!("{SECRET}state"),
        "verifier": format!("{SECRET}verifier"), "opened_at": 1, "metadata": {},
        "client": record("default").client, "resource": SERVER,
    }))
    .unwrap()
}

fn key(profile: &str) -> RecordKey {
    RecordKey::new(SERVER, "https://as.example", "client", profile)
}

fn client_key() -> ClientKey {
    ClientKey::new("https://as.example", "http://127.0.0.1:1/", "default")
}

async fn write(store: &Store, record: &TokenRecord) -> Result<(), StoreError> {
    let lock = store.lock(&key(&record.profile)).await.unwrap();
    store.write_token(lock, record).await
}

/// How many files below a folder have a secret in them.
fn secrets_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let count = |entry: fs::DirEntry| {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            return secrets_below(&entry.path());
        }
        // Sockets of daemons are no files.
        let bytes = if kind.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        usize::from(bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()))
    };
    entries.map(count).sum()
}

#[tokio::test]
#[ignore = "needs an unlocked keyring"]
async fn records_are_stored() {
    let store = store(Choice::Auto);
    write(&store, &TokenRecord { obtained_at: 0, ..record("default") }).await.unwrap();
    write(&store, &record("default")).await.unwrap();
    store.write_client(&client_key(), &record("default").client).await.unwrap();
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    store.write_login(&lock, &login()).await.unwrap();
    assert_eq!(store.entry(SERVER, "default").unwrap().unwrap().vault, Kept::Keyring);
    assert_eq!(store.vault_in_use().await, Vault::Keyring);
    // HOME has the keyring's own file as well, which must be encrypted.
    assert_eq!(secrets_below(&folder()), 0);
    assert_eq!(secrets_below(Path::new(&std::env::var_os("HOME").unwrap())), 0);
}

#[tokio::test]
#[ignore = "needs an unlocked keyring with the records of `records_are_stored`"]
async fn records_are_read() {
    let store = store(Choice::Auto);
    assert_eq!(store.token(&key("default")).await.unwrap().unwrap(), record("default"));
    let client = store.client(&client_key()).await.unwrap().unwrap();
    assert_eq!(client, record("default").client);
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    assert_eq!(store.login(&lock).await.unwrap().unwrap(), login());
    assert_eq!(store.secret("by-hand").await.unwrap().unwrap().expose(), "fake-secret-by-hand");
    assert_eq!(store.secret("nobody").await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs an unlocked keyring with the records of `records_are_stored`"]
async fn a_daemon_that_was_started_anew_is_found_again() {
    let store = store(Choice::Auto);
    assert!(store.token(&key("default")).await.unwrap().is_some());
    let restart = "printf fake-secret-password |
        gnome-keyring-daemon --replace --unlock --components=secrets >/dev/null 2>&1";
    assert!(std::process::Command::new("sh").args(["-c", restart]).status().unwrap().success());
    // The new daemon may not have the old one's name on the bus yet.
    let start = Instant::now();
    loop {
        match store.token(&key("default")).await {
            Ok(found) => break assert_eq!(found.unwrap(), record("default")),
            Err(error) => assert!(start.elapsed() < LONG, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    write(&store, &record("default")).await.unwrap();
    assert_eq!(store.entry(SERVER, "default").unwrap().unwrap().vault, Kept::Keyring);
}

/// Runs `mcp-tether secret` with this keyring and gives its stdout.
fn secret(args: &[&str], stdin: &str) -> String {
    let environment = ["DBUS_SESSION_BUS_ADDRESS", "HOME", "XDG_RUNTIME_DIR"];
    let environment: Vec<(&str, String)> = environment
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
        .chain([("MCP_TETHER_HOME", folder().to_str().unwrap().to_owned())])
        .collect();
    let borrowed: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let output = run_with(&[&["secret"], args].concat(), &borrowed, stdin);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs an unlocked keyring"]
fn a_secret_by_name_reaches_a_server_and_is_in_no_file() {
    let value = format!("{SECRET}by-name");
    let said = secret(&["set", "by name"], &value);
    assert_eq!(said, "by name is kept in the system's keyring\n");
    assert_eq!(
        secret(&["list", "--json"], ""),
        "{\"secrets\":[{\"name\":\"by name\",\"store\":\"keyring\"}]}\n"
    );
    assert_eq!(secrets_below(&folder()), 0);
    let server = Server::start();
    let mut builder = Bridge::with(&server.url()).header("Authorization: Bearer keyring:by name");
    // What another program has put there is as good.
    builder = builder.header("X-Key: keyring:by-hand").env("MCP_TETHER_HOME", folder());
    for name in ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        builder = builder.env(name, std::env::var_os(name).unwrap_or_default());
    }
    let bridge = builder.ready(&server);
    let seen = server.wait("initialize", 1);
    assert_eq!(seen[0].header("authorization"), Some(&*format!("Bearer {value}")));
    assert_eq!(seen[0].header("x-key"), Some("fake-secret-by-hand"));
    assert!(!bridge.finish().stderr.contains(SECRET));
    assert_eq!(secret(&["rm", "by name"], ""), "by name is forgotten\n");
    assert_eq!(secret(&["list"], ""), "");
}

#[tokio::test]
#[ignore = "needs an unlocked keyring with the records of `records_are_stored`"]
async fn records_are_removed() {
    let store = store(Choice::Auto);
    store.remove_client(&client_key()).await.unwrap();
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    store.remove_login(&lock).await.unwrap();
    for entry in store.entries().unwrap() {
        store.remove_token(store.lock(&entry.key).await.unwrap()).await.unwrap();
    }
    assert_eq!(store.entries().unwrap(), []);
    assert_eq!(secrets_below(&folder()), 0);
}

/// Locked, absent, without a provider, or hanging: the record in the keyring is not lost, and a new
/// one goes into a file.
#[tokio::test]
#[ignore = "needs a keyring that cannot be used, and a record in it"]
async fn a_keyring_that_cannot_be_used_means_files() {
    // With this, the bus is a socket that takes connections and never answers.
    let _listener = std::env::var_os("KEYRING_HANGING_BUS")
        .map(|path| std::os::unix::net::UnixListener::bind(path).unwrap());
    let start = Instant::now();
    let store = store(Choice::Auto);
    let error = store.token(&key("default")).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    println!("after {:?}: {error}", start.elapsed());

    write(&store, &record("second")).await.unwrap();
    assert_eq!(store.token(&key("second")).await.unwrap().unwrap(), record("second"));
    let kept = |profile| store.entry(SERVER, profile).unwrap().unwrap().vault;
    assert_eq!((kept("default"), kept("second")), (Kept::Keyring, Kept::File));
    let vault = store.vault_in_use().await;
    assert!(matches!(vault, Vault::File { .. }), "{vault}");
    println!("after {:?}: {vault}", start.elapsed());
    assert_eq!(secrets_below(&folder()), 1);

    let strict = self::store(Choice::Keyring);
    let error = write(&strict, &record("third")).await.unwrap_err();
    assert!(matches!(error, StoreError::NoKeyring { .. }), "{error}");
    assert_eq!(secrets_below(&folder()), 1);
    assert!(start.elapsed() < LONG, "it took {:?}", start.elapsed());
}

#[tokio::test]
#[ignore = "needs an unlocked keyring and a record of `a_keyring_that_cannot_be_used_means_files`"]
async fn a_record_moves_from_its_file_into_the_keyring() {
    let store = store(Choice::Auto);
    assert_eq!(store.token(&key("second")).await.unwrap().unwrap(), record("second"));
    assert_eq!(store.entry(SERVER, "second").unwrap().unwrap().vault, Kept::File);
    write(&store, &record("second")).await.unwrap();
    assert_eq!(store.entry(SERVER, "second").unwrap().unwrap().vault, Kept::Keyring);
    assert_eq!(store.token(&key("second")).await.unwrap().unwrap(), record("second"));
    assert_eq!(secrets_below(&folder()), 0);
}
