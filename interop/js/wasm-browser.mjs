// node wasm-browser.mjs <suite> <url>
//
// Opens a page of the test in headless Chromium, in which a Go program runs as WebAssembly. It reports through
// report(line), one line of JSON after the other, the last of which is {"done": true}.

import { launch } from "./chromium.mjs";

const url = process.argv[3];
const browser = await launch();
try {
  const page = await browser.newPage();
  const finished = new Promise((resolve) => {
    page.exposeFunction("report", (line) => {
      process.stdout.write(line + "\n");
      if (JSON.parse(line).done) resolve();
    });
  });
  page.on("console", (message) => console.error(message.text()));
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(url);
  await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, 60_000))]);
} finally {
  await browser.close();
}
process.exit(0);
