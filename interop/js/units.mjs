// node units.mjs units <url> <-> page|worker
//
// The unit tests of our own client in headless Chromium, in a page or in a worker of it. Reports like run.mjs.

import { launch } from "./chromium.mjs";

const [, url, , where] = process.argv.slice(2);
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const browser = await launch();
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => print({ scenario: "page", ok: false, ms: 0, error: String(error.stack ?? error) }));
  await page.exposeFunction("report", print);
  await page.goto(`${url}/page.html`);
  await page.evaluate(async (where) => {
    if (where === "page") return (await import("/units-worker.mjs")).run(window.report);
    await new Promise((resolve, reject) => {
      const worker = new Worker("/units-worker.mjs", { type: "module" });
      worker.onerror = ({ message }) => reject(new Error(`worker: ${message}`));
      worker.onmessage = ({ data }) => (data.done ? resolve() : window.report(data));
      worker.postMessage("run");
    });
  }, where);
  print({ done: true });
} finally {
  await browser.close();
}
process.exit(0);
