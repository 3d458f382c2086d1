// Runs the unit tests of our own client, one after another: in the worker whose script this is, or in a page.

/** report is called with the outcome of each test. */
export async function run(report) {
  const { tests } = await import("/units/rig.js");
  for (const name of ["engineio", "socketio", "client", "page", "webtransport"]) await import(`/units/${name}.test.js`);
  for (const [scenario, test] of tests) {
    const start = performance.now();
    let error;
    try {
      await test();
    } catch (thrown) {
      error = String(thrown?.stack ?? thrown);
    }
    await report({ scenario, ok: !error, ms: Math.round(performance.now() - start), error });
  }
}

if (typeof document === "undefined") {
  self.onmessage = async () => {
    await run((result) => postMessage(result));
    postMessage({ done: true });
  };
}
