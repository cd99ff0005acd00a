use std::path::PathBuf;

use super::*;
use crate::limits::{KEYRING_TIMEOUT, MAX_COMMAND_OUTPUT, SECRET_COMMAND_TIMEOUT};
use crate::store::{Choice, Places, SecretName};

const RESERVED: &[HeaderName] = &[];

fn command(words: &[&str], ttl: Option<Duration>) -> Sources {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Sources { command: Some(Command { words, ttl, reserved: RESERVED }), ..Sources::default() }
}

fn single(header: &'static str, scheme: Option<&str>, place: Place) -> Sources {
    let header = HeaderName::from_static(header);
    let source = Source { header, scheme: scheme.map(str::to_owned), place };
    Sources { single: vec![source], ..Sources::default() }
}

fn supplier(sources: Sources) -> Supplier {
    Supplier::new(sources, None, Arc::default())
}

fn value(supplier: &Supplier, name: &str) -> Option<String> {
    let headers = supplier.headers();
    headers.borrow().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn nothing_to_obtain_is_always_ready() {
    let supplier = supplier(Sources::default());
    let generation = supplier.ready().await.unwrap();
    assert!(!supplier.refused(401, generation).await.unwrap());
}

#[tokio::test]
async fn files_are_read_again_when_the_server_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("token");
    std::fs::write(&path, "fake-token-1\n").unwrap();
    let redactor = Arc::new(Redactor::default());
    let sources = single("authorization", Some("Bearer"), Place::File(path.clone()));
    let supplier = Supplier::new(sources, None, redactor.clone());
    let first = supplier.ready().await.unwrap();
    assert_eq!(value(&supplier, "authorization").unwrap(), "Bearer fake-token-1");
    assert_eq!(redactor.clean("a fake-token-1 b", 99), "a [redacted] b");
    // It is as it was, so that there is no use in sending it again.
    assert!(!supplier.refused(403, first).await.unwrap());
    assert!(!supplier.refused(401, first).await.unwrap());
    let second = supplier.ready().await.unwrap();
    std::fs::write(&path, "fake-token-2\n").unwrap();
    // Not over and over again.
    assert!(!supplier.refused(401, second).await.unwrap());
    // A request that had the first ones finds that there are others.
    assert!(supplier.refused(401, Generation(0)).await.unwrap());
    tokio::time::pause();
    tokio::time::advance(HEADER_COMMAND_PAUSE).await;
    assert!(supplier.refused(401, second).await.unwrap());
    assert_eq!(value(&supplier, "authorization").unwrap(), "Bearer fake-token-2");
    tokio::time::advance(HEADER_COMMAND_PAUSE).await;
    std::fs::remove_file(&path).unwrap();
    let third = supplier.ready().await.unwrap();
    let error = supplier.refused(401, third).await.unwrap_err().to_string();
    assert!(error.starts_with("--header authorization: cannot read"), "{error}");
}

#[tokio::test]
async fn secrets_by_name_come_from_the_store() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(Places::below(home.path()), Choice::File, KEYRING_TIMEOUT);
    let key = SecretName::new("key").unwrap();
    store.write_secret(&key, Secret::new("fake-key".into())).await.unwrap();
    let sources = |name: &str| single("x-key", None, Place::Keyring(name.into()));
    let supply = |name| Supplier::new(sources(name), Some(store.clone()), Arc::default());
    let good = supply("key");
    good.ready().await.unwrap();
    assert_eq!(value(&good, "x-key").unwrap(), "fake-key");
    let error = supply("other").ready().await.unwrap_err();
    assert!(error.to_string().contains("run: mcp-tether secret set other"), "{error}");
    assert!(error.failure("https://h.example/").unsent);
    let error = supplier(sources("key")).ready().await.unwrap_err();
    assert!(matches!(error, SupplyError::NoStore(_)), "{error}");
    store.write_secret(&key, Secret::new("fake\u{1}".into())).await.unwrap();
    let error = supply("key").ready().await.unwrap_err().to_string();
    assert!(error.contains("cannot have") && !error.contains("fake"), "{error}");
}

#[cfg(unix)]
mod commands {
    use super::*;

    /// A script that counts how often it runs in the file `runs` beside it.
    fn script(folder: &tempfile::TempDir, text: &str) -> Vec<String> {
        let path = folder.path().join("script");
        std::fs::write(&path, format!("echo run >> \"${{0%/*}}/runs\"\n{text}\n")).unwrap();
        vec!["sh".to_owned(), path.to_str().unwrap().to_owned()]
    }

    fn of(words: &[String], ttl: Option<Duration>) -> Sources {
        command(&words.iter().map(String::as_str).collect::<Vec<_>>(), ttl)
    }

    fn runs(folder: &tempfile::TempDir) -> usize {
        std::fs::read_to_string(folder.path().join("runs")).map_or(0, |text| text.lines().count())
    }

    #[tokio::test]
    async fn many_share_one_run_that_goes_on_without_those_who_left() {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let text = format!(
            "while ! [ -e '{}' ]; do sleep 0.01; done; echo 'X-Key: fake-key'",
            gate.display()
        );
        let supplier = supplier(of(&script(&folder, &text), None));
        let first = tokio::spawn({
            let supplier = supplier.clone();
            async move { supplier.ready().await.map(drop) }
        });
        while runs(&folder) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        first.abort();
        let others: Vec<_> = (0..20)
            .map(|_| {
                let supplier = supplier.clone();
                tokio::spawn(async move { supplier.ready().await })
            })
            .collect();
        tokio::task::yield_now().await;
        std::fs::write(gate, "").unwrap();
        for other in others {
            assert_eq!(other.await.unwrap().unwrap(), Generation(1));
        }
        assert_eq!((runs(&folder), value(&supplier, "x-key").unwrap()), (1, "fake-key".to_owned()));
    }

    #[tokio::test]
    async fn it_is_run_once_more_when_the_server_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let text = "echo \"X-Key: fake-key-$(wc -l < \"${0%/*}/runs\" | tr -d ' ')\"";
        let supplier = supplier(of(&script(&folder, text), None));
        let first = supplier.ready().await.unwrap();
        assert_eq!(supplier.ready().await.unwrap(), first);
        assert!(supplier.refused(401, first).await.unwrap());
        // Those who were refused at the same time only send again.
        assert!(supplier.refused(401, first).await.unwrap());
        assert_eq!((runs(&folder), &*value(&supplier, "x-key").unwrap()), (2, "fake-key-2"));
        let second = supplier.ready().await.unwrap();
        assert!(!supplier.refused(401, second).await.unwrap());
        assert_eq!(runs(&folder), 2);
    }

    #[tokio::test]
    async fn what_is_good_for_no_time_is_obtained_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let supplier = supplier(of(&script(&folder, "echo A: 1"), Some(Duration::ZERO)));
        for run in 1..4 {
            supplier.ready().await.unwrap();
            assert_eq!(runs(&folder), run);
        }
    }

    #[tokio::test]
    async fn failures_are_told_to_everybody_and_cost_one_run() {
        for (text, reason) in [
            ("echo 'A: fake-secret'; echo fake-secret >&2; exit 3", "failed (exit status: 3)"),
            ("kill -9 $$", "failed (signal: 9"),
            ("echo fake-secret", "printed no header in line 1"),
            ("true", "printed nothing"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let supplier = supplier(of(&script(&folder, text), None));
            let (one, two) = tokio::join!(supplier.ready(), supplier.ready());
            let three = supplier.ready().await;
            for error in [one, two, three].map(|outcome| outcome.unwrap_err().to_string()) {
                assert!(error.starts_with("--header-command: sh "), "{error}");
                assert!(error.contains(reason) && !error.contains("fake"), "{error}");
            }
            assert_eq!(runs(&folder), 1, "{text}");
            tokio::time::pause();
            tokio::time::advance(HEADER_COMMAND_PAUSE).await;
            tokio::time::resume();
            assert!(supplier.ready().await.is_err());
            assert_eq!(runs(&folder), 2, "{text}");
        }
        let missing = supplier(command(&["/does/not/exist", "fake-secret"], None));
        let error = missing.ready().await.unwrap_err().to_string();
        assert!(error.starts_with("--header-command: exist could not be started"), "{error}");
        assert!(!error.contains("fake"), "{error}");
    }

    #[tokio::test]
    async fn endless_output_is_cut_off_and_endless_talk_is_not_in_the_way() {
        let endless = supplier(command(&["yes", "X-Key: fake"], None));
        let error = endless.ready().await.unwrap_err().to_string();
        assert!(error.contains("printed more than 64 KiB"), "{error}");
        assert_eq!(MAX_COMMAND_OUTPUT >> 10, 64);
        let folder = tempfile::tempdir().unwrap();
        let text = "yes | head -c 1000000 >&2; sleep 1000 >/dev/null & echo A: 1";
        supplier(of(&script(&folder, text), None)).ready().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let text = "sleep 100000 & echo $! > \"${0%/*}/pid\"; sleep 100000";
        let sources = of(&script(&folder, text), None);
        let before = Instant::now();
        let error = supplier(sources).ready().await.unwrap_err().to_string();
        assert!(error.contains("did not end within 30 s and was killed"), "{error}");
        assert!(before.elapsed() >= SECRET_COMMAND_TIMEOUT);
    }
}
