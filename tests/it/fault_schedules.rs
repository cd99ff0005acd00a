//! Random schedules of faults, each of which a seed decides: `MCP_TETHER_FAULT_RUNS=500` asks for more of
//! them, `MCP_TETHER_FAULT_SEED=17` replays one.

use crate::support::fault_plan::{Fault, Plan, Random, each_seed};
use crate::support::fault_proxy::{Exchange, FaultProxy};
use crate::support::fault_tunnel::{Door, FaultTunnel, Wound};
use crate::support::journal::{Journal, STEPS, said, step};
use crate::support::tls::Tls;
use crate::support::*;

/// Requests of one run.
const REQUESTS: usize = 40;

/// Faults of one run, at most.
const FAULTS: usize = 25;

/// Messages of the server in one run.
const SAID: usize = 20;

/// A request: its id as JSON text, and its method.
type Asked = (String, &'static str);

/// Chooses a request: a call with a stream, one with a JSON body, or something that may be repeated.
fn choose(number: usize, random: &mut Random) -> Asked {
    match random.below(4) {
        0 => (number.to_string(), "tools/call"),
        1 => (format!("\"j{number}\""), "tools/call"),
        2 => (number.to_string(), "tools/list"),
        _ => (number.to_string(), "resources/read"),
    }
}

/// Sends requests, with messages of the server and of the client in between.
fn traffic(bridge: &Bridge, journal: &Journal, random: &mut Random) -> Vec<Asked> {
    let mut asked = Vec::new();
    for number in 1..=REQUESTS {
        let (id, method) = choose(number, random);
        bridge.send(request(&id, method));
        asked.push((id, method));
        if number % (REQUESTS / SAID) == 0 {
            journal.say();
        }
        if random.below(8) == 0 {
            bridge.send(notification("notifications/roots/list_changed"));
        }
        // Neither all at once nor one after the other.
        if random.below(3) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(random.below(30) as u64));
        }
    }
    asked
}

/// What must be true of all the lines that a run has brought, after its faults.
fn check(lines: &[Line], asked: &[Asked], journal: &Journal, exchanges: &[Exchange]) {
    for (id, method) in asked {
        let answers: Vec<&Line> = lines.iter().filter(|line| line.answers(id)).collect();
        assert_eq!(answers.len(), 1, "{method} {id}: {answers:?}");
        let (answer, executed) = (answers[0], journal.executed(id));
        let own: Vec<&Exchange> = exchanges.iter().filter(|e| e.id.as_ref() == Some(id)).collect();
        if *method == "tools/call" {
            assert!(executed <= 1, "{id} was carried out {executed} times");
            assert!(answer.is_error || executed == 1, "{id} was answered and not carried out");
            assert!(own.len() <= 1, "{id} was sent {} times", own.len());
        }
        // A response that comes twice may be taken for that of the next request on the connection.
        let displaced = answer.text.contains("invalid_response")
            && exchanges.iter().any(|e| e.faults.contains(&Fault::Duplicate));
        let harmed = own.iter().flat_map(|e| &e.faults).any(|fault| !fault.is_harmless());
        let harmed = harmed || displaced;
        assert!(harmed || exchanges.is_empty() || !answer.is_error, "without a fault: {answer}");
        if id.starts_with('"') || *method != "tools/call" {
            continue;
        }
        // The notifications of its stream: in order, each once, and none missing before the answer.
        let resumed =
            |e: &&Exchange| e.cursor.as_ref().is_some_and(|c| c.starts_with(&format!("{id}.")));
        let streams = own.iter().copied().chain(exchanges.iter().filter(resumed));
        if streams.flat_map(|e| &e.faults).any(|fault| fault.distorts()) {
            continue;
        }
        let token = format!("\"progressToken\":{id},");
        let came = lines.iter().filter(|line| line.text.contains(&token)).map(|line| &line.text);
        let came: Vec<&String> = came.collect();
        let sent: Vec<String> = (1..=STEPS).map(|number| step(id, number)).collect();
        let expected = if answer.is_error { came.len() } else { STEPS };
        assert!(came.len() == expected && came.iter().zip(&sent).all(|(a, b)| *a == b), "{came:?}");
    }
    // Those of the server: all of them, in order.
    let came = lines.iter().filter(|line| line.method.as_deref() == Some("notifications/message"));
    let sent: Vec<String> = (1..=SAID).map(said).collect();
    assert_eq!(came.map(|line| line.text.clone()).collect::<Vec<_>>(), sent);
    let ours = |line: &Line| line.method.is_some() || asked.iter().any(|(id, _)| line.answers(id));
    assert_eq!(lines.iter().filter(|line| !ours(line)).collect::<Vec<_>>(), Vec::<&Line>::new());
}

/// Takes all answers, lets the network be `calm`, takes the last message of the server, sees that all is well,
/// and ends the bridge. Gives all lines.
fn collect(bridge: Bridge, asked: &[Asked], calm: impl FnOnce()) -> Vec<Line> {
    let mut lines: Vec<Line> = asked.iter().map(|(id, _)| bridge.answer(id)).collect();
    calm();
    while !lines.iter().any(|line| line.text == said(SAID)) {
        lines.push(bridge.line());
    }
    // A response that came twice, shortly before, may be taken for the answer.
    let well = (0..10).any(|_| !bridge.ask("\"after\"", "tools/list").is_error);
    assert!(well, "the network is sound, and nothing works");
    let exit = bridge.finish();
    exit.code(0);
    lines.extend(exit.rest);
    lines
}

#[test]
fn of_http() {
    each_seed(12, |seed| {
        let server = Server::start();
        // The server may not hear of a notification.
        server.mcp().set(|s| s.strict = false);
        let journal = Journal::keep(&server);
        let proxy = FaultProxy::to(server.port());
        let bridge = Bridge::with(&proxy.url()).ready(&server);
        proxy.follow(Plan::of(seed, FAULTS));
        let asked = traffic(&bridge, &journal, &mut Random::new(!seed));
        let lines = collect(bridge, &asked, || proxy.follow(Plan::none()));
        let exchanges = proxy.exchanges();
        check(&lines, &asked, &journal, &exchanges);
        assert!(exchanges.iter().any(|e| !e.faults.is_empty()), "a plan without faults");
    });
}

#[test]
fn of_connections_with_tls() {
    let tls = [Tls::new(), Tls::http1()];
    each_seed(6, |seed| {
        let mut random = Random::new(seed);
        // HTTP/2, where all requests share a connection, or HTTP/1.1.
        let tls = &tls[random.below(2)];
        let server = Server::with_tls(tls);
        server.mcp().set(|s| s.strict = false);
        let journal = Journal::keep(&server);
        let tunnel = FaultTunnel::to(server.port(), Door::Open);
        let bridge = Bridge::with(&format!("https://{}/mcp", tunnel.address()))
            .path("--ca-cert", &tls.file("ca.pem"))
            .ready(&server);
        for _ in 0..FAULTS / 2 {
            let wound = [Wound::Alert, Wound::Close, Wound::Reset][random.below(3)];
            tunnel.wound(random.below(3000), wound);
        }
        // What has been good until now.
        tunnel.cut(Wound::Reset);
        let asked = traffic(&bridge, &journal, &mut random);
        let lines = collect(bridge, &asked, || tunnel.heal());
        check(&lines, &asked, &journal, &[]);
        assert!(tunnel.wounded() > 0, "nothing was harmed");
    });
}
