// A Socket.IO server as one node of a cluster, with the adapters of the reference. Usage: cluster.mjs kind port
//
// Prints {"url": …, "pid": …} once it listens. Each line on standard input is a command, {"op": …}, answered by one line,
// {"result": …} or {"error": …}. {"$bin": [1, 2]} in arguments is bytes, both ways.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createAdapter as createAdapter7 } from "redis-adapter-7";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client-4";

const [kind, port] = process.argv.slice(2);
const patience = 30_000; // milliseconds for an answer; a test machine may be slow
const open = async () => {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", () => {});
  await client.connect();
  return client;
};
const pub = await open();
const sub = await open();
const adapters = {
  pubsub: () => createAdapter(pub, sub, { requestsTimeout: patience }),
  "pubsub-7": () => createAdapter7(pub, sub, { requestsTimeout: patience }),
  direct: () => createAdapter(pub, sub, { publishOnSpecificResponseChannel: true, requestsTimeout: patience }),
  sharded: () => createShardedAdapter(pub, sub),
  "sharded-static": () => createShardedAdapter(pub, sub, { subscriptionMode: "static" }),
  "sharded-private": () => createShardedAdapter(pub, sub, { subscriptionMode: "dynamic-private" }),
  streams: () => createStreamsAdapter(pub),
};
const http = createServer();
const io = new Server(http, { adapter: adapters[kind](), ...(kind === "streams" && { connectionStateRecovery: {} }) });
const emitter = new Emitter(pub);

const plain = (value) =>
  Buffer.isBuffer(value) || value instanceof Uint8Array ? { $bin: [...value] }
  : Array.isArray(value) ? value.map(plain)
  : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
  : value;
const real = (value) =>
  Array.isArray(value) ? value.map(real)
  : value && typeof value === "object" ? (value.$bin ? Buffer.from(value.$bin) : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, real(v)])))
  : value;

io.on("connection", (socket) => {
  socket.data.node = "js";
  socket.on("join", (rooms, ack) => { socket.join(rooms); ack(); });
});
const events = [];
io.on("tick", (...args) => {
  const ack = typeof args.at(-1) === "function" ? args.pop() : null;
  events.push(plain(args));
  if (ack) ack("from js");
});

const select = (target, c) => {
  if (c.rooms?.length) target = target.to(c.rooms);
  if (c.except?.length) target = target.except(c.except);
  if (c.volatile) target = target.volatile;
  if (c.local) target = target.local;
  return target;
};
let client;
const received = [];
const ops = {
  emit: (c) => void select(io, c).emit(...real(c.args)),
  ask: async (c) => plain(await select(io, c).timeout(patience).emitWithAck(...real(c.args))),
  fetch: async (c) => (await select(io, c).fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms], data: s.data })),
  join: (c) => void select(io, c).socketsJoin(c.join),
  leave: (c) => void select(io, c).socketsLeave(c.join),
  disconnect: (c) => void select(io, c).disconnectSockets(),
  serverEmit: (c) => void io.serverSideEmit(...real(c.args)),
  serverAsk: async (c) => plain(await io.serverSideEmitWithAck(...real(c.args))),
  events: () => events,
  emitter: (c) => void select(emitter, c).emit(...real(c.args)),
  emitterJoin: (c) => void select(emitter, c).socketsJoin(c.join),
  emitterServer: (c) => void emitter.serverSideEmit(...real(c.args)),

  // The official client.
  connect: (c) => new Promise((resolve) => {
    client = connect(c.url, { reconnectionDelay: 20, reconnectionDelayMax: 50, transports: ["websocket"], forceNew: true });
    client.onAny((...args) => received.push(typeof args.at(-1) === "string" && args.length > 2 ? args.slice(0, -1) : args));
    client.once("connect", () => resolve(client.id));
  }),
  cut: (c) => { // and come back elsewhere, later
    client.io.uri = c.url;
    client.io.reconnectionDelay(c.delay);
    client.io.reconnectionDelayMax(c.delay);
    client.io.engine.close();
  },
  move: (c) => void (client.io.uri = c.url), // at the next connection
  back: () => new Promise((resolve) => {
    const answer = () => resolve({ id: client.id, recovered: client.recovered });
    client.connected ? answer() : client.once("connect", answer);
  }),
  received: () => plain(received),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const c = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await ops[c.op](c)) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  console.log(JSON.stringify(answer));
}).on("close", () => process.exit(0));

http.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${http.address().port}`, pid: process.pid })));
