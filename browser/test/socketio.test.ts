// The packets of Socket.IO against testdata/vectors, which the Go parser passes, too.

import * as msgpack from "../src/msgpack.js";
import * as json from "../src/parser.js";
import type { Packet } from "../src/parser.js";
import { check, equal, test, thrown, vectors } from "./rig.js";

interface Case {
  name: string;
  frames: (string | Uint8Array)[];
  packet?: Packet;
  error?: string;
  reference?: string;
}

const decoding = (await vectors("socketio/decoding.json")) as unknown as Case[];
const packets = (await vectors("socketio/packets.json")) as unknown as Case[];
const packed = (await vectors("socketio/msgpack.json")) as unknown as Case[];

/**
 * Where this parser takes what the one in Go refuses, since it stands on JSON.parse, which does not tell how a number
 * was written or whether a member came twice. The reference takes them as well.
 */
const lenient = new Set([
  "placeholder 0.0", "placeholder -0", "placeholder 0e0",
  "placeholder given twice", "placeholder marked twice", "placeholder marked and unmarked",
  "the packet type given twice",
]);

/** Decodes frames, of which the last completes a packet or is refused. */
function decode(parser: json.Parser, frames: Case["frames"]): Packet | string {
  const decoder = new parser.Decoder();
  const got: Packet[] = [];
  decoder.on("decoded", (packet) => got.push(packet));
  const error = thrown(() => frames.forEach((frame) => decoder.add(frame)));
  if (error !== undefined) return error;
  equal(got.length, 1, "packets decoded");
  return got[0]!;
}

/** "unknown packet type 7" is the cause "unknown packet type". */
const cause = (got: Packet | string) => (typeof got === "string" ? got.replace(/( type) .$/s, "$1") : got);

function checkDecoding(parser: json.Parser, cases: Case[]): void {
  for (const { name, frames, packet, error } of cases) {
    const got = decode(parser, frames);
    if (lenient.has(name)) check(typeof got !== "string", `${name}: refused as ${got}`);
    else if (error) check(cause(got) === error, `${name}: got ${JSON.stringify(got)}, want the error "${error}"`);
    else equal(got, normal(packet!), name);
  }
}

/** The packet with the members that a decoded one has. JSON of the vectors has no lone surrogate: Go reads U+FFFD. */
const normal = (packet: Packet): Packet => ({ ...packet, data: packet.data as unknown });

test("frames decode, or are refused for the same cause", () =>
  checkDecoding(json, decoding.filter(({ name }) => name !== "lone surrogate, escaped, as data")));

test("packets decode", () => checkDecoding(json, packets));

test("packets encode", () => {
  for (const { name, frames, packet } of packets) {
    equal(new json.Encoder().encode(normal(packet!)), frames, name);
  }
});

test("MessagePack decodes, or is refused for the same cause", () =>
  checkDecoding(msgpack, packed.map((one) => (one.name === "undefined in a list and in an object" ? withUndefined(one) : one))));

/** The value with the members of its objects in the order of their names, as in the vectors. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!value || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}

/** JSON has no undefined, so the vector says null. */
const withUndefined = (one: Case): Case => ({
  ...one, packet: { ...one.packet!, data: ["a", undefined, [undefined], { a: undefined }] },
});

test("MessagePack encodes", () => {
  let n = 0;
  for (const { name, frames, packet, error, reference } of packed) {
    if (error || reference) continue;
    equal(new msgpack.Encoder().encode({ ...packet!, data: sorted(packet!.data) }), frames, name);
    n++;
  }
  check(n > 20, "there are vectors");
});

test("numbers that no integer of MessagePack can hold", () => {
  const data = ["x", 1e21, -1e21, 2 ** 64, -(2 ** 63)];
  equal(decode(msgpack, new msgpack.Encoder().encode({ type: 2, nsp: "/", data })), { type: 2, nsp: "/", data });
});

test("bytes anywhere travel as attachments, in each form", () => {
  const view = new Uint16Array([1, 2]);
  const blob = new Blob(["x"]);
  const frames = new json.Encoder().encode({
    type: 2, nsp: "/a", id: 3, data: ["e", view, { deep: [view.buffer, blob] }, { toJSON: () => ({ b: view }) }],
  });
  equal(frames[0], '54-/a,3["e",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]},{"b":{"_placeholder":true,"num":3}}]');
  check(frames[1] === view && frames[2] === view.buffer && frames[3] === blob && frames[4] === view, "the attachments");
});

test("what JSON does with other values stays", () => {
  equal(new json.Encoder().encode({ type: 2, nsp: "/", data: ["e", undefined, NaN, new Date(0), { f() {}, u: undefined }] }),
    ['2["e",null,null,"1970-01-01T00:00:00.000Z",{}]']);
  check(thrown(() => new json.Encoder().encode({ type: 2, nsp: "/", data: ["e", 1n] })), "a bigint is an error");
});

test("a decoder forgets what is not complete", () => {
  const decoder = new json.Decoder();
  const got: Packet[] = [];
  decoder.on("decoded", (packet) => got.push(packet));
  decoder.add('51-["e",{"_placeholder":true,"num":0}]');
  decoder.destroy();
  decoder.add('2["f"]');
  equal(got.map(({ data }) => data as unknown), [["f"]]);
});

test("deep nesting is refused or decoded, and does no harm", () => {
  const depth = 200_000;
  const deep = "[".repeat(depth) + "]".repeat(depth);
  for (const frame of [`2["e",${deep}]`, `51-["e",${deep}]`]) {
    const decoder = new json.Decoder();
    const error = thrown(() => decoder.add(frame));
    check(error === undefined || error === "invalid payload", `error ${error}`);
  }
  const bytes = new Uint8Array(1_000_000).fill(0x91);
  equal(decode(msgpack, [bytes]), "invalid payload");
});
