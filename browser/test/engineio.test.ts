// The packets of Engine.IO against testdata/vectors, which the Go parser passes, too.

import { bytesOf, isBinary } from "../src/binary.js";
import { decodePacket, decodePayload, encodePackets, joinPayload, type Frame, type Packet } from "../src/engine/packet.js";
import { decodeHeader, encodeHeader } from "../src/engine/webtransport.js";
import { check, equal, test, thrown, vectors } from "./rig.js";

const types = ["open", "close", "ping", "pong", "message", "upgrade", "noop"] as const;

interface Wire {
  type: number;
  data: string | Uint8Array;
}

const packetOf = ({ type, data }: Wire): Packet => ({ type: types[type]!, data });
const simple = ({ type, data }: Packet) => ({ type, data });

const packets = (await vectors("engineio/packets.json")).filter(({ revision }) => revision === 4);
const payloads = (await vectors("engineio/payloads.json")).filter(({ revision }) => revision === 4);
const headers = await vectors("engineio/frame-headers.json");

test("packets decode", () => {
  check(packets.length > 30, "there are vectors");
  for (const { name, wire, packet, error } of packets) {
    const got = simple(decodePacket(wire as Frame, "arraybuffer"));
    equal(got, error ? { type: "error", data: "parser error" } : packetOf(packet as Wire), name);
  }
});

test("packets encode", () => {
  for (const { name, wire, packet, error, decodeOnly } of packets) {
    if (error || decodeOnly) continue;
    let got: Frame[] | undefined;
    // Bytes in a text frame are what a transport without binary writes.
    encodePackets([packetOf(packet as Wire)], typeof wire !== "string", (frames) => (got = frames), () => {});
    equal(unbroken(got![0]), unbroken(wire), name);
  }
});

/** Some clients break base64 into lines; we do not. */
const unbroken = (frame: unknown) => (typeof frame === "string" && frame[0] === "b" ? frame.replace(/[\r\n]/g, "") : frame);

test("payloads decode up to what is broken", () => {
  for (const { name, wire, packets: want, error } of payloads) {
    if (typeof wire !== "string") continue; // a body that is not UTF-8: the browser has decoded it before we see it
    const got = decodePayload(wire, "arraybuffer").map(simple);
    equal(got, [...(want as Wire[]).map(packetOf), ...(error ? [{ type: "error", data: "parser error" }] : [])], name);
  }
});

test("payloads encode", () => {
  for (const { name, wire, packets: list, error, decodeOnly } of payloads) {
    if (error || decodeOnly) continue;
    let got = "";
    encodePackets((list as Wire[]).map(packetOf), false, (frames) => (got = joinPayload(frames)), () => {});
    equal(got, wire, name);
  }
});

test("headers of WebTransport frames", () => {
  for (const { name, wire, header, error, decodeOnly } of headers) {
    const bytes = wire as Uint8Array;
    if (error) {
      equal(thrown(() => decodeHeader(bytes)), error, name);
      continue;
    }
    const { binary, length } = header as { binary: boolean; length: number };
    equal(decodeHeader(bytes), { binary, length, size: bytes.length }, name);
    for (let n = 0; n < bytes.length; n++) equal(decodeHeader(bytes.subarray(0, n)), undefined, `${name}, ${n} bytes of it`);
    if (!decodeOnly) equal(encodeHeader(binary, length), bytes, name);
  }
});

test("blobs are read where bytes travel as text, and order is kept", async () => {
  const list: Packet[] = [
    { type: "message", data: new Blob([new Uint8Array([1, 2, 3])]) },
    { type: "message", data: "text" },
    { type: "message", data: new DataView(new Uint8Array([9, 4, 5, 9]).buffer, 1, 2) },
  ];
  const text = await new Promise<Frame[]>((resolve, reject) => encodePackets(list, false, resolve, reject));
  equal(text, ["bAQID", "4text", "bBAU="], "frames of text");
  let native: Frame[] = [];
  encodePackets(list, true, (frames) => (native = frames), () => {});
  check(native[0] === list[0]!.data && native[2] === list[2]!.data, "where bytes travel as such, nothing is copied");
  check(isBinary(native[0]) && bytesOf(native[2] as DataView).length === 2, "they are binary");
});

test("a blob that cannot be read is an error", async () => {
  const broken = Object.assign(new Blob(["x"]), { arrayBuffer: () => Promise.reject(new Error("gone")) });
  const error = await new Promise((resolve, reject) => encodePackets([{ type: "message", data: broken }], false, reject, resolve));
  equal((error as Error).message, "gone");
});

test("base64 becomes what the binary type says", async () => {
  const blob = decodePacket("bAQID", "blob").data;
  check(blob instanceof Blob, "a blob");
  equal(await blob.arrayBuffer(), new Uint8Array([1, 2, 3]));
});
