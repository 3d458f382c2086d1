// node chat-picture.mjs <url of the chat example> <file>
//
// Makes the picture in the README: two people who talk, one at a desk and one on a phone, in headless Chromium.

import { writeFileSync } from "node:fs";
import { launch } from "./chromium.mjs";

const [url, file] = process.argv.slice(2);
const browser = await launch();

async function enter(name, options) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel("What is your name?").fill(name);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText(`Welcome, ${name}.`).waitFor();
  return page;
}

const write = (page, text) => page.getByLabel("Message", { exact: true }).pressSequentially(text);
async function say(from, to, text) {
  await write(from, text);
  await from.keyboard.press("Enter");
  await to.locator(".message", { hasText: text }).waitFor();
}

try {
  const ada = await enter("Ada", { viewport: { width: 600, height: 440 } });
  const bob = await enter("Bob", { viewport: { width: 360, height: 440 }, isMobile: true, hasTouch: true, colorScheme: "dark" });
  await ada.getByText("2 people here").waitFor();
  await say(ada, bob, "Hello Bob! Which client does your page use?");
  await say(bob, ada, "The one that the server has.");
  await say(ada, bob, "And it works offline?");
  await say(bob, ada, "Offline, and in nine kilobytes.");
  await write(bob, "See");
  await ada.getByText("Bob is typing…").waitFor();
  const shots = await Promise.all([ada, bob].map(async (page) => `data:image/png;base64,${(await page.screenshot()).toString("base64")}`));

  const frame = await browser.newPage({ viewport: { width: 1008, height: 464 } });
  await frame.setContent(`<body style="margin:12px;display:flex;gap:24px;background:#8a94a6">${
    shots.map((shot) => `<img src="${shot}" style="border-radius:8px">`).join("")}`);
  await frame.evaluate(() => Promise.all([...document.images].map((image) => image.decode())));
  writeFileSync(file, await frame.screenshot());
} finally {
  await browser.close();
}
process.exit(0);
