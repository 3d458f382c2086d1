// Engine.IO packets and long-polling payloads, protocol revision 4 (engine.io-parser).
// Source: Engine.IO protocol v4, "Packet encoding". Pure: no connection, no clock.

import { bytesOf, fromBase64, isBinary, toBase64, type Binary, type BinaryType } from "../binary.js";
import { platform } from "../platform.js";

/** The types by their digit on the wire; "error" is what cannot be decoded. */
const types = ["open", "close", "ping", "pong", "message", "upgrade", "noop"] as const;

export type PacketType = (typeof types)[number] | "error";

export interface WriteOptions {
  /** Whether the message may be compressed, where the transport can (in Node). @default true */
  compress?: boolean;
}

export interface Packet {
  type: PacketType;
  data?: unknown;
  options?: WriteOptions;
}

/** One packet on the wire. */
export type Frame = string | Binary;

/** Stands between the packets of a payload. */
const separator = "\x1e";

/** Returns the frame of a packet: text, bytes where the transport takes them, or a promise while a Blob is read. */
function encode({ type, data }: Packet, binary: boolean): Frame | Promise<string> {
  if (!isBinary(data)) return types.indexOf(type as "open") + (data === undefined ? "" : `${data as string}`);
  if (binary) return data;
  const base64 = (bytes: ArrayBuffer | ArrayBufferView) => `b${toBase64(bytesOf(bytes))}`;
  return "arrayBuffer" in data ? data.arrayBuffer().then(base64) : base64(data);
}

/**
 * Calls done with the frames of packets, in order; at once, unless a Blob has to be read. If that fails, because its
 * file is gone for instance, failed is called instead.
 */
export function encodePackets(packets: Packet[], binary: boolean, done: (frames: Frame[]) => void, failed: (error: unknown) => void): void {
  const frames = packets.map((packet) => encode(packet, binary));
  if (frames.some((frame) => frame instanceof Promise)) Promise.all(frames).then(done, failed);
  else done(frames as Frame[]);
}

/** Joins frames of text to the body of a polling request. */
export const joinPayload = (frames: Frame[]): string => frames.join(separator);

/** Reads one message. What it cannot read becomes a packet of type "error". */
export function decodePacket(frame: Frame, binaryType: BinaryType): Packet {
  if (typeof frame !== "string") return { type: "message", data: frame };
  const data = frame.slice(1);
  if (frame[0] === "b") {
    const bytes = fromBase64(data);
    return bytes ? { type: "message", data: platform.bytes(bytes, binaryType) } : broken;
  }
  const type = types[frame.charCodeAt(0) - 48];
  return type ? { type, data } : broken;
}

const broken: Packet = { type: "error", data: "parser error" };

/** Reads the body of a polling response: the packets in order, and at the first that is broken an "error". */
export function decodePayload(body: string, binaryType: BinaryType): Packet[] {
  const packets: Packet[] = [];
  for (const frame of body.split(separator)) {
    const packet = decodePacket(frame, binaryType);
    packets.push(packet);
    if (packet.type === "error") break;
  }
  return packets;
}
