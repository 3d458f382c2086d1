// WebTransport against a session that the test plays: no server here has HTTP/3.

import { io, WebTransport as WT } from "../src/index.js";
import { decodeHeader, encodeHeader } from "../src/engine/webtransport.js";
import { FakeServer, handshake } from "./fake.js";
import { check, equal, test, until } from "./rig.js";

/** The other end of a session: what the client wrote, as packets, and a way to write to it in pieces. */
class Session {
  static last: Session;
  static refuse = false;
  readonly ready: Promise<void>;
  readonly closed: Promise<unknown>;
  end!: (error?: Error) => void;
  readonly got: (string | Uint8Array)[] = [];
  private buffer = new Uint8Array();
  private toClient!: ReadableStreamDefaultController<Uint8Array>;

  constructor(readonly url: string, readonly options: unknown) {
    Session.last = this;
    this.closed = new Promise((resolve, reject) => (this.end = (error) => (error ? reject(error) : resolve({}))));
    this.ready = Session.refuse ? Promise.reject(new Error("no HTTP/3")) : Promise.resolve();
  }

  createBidirectionalStream() {
    return Promise.resolve({
      readable: new ReadableStream<Uint8Array>({ start: (controller) => void (this.toClient = controller) }),
      writable: new WritableStream<Uint8Array>({ write: (chunk) => this.take(chunk) }),
    });
  }

  close(): void {
    this.end();
  }

  private take(chunk: Uint8Array): void {
    this.buffer = Uint8Array.from([...this.buffer, ...chunk]);
    for (let header; this.buffer.length && (header = decodeHeader(this.buffer)); ) {
      const end = header.size + header.length;
      if (this.buffer.length < end) return;
      const data = this.buffer.slice(header.size, end);
      this.got.push(header.binary ? data : new TextDecoder().decode(data));
      this.buffer = this.buffer.slice(end);
    }
  }

  /** Writes packets to the client, in pieces of so many bytes. */
  send(pieces: number, ...packets: (string | Uint8Array)[]): void {
    const bytes = packets.flatMap((packet) => {
      const data = typeof packet === "string" ? new TextEncoder().encode(packet) : packet;
      return [...encodeHeader(typeof packet !== "string", data.length), ...data];
    });
    for (let i = 0; i < bytes.length; i += pieces) this.toClient.enqueue(Uint8Array.from(bytes.slice(i, i + pieces)));
  }
}

async function withSessions(run: () => Promise<void>): Promise<void> {
  const real = Object.getOwnPropertyDescriptor(globalThis, "WebTransport");
  Object.defineProperty(globalThis, "WebTransport", { value: Session, configurable: true });
  try {
    await run();
  } finally {
    Session.refuse = false;
    if (real) Object.defineProperty(globalThis, "WebTransport", real);
    else Reflect.deleteProperty(globalThis, "WebTransport");
  }
}

test("WebTransport from the start", () => withSessions(async () => {
  const options = { serverCertificateHashes: [] };
  const socket = io("https://example.com:7000", { forceNew: true, transports: ["webtransport"], transportOptions: { webtransport: options } });
  const events: unknown[] = [];
  socket.onAny((...args) => events.push(args));
  await until(() => Session.last.got.length === 1, "the first packet");
  const session = Session.last;
  equal([session.url, session.got], ["https://example.com:7000/socket.io/?EIO=4&transport=webtransport", ["0"]]);
  check(session.options === options, "its own options go to WebTransport");
  session.send(1, handshake());
  await until(() => session.got.length === 2, "CONNECT");
  session.send(7, '40{"sid":"x"}', '42["text","' + "ü".repeat(100) + '"]', '451-["bytes",{"_placeholder":true,"num":0}]', new Uint8Array(70_000).fill(7));
  await until(() => events.length === 2, "events");
  equal(events[0], ["text", "ü".repeat(100)]);
  equal(new Uint8Array((events[1] as [string, ArrayBuffer])[1]).length, 70_000);
  socket.emit("e", new Uint8Array([1, 2]), new Blob(["hi"]), "after");
  await until(() => session.got.length === 5, "what is sent");
  equal(session.got.slice(2), [
    '452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},"after"]', new Uint8Array([1, 2]), new TextEncoder().encode("hi"),
  ]);
  const reason = new Promise((resolve) => socket.on("disconnect", resolve));
  session.end(new Error("lost"));
  equal(await reason, "transport error");
  socket.disconnect();
}));

test("WebTransport after polling, and before WebSocket", () => withSessions(async () => {
  const server = new FakeServer();
  const polls: ((text: string) => void)[] = [];
  server.onRequest = ({ body, sid, ok }) => {
    if (body !== undefined) ok("ok");
    else if (!sid) ok(handshake({ upgrades: ["websocket", "webtransport"] }));
    else polls.push(ok);
  };
  const socket = io("https://example.com", { forceNew: true, transports: [server.polling, server.websocket, WT] });
  await until(() => Session.last.url.includes("sid=s1") && Session.last.got.length === 2, "probe");
  const session = Session.last;
  equal(session.got, ['0{"sid":"s1"}', "2probe"]);
  session.send(100, "3probe");
  await until(() => polls.length, "poll");
  await until(() => socket.io.engine.upgrading, "upgrading");
  polls.shift()!("6");
  await until(() => socket.io.engine.transport.name === "webtransport", "upgrade");
  await until(() => session.got.includes("5"), "upgrade packet");
  await new Promise((resolve) => setTimeout(resolve, 250)); // longer than the start that it has
  equal(server.lines.length, 0, "WebSockets");
  socket.disconnect();
}));

test("a WebTransport that cannot be had is an error", () => withSessions(async () => {
  Session.refuse = true;
  const socket = io("https://example.com", { forceNew: true, transports: ["webtransport"], reconnection: false });
  const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
  equal(error.message, "webtransport error");
}));

test("a frame of no bytes, or of too many, is an error", () => withSessions(async () => {
  for (const bytes of [[0], [0x80], [127, 0xff, 0, 0, 0, 0, 0, 0, 0]]) {
    const socket = io("https://example.com", { forceNew: true, transports: ["webtransport"], reconnection: false });
    const error = new Promise<Error>((resolve) => socket.on("connect_error", resolve));
    const before = Session.last;
    await until(() => Session.last !== before || Session.last.got.length === 1, "session");
    await until(() => Session.last.got.length === 1, "the first packet");
    (Session.last as unknown as { toClient: ReadableStreamDefaultController<Uint8Array> }).toClient.enqueue(Uint8Array.from(bytes));
    equal((await error).message, "webtransport error");
  }
}));
