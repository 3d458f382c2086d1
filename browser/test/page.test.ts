// What happens to a page: it goes offline, it is left, it comes back, it sleeps.

import { happen } from "./events.js";
import { io, type Socket } from "../src/index.js";
import { FakeServer } from "./fake.js";
import { equal, test, until } from "./rig.js";

let hosts = 0;

async function connected(server: FakeServer, options: object = {}, host = `page${hosts++}.example`) {
  const socket = io(`http://${host}`, { transports: [server.websocket], reconnectionDelay: 1, reconnectionDelayMax: 2, ...options });
  const log: unknown[] = [];
  socket.on("disconnect", (reason, details) => log.push([reason, (details as { description?: string })?.description]));
  await until(() => socket.connected, "connect");
  return { socket, log };
}

const end = (...sockets: Socket[]) => sockets.forEach((socket) => socket.disconnect());

test("Fault K11 offline: closed at once, but for localhost; online: tried at once, and once", async () => {
  const server = new FakeServer().serve();
  const far = await connected(server, { reconnectionDelay: 60_000, reconnectionDelayMax: 60_000 });
  const near = await connected(new FakeServer().serve(), {}, "localhost");
  happen("offline");
  equal([far.log, near.log], [[["transport close", "network connection lost"]], []]);
  happen("online");
  happen("online");
  await until(() => far.socket.connected, "connect");
  equal(server.lines.length, 2, "connections");
  end(far.socket, near.socket);
});

test("Fault K11 a page that is kept closes its connection, and makes one when it is back", async () => {
  const server = new FakeServer().serve();
  const { socket, log } = await connected(server);
  happen("pagehide", { persisted: true });
  equal(log, [["transport close", "page hidden"]]);
  await until(() => socket.connected, "connect");
  equal(server.lines.length, 2, "connections");
  end(socket);
});

test("a page that is left for good says goodbye to the server, and tells nobody here", async () => {
  const server = new FakeServer().serve();
  const { socket, log } = await connected(server);
  happen("pagehide", { persisted: false });
  equal([log, server.line.readyState], [[], "closed"]);
  end(socket);
});

test("closeOnBeforeunload", async () => {
  const server = new FakeServer().serve();
  const with_ = await connected(server, { closeOnBeforeunload: true });
  const other = new FakeServer().serve();
  const without = await connected(other);
  happen("beforeunload");
  equal([server.line.readyState, other.line.readyState, with_.log], ["closed", "open", []]);
  end(with_.socket, without.socket);
});

test("Fault K11 after a sleep the connection is known to be dead, before anything is sent on it", async () => {
  const now = Date.now;
  const server = new FakeServer().serve();
  const { socket, log } = await connected(server);
  const first = server.line;
  try {
    Date.now = () => now() + 3_600_000;
    socket.emit("late");
    equal(socket.sendBuffer.length, 1, "it waits");
    await until(() => log.length, "disconnect");
  } finally {
    Date.now = now;
  }
  await until(() => server.line !== first && server.line.got.length === 2, "connect, and what waited");
  equal([log, first.got, server.line.got], [[["ping timeout", undefined]], ["40"], ["40", '42["late"]']]);
  end(socket);
});

test("Fault K11 a page that becomes visible after a sleep notices without sending", async () => {
  const now = Date.now;
  const server = new FakeServer().serve();
  const { socket, log } = await connected(server);
  happen("visibilitychange");
  await Promise.resolve();
  equal(log, [], "while the server is on time");
  try {
    Date.now = () => now() + 3_600_000;
    happen("visibilitychange");
    await until(() => log.length, "disconnect");
  } finally {
    Date.now = now;
  }
  equal(log, [["ping timeout", undefined]]);
  end(socket);
});

test("connecting anew from a listener of offline is no loop", async () => {
  const server = new FakeServer().serve();
  const { socket, log } = await connected(server);
  socket.on("disconnect", () => void socket.io.open());
  happen("offline");
  await until(() => socket.connected, "connect");
  equal([log.length, server.lines.length], [1, 2]);
  socket.off("disconnect");
  end(socket);
});
