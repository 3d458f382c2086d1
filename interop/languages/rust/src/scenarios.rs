//! What a client must see from a server that keeps the contract.

use std::thread::sleep;
use std::time::Duration;

use rust_socketio::Payload;
use serde_json::{json, Value};

use crate::peer::{Peer, Target};
use crate::restart;

/// Why a scenario did not end well.
pub enum Outcome {
    /// The client cannot do it, whatever the server.
    Limit(&'static str),
    Failure(String),
}

impl From<String> for Outcome {
    fn from(error: String) -> Self {
        Outcome::Failure(error)
    }
}

/// What the client reports when its Engine.IO decoder refuses a message: over WebSocket, it does so with every binary
/// one, whatever the server, since it puts the number 4 before it and expects the digit "4" there.
fn limit_of_binary(error: String) -> Outcome {
    if error.contains("EngineIO Error") {
        return Outcome::Limit("over WebSocket, it cannot decode binary messages");
    }
    Outcome::Failure(error)
}

type Scenario = fn(&Target) -> Result<(), Outcome>;

pub const SCENARIOS: [(&str, Scenario); 14] = [
    ("connect", connect),
    ("authentication", authentication),
    ("events", events),
    ("binary", binary),
    ("binary in values", binary_in_values),
    ("acks by the server", acks_by_the_server),
    ("binary acks by the server", binary_acks_by_the_server),
    ("acks by the client", acks_by_the_client),
    ("namespaces over one connection", namespaces),
    ("rooms", rooms),
    ("order", order),
    ("large", large),
    ("disconnection", disconnection),
    ("reconnection", reconnection),
];

/// What the server's "give" gives: 0, 1, … 255, 0, …
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| i as u8).collect()
}

fn none() -> Payload {
    Payload::Text(vec![])
}

fn equal<T: PartialEq + std::fmt::Debug>(got: T, want: T, message: &str) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{message}: got {:.300}, want {:.300}", format!("{got:?}"), format!("{want:?}")))
}

fn whoami(peer: &Peer, key: &str) -> Result<String, String> {
    let answer = peer.ask("whoami", none())?;
    answer[0][key].as_str().map(str::to_owned).ok_or(format!("whoami is {answer:?}"))
}

fn connect(target: &Target) -> Result<(), Outcome> {
    let one = target.connect()?;
    let want = if target.mode == "polling" { "polling" } else { "websocket" };
    let mut transport = whoami(&one, "transport")?;
    for _ in 0..3000 {
        if transport == want {
            break;
        }
        sleep(Duration::from_millis(10));
        transport = whoami(&one, "transport")?;
    }
    equal(transport.as_str(), want, "transport")?;
    Err(Outcome::Limit("it connects, and does not tell its id"))
}

fn authentication(target: &Target) -> Result<(), Outcome> {
    let admitted = target.join("/private", json!({"token": "secret"}))?;
    equal(whoami(&admitted, "namespace")?.as_str(), "/private", "namespace")?;
    let mut refused = target.open("/private", json!({"token": "wrong"}))?;
    let told = format!("{:?}", refused.next("error")?);
    for part in ["not authorized", "E_AUTH"] {
        equal(told.contains(part), true, &format!("{told} says {part}"))?;
    }
    Ok(())
}

fn events(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    for args in [
        vec![json!("")],
        vec![json!("hello")],
        vec![json!(0), json!(-1.5), json!(1e21), json!(true), json!(false), Value::Null],
        vec![json!({}), json!([]), json!([[]]), json!({"a": {"b": [1, {"c": null}]}})],
        vec![json!("ünï ☃ 𝒳 👩‍👩‍👧"), json!("tab\tnewline\nquote\"backslash\\"), json!("\u{0}\u{1e}\u{2028}")],
        vec![json!("2[\"x\"]"), json!({"_placeholder": false})],
    ] {
        one.emit("echo", args.clone())?;
        equal(one.next("echo")?, Payload::Text(args), "echo")?;
    }
    Ok(())
}

fn binary(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    for length in [1, 256, 0] {
        one.emit("echo", pattern(length))?;
        equal(one.next("echo").map_err(limit_of_binary)?, Payload::from(pattern(length)), "echo")?;
    }
    Ok(())
}

fn binary_in_values(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    one.emit("give", json!(1000))?;
    match one.next_of("*")? {
        (event, error) if event == "error" => Err(limit_of_binary(format!("{error:?}"))),
        (event, Payload::Binary(data)) if event != "given" && data == pattern(1000) => {
            Err(Outcome::Limit("its payloads are JSON or one attachment, and the value around the attachment becomes the event's name"))
        }
        other => Err(Outcome::Failure(format!("got {:.300}", format!("{other:?}")))),
    }
}

fn acks_by_the_server(target: &Target) -> Result<(), Outcome> {
    let one = target.connect()?;
    for args in [vec![], vec![json!("one")], vec![json!(1), json!({"two": [2]}), Value::Null]] {
        equal(one.ask("echo", args.clone())?, args, "acknowledgement")?;
    }
    for i in 0..20 {
        equal(one.ask("echo", json!(i))?, vec![json!(i)], "acknowledgement")?;
    }
    Ok(())
}

fn binary_acks_by_the_server(target: &Target) -> Result<(), Outcome> {
    let one = target.connect()?;
    match one.call("echo", pattern(10), Duration::from_secs(3)) {
        Ok(Payload::Binary(data)) => Ok(equal(data.to_vec(), pattern(10), "acknowledgement")?),
        Ok(other) => Err(Outcome::Failure(format!("acknowledged by {other:?}"))),
        Err(_) => Err(Outcome::Limit("it does not call back for a binary acknowledgement")),
    }
}

fn acks_by_the_client(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    let answer = one.ask("ask", vec![json!("double"), json!(21), json!(100)])?;
    equal(one.next("double")?, Payload::Text(vec![json!(21)]), "question")?;
    equal(answer, vec![json!({"error": "timeout"})], "answer")?;
    Err(Outcome::Limit("it has no means to acknowledge an event"))
}

fn namespaces(target: &Target) -> Result<(), Outcome> {
    let (root, chat) = (target.connect()?, target.join("/chat", Value::Null)?);
    equal(whoami(&root, "namespace")?.as_str(), "/", "namespace")?;
    equal(whoami(&chat, "namespace")?.as_str(), "/chat", "namespace")?;
    Err(Outcome::Limit("it has a connection for each namespace"))
}

fn rooms(target: &Target) -> Result<(), Outcome> {
    let (mut a, mut b, mut outsider) = (target.connect()?, target.connect()?, target.connect()?);
    a.ask("join", json!([["red", "blue"]])[0].clone())?;
    b.ask("join", json!([["red", "blue"]])[0].clone())?;
    equal(a.ask("rooms", none())?, vec![json!(["blue", "red"])], "rooms")?;
    a.ask("to-room", vec![json!("red"), json!("to red")])?;
    a.ask("all-in-room", vec![json!("blue"), json!("all in blue")])?;
    b.ask("leave", json!("red"))?;
    a.ask("to-room", vec![json!("red"), json!("b left")])?;
    for each in [&a, &b, &outsider] {
        each.ask("echo", json!("what came before has come"))?;
    }
    let text = |text: &str| Payload::Text(vec![json!(text)]);
    equal(a.arrived("message"), vec![text("all in blue")], "what a got")?;
    equal(b.arrived("message"), vec![text("to red"), text("all in blue")], "what b got")?;
    equal(outsider.arrived("message"), vec![], "what the outsider got")?;
    Ok(())
}

fn order(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    for i in 0..200 {
        one.emit("seq", json!(i))?;
    }
    equal(one.ask("seq-report", none())?, vec![json!({"received": 200, "firstWrong": -1})], "what the server got")?;
    one.emit("flood", json!(200))?;
    for i in 0..200 {
        equal(one.next("seq")?, Payload::Text(vec![json!(i)]), "what the client got")?;
    }
    Ok(())
}

fn large(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    let text = "0123456789abcdef☃".repeat(15_000);
    one.emit("echo", json!(text))?;
    let echo = one.next("echo").map_err(|error| match error.contains("EOF while parsing") || error.contains("incomplete utf-8") {
        true => Outcome::Limit("with async over polling, it takes the first part of an answer for the whole"),
        false => Outcome::Failure(error),
    })?;
    equal(echo, Payload::Text(vec![json!(text)]), "long text")?;
    one.emit("echo", pattern(300_000))?;
    equal(one.next("echo").map_err(limit_of_binary)?, Payload::from(pattern(300_000)), "long binary")?;
    Ok(())
}

fn disconnection(target: &Target) -> Result<(), Outcome> {
    let (mut one, other, witness) = (target.connect()?, target.connect()?, target.connect()?);
    one.emit("kick", json!(false))?;
    one.next("close")?;
    let id = whoami(&other, "id")?;
    drop(other);
    let reason = witness.ask("reason-of", json!(id))?;
    equal(reason, vec![json!("client namespace disconnect")], "the server's reason")?;
    Ok(())
}

fn reconnection(target: &Target) -> Result<(), Outcome> {
    let mut one = target.connect()?;
    let before = whoami(&one, "id")?;
    restart();
    if one.next("open").is_err() {
        let again = target.connect()?;
        equal(whoami(&again, "id")? == before, false, "a new server gave the old id")?;
        return Err(Outcome::Limit("it does not come back by itself after the close packet of a server that shuts down"));
    }
    equal(whoami(&one, "id")? == before, false, "a new server gave the old id")?;
    Ok(())
}
