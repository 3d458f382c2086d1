// node browser.mjs socketio <url> <package> <mode>
//
// As run.mjs, but the suite runs in a page of headless Chromium, with the client build that the package ships for
// browsers. The server under test serves this folder, so the page and the connections have one origin. The build of
// sio-client-4 is the one that the server has under its own path; a server that has none is helped out. With
// "worker-" in front of the mode, the suite runs in a worker of the page; with "fetch-", there with transports given as
// classes, of which polling is by fetch; with "msgpack-", in the page with the build that has MessagePack.

import { createInterface } from "node:readline";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";

const [suite, url, packageName, where] = process.argv.slice(2);
const [, variant, mode] = where.match(/^(?:(worker|fetch|msgpack)-)?(.*)$/);
const own = packageName === "sio-client-4";
const builds = fileURLToPath(new URL("../../browser/dist/", import.meta.url));
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function control(request) {
  print({ control: request });
  return JSON.parse((await answers.next()).value);
}

const browser = await launch();
try {
  const context = await browser.newContext();
  if (own && !(await fetch(`${url}/socket.io/socket.io.min.js`)).ok) {
    await context.route("**/socket.io/*.js", (route) => route.fulfill({ path: builds + basename(route.request().url()) }));
  }
  const page = await context.newPage();
  page.on("pageerror", (error) => print({ scenario: "page", ok: false, ms: 0, error: String(error.stack ?? error) }));
  await page.exposeFunction("control", control);
  await page.exposeFunction("report", print);
  await page.goto(`${url}/page.html`);
  const generation = Number(packageName.match(/-(\d)$/)[1]);
  if (variant === "worker" || variant === "fetch") {
    const client = "/socket.io/socket.io.esm.min.js";
    await page.evaluate((args) => window.runWorker(...args), [{ client, suite, generation, mode, classes: variant === "fetch" }]);
  } else {
    const script = `/socket.io/socket.io.${variant === "msgpack" ? "msgpack." : ""}min.js`;
    await page.addScriptTag({ url: own ? script : `/node_modules/${packageName}/dist/socket.io.min.js` });
    if (variant === "msgpack") await page.evaluate(() => (window.parser = "msgpack"));
    await page.evaluate((args) => window.runSuite(...args), [suite, generation, mode]);
  }
  print({ done: true });
} finally {
  await browser.close();
}
process.exit(0);
