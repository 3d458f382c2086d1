// Two Socket.IO servers in Node.js in one process each are measured like this: cluster-bench.mjs role port count
// "publish" emits count broadcasts of 100 bytes as fast as Redis takes them; "receive" waits for them. Both print
// {"ready": true}, wait for a line, and print {"cpu": microseconds} when done.

import { createAdapter } from "@socket.io/redis-adapter";
import { createInterface } from "node:readline";
import { createClient } from "redis";
import { Server } from "socket.io";

const [role, port, text] = process.argv.slice(2);
const count = Number(text);
const open = async () => {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  return client;
};
const io = new Server({ adapter: createAdapter(await open(), await open()) });
await io.fetchSockets();
const say = (line) => console.log(JSON.stringify(line));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const payload = "x".repeat(100);
const adapter = io.of("/").adapter;
let before;
let got = 0;
const done = () => {
  const { user, system } = process.cpuUsage(before);
  say({ cpu: user + system });
};
if (role === "receive") {
  // What the adapter delivers to the sockets of this node; there is one in the room "r".
  adapter.addAll("somebody", new Set(["r"]));
  const deliver = adapter.apply.bind(adapter);
  adapter.apply = (opts, callback) => {
    deliver(opts, () => {});
    if (++got === count) done();
  };
}
say({ ready: true });
await lines.next();
before = process.cpuUsage();
if (role === "publish") {
  for (let i = 0; i < count; i++) {
    io.to("r").emit("event", payload);
    if (i % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
  }
  await adapter.pubClient.ping();
  done();
}
await lines.next();
process.exit(0);
