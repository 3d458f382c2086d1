// The types as users write them, from the declarations of the package. Each line after "@ts-expect-error" must be an
// error. The same file is checked against the declarations of the official client (official.json): what is right there
// is right here, and what is wrong there is wrong here.

import connectByDefault, {
  connect, io, Manager, protocol, Socket,
  type ManagerOptions, type SocketOptions, type ManagerReservedEvents, type SocketReservedEvents, type DisconnectDescription, type ExtendedError,
  Fetch, WebSocket, WebTransport, XHR, NodeXHR, NodeWebSocket,
} from "@siogo/client";

interface ServerToClient {
  greeted: (name: string, at: number) => void;
  asked: (question: string, answer: (n: number) => void) => void;
  bytes: (data: ArrayBuffer) => void;
}
interface ClientToServer {
  hello: (who: { name: string }, answer: (greeting: string) => void) => void;
  move: (x: number, y?: number) => void;
  bare: () => void;
}

/** Fails to compile unless both types are the same. */
function same<A, B>(_: (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false): void {}

const socket: Socket<ServerToClient, ClientToServer> = io("https://example.com");

// What arrives.
socket.on("greeted", (name, at) => {
  same<typeof name, string>(true);
  same<typeof at, number>(true);
});
socket.once("asked", (_question, answer) => {
  answer(1);
  // @ts-expect-error an acknowledgement has its type
  answer("1");
});
socket.on("connect", () => {});
socket.on("connect_error", (error) => {
  same<typeof error.message, string>(true);
  void error.data?.anything;
});
socket.on("disconnect", (reason, description) => {
  same<typeof reason, Socket.DisconnectReason>(true);
  same<typeof description, DisconnectDescription | undefined>(true);
});
// @ts-expect-error no such event
socket.on("unknown", () => {});
// @ts-expect-error a listener of other parameters
socket.on("greeted", (n: number) => {});
// @ts-expect-error what the client sends does not arrive
socket.on("hello", () => {});
socket.off("greeted").off();
socket.listeners("greeted")[0]?.("name", 1);

// What is sent.
socket.emit("hello", { name: "Ada" }, (greeting) => same<typeof greeting, string>(true));
socket.emit("move", 1).emit("move", 1, 2).emit("bare");
// @ts-expect-error no such event
socket.emit("unknown");
// @ts-expect-error another argument
socket.emit("hello", { name: 1 }, () => {});
// @ts-expect-error one too many
socket.emit("bare", 1);
// @ts-expect-error reserved
socket.emit("connect");
socket.volatile.compress(false).emit("move", 1);

// Acknowledgements.
socket.timeout(1000).emit("hello", { name: "Ada" }, (error, greeting) => {
  same<typeof error, Error>(true);
  same<typeof greeting, string>(true);
});
const answer = socket.emitWithAck("hello", { name: "Ada" });
same<typeof answer, Promise<string>>(true);
const late = socket.timeout(1000).emitWithAck("hello", { name: "Ada" });
void late.then((greeting) => greeting.length);
// @ts-expect-error the acknowledgement is not an argument
void socket.emitWithAck("hello", { name: "Ada" }, () => {});

// Without types.
const untyped = io();
untyped.on("anything", (a: string, b: number) => void [a, b]);
untyped.emit("anything", 1, { two: [3] }, (x: string) => void x);
void untyped.emitWithAck("anything").then((x) => x.y.z);
untyped.onAny((event: string, ...args: unknown[]) => void [event, args]).offAny();
untyped.prependAnyOutgoing((event) => void event);

// State.
same<typeof socket.id, string | undefined>(true);
same<typeof socket.connected, boolean>(true);
same<typeof socket.active, boolean>(true);
same<typeof socket.recovered, boolean>(true);
socket.auth = { token: "x" };
socket.auth = (cb) => cb({ token: "x" });
socket.io.opts.query = { changed: "1" };
void socket.io.engine.transport.name;
socket.io.engine.on("upgrade", (transport) => void transport.name);
socket.io.engine.once("packet", ({ type, data }) => void [type, data]);

// Managers.
const manager = new Manager("https://example.com", { reconnectionDelay: 100, autoConnect: false });
manager.on("reconnect_attempt", (n) => same<typeof n, number>(true));
manager.on("error", (error) => same<typeof error, Error>(true));
// @ts-expect-error no such event
manager.on("unknown", () => {});
manager.reconnectionAttempts(3).timeout(false);
const chat: Socket = manager.socket("/chat", { auth: { token: "x" } });
manager.open((error) => void error?.message);
new Manager({ host: "example.com" });

// Options.
const options: Partial<ManagerOptions & SocketOptions> = {
  forceNew: true, multiplex: false, transports: ["websocket", "polling"], query: { a: 1 }, extraHeaders: { a: "b" }, withCredentials: true,
  retries: 3, ackTimeout: 1000, auth: (cb) => cb({}), path: "/x/", timeout: 5000, randomizationFactor: 0.2, upgrade: false,
  rememberUpgrade: true, tryAllTransports: true, closeOnBeforeunload: true, protocols: ["a"], transportOptions: { polling: { extraHeaders: {} } },
};
io(options);
io("/admin", options);
connect("https://example.com", { transports: [Fetch, WebSocket, WebTransport] });
connectByDefault({ transports: [XHR] });
// @ts-expect-error not an option
io({ reconect: true });
void [protocol, NodeXHR, NodeWebSocket, chat];
export type Exported = [ManagerReservedEvents, SocketReservedEvents, ExtendedError];
