// node browser.mjs socketio <url> <package> <mode>
//
// As run.mjs, but the suite runs in a page of headless Chromium, with the client build that the package ships for
// browsers. The server under test serves this folder, so the page and the connections have one origin.

import { createInterface } from "node:readline";
import { launch } from "./chromium.mjs";

const [suite, url, packageName, mode] = process.argv.slice(2);
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function control(request) {
  print({ control: request });
  return JSON.parse((await answers.next()).value);
}

const browser = await launch();
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => print({ scenario: "page", ok: false, ms: 0, error: String(error.stack ?? error) }));
  await page.exposeFunction("control", control);
  await page.exposeFunction("report", print);
  await page.goto(`${url}/page.html`);
  await page.addScriptTag({ url: `/node_modules/${packageName}/dist/socket.io.min.js` });
  await page.evaluate(([suite, generation, mode]) => window.runSuite(suite, generation, mode),
    [suite, Number(packageName.match(/-(\d)$/)[1]), mode]);
  print({ done: true });
} finally {
  await browser.close();
}
process.exit(0);
