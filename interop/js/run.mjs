// node run.mjs <suite> <url> <package>[+<parser package>] <mode>
//
// Runs one suite (socketio, engineio, socketio-flood, engineio-flood) with one client package (socket.io-client-2, …)
// over one mode (polling, websocket, upgrade). Prints one JSON object a line: a result of a scenario, or a request
// {"control": "restart"}, which is answered by one line of JSON on standard input.

import { createInterface } from "node:readline";
import { load } from "./client.mjs";
import { runAll } from "./harness.mjs";
import * as engineio from "./engineio.mjs";
import * as socketio from "./socketio.mjs";

const [suiteName, url, client, mode] = process.argv.slice(2);
const [packageName, parserName] = client.split("+");
const [layer, kind] = suiteName.split("-");
const suite = { socketio, engineio }[layer];

const loaded = load(packageName);
const plain = loaded.io ?? loaded;
const environment = {
  io: parserName ? (url, options) => plain(url, { parser: load(parserName), ...options }) : plain,
  Socket: loaded.Socket,
  generation: Number(packageName.match(/-(\d)$/)[1]),
  url,
  mode,
  parser: parserName,
  control,
};

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function control(request) {
  print({ control: request });
  return JSON.parse((await answers.next()).value);
}

const scenarios = kind === "flood"
  ? { flood: (context) => suite.flood(context, { upgrades: 100, n: 1000 }) }
  : suite.scenarios;
await runAll(scenarios, () => suite.newContext(environment), print);
print({ done: true });
process.exit(0); // whatever a client left behind (timers of old releases) must not keep this process alive
