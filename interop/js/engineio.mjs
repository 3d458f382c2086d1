// What an engine.io-client of either revision must see from a server that keeps the contract (README.md).

import { bytes, check, collect, equal, next, patience, sleep } from "./harness.mjs";

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

export function newContext(environment) {
  const cleanups = [];
  const open = async () => {
    const socket = new environment.Socket(environment.url, { transports: transports[environment.mode], path: "/engine.io/" });
    cleanups.push(() => socket.close());
    await next(socket, "open");
    return socket;
  };
  return { ...environment, cleanups, open };
}

export const scenarios = {
  async open(c) {
    const socket = await c.open();
    equal(socket.id.length, 20, "length of the session id");
    equal(socket.transport.name, c.mode === "websocket" ? "websocket" : "polling", "first transport");
    const [closed] = [next(socket, "close")];
    socket.close();
    equal((await closed)[0], "forced close", "reason of an own close");
  },

  async text(c) {
    const socket = await c.open();
    for (const text of ["", "hello", "ünï ☃ 𝒳 👩‍👩‍👧", "\u00001:2", "b", "x".repeat(100_000)]) {
      const echoed = next(socket, "message");
      socket.send(text);
      equal((await echoed)[0] ?? "", text, "echoed text"); // of a message without data the client makes undefined
    }
  },

  async binary(c) {
    const socket = await c.open();
    for (const length of [0, 1, 256, 100_000]) {
      const echoed = next(socket, "message");
      socket.send(bytes(length));
      equal((await echoed)[0], bytes(length), "echoed binary");
    }
  },

  async order(c) {
    const socket = await c.open();
    const seen = collect(socket, "message");
    const n = 200;
    for (let i = 0; i < n; i++) socket.send(i % 4 === 3 ? bytes(i) : String(i));
    while (seen.length < n) await next(socket, "message");
    equal(seen, Array.from({ length: n }, (_, i) => [i % 4 === 3 ? bytes(i) : String(i)]), "order of echoed messages");
  },

  upgrade: Object.assign(async (c) => {
    const socket = await c.open();
    socket.send("before");
    const echoed = next(socket, "message");
    await upgraded(socket);
    equal((await echoed)[0], "before", "a message sent before the upgrade");
    const after = next(socket, "message");
    socket.send(bytes(4));
    equal((await after)[0], bytes(4), "a message sent after the upgrade");
  }, { when: (c) => c.mode === "upgrade" }),

  async heartbeat(c) {
    const socket = await c.open();
    for (let i = 0; i < 3; i++) await next(socket, "pong"); // announced by either revision
    equal(socket.readyState, "open", "state after three heartbeats");
  },

  async "close by the server"(c) {
    const socket = await c.open();
    if (c.mode === "upgrade") await upgraded(socket);
    const closed = next(socket, "close");
    socket.send("close");
    equal((await closed)[0], "transport close", "reason at the client");
  },
};

/** See flood in socketio.mjs. Here the server echoes, so one sequence makes both ways. */
export async function flood(c, { upgrades, n }) {
  let before = 0, after = 0, started = 0;
  // More of them, if on this machine no message was quicker than an upgrade.
  for (; started < upgrades || (!(before && after) && started < 10 * upgrades); started += 10) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const socket = await c.open();
      const received = [];
      let switchedAt = -1;
      const upgrading = upgraded(socket).then(() => (switchedAt = received.length));
      const complete = new Promise((resolve) => {
        socket.on("message", (text) => received.push(text) === n && resolve());
      });
      for (let i = 0; i < n; i++) {
        socket.send(String(i));
        if (i % 25 === 24) await sleep(0);
      }
      await Promise.race([complete, sleep(patience)]);
      await upgrading;
      equal(received, Array.from({ length: n }, (_, i) => String(i)), "echoed numbers");
      before += switchedAt;
      after += n - switchedAt;
      socket.close();
    }));
  }
  check(before > 0 && after > 0, `messages flowed before (${before}) and after (${after}) the upgrades`);
  return `${started} upgrades, ${before} messages received before and ${after} after them`;
}

function upgraded(socket) {
  return socket.transport.name === "websocket" ? Promise.resolve() : next(socket, "upgrade");
}
