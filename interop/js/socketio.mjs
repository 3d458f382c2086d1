// What a socket.io-client of any generation must see from a server that keeps the contract (README.md).
// The scenarios run in Node and in a page. A context holds: io, url, generation (2, 3 or 4), mode, control.

import { bytes, call, check, collect, equal, isBinary, next, patience, sleep } from "./harness.mjs";

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** One scenario's view of the client under test. Every socket it opens is closed at its end. */
export function newContext(environment) {
  const cleanups = [];
  const open = (namespace = "/", options = {}) => {
    const socket = environment.io(environment.url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: transports[environment.mode],
      ...options,
    });
    cleanups.push(() => socket.io.engine?.close?.() ?? socket.disconnect());
    cleanups.push(() => socket.disconnect());
    return socket;
  };
  const connect = async (namespace, options) => {
    const socket = open(namespace, options);
    await connected(socket);
    return socket;
  };
  return { ...environment, cleanups, open, connect };
}

const connected = (socket) => (socket.connected ? undefined : next(socket, "connect"));

/** The name of the event by which a client hears that a namespace refused it. */
const refusal = ({ generation }) => (generation === 2 ? "error" : "connect_error");

export const scenarios = {
  async connect(c) {
    const socket = await c.connect();
    const [me] = await call(socket, "whoami");
    equal(me.id, socket.id, "id on either side");
    check(socket.connected, "connected is set");
    const engineId = socket.io.engine.id;
    check(c.generation === 2 ? socket.id === engineId : socket.id !== engineId, `id ${socket.id}, engine id ${engineId}`);
    const other = await c.connect();
    check(other.id !== socket.id, "two sockets, two ids");
  },

  async handshake(c) {
    const socket = await c.connect("/", { query: { room: "a b&c", n: "1" }, auth: { token: "ü", nested: { n: [1] } } });
    const [seen] = await call(socket, "handshake");
    equal(seen.query.room, "a b&c", "query value with reserved characters");
    equal(seen.query.n, "1", "query value");
    equal(seen.query.EIO, c.generation === 2 ? "3" : "4", "Engine.IO revision");
    if (c.generation > 2) equal(seen.auth, { token: "ü", nested: { n: [1] } }, "auth payload");
  },

  async text(c) {
    const socket = await c.connect();
    const large = c.parser ? 1e15 : 1e21; // the MessagePack library of clients writes integers modulo 2^64
    const lists = [
      [], [""], ["hello"], [0, -1.5, large, true, false, null], [{}, [], [[]], { a: { b: [1, { c: null }] } }],
      ["ünï ☃ 𝒳 👩‍👩‍👧", "tab\tnewline\nquote\"backslash\\ slash/", "\u0000\u001e\u007f\u2028\u2029", "é".repeat(3)],
      ["2[\"x\"]", "4hello", "40/chat,", "_placeholder", { _placeholder: false }], [{ "": 1, "ключ": "значение" }],
    ];
    for (const list of lists) {
      const echoed = next(socket, "echo");
      socket.emit("echo", ...list);
      equal(await echoed, list, "echoed event");
    }
  },

  async "binary both ways"(c) {
    const socket = await c.connect();
    const lists = [
      [bytes(1)], [bytes(256)], [bytes(3), "text between", bytes(5)], [{ name: "a", parts: [bytes(2), { deep: bytes(4) }] }], [bytes(0)],
    ];
    for (const list of lists) {
      const echoed = next(socket, "echo");
      socket.emit("echo", ...list);
      equal(await echoed, list, "echoed binary event");
    }
    const given = next(socket, "given");
    socket.emit("give", 1000);
    const [gift] = await given;
    check(isBinary(gift.data), "binary pushed by the server arrives as binary");
    equal(gift, { name: "gift", data: bytes(1000) }, "binary pushed by the server");
  },

  async "acks both ways"(c) {
    const socket = await c.connect();
    for (const list of [[], ["one"], [1, { two: [2] }, null], [bytes(10)], ["mixed", { b: bytes(3) }]]) {
      equal(await call(socket, "echo", ...list), list, "acknowledgement by the server");
    }
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => call(socket, "echo", i)));
    equal(answers, Array.from({ length: 20 }, (_, i) => [i]), "twenty acknowledgements at once");

    socket.on("double", (n, answer) => answer(2 * n));
    equal(await call(socket, "ask", "double", 21, patience), [{ answer: [42] }], "acknowledgement by the client");
    socket.on("reverse", (data, answer) => answer("reversed", bytes(data.byteLength)));
    equal(await call(socket, "ask", "reverse", bytes(7), patience), [{ answer: ["reversed", bytes(7)] }], "binary acknowledgement by the client");
    socket.on("silence", () => {});
    equal(await call(socket, "ask", "silence", 1, 100), [{ error: "timeout" }], "an answer that never comes");
    equal(await call(socket, "echo", "still here"), ["still here"], "after the timeout");
  },

  async blobs(c) {
    const socket = await c.connect();
    const blob = new Blob([bytes(3), bytes(2)]), file = new File([bytes(300)], "name");
    for (const list of [[blob], [{ file }, "text between", bytes(4)], [new DataView(bytes(10), 2, 5), new Uint16Array(bytes(4))]]) {
      const echoed = next(socket, "echo");
      socket.emit("echo", ...list);
      const want = await Promise.all(list.map(async (value) =>
        value === blob ? blob.arrayBuffer() : value.file ? { file: await file.arrayBuffer() } : value));
      equal(await echoed, want, "echoed blobs and views");
    }
    const answer = call(socket, "echo", blob, 1);
    const after = call(socket, "echo", 2); // must not overtake the blob, which is read first
    equal([await answer, await after], [[await blob.arrayBuffer(), 1], [2]], "acknowledged blob");
  },

  async order(c) {
    const socket = await c.connect();
    const seen = collect(socket, "echo");
    const n = 200;
    for (let i = 0; i < n; i++) socket.emit("echo", i, i % 3 === 0 ? bytes(i) : "text");
    await call(socket, "echo", "done");
    equal(seen.map(([i]) => i), Array.from({ length: n }, (_, i) => i), "order of echoed events");
  },

  async large(c) {
    const socket = await c.connect();
    const text = "0123456789abcdef☃".repeat(15_000); // 285 kB
    equal(await call(socket, "echo", text), [text], "long text");
    equal(await call(socket, "echo", bytes(300_000)), [bytes(300_000)], "long binary");
  },

  async rooms(c) {
    const [a, b, outsider] = await Promise.all([c.connect(), c.connect(), c.connect()]);
    const inboxes = [a, b, outsider].map((socket) => collect(socket, "message"));
    await call(a, "join", ["red", "blue"]);
    await call(b, "join", ["red", "blue"]);
    equal(await call(a, "rooms"), [["blue", "red"]], "rooms of a socket");
    await call(a, "to-room", "red", "to red");
    await call(a, "all-in-room", "blue", "all in blue", bytes(3));
    await call(b, "leave", "red");
    await call(a, "to-room", "red", "b left");
    await call(a, "all-in-room", "nobody", "lost");
    await settled(a, b, outsider);
    equal(inboxes, [[["all in blue", bytes(3)]], [["to red"], ["all in blue", bytes(3)]], []], "who got what");
  },

  async broadcast(c) {
    const [a, b, muted] = await Promise.all([c.connect(), c.connect(), c.connect()]);
    const inboxes = [a, b, muted].map((socket) => collect(socket, "message"));
    await call(muted, "join", ["muted"]);
    await call(a, "to-others", "others", 1);
    await call(a, "to-all", "all", { n: 2 });
    await call(a, "to-all-except", "muted", "loud", bytes(2));
    await settled(a, b, muted);
    const all = ["all", { n: 2 }], loud = ["loud", bytes(2)];
    equal(inboxes, [[all, loud], [["others", 1], all, loud], [["others", 1], all]], "who got what");
  },

  async namespaces(c) {
    const root = await c.connect();
    const chat = root.io.socket("/chat"); // over the same connection
    await connected(chat);
    check(chat.id !== root.id, "each namespace has its own id");
    equal((await call(chat, "whoami"))[0].namespace, "/chat", "namespace of an event");
    const atRoot = collect(root, "message"), atChat = collect(chat, "message");
    const third = await c.connect("/chat");
    await call(third, "to-all", "chat only", bytes(1));
    await call(root, "to-all", "root only");
    await settled(root, chat);
    equal([atRoot, atChat], [[["root only"]], [["chat only", bytes(1)]]], "each namespace hears its own");
    chat.disconnect();
    equal(await call(root, "echo", "still here"), ["still here"], "after another namespace was left");
  },

  async "unknown namespace"(c) {
    const root = await c.connect();
    const [error] = await next(root.io.socket("/nowhere"), refusal(c));
    // A 2.x server tells its clients by a bare string; the reference of today uses an object for them too.
    const reason = c.generation === 2 ? (error.message ?? error) : error.message;
    equal(reason, "Invalid namespace", "reason of the refusal");
    equal(await call(root, "echo", "still here"), ["still here"], "the connection survives");
  },

  async "rejected middleware"(c) {
    const denied = c.open("/denied");
    const [plain] = await next(denied, refusal(c));
    equal(c.generation === 2 ? plain : [plain.message, plain.data], c.generation === 2 ? "denied" : ["denied", undefined], "refusal without data");
    check(!denied.connected, "a refused socket is not connected");

    const data = { code: "E_AUTH", hint: ["token"] };
    const refused = c.open("/private", { query: { token: "wrong" }, auth: { token: "wrong" } });
    const [error] = await next(refused, refusal(c));
    equal(c.generation === 2 ? error : [error.message, error.data], c.generation === 2 ? data : ["not authorized", data], "refusal with data");

    const admitted = await c.connect("/private", { query: { token: "secret" }, auth: { token: "secret" } });
    equal(await call(admitted, "echo", "in"), ["in"], "an accepted socket");
  },

  async "client leaves"(c) {
    const [watcher, socket] = await Promise.all([c.connect(), c.connect()]);
    const { id } = socket;
    const reason = next(socket, "disconnect");
    socket.disconnect();
    equal((await reason)[0], "io client disconnect", "reason at the client");
    equal(await call(watcher, "reason-of", id), ["client namespace disconnect"], "reason at the server");
  },

  async "server leaves"(c) {
    const watcher = await c.connect();
    for (const wholeConnection of [false, true]) {
      const socket = await c.connect();
      const { id } = socket;
      const reason = next(socket, "disconnect");
      socket.emit("kick", wholeConnection);
      equal((await reason)[0], "io server disconnect", `reason at the client (whole connection: ${wholeConnection})`);
      equal(await call(watcher, "reason-of", id), ["server namespace disconnect"], "reason at the server");
    }
  },

  async "connection closes"(c) {
    const [watcher, socket] = await Promise.all([c.connect(), c.connect()]);
    const { id } = socket;
    if (c.mode === "upgrade") await upgraded(socket);
    await next(socket.io.engine, "pong"); // the reference writes "transport error" when it pings a socket that just closed
    socket.io.engine.close();
    equal(await call(watcher, "reason-of", id), ["transport close"], "reason at the server");
  },

  async transport(c) {
    const socket = await c.connect();
    if (c.mode === "upgrade") await upgraded(socket);
    const want = c.mode === "polling" ? "polling" : "websocket";
    equal(socket.io.engine.transport.name, want, "transport at the client");
    equal((await call(socket, "whoami"))[0].transport, want, "transport at the server");
    equal(await call(socket, "echo", "text", bytes(9)), ["text", bytes(9)], "traffic on it");
  },

  async heartbeat(c) {
    const socket = await c.connect();
    // "pong" is the server's answer in revision 3, and the client's own in revision 4: each client announces it.
    for (let i = 0; i < 3; i++) await next(socket.io.engine, "pong");
    check(socket.connected, "connected after three heartbeats");
    equal(await call(socket, "echo", "alive"), ["alive"], "after three heartbeats");
  },

  async "reconnect after a restart"(c) {
    const socket = await c.connect("/", {
      reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200, timeout: 10_000,
    });
    const { id } = socket;
    if (c.mode === "upgrade") await upgraded(socket);
    else {
      // Until a poll waits at the server, without which polling cannot be told, and no heartbeat is about to answer it.
      await next(socket.io.engine, "pong");
      await sleep(75);
    }
    const gone = next(socket, "disconnect");
    const back = gone.then(() => next(socket, "connect"));
    const echoed = next(socket, "echo");
    gone.then(() => socket.emit("echo", "written while offline"));
    const { reasons } = await c.control("restart");
    equal((await gone)[0], "transport close", "reason at the client");
    equal(reasons[id], "server shutting down", "reason at the server");
    await back;
    check(socket.id !== id, "a new session has a new id");
    equal(await echoed, ["written while offline"], "what was written while offline");
    equal(await call(socket, "echo", "back"), ["back"], "after the reconnection");
  },
};

// Blobs are read when they are sent; the official client can do so in browsers only, and MessagePack nowhere.
scenarios.blobs.when = (c) => typeof location === "object" && !c.parser;

/**
 * n numbered events each way through every one of `upgrades` upgrades, ten sessions at a time. Both sides start
 * before the upgrade and end after it; the client checks what it receives, the server counts the rest (seq-report).
 */
export async function flood(c, { upgrades, n }) {
  let before = 0, after = 0, started = 0;
  // More of them, if on this machine no message was quicker than an upgrade.
  for (; started < upgrades || (!(before && after) && started < 10 * upgrades); started += 10) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const socket = await c.connect();
      const received = [];
      let switchedAt = -1;
      const upgrading = upgraded(socket).then(() => (switchedAt = received.length));
      const complete = new Promise((resolve) => {
        socket.on("seq", (i) => received.push(i) === n && resolve());
      });
      socket.emit("flood", n);
      for (let i = 0; i < n; i++) {
        socket.emit("seq", i);
        if (i % 25 === 24) await sleep(0);
      }
      await Promise.race([complete, sleep(patience)]);
      await upgrading;
      const [report] = await call(socket, "seq-report");
      equal(received, Array.from({ length: n }, (_, i) => i), "numbers at the client");
      equal(report, { received: n, firstWrong: -1 }, "numbers at the server");
      before += switchedAt;
      after += n - switchedAt;
      socket.disconnect();
    }));
  }
  check(before > 0 && after > 0, `messages flowed before (${before}) and after (${after}) the upgrades`);
  return `${started} upgrades, ${before} messages received before and ${after} after them`;
}

/** Resolves once what the server sent so far has arrived: each connection is ordered. */
const settled = (...sockets) => Promise.all(sockets.map((socket) => call(socket, "echo", "settled")));

function upgraded(socket) {
  const { engine } = socket.io;
  return engine.transport.name === "websocket" ? Promise.resolve() : next(engine, "upgrade");
}
