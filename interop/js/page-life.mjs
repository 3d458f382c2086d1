// node page-life.mjs page-life <url> - -
//
// What happens to a page in headless Chromium: it loses its network, is told that it goes to the back-forward cache, is
// left for good. Reports like run.mjs.

import { launch } from "./chromium.mjs";
import { check, equal, patience, runAll } from "./harness.mjs";

const url = process.argv[3];
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const browser = await launch();

function newContext() {
  const cleanups = [];
  /** A page with a socket that keeps a log of what happens to it. */
  const open = async () => {
    const context = await browser.newContext();
    cleanups.push(() => context.close());
    const page = await context.newPage();
    page.failures = [];
    page.on("pageerror", (error) => page.failures.push(String(error)));
    await page.goto(`${url}/page.html`);
    await page.addScriptTag({ url: "/socket.io/socket.io.min.js" });
    await page.evaluate(() => {
      window.log = [];
      window.socket = window.io({ transports: ["websocket"], reconnectionDelay: 100 });
      for (const event of ["connect", "disconnect", "connect_error"]) window.socket.on(event, (why) => window.log.push([event, why?.message ?? why ?? null]));
    });
    await page.waitForFunction(() => window.socket.connected);
    return { context, page };
  };
  return { cleanups, open };
}

const log = (page) => page.evaluate(() => window.log);
const connectedAgain = (page) => page.waitForFunction(() => window.log.filter(([event]) => event === "connect").length === 2 && window.socket.connected);
const echo = (page) => page.evaluate((ms) => window.socket.timeout(ms).emitWithAck("echo", "still here"), patience);

const scenarios = {
  async "the network goes and comes"({ open }) {
    const { context, page } = await open();
    await context.setOffline(true);
    await page.waitForFunction(() => window.log.length > 1);
    equal((await log(page)).slice(0, 2), [["connect", null], ["disconnect", "transport close"]], "offline");
    await context.setOffline(false);
    await connectedAgain(page);
    equal(await echo(page), "still here", "answer");
    equal(page.failures, [], "errors in the page");
  },

  // A page under control of a test never gets into the cache, so it is only told that it does.
  async "to the back-forward cache and back"({ open }) {
    const { page } = await open();
    await page.evaluate(() => {
      window.old = window.socket.id;
      dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    });
    await connectedAgain(page);
    equal(await log(page), [["connect", null], ["disconnect", "transport close"], ["connect", null]], "events");
    equal(await page.evaluate(() => window.socket.emitWithAck("reason-of", window.old)), "transport close", "reason at the server");
    equal(await echo(page), "still here", "answer");
    equal(page.failures, [], "errors in the page");
  },

  async "left for good"({ open }) {
    const { context, page } = await open();
    const seen = [];
    await page.exposeFunction("seen", (event) => seen.push(event));
    await page.evaluate(() => {
      window.socket.on("disconnect", () => window.seen("disconnect"));
    });
    const watcher = await context.newPage();
    await watcher.goto(`${url}/page.html`);
    await watcher.addScriptTag({ url: "/socket.io/socket.io.min.js" });
    const id = await page.evaluate(() => window.socket.id);
    await page.goto(`${url}/harness.mjs`);
    const reason = await watcher.evaluate(([id, ms]) => window.io().timeout(ms).emitWithAck("reason-of", id), [id, patience]);
    check(reason === "transport close", `reason at the server: ${reason}`);
    equal(seen, [], "events in the page that goes");
  },
};

try {
  await runAll(scenarios, newContext, print);
  print({ done: true });
} finally {
  await browser.close();
}
process.exit(0);
