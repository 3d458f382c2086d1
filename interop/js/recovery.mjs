// node recovery.mjs <package> <url> <mode>
//
// One client that stays connected as well as it can. Prints {"connected", "recovered"} each time that it is (and has
// upgraded, if it is to), and {"numbers"} with everything that it has received as "n" when "end" arrives.

import { load } from "./client.mjs";

const [packageName, url, mode] = process.argv.slice(2);
const { io } = load(packageName);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const socket = io(url, {
  transports: transports[mode], auth: { token: "secret" }, reconnectionDelay: 20, reconnectionDelayMax: 100, timeout: 10_000,
});
const numbers = [];
socket.on("connect", () => {
  const { id, recovered, io: { engine } } = socket;
  const ready = () => print({ connected: id, recovered });
  // The official client hangs until its ping timeout when an upgrade is cut at its end: that is not what is tested here.
  if (mode === "upgrade" && engine.transport.name !== "websocket") engine.once("upgrade", ready);
  else ready();
});
socket.on("n", (i, ...rest) => numbers.push(i)); // rest has the offset: this client leaves it among the arguments
socket.on("end", () => {
  print({ numbers });
  process.exit(0);
});
