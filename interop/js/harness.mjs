// The part that every suite shares: a context for each scenario, checks, and the reports.
// It runs unchanged in Node and in a page, so it imports nothing.

/** Milliseconds for one wait, and (twice) for one scenario; generous, since a test machine may be slow. */
export const patience = 60_000;

/** Runs the scenarios one after another; each is `async (context) => void` and has failed when it throws. */
export async function runAll(scenarios, newContext, report) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    const context = newContext();
    if (scenario.when && !scenario.when(context)) continue;
    const start = Date.now();
    try {
      const note = await within(2 * patience, name, scenario(context));
      await report({ scenario: name, ok: true, ms: Date.now() - start, note });
    } catch (error) {
      await report({ scenario: name, ok: false, ms: Date.now() - start, error: String(error?.stack ?? error) });
    } finally {
      for (const close of context.cleanups.reverse()) close();
    }
  }
}

/** Settles like the promise, or rejects when that takes too long. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The arguments of the next such event. Call it before whatever causes the event. */
export function next(emitter, event) {
  return within(patience, `event "${event}"`, new Promise((resolve) => {
    emitter.once(event, (...args) => resolve(args));
  }));
}

/** Emits and waits for the acknowledgement; resolves with its arguments. */
export function call(socket, event, ...args) {
  return within(patience, `acknowledgement of "${event}"`, new Promise((resolve) => {
    socket.emit(event, ...args, (...answer) => resolve(answer));
  }));
}

/** Everything of that name that arrives from now on, as a growing list of argument lists. */
export function collect(emitter, event) {
  const seen = [];
  emitter.on(event, (...args) => seen.push(args));
  return seen;
}

/** Fails unless got and want are the same JSON-like value. Bytes compare by content, whichever type carries them. */
export function equal(got, want, what) {
  const g = canonical(got), w = canonical(want);
  if (g !== w) throw new Error(`${what}: got ${shorten(g)}, want ${shorten(w)}`);
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** 0, 1, 2, …, 255, 0, … in the binary type that this platform's users send. */
export function bytes(length) {
  const view = Uint8Array.from({ length }, (_, i) => i & 255);
  return typeof Buffer === "undefined" ? view.buffer : Buffer.from(view);
}

export function isBinary(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function canonical(value) {
  return JSON.stringify(plain(value));
}

function plain(value) {
  if (isBinary(value)) {
    const view = value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { bytes: Array.from(view) };
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
  }
  return value === undefined ? { undefined: true } : value;
}

const shorten = (text) => (text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text);
