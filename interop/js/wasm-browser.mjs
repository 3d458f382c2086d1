// node wasm-browser.mjs <suite> <url>
//
// Opens a page of the test in headless Chromium, in which a Go program runs as WebAssembly. It reports through
// report(line), one line of JSON after the other, the last of which is {"done": true}.

import { launch } from "./chromium.mjs";

const url = process.argv[3];
const browser = await launch();
try {
  const page = await browser.newPage();
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  // Awaited: a page that is quicker than the binding would have no report().
  await page.exposeFunction("report", (line) => {
    process.stdout.write(line + "\n");
    if (JSON.parse(line).done) finish();
  });
  page.on("console", (message) => {
    console.error(message.text());
    if (message.text().startsWith("exit code:")) finish(); // of Go: it ended before it was done
  });
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(url);
  await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, 300_000))]);
} finally {
  await browser.close();
}
process.exit(0);
