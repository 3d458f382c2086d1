// A headless Chromium with an empty profile that talks to nobody but the tests.

import { chromium } from "playwright-core";
import { patience } from "./harness.mjs";

const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, headless: true, args: flags, timeout: 2 * patience });
  browser.on("context", (context) => context.setDefaultTimeout(patience));
  return browser;
}
