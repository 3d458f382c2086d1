// The client against a server of the imagination, with what real ones do rarely: refuse, break, and worse.

import { io, Manager, type Socket } from "../src/index.js";
import type { ManagerOptions } from "../src/manager.js";
import type { SocketOptions } from "../src/socket.js";
import type { TransportOptions } from "../src/engine/transport.js";
import { parseUrl } from "../src/url.js";
import { FakeServer, handshake, type Request } from "./fake.js";
import { check, equal, test, thrown, until } from "./rig.js";

type Options = Partial<ManagerOptions & SocketOptions>;

let hosts = 0;

/** A socket of a manager of its own, whose connections go to the server. */
function open(server: FakeServer, options: Options = {}): Socket {
  return io(`http://host${hosts++}.example`, {
    transports: [server.websocket], reconnectionDelay: 1, reconnectionDelayMax: 2, ...options,
  });
}

/** Everything that a socket and its manager tell, in order. */
function record(socket: Socket): unknown[] {
  const log: unknown[] = [];
  socket.on("connect", () => log.push("connect"));
  socket.on("connect_error", (error) => log.push(["connect_error", error.message]));
  socket.on("disconnect", (reason) => log.push(["disconnect", reason]));
  socket.onAny((...args) => log.push(args));
  for (const event of ["reconnect_attempt", "reconnect_failed", "reconnect"] as const) {
    socket.io.on(event, (n?: number) => log.push([event, ...(n === undefined ? [] : [n])]));
  }
  socket.io.on("reconnect_error", (error) => log.push(["reconnect_error", error.message]));
  return log;
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("a first connection, and the end", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  const log = record(socket);
  check(socket.active && !socket.connected && socket.disconnected && socket.id === undefined, "before");
  await until(() => socket.connected, "connect");
  equal([socket.id, socket.io.engine.id, socket.recovered, socket.active], ["socket1", "s1", false, true]);
  server.line.reply('42["hello",1]');
  socket.disconnect();
  equal(log, ["connect", ["hello", 1], ["disconnect", "io client disconnect"]]);
  await settle();
  equal(server.line.got, ["40", "41"]);
  equal(server.lines.length, 1, "connections");
});

test("one connection carries many namespaces", async () => {
  const server = new FakeServer();
  server.onLine = (line) => {
    line.onFrame = (frame) => {
      const nsp = /^40(\/\w+,)?/.exec(frame as string);
      if (nsp) line.reply(`40${nsp[1] ?? ""}{"sid":"x${nsp[1] ?? ""}"}`);
    };
    line.accept().reply(handshake());
  };
  const root = open(server);
  const uri = root.io.uri!;
  const options = { transports: [server.websocket] };
  const chat = io(`${uri}/chat?x=1`, options);
  check(chat.io === root.io, "shared");
  for (const [why, other] of Object.entries({
    "the same namespace twice": io(`${uri}/chat`, options),
    forceNew: io(`${uri}/news`, { ...options, forceNew: true }),
    multiplex: io(`${uri}/news`, { ...options, multiplex: false }),
  })) {
    check(other.io !== root.io, `${why} makes a connection of its own`);
    other.disconnect();
  }
  await until(() => root.connected && chat.connected, "connect");
  root.disconnect();
  equal([chat.connected, chat.io.engine.readyState], [true, "open"], "the others stay");
  chat.disconnect();
  await until(() => chat.io.engine.readyState === "closed", "the last takes the connection with it");
});

test("refused by a middleware", async () => {
  const server = new FakeServer().serve(() => ['44{"message":"no","data":{"code":1}}']);
  const socket = open(server);
  const error = await new Promise<Error & { data?: { code: number } }>((resolve) => socket.on("connect_error", resolve));
  equal([error.message, error.data, socket.active], ["no", { code: 1 }, false]);
  equal(socket.io.engine.readyState, "closed", "nobody needs the connection");
});

test("kicked", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  const log = record(socket);
  await until(() => socket.connected, "connect");
  server.line.reply("41");
  await settle();
  equal(log, ["connect", ["disconnect", "io server disconnect"]]);
  check(!socket.active, "it does not come back by itself");
  socket.connect();
  await until(() => socket.connected, "connect");
  equal(socket.id, "socket2");
  socket.disconnect();
});

test("lost, and found again", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  const log = record(socket);
  await until(() => socket.connected, "connect");
  server.line.cut();
  await until(() => socket.connected && socket.id === "socket2", "connect");
  socket.disconnect();
  equal(log, ["connect", ["disconnect", "transport close"], ["reconnect_attempt", 1], ["reconnect", 1], "connect", ["disconnect", "io client disconnect"]]);
});

test("attempts that fail, in the order of the reference", async () => {
  const server = new FakeServer();
  server.onLine = (line) => line.fail();
  const socket = open(server, { reconnectionAttempts: 2 });
  const log = record(socket);
  await until(() => log.length >= 8, "all attempts");
  await settle();
  equal(log, [
    ["connect_error", "websocket error"],
    ["reconnect_attempt", 1], ["connect_error", "websocket error"], ["reconnect_error", "websocket error"],
    ["reconnect_attempt", 2], ["connect_error", "websocket error"], ["reconnect_failed"], ["reconnect_error", "websocket error"],
  ]);
  check(socket.active, "it still wants to");
  server.serve();
  socket.connect();
  await until(() => socket.connected, "connect");
  socket.disconnect();
});

test("a server that does not answer", async () => {
  const server = new FakeServer();
  server.onLine = () => {};
  const socket = open(server, { timeout: 5, reconnection: false });
  const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
  equal(error.message, "timeout");
  socket.disconnect();
});

test("a connection that ends before it has begun is an attempt that failed", async () => {
  const server = new FakeServer();
  server.onLine = (line) => line.cut();
  const socket = open(server, { reconnection: false });
  const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
  equal(error.message, "transport close");
});

test("a socket that leaves before the answer leaves nothing on the server", async () => {
  const server = new FakeServer();
  server.onLine = (line) => {
    line.onFrame = (frame) => frame === "40" && line.reply('40{"sid":"root"}');
    line.accept().reply(handshake());
  };
  const root = open(server);
  await until(() => root.connected, "connect");
  const chat = root.io.socket("/chat");
  const log = record(chat);
  await settle();
  chat.disconnect();
  server.line.reply('40/chat,{"sid":"late"}');
  await settle();
  equal([server.line.got, log], [["40", "40/chat,", "41/chat,"], []]);
  root.disconnect();
});

test("options and getters of the manager", () => {
  const manager = new Manager("http://example.com", { autoConnect: false });
  equal([manager.reconnection(), manager.reconnectionAttempts(), manager.reconnectionDelay(), manager.reconnectionDelayMax(),
    manager.randomizationFactor(), manager.timeout()], [true, Infinity, 1000, 5000, 0.5, 20_000], "defaults");
  manager.reconnection(false).reconnectionAttempts(1).reconnectionDelay(2).reconnectionDelayMax(3).randomizationFactor(0).timeout(false);
  equal([manager.reconnection(), manager.reconnectionAttempts(), manager.reconnectionDelay(), manager.reconnectionDelayMax(),
    manager.randomizationFactor(), manager.timeout()], [false, 1, 2, 3, 0, false], "set");
});

test("addresses and queries", async () => {
  const seen: string[] = [];
  const server = new FakeServer();
  class Spy extends server.websocket {
    constructor(opts: TransportOptions) {
      super(opts);
      seen.push(this._createUri(opts.secure ? "wss" : "ws", false));
    }
  }
  const go = (uri: string, options: Options = {}) => io(uri, { transports: [Spy], forceNew: true, ...options }).disconnect();
  go("https://example.com/chat?a=b%20c");
  go("http://example.com:8080", { query: { d: "é&" }, path: "/x/" });
  go("ws://[::1]:80", { addTrailingSlash: false, forceBase64: true });
  go("wss://example.com:443", { query: { EIO: "9", transport: "fax" } });
  new Manager({ host: "example.com:99", transports: [Spy] }).disconnect();
  new Manager({ hostname: "example.com", secure: true, port: 7, transports: [Spy] }).disconnect();
  equal(seen, [
    "wss://example.com/socket.io/?a=b+c&EIO=4&transport=websocket",
    "ws://example.com:8080/x/?d=%C3%A9%26&EIO=4&transport=websocket",
    "ws://[::1]/socket.io?EIO=4&transport=websocket&b64=1",
    "wss://example.com/socket.io/?EIO=4&transport=websocket",
    "ws://example.com/socket.io/?EIO=4&transport=websocket",
    "wss://example.com:7/socket.io/?EIO=4&transport=websocket",
  ]);
});

test("what an address leaves out comes from the page", () => {
  const page = { protocol: "https:", host: "page.example:8443" } as Location;
  const rows: [uri: string, secure: boolean, hostname: string, port: number, path: string, query: string][] = [
    ["https://a.example", true, "a.example", 443, "/", ""],
    ["http://a.example/", false, "a.example", 80, "/", ""],
    ["HTTP://user:word@a.example:81/x/y?z=1#w", false, "a.example", 81, "/x/y", "z=1"],
    ["wss://[2001:db8::1]:82/ü", true, "2001:db8::1", 82, "/ü", ""],
    ["/admin?t=1", true, "page.example", 8443, "/admin", "t=1"],
    ["//b.example/n", true, "b.example", 443, "/n", ""],
    ["b.example:83", true, "b.example", 83, "/", ""],
    ["localhost:3000/n", true, "localhost", 3000, "/n", ""],
  ];
  for (const [uri, secure, hostname, port, path, query] of rows) equal(parseUrl(uri, page), { secure, hostname, port, path, query }, uri);
  equal(parseUrl("b.example/n", { protocol: "http:", host: "x" } as Location).secure, false, "the scheme is that of the page");
});

test("auth is asked for anew, and may come late", async () => {
  const server = new FakeServer().serve();
  let n = 0;
  const socket = open(server, { auth: (cb) => void setTimeout(() => cb({ n: ++n }), 1) });
  await until(() => socket.connected, "connect");
  server.line.cut();
  await until(() => socket.id === "socket2", "connect again");
  equal(server.lines.map(({ got }) => got), [['40{"n":1}'], ['40{"n":2}']]);
  socket.disconnect();
});

test("a late auth is not sent on another connection", async () => {
  const server = new FakeServer().serve();
  const callbacks: ((data: object) => void)[] = [];
  const socket = open(server, { auth: (cb) => callbacks.push(cb) });
  await until(() => callbacks.length === 1, "auth");
  server.line.cut();
  await until(() => callbacks.length === 2, "auth again");
  callbacks[0]!({ old: true });
  callbacks[1]!({ old: false });
  await until(() => socket.connected, "connect");
  equal(server.line.got, ['40{"old":false}']);
  socket.disconnect();
});

test("events before the connection wait, volatile ones do not", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  socket.emit("a", 1);
  socket.volatile.emit("b", 2);
  socket.send("c");
  const outgoing: unknown[] = [];
  socket.onAnyOutgoing((...args) => outgoing.push(args));
  socket.on("connect", () => socket.volatile.emit("d").emit("e"));
  await until(() => socket.connected, "connect");
  await settle();
  equal(server.line.got, ["40", '42["a",1]', '42["message","c"]', '42["e"]'], "d came while the others were on their way");
  socket.volatile.emit("f");
  equal(outgoing, [["a", 1], ["message", "c"], ["e"], ["f"]]);
  server.line.cut();
  socket.volatile.emit("g");
  equal(socket.sendBuffer.length, 0, "events that wait");
  socket.disconnect();
});

test("acknowledgements", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  const got: unknown[] = [];
  socket.emit("a", (...args: unknown[]) => got.push(args));
  socket.timeout(60_000).emit("b", (...args: unknown[]) => got.push(args));
  const c = socket.emitWithAck("c", 1);
  const d = socket.timeout(60_000).emitWithAck("d");
  const message = (error: Error) => error.message;
  const late = socket.timeout(1).emitWithAck("e").catch(message);
  const lost = socket.emitWithAck("f").catch(message);
  await settle();
  equal(server.line.got.slice(1), ['420["a"]', '421["b"]', '422["c",1]', '423["d"]', '424["e"]', '425["f"]']);
  server.line.reply('430["x",2]', '431["y"]', '432["z"]', '433["d"]', '430["twice"]', '4399["unknown"]');
  equal(got, [["x", 2], [null, "y"]]);
  equal([await c, await d], ["z", "d"]);
  equal(await late, "operation has timed out");
  socket.emit("g", () => got.push("never"));
  server.line.cut();
  equal(await lost, "socket has been disconnected");
  equal(got.length, 2, "who takes no error hears nothing");
  socket.disconnect();
});

test("acknowledging", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  socket.on("ask", (n: number, answer: (n: number, more: string) => void) => {
    answer(2 * n, "more");
    answer(0, "twice");
  });
  server.line.reply('427["ask",21]');
  await settle();
  equal(server.line.got.slice(1), ['437[42,"more"]']);
  socket.disconnect();
});

test("modifiers do not outlive an event that is refused", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  equal(thrown(() => socket.timeout(1).volatile.emit("connect")), '"connect" is a reserved event name');
  const got: unknown[] = [];
  socket.emit("a", (...args: unknown[]) => got.push(args));
  await settle();
  server.line.reply('430["x"]');
  equal(got, [["x"]], "no error in front");
  socket.disconnect();
});

test("a listener that throws harms nobody else", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  const caught = uncaught();
  socket.on("bad", () => {
    throw new Error("of the user");
  });
  const got: unknown[] = [];
  socket.on("good", () => got.push("good"));
  server.line.reply('42["bad"]', '42["good"]');
  equal(got, ["good"]);
  equal(await caught, "of the user", "reported as uncaught");
  check(socket.connected, "connected");
  socket.disconnect();
});

/** The message of the next uncaught error, which the environment then does not hear of. */
function uncaught(): Promise<string> {
  return new Promise((resolve) => {
    if (typeof process === "object") {
      const others = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error: Error) => {
        for (const other of others) process.on("uncaughtException", other);
        resolve(error.message);
      });
    } else {
      addEventListener("error", (event) => {
        event.preventDefault();
        resolve((event.error as Error).message);
      }, { once: true });
    }
  });
}

test("one bad event in the buffer does not keep the others, or connect, from their way", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  socket.emit("bad", circle);
  socket.emit("good");
  const caught = uncaught();
  await until(() => socket.connected, "connect");
  check(/circular|cyclic/i.test(await caught), "reported as uncaught");
  await settle();
  equal(server.line.got, ["40", '42["good"]']);
  check(thrown(() => socket.emit("bad", circle)), "once connected, whoever emits it is told");
  socket.disconnect();
});

// --- what servers should not do ---

/** A hostile server sends these frames; the client must say so by an event, and go on by its policy. */
const hostile: [name: string, open: string[], joined: string[]][] = [
  ["K01 open packet is no JSON", ["0hello"], []],
  ["K01 open packet is null", ["0null"], []],
  ["K01 open packet is empty", ["0"], []],
  ["K01 open packet is a number", ["07"], []],
  ["K01 open packet without upgrades", [handshake({ upgrades: undefined })], []],
  ["K01 open packet with upgrades that are none", [handshake({ upgrades: {} })], []],
  ["K01 open packet without sid", [handshake({ sid: undefined })], []],
  ["K01 open packet with an empty sid", [handshake({ sid: "" })], []],
  ["K02 connect error without data", [handshake()], ["44"]],
  ["K02 connect without data", [handshake()], ["40"]],
  ["K02 connect with a number as sid", [handshake()], ['40{"sid":7}']],
  ["K02 connect error that is a list", [handshake()], ["44[]"]],
  ["K03 ack without data", [handshake()], ['40{"sid":"x"}', "430"]],
  ["K03 ack that is an object", [handshake()], ['40{"sid":"x"}', "430{}"]],
  ["K04 negative ping interval", [handshake({ pingInterval: -1 })], []],
  ["K04 ping interval as text", [handshake({ pingInterval: "25000" })], []],
  ["K04 no ping timeout", [handshake({ pingTimeout: undefined })], []],
  ["K04 ping timeout of nothing", [handshake({ pingTimeout: null })], []],
  ["K05 unknown Engine.IO packet", [handshake()], ['40{"sid":"x"}', "9"]],
  ["K05 empty message", [handshake()], ['40{"sid":"x"}', ""]],
  ["K05 unknown Socket.IO packet", [handshake()], ['40{"sid":"x"}', "47"]],
  ["K05 no attachments", [handshake()], ['40{"sid":"x"}', '450-["a"]']],
  ["K05 too many attachments", [handshake()], ['40{"sid":"x"}', '4511-["a"]']],
  ["K05 an event named connect", [handshake()], ['40{"sid":"x"}', '42["connect"]']],
  ["K05 deep nesting", [handshake()], ['40{"sid":"x"}', `451-["a",${"[".repeat(100_000)}`]],
  ["K05 an event that is no list", [handshake()], ['40{"sid":"x"}', "42{}"]],
];

for (const [name, opening, joined] of hostile) {
  test(`Fault ${name}`, async () => {
    const server = new FakeServer();
    let attempts = 0;
    server.onLine = (line) => {
      attempts++;
      line.onFrame = (frame) => {
        if (frame === "40") line.reply(...(attempts === 1 ? joined : ['40{"sid":"good"}']));
      };
      line.accept().reply(...(attempts === 1 ? opening : [handshake()]));
    };
    const socket = open(server);
    const log = record(socket);
    const ack = socket.emitWithAck("a").catch((error: Error) => error.message);
    const told = () => log.find((entry) => Array.isArray(entry) && /^(connect_error|disconnect)$/.test(String(entry[0]))) as string[] | undefined;
    await until(told, "an event about the error");
    if (joined.length > 1) {
      check(told()![0] === "disconnect" && /^(parse|transport) error$/.test(told()![1]!), `told ${told()}`);
      equal(await ack, "socket has been disconnected", "the acknowledgement that was waited for");
    } else {
      equal(told()![0], "connect_error");
    }
    if (!/connect without data|as sid/.test(name)) {
      await until(() => socket.id === "good", "a connection, once the server behaves");
    }
    socket.disconnect();
  });
}

test("Fault K04 an enormous ping interval is no ping timeout at once", async () => {
  const server = new FakeServer();
  server.onLine = (line) => {
    line.onFrame = () => line.reply('40{"sid":"x"}');
    line.accept().reply(handshake({ pingInterval: 1e15, pingTimeout: 1e15 }));
  };
  const socket = open(server);
  const log = record(socket);
  await until(() => socket.connected, "connect");
  await new Promise((resolve) => setTimeout(resolve, 50));
  equal(log, ["connect"]);
  socket.disconnect();
});

test("Fault K05 a second open packet changes nothing", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  const other = 'x'.repeat(3);
  server.line.reply(handshake({ sid: other }), '40{"sid":"other"}');
  equal([socket.io.engine.id, socket.id], ["s1", "socket1"]);
  socket.disconnect();
});

test("a server that falls silent", async () => {
  const server = new FakeServer();
  server.onLine = (line) => {
    line.onFrame = () => line.reply('40{"sid":"x"}');
    line.accept().reply(handshake({ pingInterval: 10, pingTimeout: 10 }));
  };
  const socket = open(server, { reconnection: false });
  const log = record(socket);
  await until(() => log.length === 2, "disconnect");
  equal(log, ["connect", ["disconnect", "ping timeout"]]);
});

test("pings are answered, and keep it alive", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  await until(() => socket.connected, "connect");
  let pings = 0;
  socket.io.on("ping", () => pings++);
  server.line.reply("2", "2");
  await settle();
  equal([server.line.got.slice(1), pings], [["3", "3"], 2]);
  socket.disconnect();
});

// --- reconnection ---

test("Fault G15 the delays stay spread, and bounded", async () => {
  const real = globalThis.setTimeout;
  const delays: number[][] = [];
  // Every timer of a reconnection runs at once, and its delay is kept.
  globalThis.setTimeout = ((callback: () => void, ms: number) => {
    delays[delays.length - 1]!.push(ms);
    return real(callback, 0);
  }) as typeof setTimeout;
  try {
    const done: Promise<void>[] = [];
    for (let i = 0; i < 2000; i++) {
      const server = new FakeServer();
      const line: number[] = [];
      server.onLine = (l) => {
        delays.push(line); // what is set from here on is the delay of this one
        l.fail();
      };
      const manager = new Manager("http://example.com", { transports: [server.websocket], timeout: false, reconnectionAttempts: 8 });
      done.push(new Promise((resolve) => manager.on("reconnect_failed", resolve)));
      delays.push(line);
    }
    await Promise.all(done);
  } finally {
    globalThis.setTimeout = real;
  }
  const rows = [...new Set(delays)];
  equal([rows.length, rows[0]!.length], [2000, 8], "clients and attempts");
  [1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000].forEach((base, attempt) => {
    const column = rows.map((row) => row[attempt]!).sort((a, b) => a - b);
    check(column[0]! >= base / 2 && column[1999]! <= 1.5 * base, `attempt ${attempt + 1}: from ${column[0]} to ${column[1999]}`);
    let crowd = 0;
    for (let from = 0, to = 0; to < column.length; to++) {
      while (column[to]! - column[from]! > 100) from++;
      crowd = Math.max(crowd, to - from + 1);
    }
    // The first attempts are 200 in each 100 ms on average; more than 250 somewhere is chance in one run of sixty.
    check(crowd <= (base === 1000 ? 300 : 200), `attempt ${attempt + 1}: ${crowd} of 2000 within 100 ms`);
  });
});

test("Fault K09 nothing happens after disconnect, whenever it comes", async () => {
  for (const moment of ["connecting", "handshaken", "waiting", "attempt"]) {
    const server = new FakeServer();
    server.onLine = (line) => {
      if (moment === "handshaken") line.accept().reply(handshake());
      else if (moment !== "connecting") line.fail();
    };
    const socket = open(server);
    const log = record(socket);
    if (moment === "connecting") await until(() => server.lines.length, moment);
    if (moment === "handshaken") await until(() => server.lines.length && server.line.got.length, moment);
    if (moment === "waiting") await until(() => log.length, moment);
    if (moment === "attempt") await new Promise<void>((resolve) => socket.io.on("reconnect_attempt", () => {
      socket.disconnect();
      resolve();
    }));
    socket.disconnect();
    const [before, lines] = [log.length, server.lines.length];
    for (const line of server.lines) line.cut();
    await new Promise((resolve) => setTimeout(resolve, 20));
    equal([log.length, server.lines.length], [before, lines], `events and connections after disconnect while ${moment}`);
  }
});

test("connecting again from the listener of disconnect makes one connection", async () => {
  const server = new FakeServer().serve();
  const socket = open(server);
  socket.on("disconnect", () => void socket.connect());
  await until(() => socket.connected, "connect");
  server.line.cut();
  await until(() => socket.id === "socket2", "connect again");
  await new Promise((resolve) => setTimeout(resolve, 20));
  equal(server.lines.length, 2, "connections");
  socket.off("disconnect").disconnect();
});

test("disconnecting and connecting from the listener of a failed attempt begins anew", async () => {
  for (const event of ["connect_error", "reconnect_attempt"]) {
    const server = new FakeServer();
    server.onLine = (line) => line.fail();
    const socket = open(server);
    let turns = 0;
    const turn = () => {
      if (++turns !== 2) return;
      server.serve();
      socket.disconnect().connect();
    };
    if (event === "connect_error") socket.on("connect_error", turn);
    else socket.io.on("reconnect_attempt", turn);
    await until(() => socket.connected, `connect after ${event}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    equal(server.lines.filter(({ readyState }) => readyState === "open").length, 1, "connections");
    socket.disconnect();
  }
});

test("timers are those of when the manager was made, or of when the client was loaded", async () => {
  const real = { setTimeout, clearTimeout };
  const fake = () => {
    throw new Error("a fake timer");
  };
  const before = open(new FakeServer().serve());
  let native: Socket;
  try {
    Object.assign(globalThis, { setTimeout: fake, clearTimeout: fake });
    native = open(new FakeServer().serve(), { useNativeTimers: true });
    before.io.disconnect();
  } finally {
    Object.assign(globalThis, real);
  }
  await until(() => native.connected, "connect");
  native.disconnect();
});

// --- recovery ---

test("Fault L08 cut while missed events are replayed", async () => {
  const server = new FakeServer();
  const offsets = ["o1", "o2", "o3", "o4", "o5", "o6"];
  const event = (i: number) => `42["n",${i},"${offsets[i - 1]}"]`;
  let n = 0;
  server.onLine = (line) => {
    n++;
    line.onFrame = (frame) => {
      if (!/^40/.test(frame as string)) return;
      const { offset } = JSON.parse((frame as string).slice(2) || "{}") as { offset?: string };
      const missed = offset ? offsets.indexOf(offset) + 2 : 1;
      const join = '40{"sid":"s","pid":"p"}';
      if (n === 1) line.reply(join, event(1), event(2));
      if (n === 2 || n === 3) {
        line.reply(event(missed), event(missed + 1)); // and the rest of them never comes
        line.cut();
      }
      if (n === 4) line.reply(...[3, 4, 5].filter((i) => i >= missed).map(event), join, event(6));
    };
    line.accept().reply(handshake());
  };
  const socket = open(server);
  const got: number[] = [];
  socket.on("n", (i: number) => got.push(i));
  await until(() => got.length >= 2, "the first events");
  server.line.cut();
  await until(() => n === 4 && socket.connected, "recovery");
  equal(got, [1, 2, 3, 4, 5, 6]);
  check(socket.recovered, "recovered");
  equal(server.lines.map(({ got: [connect] }) => connect), ["40", ...Array<string>(3).fill('40{"pid":"p","offset":"o2"}')]);
  socket.disconnect();
});

test("a session that is not recovered forgets the offset of the one before", async () => {
  const server = new FakeServer().serve((_, n) => [`40{"sid":"s${n}","pid":"p${n}"}`, ...(n === 1 ? ['42["e","o1"]'] : [])]);
  const socket = open(server);
  await until(() => socket.connected, "connect");
  server.line.cut();
  await until(() => socket.id === "s2", "connect again");
  check(!socket.recovered, "another session");
  server.line.cut();
  await until(() => socket.id === "s3", "connect once more");
  equal(server.lines.map(({ got: [connect] }) => connect), ["40", '40{"pid":"p1","offset":"o1"}', '40{"pid":"p2"}']);
  socket.disconnect();
});

// --- retries ---

test("Fault K10 retries: in order, one at a time, until acknowledged", async () => {
  const server = new FakeServer();
  const seen: string[] = [];
  const lost = new Set(["a1", "b2"]); // the acknowledgement of this attempt is lost
  const tries: { [event: string]: number } = {};
  server.onLine = (line) => {
    line.onFrame = (frame) => {
      const text = frame as string;
      if (text === "40") return void line.reply('40{"sid":"x"}');
      const [, id, event] = /^42(\d+)\["(\w)"]$/.exec(text) ?? [];
      if (!event) return;
      const attempt = event + (tries[event] = (tries[event] ?? 0) + 1);
      seen.push(attempt);
      if (attempt === "b1") return line.cut();
      if (!lost.has(attempt)) line.reply(`43${id}["${attempt}"]`, `43${id}["again"]`);
    };
    line.accept().reply(handshake());
  };
  const socket = open(server, { retries: 3, ackTimeout: 20 });
  const answers: unknown[] = [];
  const done = (...args: unknown[]) => answers.push(args);
  socket.emit("a", done);
  socket.on("connect", () => seen.length < 2 && socket.emit("c", done)); // inside connect, behind what waits
  socket.emit("b", done);
  await until(() => answers.length === 3, "all acknowledgements");
  equal(answers, [[null, "a2"], [null, "b3"], [null, "c1"]]);
  equal(seen, ["a1", "a2", "b1", "b2", "b3", "c1"]);
  socket.disconnect();
});

test("retries end, and the queue goes on", async () => {
  const server = new FakeServer();
  server.onLine = (line) => {
    line.onFrame = (frame) => {
      const text = frame as string;
      if (text === "40") line.reply('40{"sid":"x"}');
      const [, id] = /^42(\d+)\["b"]$/.exec(text) ?? [];
      if (id) line.reply(`43${id}[1]`);
    };
    line.accept().reply(handshake());
  };
  const socket = open(server, { retries: 2, ackTimeout: 5 });
  const error = await new Promise<Error>((resolve) => socket.emit("a", resolve));
  equal(error.message, "operation has timed out");
  equal(await new Promise((resolve) => socket.emit("b", (...args: unknown[]) => resolve(args))), [null, 1]);
  equal(server.line.got.filter((frame) => /"a"/.test(frame as string)).length, 3, "tries");
  socket.disconnect();
});

// --- upgrades ---

/** A client on polling; the test answers its requests. */
async function polling(options: Options = {}) {
  const server = new FakeServer();
  const waiting: Request[] = [];
  const posted: string[] = [];
  server.onRequest = (request) => {
    if (request.body === undefined) {
      if (!request.sid) request.ok(handshake({ upgrades: ["websocket"] }));
      else waiting.push(request);
    } else {
      posted.push(request.body);
      request.ok("ok");
      if (request.body === "40") answer('40{"sid":"x"}');
    }
  };
  const answer = (text: string) => {
    const poll = waiting.shift();
    if (poll) poll.ok(text);
    else setTimeout(() => answer(text), 1);
  };
  const socket = open(server, { transports: [server.polling, server.websocket], ...options });
  await until(() => socket.connected, "connect");
  return { server, socket, posted, waiting, answer };
}

const engineOf = (socket: Socket) => socket.io.engine;

test("an upgrade", async () => {
  const { server, socket, posted, answer } = await polling();
  const events: string[] = [];
  for (const event of ["upgrading", "upgrade", "upgradeError"] as const) engineOf(socket).on(event, () => events.push(event));
  const { line } = server;
  line.accept();
  equal(line.got, ["2probe"]);
  line.reply("3probe");
  socket.emit("a"); // written meanwhile
  check(engineOf(socket).upgrading, "upgrading");
  answer("6");
  await until(() => line.got.length === 3, "upgrade");
  equal([line.got, posted, events], [["2probe", "5", '42["a"]'], ["40"], ["upgrading", "upgrade"]]);
  equal(engineOf(socket).transport.name, "websocket");
  socket.disconnect();
});

// Cut at each point of it: the session goes on, and nothing is lost.
for (const point of ["before it opens", "after the probe", "by a wrong answer", "while the last poll is out"]) {
  test(`Fault U02 an upgrade that is cut ${point}`, async () => {
    const { server, socket, posted, waiting, answer } = await polling();
    const log = record(socket);
    const errors: string[] = [];
    engineOf(socket).on("upgradeError", ({ message }) => errors.push(message));
    const { line } = server;
    if (point !== "before it opens") line.accept();
    if (point === "by a wrong answer") line.reply("4hello");
    if (point === "while the last poll is out") line.reply("3probe");
    socket.emit("a");
    line.cut();
    equal(errors.length, 1, "upgrade errors");
    await until(() => posted.includes('42["a"]'), "what was written meanwhile");
    answer('42["b"]');
    await until(() => log.length && waiting.length, "the next poll");
    equal([log, engineOf(socket).transport.name, engineOf(socket).upgrading], [[["b"]], "polling", false]);
    // A poll that was answered while the upgrade hung leaves the session polling, too.
    answer("6");
    await until(() => waiting.length, "another poll");
    socket.disconnect();
  });
}

test("Fault U02 an upgrade that is cut once polling has paused", async () => {
  const { server, socket, waiting, answer } = await polling();
  const { line } = server;
  // The POST is not answered, so the pause does not end with the poll.
  let post: Request | undefined;
  server.onRequest = (request) => (request.body === undefined ? waiting.push(request) : (post = request));
  socket.emit("a");
  await until(() => post, "post");
  line.accept().reply("3probe");
  answer("6");
  await settle();
  equal(waiting.length, 0, "polls while pausing");
  line.cut();
  await until(() => waiting.length === 1, "polling again");
  post!.ok("ok");
  socket.emit("b");
  await until(() => post!.body === '42["b"]', "writing again");
  await settle();
  equal(waiting.length, 1, "polls at once");
  server.onRequest = (request) => request.ok("ok");
  post!.ok("ok");
  socket.disconnect();
});

test("payloads stay below the limit of the server", async () => {
  const server = new FakeServer();
  const bodies: string[] = [];
  let joined = false;
  server.onRequest = (request) => {
    if (request.body !== undefined) {
      bodies.push(request.body);
      request.ok("ok");
    } else if (!request.sid) request.ok(handshake({ maxPayload: 30 }));
    else if (!joined && bodies.length) {
      joined = true;
      request.ok('40{"sid":"x"}');
    } else if (!joined) setTimeout(() => server.onRequest(request), 1);
  };
  const socket = open(server, { transports: [server.polling] });
  await until(() => socket.connected, "connect");
  for (const text of ["12345678", "é☃345678", "x", "y".repeat(40), new Uint8Array(3)]) socket.emit("e", text);
  await until(() => bodies.length >= 6, "all of them");
  check(bodies.slice(1).every((body) => new TextEncoder().encode(body).length <= 30 || !body.includes("\x1e")), bodies.join(" | "));
  socket.disconnect();
});

test("the goodbye goes out on polling, and the poll is not left behind", async () => {
  const { server, socket, posted } = await polling({ upgrade: false });
  socket.emit("last");
  socket.disconnect();
  await until(() => posted.includes("1"), "the goodbye");
  equal(posted.join("").replaceAll("\x1e", ""), '4042["last"]411');
  const n = server.requests.length;
  await settle();
  equal(server.requests.length, n, "requests afterwards");
});

test("tryAllTransports goes on to the next", async () => {
  const server = new FakeServer().serve();
  server.onRequest = (request) => request.failed(503);
  const socket = open(server, { transports: [server.polling, server.websocket], tryAllTransports: true });
  await until(() => socket.connected, "connect");
  equal(engineOf(socket).transport.name, "websocket");
  socket.disconnect();
});

test("no transports", async () => {
  const socket = io("http://example.com", { transports: [], forceNew: true, reconnection: false });
  const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
  equal(error.message, "No transports available");
});

// --- emitters ---

test("listeners", () => {
  const socket = io("http://example.com", { autoConnect: false, forceNew: true });
  const calls: string[] = [];
  const a = () => calls.push("a");
  const b = () => calls.push("b");
  socket.io.on("ping", a).once("ping", b).on("ping", () => void socket.io.off("ping", a));
  equal([socket.io.listeners("ping").length, socket.io.hasListeners("pong" as "ping")], [3, false]);
  socket.io._fire("ping");
  socket.io._fire("ping");
  equal(calls, ["a", "b"]);
  socket.io.once("ping", b);
  socket.io.removeListener("ping", b);
  socket.io.addEventListener("ping", a);
  socket.io._fire("ping");
  socket.io.removeAllListeners();
  socket.io._fire("ping");
  equal(calls, ["a", "b", "a"]);

  socket.io.on("ping", a);
  socket.io.off("ping", undefined as never).off(undefined as never);
  equal(socket.io.listeners("ping").length, 1, "listeners after the removal of none");
  socket.io.off("ping", b);
  equal(socket.io.listeners("ping").length, 1, "listeners after the removal of another");

  const first = () => {};
  const second = () => {};
  socket.onAny(first).prependAny(second);
  check(socket.listenersAny()[0] === second && socket.listenersAny()[1] === first, "prepended");
  socket.offAny(first);
  equal(socket.listenersAny().length, 1);
  socket.offAny();
  equal(socket.listenersAny().length, 0);
  socket.onAnyOutgoing(first).prependAnyOutgoing(second).offAnyOutgoing(second);
  check(socket.listenersAnyOutgoing()[0] === first && socket.offAnyOutgoing().listenersAnyOutgoing().length === 0, "outgoing");
});
