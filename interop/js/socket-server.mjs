// node socket-server.mjs <package> [options as JSON] [parser package]
//
// A reference Socket.IO server of one generation, for clients in Go: "socket.io-2", "socket.io-3" or "socket.io".
// Prints {"URL"}. Lines on standard input: "restart" closes everything and starts anew on the same port, "cut" breaks
// all TCP connections once every session has one, "emit <n>" emits the numbers 0 to n-1 to the room "news", one at a
// time; each is answered by {}.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [name, options = "{}", parser] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const generation2 = name === "socket.io-2";
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// Clients of the generation 2.x have no auth object, but a query.
const token = ({ handshake: { auth, query } }) => auth?.token ?? query.token;

function newServer(http) {
  const opts = { serveClient: false, pingInterval: 300, pingTimeout: 5000, ...JSON.parse(options) };
  if (parser) opts.parser = require(parser);
  if (generation2) return require(name)(http, opts);
  const { Server } = require(name);
  return new Server(http, opts);
}

function start(port, listening) {
  const http = createServer((request, response) => response.writeHead(404).end());
  const connections = new Set();
  let away = false;
  http.on("connection", (connection) => {
    if (away) return connection.destroy();
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
  });
  const io = newServer(http);

  const connection = (socket) => {
    socket.on("echo", (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      if (ack) ack(...args);
      else socket.emit("echo", ...args);
    });
    socket.on("whoami", (ack) => ack({
      id: socket.id, namespace: socket.nsp.name, transport: socket.conn.transport.name,
      token: token(socket) ?? "", query: socket.handshake.query.q ?? "",
    }));
    socket.on("ask", (event, arg, ack) => socket.emit(event, arg, (...answer) => ack(...answer)));
    socket.on("kick", (whole) => socket.disconnect(whole));
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack(); // in 2.x it is joined a little later, and before the next packet
    });
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
    socket.on("unreliable", (n, ...rest) => {
      const ack = rest.pop();
      const first = !tries.includes(n);
      tries.push(n);
      if (!first || n % 2 === 0) ack(n); // every other number is acknowledged the second time only
    });
    socket.on("tries", (ack) => ack(tries.splice(0)));
  };
  const tries = [];
  const refuse = (message, data) => (socket, next) => next(Object.assign(new Error(message), { data }));
  for (const nsp of ["/", "/chat", "/denied", "/private"]) io.of(nsp).on("connection", connection);
  io.of("/denied").use(refuse("denied"));
  io.of("/private").use((socket, next) => {
    if (token(socket) === "secret") next();
    else refuse("not authorized", { hint: ["token"] })(socket, next);
  });
  http.listen(port, "127.0.0.1", () => listening(http.address().port));
  return {
    io,
    async cut() {
      // The end of a session between two polls would not be noticed, and what was not noticed the reference cannot recover.
      const between = (session) => !session.transport.writable;
      const moment = () => new Promise((resolve) => setTimeout(resolve, 1));
      while (Object.values(io.engine.clients).some(between)) await moment();
      const sessions = Object.values(io.engine.clients);
      // Until all has been noticed nobody comes back, and no command is answered: an event that was emitted now would go
      // to a poll whose connection is gone, and take from the session the only way to notice.
      away = true;
      connections.forEach((c) => c.destroy());
      while (sessions.some(({ readyState }) => readyState !== "closed")) await moment();
      away = false;
    },
    stop: () => new Promise((resolve) => {
      io.close();
      connections.forEach((c) => c.destroy());
      http.close(resolve);
    }),
  };
}

let port;
let server = start(0, (chosen) => print({ URL: `http://127.0.0.1:${(port = chosen)}` }));
for await (const line of createInterface({ input: process.stdin })) {
  const [command, n] = line.split(" ");
  switch (command) {
    case "restart":
      await server.stop();
      await new Promise((resolve) => (server = start(port, resolve)));
      break;
    case "cut":
      await server.cut();
      break;
    case "emit":
      for (let i = 0; i < n; i++) {
        server.io.to("news").emit("n", i);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      break;
    default:
      throw new Error(`unknown command ${line}`);
  }
  print({});
}
process.exit(0);
