// What the unit tests stand on, in Node and in a browser. In Node a test is one of node:test; elsewhere it is put on a
// list, which the page or worker runs (interop/js/units.mjs).

export type Test = () => void | Promise<void>;

const inNode = typeof process === "object" && !!process.versions?.node;

/** The tests in the order of their definition, where there is no node:test. */
export const tests: [name: string, test: Test][] = [];

const nodeTest = inNode ? (await import("node:test")).test : undefined;

export function test(name: string, fn: Test): void {
  if (nodeTest) void nodeTest(name, fn);
  else tests.push([name, fn]);
}

interface Vectors {
  cases: { [field: string]: unknown; name: string }[];
}

/** A file of testdata/vectors, with bytes as Uint8Array, dates as Date and numbers that JSON lacks as numbers. */
export async function vectors(path: string): Promise<Vectors["cases"]> {
  const text = inNode
    ? await (await import("node:fs/promises")).readFile(new URL(`../../testdata/vectors/${path}`, import.meta.url), "utf8")
    : await (await fetch(`/testdata/vectors/${path}`)).text();
  const { cases } = JSON.parse(text, (_, value: { [key: string]: string } | null) => {
    if (value && typeof value === "object" && Object.keys(value).length === 1) {
      const [[key, inner]] = Object.entries(value) as [[string, string]];
      if (key === "$bytes" || key === "base64") return Uint8Array.from(atob(inner), (c) => c.charCodeAt(0));
      if (key === "$date") return new Date(Number(inner));
      if (key === "$number") return Number(inner);
    }
    return value;
  }) as Vectors;
  return cases;
}

/** Fails unless both values are the same; bytes compare by content, whatever type carries them. */
export function equal(got: unknown, want: unknown, what = "value"): void {
  const [g, w] = [show(got), show(want)];
  if (g !== w) throw new Error(`${what}: got ${g}, want ${w}`);
}

export function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** The message of the error that the function throws. */
export function thrown(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Waits for a condition; time is generous, since a test machine may be slow. */
export async function until(condition: () => unknown, what: string): Promise<void> {
  for (const start = Date.now(); !condition(); ) {
    if (Date.now() - start > 60_000) throw new Error(`${what}: not within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A value as text that shows types JSON does not have. */
function show(value: unknown): string {
  if (value instanceof ArrayBuffer) value = new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return `bytes(${Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)).join(" ")})`;
  }
  if (value instanceof Date) return `date(${value.getTime()})`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (value instanceof Error) return `${value.name}(${value.message})`;
  if (typeof value === "function") return "function";
  if (value && typeof value === "object") {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}: ${show((value as { [key: string]: unknown })[key])}`).join(", ")}}`;
  }
  if (typeof value === "string") return JSON.stringify(value);
  return value === 0 ? "0" : String(value); // -0 is 0
}
