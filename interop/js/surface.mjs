// node surface.mjs surface <url> <package> -
//
// What users of the official client can get hold of, ours must have: exports, methods, properties, events. Reports like
// run.mjs.

import { load } from "./client.mjs";
import { check, equal, runAll } from "./harness.mjs";

const theirs = load(process.argv[4]), ours = load("sio-client-4");
const theirModule = await import(process.argv[4]), ourModule = await import("../../browser/lib/index.js");

/** Names by which the official client calls itself; its declarations mark them as private. */
const theirOwn = new Set([
  "constructor", "_close", "_destroy", "_packet", "cleanup", "maybeReconnectOnOpen", "ondata", "ondecoded", "onerror", "onopen", "onclose",
  "onping", "onreconnect", "reconnect", "ack", "destroy", "emitBuffered", "emitEvent", "notifyOutgoingListeners", "onack", "onconnect",
  "ondisconnect", "onevent", "onpacket", "packet", "subEvents", "createTransport", "flush", "onHandshake", "onOpen", "setTransport",
  "emitReserved",
]);

/** The names of what an object has, by itself or from its classes. */
function names(object) {
  const all = new Set();
  for (let o = object; o && o !== Object.prototype && o !== Function.prototype; o = Object.getPrototypeOf(o)) {
    for (const name of Object.getOwnPropertyNames(o)) if (!theirOwn.has(name) && !name.startsWith("_")) all.add(name);
  }
  return [...all];
}

const missing = (want, got) => want.filter((name) => !(name in got)).sort();

/** Sockets that never connect, with what they hold. */
const sockets = [theirs, ours].map((io) => io("http://127.0.0.1:9/admin", { forceNew: true, autoConnect: false, auth: { a: 1 } }));

const scenarios = {
  async exports() {
    equal(missing(Object.keys(theirModule).filter((name) => name !== "module.exports"), ourModule), [], "exports of the module that ours lacks");
    equal(missing(Object.keys(theirs), ours), [], "members of io that ours lacks");
    check(ours.Socket === ours.io.Socket && typeof ours.connect === "function", "the members are the same everywhere");
    equal(ourModule.protocol, theirModule.protocol, "protocol");
  },
  async socket() {
    const [their, our] = sockets;
    // Set by methods, and read by nobody else: how the next event is sent, and the rest of its own bookkeeping.
    const internal = new Set(["ids", "acks", "flags", "subs"]);
    equal(missing(names(their).filter((name) => !internal.has(name)), our), [], "members of Socket that ours lacks");
    for (const name of ["connected", "disconnected", "active", "recovered", "auth", "id", "nsp", "receiveBuffer", "sendBuffer"]) {
      if (name === "recovered") continue; // undefined before the first connection there, false here
      equal(our[name], their[name], name);
    }
  },
  async manager() {
    const [their, our] = sockets.map(({ io }) => io);
    const internal = new Set(["subs", "backoff", "setTimeoutFn", "clearTimeoutFn", "encoder", "decoder", "skipReconnect"]);
    equal(missing(names(their).filter((name) => !internal.has(name)), our), [], "members of Manager that ours lacks");
    for (const name of ["reconnection", "reconnectionAttempts", "reconnectionDelay", "reconnectionDelayMax", "randomizationFactor", "timeout"]) {
      equal(String(our[name]()), String(their[name]()), name);
    }
    equal(Object.keys(our.nsps), Object.keys(their.nsps), "namespaces");
    equal(our.uri, their.uri, "address");
  },
  async engine() {
    const [their, our] = sockets.map(({ io }) => io.open().engine);
    const internal = new Set(["setTimeoutFn", "clearTimeoutFn"]);
    equal(missing(names(their).filter((name) => !internal.has(name)), our), [], "members of the engine that ours lacks");
    for (const name of ["secure", "hostname", "readyState", "transports", "binaryType", "writeBuffer"]) equal(our[name], their[name], name);
    equal([String(our.port), our.opts.path, our.transport.name], [String(their.port), their.opts.path, their.transport.name], "where to, and how");
    const transport = new Set(["setTimeoutFn", "clearTimeoutFn", "doOpen", "doClose", "doPoll", "doWrite", "onData", "onError", "onPacket", "onClose",
      "createUri", "uri", "request", "write", "xd", "pollXhr", "supportsBinary"]);
    equal(missing(names(their.transport).filter((name) => !transport.has(name)), our.transport), [], "members of a transport that ours lacks");
    sockets.forEach(({ io }) => io.reconnection(false).disconnect());
  },
};

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
await runAll(scenarios, () => ({ cleanups: [] }), print);
print({ done: true });
process.exit(0);
