// node reference-engine.mjs '{"name": options, …}'
//
// One reference Engine.IO server for each configuration, each on a port of its own, all with the application that
// package differential describes. Prints {"ports": {name: port}, "control": port}; the control port answers
// GET /<sid> with what became of that session: {"open", "reason", "messages"}, or null when there never was one.

import { createServer } from "node:http";
import { Server } from "engine.io";

const sessions = new Map();

function application(socket) {
  const seen = { open: true, reason: "", messages: [] };
  sessions.set(socket.id, seen);
  socket.on("close", (reason) => Object.assign(seen, { open: false, reason }));
  socket.on("message", (data = "") => {
    seen.messages.push(typeof data === "string" ? `text ${data}` : `binary ${data.toString("hex")}`);
    if (data === "close") return socket.close();
    const [command, kind, n] = typeof data === "string" ? data.split(":") : [];
    if (command !== "send") return socket.send(data);
    switch (kind) {
      case "text": return socket.send("x".repeat(n));
      case "unicode": return socket.send("é😀\u2028".repeat(n));
      case "binary": return socket.send(Buffer.alloc(Number(n), 7));
      case "many": for (let i = 0; i < n; i++) socket.send(`n${i}`);
    }
  });
}

const listening = (server) => new Promise((resolve) => {
  server.listen(0, "127.0.0.1", () => resolve(server.address().port));
});

const ports = {};
for (const [name, { refuse, ...options }] of Object.entries(JSON.parse(process.argv[2]))) {
  if (refuse) {
    options.allowRequest = (request, allow) => {
      const refused = new URL(request.url, "http://localhost").searchParams.get("refuse");
      allow(refused, !refused);
    };
  }
  const http = createServer((request, response) => response.writeHead(404).end());
  new Server(options).on("connection", application).attach(http);
  ports[name] = await listening(http);
}
const control = await listening(createServer((request, response) => {
  response.end(JSON.stringify(sessions.get(request.url.slice(1)) ?? null));
}));
console.log(JSON.stringify({ ports, control }));
for await (const _ of process.stdin); // until the test goes away
process.exit(0);
