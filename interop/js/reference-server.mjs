// The contract (README.md) on the reference implementation: it shows that a scenario that fails against another
// server fails because of that server. Prints {"url": …} once it listens; a line "restart" on standard input
// closes everything and starts anew on the same port, answered by {"reasons": {id: reason, …}}.

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { extname, join, normalize } from "node:path";
import { Server as Engine } from "engine.io";
import { Server } from "socket.io";

const heartbeat = { pingInterval: 300, pingTimeout: 10_000 };
const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };

function start(port, listening) {
  const http = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
    createReadStream(join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, path))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  const io = new Server({ allowEIO3: true, serveClient: false, ...heartbeat });
  const reasons = {};
  const watchers = {}; // id → functions that wait for its reason

  const connection = (socket) => {
    socket.on("disconnect", (reason) => {
      reasons[socket.id] = reason;
      for (const tell of watchers[socket.id] ?? []) tell(reason);
    });
    socket.on("reason-of", (id, ack) => (id in reasons ? ack(reasons[id]) : (watchers[id] ??= []).push(ack)));

    socket.on("echo", (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      if (ack) ack(...args);
      else socket.emit("echo", ...args);
    });
    socket.on("whoami", (ack) => ack({ id: socket.id, namespace: socket.nsp.name, transport: socket.conn.transport.name }));
    socket.on("handshake", (ack) => ack({ query: socket.handshake.query, auth: socket.handshake.auth }));
    socket.on("give", (length) => socket.emit("given", { name: "gift", data: Buffer.from(Array.from({ length }, (_, i) => i & 255)) }));
    socket.on("ask", (event, arg, ms, ack) => {
      socket.timeout(ms).emit(event, arg, (error, ...answer) => ack(error ? { error: "timeout" } : { answer }));
    });

    socket.on("join", (rooms, ack) => ack(socket.join(rooms)));
    socket.on("leave", (room, ack) => ack(socket.leave(room)));
    socket.on("rooms", (ack) => ack([...socket.rooms].filter((room) => room !== socket.id).sort()));
    const message = (event, select) => socket.on(event, (...args) => {
      const ack = args.pop();
      select(args).emit("message", ...args);
      ack();
    });
    message("to-room", (args) => socket.to(args.shift()));
    message("all-in-room", (args) => socket.nsp.to(args.shift()));
    message("to-others", () => socket.broadcast);
    message("to-all", () => socket.nsp);
    message("to-all-except", (args) => socket.nsp.except(args.shift()));

    socket.on("kick", (wholeConnection) => socket.disconnect(wholeConnection));

    let received = 0, firstWrong = -1;
    socket.on("seq", (i) => {
      if (i !== received && firstWrong < 0) firstWrong = received;
      received++;
    });
    socket.on("seq-report", (ack) => ack({ received, firstWrong }));
    socket.on("flood", async (n) => {
      for (let i = 0; i < n; i++) {
        socket.emit("seq", i);
        if (i % 25 === 24) await new Promise((resolve) => setTimeout(resolve));
      }
    });
  };

  const refuse = (message, data) => (socket, next) => next(Object.assign(new Error(message), { data }));
  for (const name of ["/", "/chat", "/denied", "/private"]) io.of(name).on("connection", connection);
  io.of("/denied").use(refuse("denied"));
  io.of("/private").use((socket, next) => {
    if (socket.handshake.auth.token === "secret") next();
    else refuse("not authorized", { code: "E_AUTH", hint: ["token"] })(socket, next);
  });

  const engine = new Engine({ allowEIO3: true, ...heartbeat });
  engine.on("connection", (socket) => {
    socket.on("message", (data) => (data === "close" ? socket.close() : socket.send(data)));
  });

  io.attach(http);
  engine.attach(http, { path: "/engine.io/" });
  http.listen(port, "127.0.0.1", () => listening(http.address().port));
  return async () => {
    // A client that is between two polls is not told, but finds its session gone. One that has left does not come back.
    const between = (session) => !session.transport.writable;
    const sessions = () => [io.engine, engine].flatMap((e) => Object.values(e.clients));
    for (let i = 0; i < 5_000 && sessions().some(between); i++) await new Promise((resolve) => setTimeout(resolve, 1));
    // Node.js serves the connections that it has while it closes, also one that a browser opened and has not used yet:
    // a client would come back by it to the server that is about to go, and lose there what it sends.
    for (const event of ["request", "upgrade"]) {
      http.removeAllListeners(event).on(event, (request) => request.socket.destroy());
    }
    engine.close();
    const unused = setTimeout(() => http.closeAllConnections(), 1_000); // Node.js would wait for its first request
    await new Promise((resolve) => io.close(resolve));
    clearTimeout(unused);
    return reasons;
  };
}

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
let port;
let stop = start(0, (chosen) => print({ url: `http://127.0.0.1:${(port = chosen)}` }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "restart") throw new Error(`unknown command ${line}`);
  const reasons = await stop();
  await new Promise((resolve) => (stop = start(port, resolve)));
  print({ reasons });
}
process.exit(0);
