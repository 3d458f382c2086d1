// node reference-recovery.mjs <events> <clients>
//
// The reference implementation, with connection state recovery. Prints {"url"}. Once all clients are there it emits
// numbers as "n" until a line arrives on standard input, at least so many, then waits for the clients to be back and
// emits "end"; prints {"emitted"}.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const [events, clients] = process.argv.slice(2).map(Number);
const http = createServer();
const io = new Server(http, { connectionStateRecovery: {}, serveClient: false });
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
let told = false;
createInterface({ input: process.stdin }).once("line", () => (told = true));
io.once("connection", async () => {
  let emitted = 0;
  while (io.of("/").sockets.size < clients) await new Promise((resolve) => setTimeout(resolve, 5));
  while (!told || emitted < events) {
    io.emit("n", emitted++);
    if (emitted % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, 500)); // for those that are on their way back; others are replayed to
  io.emit("end");
  print({ emitted });
});
http.listen(0, "127.0.0.1", () => print({ url: `127.0.0.1:${http.address().port}` }));
