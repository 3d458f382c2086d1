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
    context.setDefaultTimeout(30_000);
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
    async "the network goes away"({ visit }) {
      const [ada, bob] = [await visit(), await visit()];
      await ada.context().setOffline(true);
      await ada.getByRole("status").getByText("disconnected, next attempt").waitFor();
      await pin(ada, "Ada", "written offline");
      await ada.context().setOffline(false);
      await ada.getByRole("status").getByText("connected", { exact: true }).waitFor();
      await note(bob, "written offline").waitFor();
      await note(ada, "written offline").waitFor();
      equal(await bob.getByRole("listitem").filter({ hasText: "written offline" }).count(), 1, "times that it came");
      for (const page of [ada, bob]) equal(page.failures, [], "errors on the page");
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
