//! One client, of either kind, behind the same blocking methods.

use std::collections::VecDeque;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rust_socketio::{asynchronous, client, ClientBuilder, Payload, TransportType};
use serde_json::Value;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(30);

/// Where clients connect to, and how.
pub struct Target {
    runtime: Option<Runtime>, // of the async client; None: the blocking one
    url: String,
    transport: TransportType,
    pub mode: String,
}

impl Target {
    pub fn new(kind: &str, url: &str, mode: &str) -> Self {
        Target {
            runtime: (kind == "async").then(|| Runtime::new().expect("a runtime starts")),
            url: url.to_owned(),
            transport: match mode {
                "polling" => TransportType::Polling,
                "websocket" => TransportType::Websocket,
                _ => TransportType::WebsocketUpgrade,
            },
            mode: mode.to_owned(),
        }
    }

    /// A client that has joined the root namespace.
    pub fn connect(&self) -> Result<Peer<'_>, String> {
        self.join("/", Value::Null)
    }

    /// A client that has joined a namespace.
    pub fn join(&self, namespace: &str, auth: Value) -> Result<Peer<'_>, String> {
        let mut peer = self.open(namespace, auth)?;
        peer.next("open")?;
        Ok(peer)
    }

    /// A client that has asked to join a namespace.
    pub fn open(&self, namespace: &str, auth: Value) -> Result<Peer<'_>, String> {
        let (sender, received) = channel();
        let client = match &self.runtime {
            None => Client::Blocking(self.blocking(namespace, auth, sender)?),
            Some(runtime) => Client::Async(runtime, runtime.block_on(self.non_blocking(namespace, auth, sender))?),
        };
        Ok(Peer { client, received, kept: VecDeque::new() })
    }

    fn blocking(&self, namespace: &str, auth: Value, sender: Sender<Received>) -> Result<client::Client, String> {
        let mut builder = ClientBuilder::new(&self.url)
            .namespace(namespace)
            .transport_type(self.transport.clone())
            .reconnect_on_disconnect(true)
            .reconnect_delay(50, 200);
        if !auth.is_null() {
            builder = builder.auth(auth);
        }
        for event in ["open", "close", "error"] {
            let sender = sender.clone();
            builder = builder.on(event, move |payload, _| note(&sender, event, payload));
        }
        builder
            .on_any(move |event, payload, _| note(&sender, event.as_str(), payload))
            .connect()
            .map_err(|error| error.to_string())
    }

    async fn non_blocking(
        &self,
        namespace: &str,
        auth: Value,
        sender: Sender<Received>,
    ) -> Result<asynchronous::Client, String> {
        let mut builder = asynchronous::ClientBuilder::new(&self.url)
            .namespace(namespace)
            .transport_type(self.transport.clone())
            .reconnect_on_disconnect(true)
            .reconnect_delay(50, 200);
        if !auth.is_null() {
            builder = builder.auth(auth);
        }
        for event in ["open", "close", "error"] {
            let sender = sender.clone();
            builder = builder.on(event, move |payload, _| {
                note(&sender, event, payload);
                async {}.boxed()
            });
        }
        builder
            .on_any(move |event, payload, _| {
                note(&sender, event.as_str(), payload);
                async {}.boxed()
            })
            .connect()
            .await
            .map_err(|error| error.to_string())
    }
}

fn note(sender: &Sender<Received>, event: &str, payload: Payload) {
    let _ = sender.send((event.to_owned(), payload)); // nobody listens after the end of a scenario
}

/// An event by its name, and what came with it. "open", "close" and "error" are the client's own.
pub type Received = (String, Payload);

enum Client<'a> {
    Blocking(client::Client),
    Async(&'a Runtime, asynchronous::Client),
}

/// A client, and what it received.
pub struct Peer<'a> {
    client: Client<'a>,
    received: Receiver<Received>,
    kept: VecDeque<Received>, // came before what was waited for
}

impl Peer<'_> {
    /// The next event of that name; "*" is any.
    pub fn next(&mut self, event: &str) -> Result<Payload, String> {
        Ok(self.next_of(event)?.1)
    }

    pub fn next_of(&mut self, event: &str) -> Result<Received, String> {
        let wanted = |received: &Received| event == "*" || received.0 == event;
        if let Some(at) = self.kept.iter().position(wanted) {
            return Ok(self.kept.remove(at).expect("it is there"));
        }
        let mut deadline = Instant::now() + PATIENCE;
        let mut error = String::new();
        loop {
            match self.received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(received) if wanted(&received) => return Ok(received),
                Ok((name, payload)) if name == "error" && event != "open" => {
                    error = format!("; the client's error: {payload:?}"); // some errors are its end, some are not
                    deadline = deadline.min(Instant::now() + Duration::from_secs(3));
                }
                Ok(received) => self.kept.push_back(received),
                Err(_) => return Err(format!("{event} did not come{error}; {:.300} did", format!("{:?}", self.kept))),
            }
        }
    }

    /// All events of that name that have come.
    pub fn arrived(&mut self, event: &str) -> Vec<Payload> {
        self.kept.extend(self.received.try_iter());
        let (of_it, others) = self.kept.drain(..).partition(|received| received.0 == event);
        self.kept = others;
        VecDeque::from(of_it).into_iter().map(|received: Received| received.1).collect()
    }

    pub fn emit(&self, event: &str, payload: impl Into<Payload>) -> Result<(), String> {
        match &self.client {
            Client::Blocking(client) => client.emit(event, payload),
            Client::Async(runtime, client) => runtime.block_on(client.emit(event, payload)),
        }
        .map_err(|error| error.to_string())
    }

    /// Emits an event and returns what is called back for its acknowledgement, first.
    pub fn call(&self, event: &str, payload: impl Into<Payload>, patience: Duration) -> Result<Payload, String> {
        let (sender, answers) = channel();
        match &self.client {
            Client::Blocking(client) => client.emit_with_ack(event, payload, PATIENCE, move |payload, _| {
                let _ = sender.send(payload);
            }),
            Client::Async(runtime, client) => {
                runtime.block_on(client.emit_with_ack(event, payload, PATIENCE, move |payload, _| {
                    let _ = sender.send(payload);
                    async {}.boxed()
                }))
            }
        }
        .map_err(|error| error.to_string())?;
        answers.recv_timeout(patience).map_err(|_| format!("{event} was not acknowledged"))
    }

    /// The same, where the acknowledgement is JSON: its arguments.
    pub fn ask(&self, event: &str, payload: impl Into<Payload>) -> Result<Vec<Value>, String> {
        match self.call(event, payload, PATIENCE)? {
            Payload::Text(values) => match values.first() {
                Some(Value::Array(arguments)) if values.len() == 1 => Ok(arguments.clone()),
                _ => Err(format!("the acknowledgement of {event} is {values:?}")),
            },
            other => Err(format!("the acknowledgement of {event} is {other:?}")),
        }
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        let _ = match &self.client {
            Client::Blocking(client) => client.disconnect(),
            Client::Async(runtime, client) => runtime.block_on(client.disconnect()),
        };
    }
}
