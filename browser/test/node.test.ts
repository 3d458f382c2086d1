// What only Node has: headers and cookies on each transport, TLS, errors with their cause, Buffers. Not run in a browser.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { io, type Socket } from "../src/node.js";
import { handshake } from "./fake.js";
import { check, equal, test, until } from "./rig.js";

interface Seen {
  method: string;
  transport: string;
  headers: IncomingMessage["headers"];
}

/** A small server of one session, which hands out cookies. */
class TestServer {
  readonly seen: Seen[] = [];
  cookies: string[] = [];
  status = 200;
  private readonly http: Server;
  private polls = 0;

  private constructor() {
    this.http = createServer((req, res) => this.answer(req, res));
    const sockets = new WebSocketServer({ server: this.http });
    sockets.on("connection", (ws, req) => {
      this.note(req);
      ws.send(handshake());
      ws.on("message", (data: Buffer) => {
        if (data.toString() === "40") ws.send('40{"sid":"x"}');
        if (data.toString() === "42[\"binary\"]") {
          ws.send('451-["bytes",{"_placeholder":true,"num":0}]');
          ws.send(Buffer.from([1, 2, 3]));
        }
      });
    });
  }

  static async start(): Promise<TestServer> {
    const server = new TestServer();
    await new Promise<void>((resolve) => server.http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  close(): void {
    this.http.closeAllConnections();
    this.http.close();
  }

  private note(req: IncomingMessage): void {
    const { searchParams } = new URL(req.url!, this.url);
    this.seen.push({ method: req.method!, transport: searchParams.get("transport")!, headers: req.headers });
  }

  private answer(req: IncomingMessage, res: ServerResponse): void {
    this.note(req);
    res.statusCode = this.status;
    if (this.cookies.length) res.setHeader("Set-Cookie", this.cookies);
    if (this.status !== 200) return void res.end('{"code":4,"message":"Forbidden"}');
    if (req.method === "POST") return void req.on("data", () => {}).on("end", () => res.end("ok"));
    switch (++this.polls) {
      case 1:
        return void res.end(handshake({ upgrades: [] }));
      case 2:
        return void setTimeout(() => res.end('40{"sid":"x"}\x1e451-["bytes",{"_placeholder":true,"num":0}]\x1ebAQID'), 5);
    }
    // the rest waits
  }
}

async function using(run: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await TestServer.start();
  try {
    await run(server);
  } finally {
    server.close();
  }
}

const connected = (socket: Socket) => until(() => socket.connected, "connect");

for (const transport of ["polling", "websocket"]) {
  test(`${transport}: headers and cookies`, () => using(async (server) => {
    server.cookies = [
      "sticky=node1; Path=/; HttpOnly", 'quoted="a b"', "gone=1; Max-Age=0", "old=1; expires=Thu, 01 Jan 1970 00:00:00 GMT",
      "odd=1; Expires=never", "long=1; MAX-AGE=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "nonsense", "=nothing",
    ];
    const socket = io(server.url, {
      transports: [transport], withCredentials: true, extraHeaders: { "X-Own": "yes", Cookie: "mine=1" }, forceNew: true,
    });
    await connected(socket);
    check(server.seen.every(({ headers }) => headers["x-own"] === "yes"), "extra headers on each request");
    equal(server.seen[0]!.headers.cookie, "mine=1", "cookies at first");
    if (transport === "polling") {
      await until(() => server.seen.length >= 3, "more requests");
      equal(server.seen[2]!.headers.cookie, "mine=1; sticky=node1; quoted=a b; long=1", "cookies afterwards");
      check(server.seen.some(({ method }) => method === "POST"), "also when posting");
    }
    socket.disconnect();
  }));
}

test("without withCredentials no cookie is kept", () => using(async (server) => {
  server.cookies = ["sticky=node1"];
  const socket = io(server.url, { transports: ["polling"], forceNew: true });
  await connected(socket);
  check(server.seen.every(({ headers }) => headers.cookie === undefined), "no cookies");
  socket.disconnect();
}));

for (const transport of ["polling", "websocket"]) {
  test(`${transport}: bytes arrive as Buffers`, () => using(async (server) => {
    const socket = io(server.url, { transports: [transport], forceNew: true });
    const bytes = new Promise((resolve) => socket.on("bytes", resolve));
    await connected(socket);
    if (transport === "websocket") socket.emit("binary");
    const got = await bytes;
    check(Buffer.isBuffer(got), "a Buffer");
    equal(got, new Uint8Array([1, 2, 3]));
    socket.disconnect();
  }));
}

test("a refusal has its status and text", () => using(async (server) => {
  server.status = 403;
  const socket = io(server.url, { transports: ["polling"], forceNew: true, reconnection: false });
  const error = await new Promise<Error & { description?: unknown; context?: unknown }>((resolve) => socket.on("connect_error", resolve));
  equal([error.message, error.description, error.context], ["xhr poll error", 403, { status: 403, responseText: '{"code":4,"message":"Forbidden"}' }]);
}));

test("nobody there", async () => {
  const server = await TestServer.start();
  const { url } = server;
  server.close();
  for (const [transport, message] of [["polling", "xhr poll error"], ["websocket", "websocket error"]] as const) {
    const socket = io(url, { transports: [transport], forceNew: true, reconnection: false });
    const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
    equal(error.message, message);
  }
});

test("requestTimeout", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const socket = io(url, { transports: ["polling"], forceNew: true, reconnection: false, requestTimeout: 20 });
  const error = await new Promise<Error & { description?: Error }>((resolve) => socket.on("connect_error", resolve));
  equal([error.message, error.description?.message], ["xhr poll error", "timeout"]);
  silent.closeAllConnections();
  silent.close();
});

test("a connection that is closed while it is made leaves nothing behind", async () => {
  const silent = createServer(() => {});
  let requests = 0, aborted = 0;
  silent.on("request", (req: IncomingMessage, res: ServerResponse) => {
    requests++;
    res.on("close", () => aborted++);
    void req;
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const socket = io(url, { transports: ["polling"], forceNew: true });
  await until(() => requests === 1, "request");
  socket.disconnect();
  await until(() => aborted === 1, "the end of the request");
  silent.close();
});
