// node board-browser.mjs <suite> <url>
//
// Two people use the page of the wasm example, whose program is Go, in headless Chromium. Reports like run.mjs.

import { launch } from "./chromium.mjs";
import { equal, runAll } from "./harness.mjs";

const [suite, address] = process.argv.slice(2);
const url = address.replace("127.0.0.1", "board.localhost"); // clients need no network to reach the former
const browser = await launch();
const newContext = () => {
  const cleanups = [];
  const visit = async () => {
    const context = await browser.newContext();
    cleanups.push(() => context.close());
    const page = await context.newPage();
    page.failures = [];
    page.on("pageerror", (error) => page.failures.push(String(error)));
    await page.goto(url);
    await page.getByRole("status").getByText("connected", { exact: true }).waitFor();
    return page;
  };
  return { cleanups, visit };
};

async function pin(page, author, text) {
  await page.getByLabel("name").fill(author);
  await page.getByLabel("note").fill(text);
  await page.keyboard.press("Enter");
}

/** Notes what the page says about its connection, and returns what gives it. */
async function watch(page) {
  await page.evaluate(() => {
    globalThis.states = [];
    const status = document.getElementById("status");
    new MutationObserver(() => globalThis.states.push(status.textContent)).observe(status, { childList: true });
  });
  return () => page.evaluate(() => globalThis.states);
}

const note = (page, text) => page.getByRole("listitem").filter({ hasText: text });

const suites = {
  board: {
    async "two people pin notes"({ visit }) {
      const ada = await visit();
      await pin(ada, "Ada", "first <b>note</b> ☃");
      await note(ada, "first <b>note</b> ☃").waitFor();
      const bob = await visit(); // who comes later sees it too
      await note(bob, "first <b>note</b> ☃").waitFor();
      await pin(bob, "Bob", "second");
      await note(ada, "second").waitFor();
      equal(await ada.getByRole("listitem").count(), 2, "notes at Ada");
      await pin(bob, "Bob", "  ");
      await bob.getByRole("status").getByText("empty: a note without text").waitFor();
      for (const page of [ada, bob]) equal(page.failures, [], "errors on the page");
    },
  },
  life: {
    async "the network goes away"({ visit }) {
      const [ada, bob] = [await visit(), await visit()];
      const states = await watch(ada);
      await ada.context().setOffline(true);
      await ada.getByRole("status").getByText("disconnected, next attempt").waitFor();
      await pin(ada, "Ada", "written offline");
      await ada.context().setOffline(false);
      await ada.getByRole("status").getByText("connected", { exact: true }).waitFor();
      await note(bob, "written offline").waitFor();
      await note(ada, "written offline").waitFor();
      equal(await bob.getByRole("listitem").filter({ hasText: "written offline" }).count(), 1, "times that it came");
      equal((await states()).filter((s) => s === "connected").length, 1, "times that it came back");
      for (const page of [ada, bob]) equal(page.failures, [], "errors on the page");
    },
    async "the page is frozen"({ visit }) {
      const [ada, bob] = [await visit(), await visit()];
      const states = await watch(ada);
      const devtools = await ada.context().newCDPSession(ada);
      await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
      for (let i = 0; i < 5; i++) await pin(bob, "Bob", `while frozen ${i}`);
      await note(bob, "while frozen 4").waitFor();
      await new Promise((resolve) => setTimeout(resolve, 1000)); // it does nothing in this time: that is not waited for
      await devtools.send("Page.setWebLifecycleState", { state: "active" });
      await note(ada, "while frozen 4").waitFor();
      equal(await note(ada, "while frozen").count(), 5, "notes that came");
      equal(await states(), [], "changes of the connection");
    },
    async "away and back"({ visit }) {
      const [ada, bob] = [await visit(), await visit()];
      await pin(bob, "Bob", "before");
      await note(ada, "before").waitFor();
      await ada.goto("about:blank");
      await pin(bob, "Bob", "meanwhile");
      await note(bob, "meanwhile").waitFor();
      await ada.goBack();
      await note(ada, "meanwhile").waitFor();
      equal(await note(ada, "before").count(), 1, "times that the note is there");
      equal(ada.failures, [], "errors on the page");
    },
  },
};

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
try {
  await runAll(suites[suite], newContext, print);
  print({ done: true });
} finally {
  await browser.close();
}
process.exit(0);
