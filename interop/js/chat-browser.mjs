// node chat-browser.mjs <suite> <url> <folder for screenshots> <mode>
//
// Two people use the page of the chat example in headless Chromium, one at a desk and one on a phone. Suite "chat"
// expects a client build, suite "no-client" a server without one. Reports like run.mjs.

import { launch } from "./chromium.mjs";
import { check, equal, runAll } from "./harness.mjs";

const [suite, url, shots] = process.argv.slice(2);
const still = { reducedMotion: "reduce" };
const desk = { ...still, viewport: { width: 1000, height: 700 } };
const phone = { ...still, viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, colorScheme: "dark" };

const browser = await launch();
const newContext = () => {
  const cleanups = [];
  const visit = async (device) => {
    const context = await browser.newContext(device);
    cleanups.push(() => context.close());
    const page = await context.newPage();
    page.failures = [];
    page.on("pageerror", (error) => page.failures.push(String(error)));
    await page.goto(url);
    return page;
  };
  return { cleanups, visit };
};

async function enter(page, name) {
  await page.getByLabel("What is your name?").fill(name);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText(`Welcome, ${name}.`).waitFor();
}

const shot = (page, name) => page.screenshot({ path: `${shots}/${name}.png` });

const suites = {
  chat: {
    async "two people talk"({ visit }) {
      const [ada, bob] = [await visit(desk), await visit(phone)];
      await shot(ada, "welcome");
      await enter(ada, "Ada");
      await ada.getByText("1 person here").waitFor();
      await enter(bob, "Bob");
      await ada.getByText("Bob joined").waitFor();
      await ada.getByText("2 people here").waitFor();

      const typing = ada.getByText("Bob is typing…").waitFor(); // it is not to be seen for long
      await bob.getByLabel("Message", { exact: true }).pressSequentially("Hello ");
      await typing;
      await shot(ada, "typing");
      await bob.getByLabel("Message", { exact: true }).pressSequentially("Ada, <b>how</b> are you? ☃");
      await bob.getByRole("button", { name: "Send" }).click();
      const arrived = ada.locator(".message", { hasText: "Hello Ada" });
      await arrived.waitFor();
      equal(await arrived.locator(".body").textContent(), "Hello Ada, <b>how</b> are you? ☃", "text at the other");
      equal(await arrived.locator(".author").textContent(), "Bob", "author at the other");
      await ada.getByText("Bob is typing…").waitFor({ state: "detached" });

      await ada.getByLabel("Message", { exact: true }).fill("Fine, thank you.");
      await ada.keyboard.press("Enter");
      await bob.locator(".message", { hasText: "Fine, thank you." }).waitFor();
      await shot(ada, "desk");
      await shot(bob, "phone");
      const overflow = await bob.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(overflow <= 0, `the page is ${overflow} pixels wider than the phone`);

      await bob.close();
      await ada.getByText("Bob left").waitFor();
      await ada.getByText("1 person here").waitFor();
      equal(ada.failures, [], "errors in the page");
    },

    async "typing stops by itself"({ visit }) {
      const [ada, bob] = [await visit(desk), await visit(phone)];
      await enter(ada, "Ada");
      await enter(bob, "Bob");
      const typing = ada.getByText("Bob is typing…").waitFor();
      await bob.getByLabel("Message", { exact: true }).pressSequentially("well");
      await typing;
      await ada.getByText("Bob is typing…").waitFor({ state: "detached" });
      equal(await bob.getByLabel("Message", { exact: true }).inputValue(), "well", "text not yet sent");
    },
  },

  "no-client": {
    async "the page says what is missing"({ visit }) {
      const page = await visit(phone);
      await page.getByRole("alert").getByText("No client build is being served").waitFor();
      check(!(await page.getByRole("button", { name: "Join" }).isVisible()), "there is nothing to join");
      await shot(page, "no-client");
      equal(page.failures, [], "errors in the page");
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
