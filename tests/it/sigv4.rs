//! Requests signed with AWS credentials, held against a server that computes every signature itself, from
//! what arrived.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use self::verify::{Key, Verifier};
use crate::client_commands::run_with;
#[cfg(target_os = "linux")]
use crate::credentials::lives;
use crate::support::bridge::Builder;
#[cfg(target_os = "linux")]
use crate::support::oauth::wait_for;
use crate::support::tls::Tls;
use crate::support::*;

mod verify;

/// A path as a runtime of AgentCore has it: its ARN is encoded.
const RUNTIME: &str = "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A111122223333%3Aruntime%2Fdemo/invocations?qualifier=DEFAULT&b=%2F%20x&a=";

const SECRET: &str = "fake+secret/key-of-nobody";
const TOKEN: &str = "fake//token+of/nobody==";

fn static_key() -> Key {
    Key { id: "AKIDFAKE0".into(), secret: SECRET.into(), token: Some(TOKEN.into()) }
}

const STATIC: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDFAKE0"),
    ("AWS_SECRET_ACCESS_KEY", SECRET),
    ("AWS_SESSION_TOKEN", TOKEN),
];

const PLACE: [&str; 3] =
    ["--aws-sigv4", "--aws-service=bedrock-agentcore", "--aws-region=us-west-2"];

/// A server that lets in who signs properly, and what it has refused.
struct Guard {
    server: Server,
    verifier: Arc<Verifier>,
    refused: Arc<AtomicUsize>,
}

impl Guard {
    fn of(server: Server) -> Guard {
        server.mcp().set(|settings| settings.strict = false);
        let verifier = Arc::new(Verifier {
            keys: Mutex::new(vec![static_key()]),
            ahead: AtomicI64::new(0),
            service: "bedrock-agentcore",
            region: "us-west-2",
        });
        let refused = Arc::<AtomicUsize>::default();
        let (judge, count) = (verifier.clone(), refused.clone());
        server.maybe("*", move |request| {
            let (kind, said) = judge.judge(request).err()?;
            count.fetch_add(1, Ordering::SeqCst);
            let body = json!({ "message": said }).to_string();
            let date = httpdate::fmt_http_date(judge.now());
            let reply = Reply::body(403, "application/json", body);
            Some(reply.header("x-amzn-errortype", kind).header("date", &date))
        });
        Guard { server, verifier, refused }
    }

    fn new() -> Guard {
        Guard::of(Server::start())
    }

    fn url(&self) -> String {
        self.server.url_at(RUNTIME)
    }

    fn bridge(&self) -> Builder {
        environment(signing(Bridge::with(&self.url())), &STATIC)
    }

    #[track_caller]
    fn ready(&self, builder: Builder) -> Bridge {
        let bridge = builder.start();
        bridge.handshake().result();
        self.server.wait("GET", 1);
        bridge
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn keys(&self, keys: Vec<Key>) {
        *self.verifier.keys.lock().unwrap() = keys;
    }
}

fn signing(builder: Builder) -> Builder {
    PLACE.iter().fold(builder, |builder, arg| builder.arg(arg))
}

/// No test asks the network for credentials.
const ISOLATED: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

fn environment(builder: Builder, variables: &[(&str, &str)]) -> Builder {
    variables
        .iter()
        .chain([&ISOLATED])
        .fold(builder, |builder, (name, value)| builder.env(name, value))
}

/// A folder for one test, with the files of AWS tools.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new(config: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".aws")).unwrap();
        let scene = Scene(folder);
        scene.write(".aws/config", config);
        scene
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A profile whose process reads all of stdin, notes its run, and prints key and secret with the
    /// number of the run, which last so long.
    fn with_process(seconds: u64) -> Scene {
        let scene = Scene::new("");
        let script = format!(
            "cat >/dev/null\necho run >> \"${{0%/*}}/runs\"\nn=$(grep -c . \"${{0%/*}}/runs\")\n\
             end=$(date -u -d \"@$(( $(date +%s) + {seconds} ))\" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || \
             date -u -r \"$(( $(date +%s) + {seconds} ))\" +%Y-%m-%dT%H:%M:%SZ)\n\
             printf '{{\"Version\":1,\"AccessKeyId\":\"AKIDRUN%s\",\"SecretAccessKey\":\"fake-secret-of-run-%s\",\
             \"SessionToken\":\"fake-token-of-run-%s\",\"Expiration\":\"%s\"}}' \"$n\" \"$n\" \"$n\" \"$end\"\n"
        );
        let script = scene.write("script", &script);
        let config = format!("[profile tool]\ncredential_process = sh '{}'\n", script.display());
        scene.write(".aws/config", &config);
        scene
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.0.path().join("runs")).map_or(0, |text| text.lines().count())
    }

    fn bridge(&self, guard: &Guard) -> Builder {
        environment(signing(Bridge::with(&guard.url())), &[]).home(self.0.path())
    }
}

fn key_of_run(n: usize) -> Key {
    Key {
        id: format!("AKIDRUN{n}"),
        secret: format!("fake-secret-of-run-{n}"),
        token: Some(format!("fake-token-of-run-{n}")),
    }
}

fn run(guard: &Guard, command: &[&str], variables: &[(&str, &str)]) -> Output {
    let url = guard.url();
    let args = [&command[..1], &[&url], &command[1..], &PLACE].concat();
    run_with(&args, &[variables, &[ISOLATED]].concat(), "")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_request_of_a_session_is_signed_as_it_is_sent() {
    let guard = Guard::new();
    let folder = tempfile::tempdir().unwrap();
    let (log, trace) = (folder.path().join("log"), folder.path().join("trace"));
    let builder = guard
        .bridge()
        .header("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: fake  of   a test")
        .header("X-Custom: not signed")
        .path("--log-file", &log)
        .path("--trace", &trace)
        .arg("-vv");
    let bridge = guard.ready(builder);
    bridge.ask(2, "tools/list").result();
    // Larger than a MiB, and not ASCII.
    let large = "\u{e4}".repeat(1 << 20);
    bridge.send(format!(
        r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"t","x":"{large}"}}}}"#
    ));
    bridge.answer(3).result();
    let stderr = bridge.finish().clean().stderr.clone();
    assert_eq!(guard.refused(), 0);
    let kinds = guard.server.kinds();
    for kind in ["initialize", "notifications/initialized", "GET", "tools/call", "DELETE"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind}: {kinds:?}");
    }
    for request in guard.server.seen("*") {
        assert_eq!(request.header("x-amz-security-token"), Some(TOKEN));
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains("x-amzn-bedrock-agentcore-runtime-session-id"));
        assert!(!authorization.contains("mcp-") && !authorization.contains("x-custom"));
    }
    let (log, trace) = (fs::read_to_string(log).unwrap(), fs::read_to_string(trace).unwrap());
    assert!(trace.contains("x-amz-date"), "the trace has no requests");
    for (name, text) in [("stderr", stderr), ("log", log), ("trace", trace)] {
        for secret in [SECRET, TOKEN, "Signature="] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
}

#[test]
fn every_transport_and_both_eras_are_signed() {
    let tls = Tls::new();

    let guard = Guard::of(Server::with_tls(&tls));
    let bridge = guard.ready(guard.bridge().path("--ca-cert", &tls.file("ca.pem")));
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
    assert_eq!(guard.refused(), 0);

    let guard = Guard::of(Server::modern());
    let bridge = guard.bridge().start();
    modern::ask(&bridge, 1, "tools/list", "").result();
    bridge.finish().clean();
    assert_eq!(guard.refused(), 0);

    let guard = Guard::new();
    let transport = HttpSse::at(&guard.server, "/sse");
    let builder = signing(Bridge::with(&guard.server.url_at("/sse"))).arg("--transport=sse");
    let bridge = environment(builder, &STATIC).start();
    bridge.handshake().result();
    transport.wait_streams(1);
    bridge.finish().clean();
    assert_eq!(guard.refused(), 0);
    assert!(guard.server.seen("initialize")[0].uri.path() == "/messages");
}

#[test]
fn a_redirect_is_signed_anew() {
    let guard = Guard::new();
    let elsewhere = RUNTIME.replace("demo", "other");
    guard.server.maybe("*", move |request| {
        let moved = request.uri.path().contains("demo");
        moved.then(|| Reply::status(307).header("location", &elsewhere))
    });
    let bridge = guard.ready(guard.bridge());
    bridge.finish().clean();
    assert_eq!(guard.refused(), 0);
}

#[test]
fn commands_are_signed_too() {
    let guard = Guard::new();
    let output = run(&guard, &["check", "--json"], &STATIC);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "authorization").unwrap();
    assert_eq!(step["state"], json!("configured"), "{step}");
    let output = run(&guard, &["tools"], &STATIC);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(guard.refused(), 0);

    let output = run(&guard, &["login"], &STATIC);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("aws sso login"), "{}", text(&output.stderr));

    let output = run(&guard, &["check", "--json"], &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["result"] == "failed").unwrap();
    assert_eq!(failed["name"], "authorization");
}

#[test]
fn without_credentials_nothing_is_sent_and_the_next_step_is_named() {
    let guard = Guard::new();
    let config = "\
[profile work]
sso_session = company
sso_account_id = 111122223333
sso_role_name = reader
[sso-session company]
sso_region = us-west-2
sso_start_url = https://company.example.com/start
[profile failing]
credential_process = echo fake-secret-on-stderr >&2; exit 3
[profile odd]
credential_process = echo '{\"Version\": 1, \"SecretAccessKey\": \"fake-secret-in-output\"}'
";
    let scene = Scene::new(config);
    for (profile, said, next) in [
        (None, "there are no AWS credentials", "--aws-profile"),
        (Some("nobody"), "there is no AWS profile nobody", "--aws-profile"),
        (Some("work"), "gives no AWS credentials", "run: aws sso login --profile work"),
        (Some("failing"), "exited with code", "run the credential_process"),
        (Some("odd"), "gives no AWS credentials", "run the credential_process"),
    ] {
        let mut builder = scene.bridge(&guard);
        if let Some(profile) = profile {
            builder = builder.arg("--aws-profile").arg(profile);
        }
        let bridge = builder.start();
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).failed("unauthorized");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(said) && message.contains(next), "{profile:?}: {message}");
        let stderr = bridge.finish().stderr;
        assert!(!stderr.contains("fake-secret") && !message.contains("fake-secret"), "{stderr}");
    }
    assert_eq!(guard.server.kinds(), Vec::<String>::new());
}

/// The profile of the command line counts more than keys in the environment, the one of `AWS_PROFILE` less.
#[test]
fn a_named_profile_is_used_alone() {
    let scene = Scene::new(
        "[profile other]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = fake-other\n",
    );
    let other = Key { id: "AKIDOTHER".into(), secret: "fake-other".into(), token: None };
    for (named, key) in [(true, other), (false, static_key())] {
        let guard = Guard::new();
        guard.keys(vec![key]);
        let mut builder = environment(scene.bridge(&guard), &STATIC).env("AWS_PROFILE", "other");
        if named {
            builder = builder.arg("--aws-profile=other");
        }
        guard.ready(builder).finish().clean();
        assert_eq!(guard.refused(), 0);
    }
}

/// What the crates of AWS have started ends with the bridge, with all that it has started.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_hangs_is_ended() {
    let guard = Guard::new();
    let scene = Scene::new("");
    let script = "sleep 100000 &\necho $$ $! > \"${0%/*}/new\"; mv \"${0%/*}/new\" \"${0%/*}/pids\"\nsleep 100000";
    let script = scene.write("script", script);
    let config = format!("[profile tool]\ncredential_process = sh '{}'\n", script.display());
    scene.write(".aws/config", &config);
    let bridge =
        scene.bridge(&guard).arg("--aws-profile=tool").arg("--drain-timeout=100ms").start();
    bridge.send(INITIALIZE);
    let pids = wait_for("its numbers", || fs::read_to_string(scene.0.path().join("pids")).ok());
    assert_eq!(pids.split_whitespace().filter(|pid| lives(pid)).count(), 2, "both are there");
    bridge.finish();
    for pid in pids.split_whitespace() {
        wait_for("its end", || (!lives(pid)).then_some(()));
    }
}

#[test]
fn refused_credentials_are_obtained_anew_once() {
    let guard = Guard::new();
    guard.keys(vec![key_of_run(1)]);
    let scene = Scene::with_process(3600);
    let bridge = guard.ready(scene.bridge(&guard).arg("--aws-profile=tool"));
    assert_eq!(scene.runs(), 1);
    // They are replaced, and requests that were refused at the same time are all sent again.
    guard.keys(vec![key_of_run(2)]);
    for id in 10..20 {
        bridge.send(request(id, "tools/list"));
    }
    for id in 10..20 {
        bridge.answer(id).result();
    }
    assert_eq!(scene.runs(), 2);
    // A server that refuses everything does not make it run each time.
    guard.keys(vec![]);
    for id in 20..23 {
        let error = bridge.ask(id, "tools/list").failed("unauthorized");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("does not know") && message.contains("tool"), "{message}");
    }
    assert!(scene.runs() <= 3);
    let stderr = bridge.finish().stderr;
    assert!(!stderr.contains("fake-"), "{stderr}");
}

#[test]
fn credentials_are_renewed_before_they_expire() {
    let guard = Guard::new();
    guard.keys((1..100).map(key_of_run).collect());
    // Within the margin from the beginning: renewed when the pause is over.
    let scene = Scene::with_process(50);
    let bridge = guard.ready(scene.bridge(&guard).arg("--aws-profile=tool"));
    let end = Instant::now() + DEADLINE;
    for id in 10.. {
        bridge.ask(id, "tools/list").result();
        if scene.runs() > 1 {
            break;
        }
        assert!(Instant::now() < end, "they were never renewed");
        std::thread::sleep(Duration::from_millis(200));
    }
    bridge.ask(5, "tools/list").result();
    assert_eq!(guard.refused(), 0);
    let last = guard.server.seen("tools/list").pop().unwrap();
    let authorization = last.header("authorization").unwrap().to_owned();
    assert!(!authorization.contains("AKIDRUN1/"), "{authorization}");
    bridge.finish().clean();
}

#[test]
fn a_wrong_clock_is_corrected_by_the_server() {
    for ahead in [3600, -7200] {
        let guard = Guard::new();
        guard.verifier.ahead.store(ahead, Ordering::SeqCst);
        let bridge = guard.ready(guard.bridge());
        bridge.ask(2, "tools/list").result();
        let exit = bridge.finish();
        exit.clean();
        assert_eq!(guard.refused(), 1, "{}", exit.stderr);
        assert!(exit.stderr.contains("the clock of the server"), "{}", exit.stderr);
    }
}

#[test]
fn a_refusal_says_what_aws_means() {
    for (kind, status, said, count) in [
        ("AccessDeniedException", 403, "check the IAM permissions", 1),
        ("ExpiredTokenException", 403, "expired; renew AWS_ACCESS_KEY_ID", 1),
        ("InvalidSignatureException:http://x", 403, "--aws-region", 1),
    ] {
        let guard = Guard::new();
        guard.server.always("initialize", move |_| {
            Reply::body(status, "application/json", r#"{"message":"no"}"#)
                .header("x-amzn-errortype", kind)
        });
        let bridge = guard.bridge().arg("--protocol=legacy").start();
        bridge.send(INITIALIZE);
        let error = bridge.answer(0).failed("unauthorized");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        // The environment has no others.
        assert_eq!(guard.server.seen("initialize").len(), count);
        bridge.finish();
    }
    // Where OAuth is wanted, no browser is opened.
    let guard = Guard::new();
    guard.server.always("initialize", |_| Reply::status(401).header("www-authenticate", "Bearer"));
    let bridge = guard.bridge().arg("--protocol=legacy").start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("leave out --aws-sigv4"), "{error}");
    bridge.finish();
}

/// Where AWS gives credentials over the network: each a small server in the place of theirs.
#[test]
fn credentials_come_over_the_network_as_well() {
    let given =
        Key { id: "ASIAGIVEN".into(), secret: "fake-given".into(), token: Some(TOKEN.into()) };
    let expiry = |seconds: u64| {
        let then = SystemTime::now() + Duration::from_secs(seconds);
        then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    };
    let far = "2099-01-01T00:00:00Z";
    let document = json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2020-01-01T00:00:00Z",
        "AccessKeyId": given.id, "SecretAccessKey": given.secret, "Token": TOKEN, "Expiration": far,
    })
    .to_string();
    let role = json!({ "roleCredentials": {
        "accessKeyId": given.id, "secretAccessKey": given.secret, "sessionToken": TOKEN,
        "expiration": expiry(3600) * 1000,
    }})
    .to_string();
    let assumed = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>a:b</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn>\
         </AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}\
         </SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>{far}</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>",
        given.id, given.secret
    );
    let source = Server::start();
    source.mcp().set(|settings| settings.strict = false);
    source.always("*", move |request| match request.uri.path() {
        "/container" => Reply::json(document.clone()),
        "/latest/api/token" => Reply::body(200, "text/plain", "fake-imds-token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        path if path.ends_with("/security-credentials/")
            || path.ends_with("/security-credentials-extended/") =>
        {
            Reply::body(200, "text/plain", "role")
        }
        path if path.ends_with("/role") => Reply::json(document.clone()),
        "/federation/credentials" => Reply::json(role.clone()),
        "/" => Reply::body(200, "text/xml", assumed.clone()),
        _ => Reply::status(404),
    });
    let base = source.url_at("");
    let container = source.url_at("/container");
    let scene = Scene::new(
        "[profile work]\nsso_session = company\nsso_account_id = 111122223333\nsso_role_name = reader\n\
         [sso-session company]\nsso_region = us-west-2\nsso_start_url = https://company.example.com/\n\
         [profile role]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n\
         [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = fake-base\n",
    );
    // The name of the file is the SHA-1 of the session's.
    let name = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, b"company");
    let name: String = name.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let cached = json!({
        "accessToken": "fake-sso-token", "expiresAt": far, "region": "us-west-2",
        "startUrl": "https://company.example.com/",
    });
    scene.write(&format!(".aws/sso/cache/{name}.json"), &cached.to_string());
    for (what, variables, profile) in [
        ("a container", vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container)], None),
        (
            "the instance",
            vec![
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*base),
                ("AWS_EC2_METADATA_DISABLED", "false"),
            ],
            None,
        ),
        ("IAM Identity Center", vec![("AWS_ENDPOINT_URL_SSO", &*base)], Some("work")),
        ("a role", vec![("AWS_ENDPOINT_URL_STS", &*base)], Some("role")),
    ] {
        let guard = Guard::new();
        guard.keys(vec![given.clone()]);
        let builder = signing(Bridge::with(&guard.url())).home(scene.0.path());
        let mut builder = environment(builder, &[]);
        for (name, value) in variables {
            builder = builder.env(name, value);
        }
        if let Some(profile) = profile {
            builder = builder.arg("--aws-profile").arg(profile);
        }
        let before = source.seen("*").len();
        let bridge = guard.ready(builder);
        bridge.finish().clean();
        assert_eq!(guard.refused(), 0, "{what}");
        assert!(source.seen("*").len() > before, "{what}: not asked");
    }
}
