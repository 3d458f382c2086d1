// The suite in a dedicated worker, as the page does it for itself (page.html). The page sends what to run; back go
// {report} for each result, {control} for a request that the page answers, and {done}. With classes, transports are
// given as such.

import { runAll } from "./harness.mjs";
import * as socketio from "./socketio.mjs";

const answers = [];

self.onmessage = async ({ data }) => {
  if ("answer" in data) return answers.shift()(data.answer);
  const client = await import(data.client);
  const classes = { polling: client.Fetch, websocket: client.WebSocket };
  const io = data.classes
    ? (url, options) => client.io(url, { ...options, transports: options.transports.map((name) => classes[name]) })
    : client.io;
  const control = (request) => {
    postMessage({ control: request });
    return new Promise((resolve) => answers.push(resolve));
  };
  const environment = { io, generation: data.generation, url: location.origin, mode: data.mode, control };
  await runAll({ socketio }[data.suite].scenarios, () => socketio.newContext(environment), (report) => postMessage({ report }));
  postMessage({ done: true });
};
