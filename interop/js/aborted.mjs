// node aborted.mjs <package> <url> <sessions>
//
// Sessions whose upgrade is cut on the way: each sends numbers to "echo" all the while, and goes on until one that was
// sent after the cut has come back. Prints {"survived", "reconnected", "stuck", "lost", "whileSwitching"}: sessions
// that stayed, that ended and came back, that noticed nothing until their ping timeout; numbers that did not come back
// in a session that stayed, or in another order; and how many cuts came when polling had stopped already.

import { load } from "./client.mjs";

const [packageName, url, sessions] = process.argv.slice(2);
const { io } = load(packageName);
const totals = { survived: 0, reconnected: 0, stuck: 0, lost: 0, whileSwitching: 0 };

function session() {
  return new Promise((resolve) => {
    const socket = io(url, { forceNew: true, transports: ["polling", "websocket"], reconnectionDelay: 10, reconnectionDelayMax: 100 });
    const received = [];
    let sent = 0, last, ended = false, cut = false;
    socket.io.on("open", () => {
      const { engine } = socket.io;
      engine.on("upgrading", () => (engine.switching = true));
      engine.on("upgradeError", () => {
        cut = true;
        if (engine.switching) totals.whileSwitching++;
      });
    });
    socket.on("disconnect", (reason) => {
      if (reason === "io client disconnect") return;
      ended = cut = true;
      if (reason === "ping timeout") totals.stuck++;
    });
    const ticks = setInterval(() => {
      if (!socket.connected) return;
      if (cut) last ??= sent; // the first that is sent after it
      socket.emit("echo", sent++);
    }, 2);
    socket.on("echo", (n) => {
      received.push(n);
      if (last === undefined || n < last) return;
      clearInterval(ticks);
      if (ended) totals.reconnected++;
      else {
        totals.survived++;
        if (received.some((got, i) => got !== i)) totals.lost++;
      }
      socket.disconnect();
      resolve();
    });
  });
}

for (let n = 0; n < Number(sessions); n += 20) await Promise.all(Array.from({ length: 20 }, session));
process.stdout.write(JSON.stringify(totals) + "\n");
process.exit(0);
