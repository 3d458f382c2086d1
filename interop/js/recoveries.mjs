// node recoveries.mjs <package> <mode> <url>...
//
// One client for each URL; each stays connected as well as it can. Prints {"client", "connected", "recovered"} each time
// that one is, with "after", the reason for which it was not; and {"client", "numbers"} with everything that it has received
// as "n" when "end" arrives.

import { load } from "./client.mjs";

const [packageName, mode, ...urls] = process.argv.slice(2);
const { io } = load(packageName);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

urls.forEach((url, client) => {
  const socket = io(url, {
    transports: transports[mode], multiplex: false, reconnectionDelay: 20, reconnectionDelayMax: 100, timeout: 2_000,
  });
  const numbers = [];
  let after;
  socket.on("connect", () => print({ client, connected: socket.id, recovered: socket.recovered, after }));
  socket.on("disconnect", (reason) => { after = reason; });
  socket.on("n", (i) => numbers.push(i));
  socket.on("end", () => {
    print({ client, numbers });
    socket.disconnect();
  });
});
