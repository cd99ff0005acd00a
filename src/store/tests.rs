//! The store as a whole, with a keyring in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::items::{Items, KeyringError};
use super::memory::Memory;
use super::*;

const SERVER: &str = "https://mcp.example/mcp";

/// What must not be on disk while the keyring works.
const SECRET: &str = "fake-secret-";

fn record() -> TokenRecord {
    let golden = include_str!("golden/token-v1.json").replace("\"fake-", "\"fake-secret-");
    let record = serde_json::from_str(&golden).unwrap();
    TokenRecord { server: SERVER.into(), ..record }
}

fn key(record: &TokenRecord) -> RecordKey {
    let client = &record.client.client_id;
    RecordKey::new(&record.resource, &record.issuer, client, &record.profile)
}

fn login() -> LoginRecord {
    let client = record().client;
    serde_json::from_value(json!({
        "version": 1, "url": "https://as.example/authorize", "state": "fake-secret-state",
        "verifier": "fake-secret-verifier", "opened_at": 7, "metadata": {"issuer": "i"},
        "client": client, "resource": "r",
    }))
    .unwrap()
}

/// One home, one keyring, any number of processes.
struct World {
    home: tempfile::TempDir,
    keyring: Memory,
}

impl World {
    fn new() -> World {
        World { home: tempfile::tempdir().unwrap(), keyring: Memory::default() }
    }

    /// A process.
    fn store(&self, choice: Choice) -> Store {
        let keyring = self.keyring.clone();
        let calls = Calls::new(move || Ok(Box::new(keyring.clone())), Duration::from_secs(60));
        Store::with(Places::below(self.home.path()), choice, calls)
    }

    /// A process without a keyring.
    fn without(&self, choice: Choice) -> Store {
        let open = || Err::<Box<dyn Items>, _>(KeyringError::Failed("there is none".into()));
        let calls = Calls::new(open, Duration::from_secs(60));
        Store::with(Places::below(self.home.path()), choice, calls)
    }

    /// All files below the home but locks, with what is in them.
    fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "lock") {
                    let name = path.strip_prefix(self.home.path()).unwrap();
                    found.insert(name.display().to_string(), fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }

    fn secrets_on_disk(&self) -> usize {
        self.files().values().filter(|text| text.contains(SECRET)).count()
    }
}

async fn write(store: &Store, record: &TokenRecord) -> Result<(), StoreError> {
    let lock = store.lock(&key(record)).await.unwrap();
    store.write_token(lock, record).await
}

/// The one file in a folder of the home.
fn only_file(home: &Path, folder: &str) -> std::path::PathBuf {
    let mut entries = fs::read_dir(home.join(folder)).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    path
}

#[tokio::test]
async fn opening_and_looking_touch_nothing() {
    let world = World::new();
    let store = world.store(Choice::Auto);
    assert_eq!(store.entry(SERVER, "default").unwrap(), None);
    assert_eq!(store.entries().unwrap(), []);
    assert_eq!(store.stamp(SERVER, "default"), Stamp::default());
    assert_eq!(store.token(&key(&record())).await.unwrap(), None);
    assert_eq!(store.client(&ClientKey::new("i", "r", "default")).await.unwrap(), None);
    assert_eq!(store.tab(SERVER, "default"), None);
    assert_eq!(fs::read_dir(world.home.path()).unwrap().count(), 0);
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    assert_eq!(store.login(&lock).await.unwrap(), None);
    store.remove_login(&lock).await.unwrap();
    assert_eq!(world.keyring.calls(), 0);
}

#[tokio::test]
async fn the_keyring_has_the_secrets_and_the_disk_has_none() {
    let world = World::new();
    let (store, other) = (world.store(Choice::Auto), world.store(Choice::Auto));
    write(&store, &record()).await.unwrap();
    assert_eq!(other.token(&key(&record())).await.unwrap().unwrap(), record());
    let entry = other.entry(SERVER, "default").unwrap().unwrap();
    assert_eq!((entry.vault, &entry.key), (Kept::Keyring, &key(&record())));
    assert_eq!((&*entry.issuer, &*entry.client_id), ("https://as.example/tenant", "client-abc"));
    assert_eq!(other.entries().unwrap(), [entry]);

    let client = ClientKey::new("https://as.example/tenant", "http://127.0.0.1:1/", "default");
    store.write_client(&client, &record().client).await.unwrap();
    assert_eq!(other.client(&client).await.unwrap().unwrap(), record().client);
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    store.write_login(&lock, &login()).await.unwrap();
    assert_eq!(store.login(&lock).await.unwrap().unwrap(), login());
    assert_eq!(world.keyring.all().len(), 3);
    assert_eq!((world.secrets_on_disk(), store.vault_in_use().await), (0, Vault::Keyring));

    other.remove_login(&lock).await.unwrap();
    other.remove_client(&client).await.unwrap();
    other.remove_token(other.lock(&key(&record())).await.unwrap()).await.unwrap();
    assert_eq!(world.keyring.all().len(), 0);
    assert_eq!(world.files(), BTreeMap::new());
    assert_eq!(store.token(&key(&record())).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_keyring_it_is_a_file_until_there_is_one() {
    let world = World::new();
    let store = world.without(Choice::Auto);
    write(&store, &record()).await.unwrap();
    assert_eq!(store.token(&key(&record())).await.unwrap().unwrap(), record());
    assert_eq!(store.entry(SERVER, "default").unwrap().unwrap().vault, Kept::File);
    let Vault::File { folder, why } = store.vault_in_use().await else { panic!() };
    assert_eq!(folder, world.home.path().join("credentials"));
    assert_eq!(why, "the keyring cannot be used: there is none");
    assert_eq!(world.secrets_on_disk(), 1);

    // A file that a killed writer has left is cleared away as well.
    let path = only_file(world.home.path(), "credentials");
    let left = format!(".{}.abc", path.file_name().unwrap().to_str().unwrap());
    fs::write(path.with_file_name(left), "fake-secret-left").unwrap();
    let store = world.store(Choice::Auto);
    assert_eq!(store.token(&key(&record())).await.unwrap().unwrap(), record());
    assert_eq!(world.keyring.calls(), 0);
    write(&store, &record()).await.unwrap();
    assert_eq!(store.entry(SERVER, "default").unwrap().unwrap().vault, Kept::Keyring);
    assert_eq!((world.secrets_on_disk(), world.keyring.all().len()), (0, 1));
    assert_eq!(store.token(&key(&record())).await.unwrap().unwrap(), record());
}

#[tokio::test]
async fn a_keyring_that_does_not_open_is_locked_and_not_empty() {
    let world = World::new();
    write(&world.store(Choice::Auto), &record()).await.unwrap();
    let store = world.without(Choice::Auto);
    let error = store.token(&key(&record())).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("there is none"), "{error}");
    let error = store.remove_token(store.lock(&key(&record())).await.unwrap()).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(store.entry(SERVER, "default").unwrap().is_some());
    assert_eq!(world.keyring.all().len(), 1);

    // A new sign-in goes into a file, and the old one is removed from the keyring when possible.
    let new = TokenRecord { obtained_at: 9, ..record() };
    write(&store, &new).await.unwrap();
    assert_eq!(store.token(&key(&new)).await.unwrap().unwrap(), new);
    let store = world.store(Choice::Auto);
    assert_eq!(store.token(&key(&new)).await.unwrap().unwrap(), new);
    store.remove_token(store.lock(&key(&new)).await.unwrap()).await.unwrap();
    assert_eq!((world.keyring.all().len(), world.files().len()), (0, 0));
}

#[tokio::test]
async fn choices_are_kept_to() {
    let world = World::new();
    let error = write(&world.without(Choice::Keyring), &record()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoKeyring { .. }), "{error}");
    assert_eq!(world.files(), BTreeMap::new());
    let without = world.without(Choice::Keyring).vault_in_use().await;
    assert_eq!(without, Vault::Nowhere { why: "there is none".into() });

    let file = world.store(Choice::File);
    write(&file, &record()).await.unwrap();
    assert!(matches!(file.vault_in_use().await, Vault::File { .. }));
    assert_eq!(file.token(&key(&record())).await.unwrap().unwrap(), record());
    assert_eq!((world.secrets_on_disk(), world.keyring.calls()), (1, 0));

    write(&world.store(Choice::Keyring), &record()).await.unwrap();
    assert_eq!(world.secrets_on_disk(), 0);
    let calls = world.keyring.calls();
    assert_eq!(file.token(&key(&record())).await.unwrap(), None);
    let error = file.remove_token(file.lock(&key(&record())).await.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("--store file"), "{error}");
    assert_eq!(world.keyring.calls(), calls);
}

#[tokio::test]
async fn stamps_change_with_every_write_and_removal() {
    let world = World::new();
    let (store, other) = (world.store(Choice::File), world.store(Choice::File));
    let mut seen = vec![store.stamp(SERVER, "default")];
    for round in 0..3 {
        write(&other, &record()).await.unwrap();
        seen.push(store.stamp(SERVER, "default"));
        if round == 1 {
            other.remove_token(other.lock(&key(&record())).await.unwrap()).await.unwrap();
            assert_eq!(store.stamp(SERVER, "default"), seen[0]);
        }
    }
    for (index, stamp) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(stamp), "{seen:?}");
    }
    assert_eq!(store.stamp(SERVER, "default"), seen[3]);
    assert_eq!(store.stamp(SERVER, "work"), seen[0]);

    // Another URL of the same resource shares the record, and the news.
    let twin = TokenRecord { server: format!("{SERVER}/"), ..record() };
    write(&other, &twin).await.unwrap();
    assert_ne!(store.stamp(SERVER, "default"), seen[3]);
    assert_eq!(store.entries().unwrap().len(), 2);
    other.remove_token(other.lock(&key(&twin)).await.unwrap()).await.unwrap();
    assert_eq!(world.files(), BTreeMap::new());
}

#[tokio::test]
async fn a_sign_in_at_another_issuer_replaces_the_former_one() {
    let world = World::new();
    let store = world.store(Choice::Auto);
    write(&store, &record()).await.unwrap();
    let twin = TokenRecord { server: format!("{SERVER}/"), ..record() };
    write(&store, &twin).await.unwrap();
    let moved = TokenRecord { issuer: "https://new.example".into(), ..record() };
    write(&store, &moved).await.unwrap();
    assert_eq!(store.entry(SERVER, "default").unwrap().unwrap().key, key(&moved));
    assert!(store.token(&key(&twin)).await.unwrap().is_some(), "another URL uses it");
    write(&store, &TokenRecord { server: twin.server.clone(), ..moved.clone() }).await.unwrap();
    assert_eq!(store.token(&key(&record())).await.unwrap(), None);
    assert_eq!(world.keyring.all().len(), 1);
}

#[tokio::test]
async fn a_newer_release_is_neither_read_nor_overwritten() {
    let world = World::new();
    let store = world.store(Choice::File);
    write(&store, &record()).await.unwrap();
    let secret = only_file(world.home.path(), "credentials");
    let marker = only_file(world.home.path(), "state/records");
    for path in [&secret, &marker] {
        let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        value["version"] = json!(2);
        fs::write(path, value.to_string()).unwrap();
        let error = store.token(&key(&record())).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 2 }), "{error}");
    }
    let before = fs::read(&secret).unwrap();
    let error = write(&store, &record()).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2 }), "{error}");
    assert_eq!(fs::read(&secret).unwrap(), before);
    assert!(store.entry(SERVER, "default").is_err());
    assert_eq!(store.entries().unwrap(), []);
}

#[tokio::test]
async fn damage_is_as_good_as_absence_and_is_repaired() {
    let world = World::new();
    for folder in ["credentials", "state/records", "state/servers"] {
        let store = world.store(Choice::File);
        write(&store, &record()).await.unwrap();
        fs::write(only_file(world.home.path(), folder), "{\"version\":1,").unwrap();
        let entry = store.entry(SERVER, "default").unwrap();
        let token = store.token(&key(&record())).await.unwrap();
        assert!(entry.is_none() || token.is_none(), "{folder}");
        write(&store, &record()).await.unwrap();
        assert!(store.entry(SERVER, "default").unwrap().is_some(), "{folder}");
        assert_eq!(store.token(&key(&record())).await.unwrap().unwrap(), record());
    }
}

#[tokio::test]
async fn members_of_later_releases_survive_in_the_notes() {
    let world = World::new();
    let store = world.store(Choice::File);
    write(&store, &record()).await.unwrap();
    for folder in ["state/records", "state/servers"] {
        let path = only_file(world.home.path(), folder);
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        value["later"] = json!({"kept": true});
        fs::write(&path, value.to_string()).unwrap();
        write(&store, &TokenRecord { scope: None, ..record() }).await.unwrap();
        let value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(value["later"]["kept"], true, "{folder}");
    }
}

#[tokio::test]
async fn only_the_lock_of_a_record_lets_it_be_written() {
    let world = World::new();
    let store = world.store(Choice::File);
    let lock = store.lock(&RecordKey::new("other", "i", "c", "default")).await.unwrap();
    let error = store.write_token(lock, &record()).await.unwrap_err();
    assert!(matches!(error, StoreError::Internal(_)), "{error}");
    let first = store.try_lock_login(SERVER, "default").unwrap();
    assert!(first.is_some());
    assert!(world.store(Choice::File).try_lock_login(SERVER, "default").unwrap().is_none());
    assert!(store.try_lock_login(SERVER, "work").unwrap().is_some());
    drop(first);
    assert!(store.try_lock_login(SERVER, "default").unwrap().is_some());
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_has_gone() {
    let world = World::new();
    let store = world.store(Choice::Auto);
    let lock = store.lock(&key(&record())).await.unwrap();
    let held = world.keyring.clone();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (held_send, held_receive) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let _items = held.all();
        held_send.send(()).unwrap();
        let _ = wait.recv();
    });
    held_receive.recv().unwrap();
    let record = record();
    let gone = tokio::time::timeout(Duration::ZERO, store.write_token(lock, &record));
    assert!(gone.await.is_err());
    // The write still has its lock.
    let path = lock::path(&Places::below(world.home.path()).state, &key(&record).name());
    assert!(lock::attempt(&path).unwrap().is_none());
    drop(go);
    holder.join().unwrap();
    drop(store.lock(&key(&record)).await.unwrap());
    assert_eq!(store.token(&key(&record)).await.unwrap().unwrap(), record);
}

#[tokio::test]
async fn a_tab_is_seen_without_the_lock() {
    let world = World::new();
    let store = world.store(Choice::File);
    let lock = store.try_lock_login(SERVER, "default").unwrap().unwrap();
    let tab = Tab {
        opened_at: 5,
        opened: true,
        url: "https://as.example/a?b=c".into(),
        code: Some("FAKE-1".into()),
        answered: false,
        over: false,
        count: 1,
    };
    store.write_tab(&lock, &tab).unwrap();
    assert_eq!(world.store(Choice::Auto).tab(SERVER, "default").unwrap(), tab);
    assert_eq!(store.tab(SERVER, "work"), None);
    store.remove_tab(&lock).unwrap();
    assert_eq!(store.tab(SERVER, "default"), None);
}

#[tokio::test]
async fn secrets_in_urls_stay_out_of_the_index() {
    let world = World::new();
    let server = "https://me:fake-secret-1@mcp.example/mcp?key=fake-secret-2";
    let record = TokenRecord { server: server.into(), resource: server.into(), ..record() };
    write(&world.store(Choice::Auto), &record).await.unwrap();
    let entry = world.store(Choice::Auto).entry(server, "default").unwrap().unwrap();
    assert_eq!((&*entry.server, &*entry.resource), (SERVER, SERVER));
    assert_eq!(world.secrets_on_disk(), 0);
}

#[tokio::test]
async fn a_persons_secret_is_found_in_the_keyring() {
    let world = World::new();
    world.keyring.set("idp", b"fake-secret-idp").unwrap();
    let store = world.store(Choice::File);
    assert_eq!(store.secret("idp").await.unwrap().unwrap().expose(), "fake-secret-idp");
    assert_eq!(store.secret("other").await.unwrap(), None);
    let error = world.without(Choice::Auto).secret("idp").await.unwrap_err();
    assert!(matches!(error, StoreError::NoKeyring { .. }), "{error}");
}

#[tokio::test]
async fn a_probe_leaves_nothing_and_says_what_is_wrong() {
    let world = World::new();
    let store = world.store(Choice::File);
    store.probe_keyring("doctor-1").await.unwrap();
    assert!(world.keyring.calls() >= 3);
    assert!(world.keyring.all().is_empty() && world.files().is_empty());
    let without = world.without(Choice::Auto);
    let error = without.probe_keyring("doctor-1").await.unwrap_err();
    assert!(matches!(error, KeyringError::Failed(_)), "{error}");
}
