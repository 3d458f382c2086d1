// The decoders of the reference, for the comparison with ours (differential/packets_test.go). Reads lines
// {kind, packets: [base64, …]} and answers each with a line of as many verdicts: null where the packet is refused, and
// otherwise a list of strings, one for each packet of a payload.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import * as engine4 from "engine.io-parser";
import { Decoder } from "socket.io-parser";

const require = createRequire(import.meta.url);
const engine3 = createRequire(require.resolve("engine.io-3"))("engine.io-parser");

const describe = ({ type, data }) =>
  data === undefined ? type : typeof data === "string" ? `${type} text ${data}` : `${type} binary ${Buffer.from(data).toString("hex")}`;

const refused = (packets) => packets.some(({ type }) => type === "error");

function payload3(body) {
  const packets = [];
  engine3.decodePayload(body, "nodebuffer", (packet) => void packets.push(packet));
  return refused(packets) ? null : packets.map(describe);
}

// What a socket.io packet says: its header, and its payload where text can show it.
function socketIO(decoder, message) {
  let decoded, error;
  decoder.on("decoded", (packet) => (decoded = packet));
  decoder.add(message);
  if (decoded === undefined) {
    const pending = decoder.reconstructor?.reconPack;
    return [`waits for ${pending.attachments} of ${pending.type} ${pending.nsp} ${pending.id ?? "-"}`];
  }
  const { type, nsp, id, data } = decoded;
  return [`${type} ${nsp} ${id ?? "-"} ${Array.isArray(data) ? data.length : data === undefined ? "nothing" : "a value"}`];
}

const kinds = {
  "engine 4 text": (bytes) => { const p = engine4.decodePacket(bytes.toString(), "nodebuffer"); return refused([p]) ? null : [describe(p)]; },
  "engine 4 payload": (bytes) => { const all = engine4.decodePayload(bytes.toString(), "nodebuffer"); return refused(all) ? null : all.map(describe); },
  "engine 3 payload": (bytes) => payload3(bytes.toString()),
  "socket JSON": (bytes) => socketIO(new Decoder(), bytes.toString()),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, packets } = JSON.parse(line);
  const verdicts = packets.map((packet) => {
    try {
      return kinds[kind](Buffer.from(packet, "base64"));
    } catch {
      return null; // what makes a server close the connection
    }
  });
  console.log(JSON.stringify(verdicts));
}
