//! rust_socketio as a client of a server that keeps the contract of interop/README.md. Prints a line of JSON for the
//! outcome of each scenario.
//!
//! Usage: sio-interop-rust blocking|async URL polling|websocket|upgrade

mod peer;
mod scenarios;

use std::io::{stdin, stdout, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use serde_json::{json, Value};

use peer::Target;
use scenarios::{Outcome, SCENARIOS};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let target = Target::new(&args[1], &args[2], &args[3]);
    for (name, scenario) in SCENARIOS {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| scenario(&target)));
        let ms = start.elapsed().as_millis() as u64;
        line(match outcome {
            Ok(Ok(())) => json!({"scenario": name, "ok": true, "ms": ms}),
            Ok(Err(Outcome::Limit(why))) => json!({"scenario": name, "ok": true, "limit": why, "ms": ms}),
            Ok(Err(Outcome::Failure(error))) => json!({"scenario": name, "ok": false, "error": error, "ms": ms}),
            Err(_) => json!({"scenario": name, "ok": false, "error": "it panicked; see the standard error", "ms": ms}),
        });
    }
    line(json!({"done": true}));
    std::process::exit(0); // the clients' threads have no end
}

/// Asks the test to restart the server, and waits until it has.
fn restart() {
    line(json!({"control": "restart"}));
    let mut answer = String::new();
    stdin().read_line(&mut answer).expect("the test is there");
}

fn line(value: Value) {
    println!("{value}");
    stdout().flush().expect("the test reads");
}
