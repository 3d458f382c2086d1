// Socket.IO packets as text with binary attachments, protocol revision 5 (socket.io-parser).
// Source: Socket.IO protocol v5, "Packet encoding". Pure: no connection, no clock.

import { isBinary, type Binary } from "./binary.js";
import { Emitter } from "./emitter.js";
import type { Anything } from "./events.js";
import type { Frame, WriteOptions } from "./engine/packet.js";

/** The revision of the protocol. */
export const protocol = 5;

export const enum PacketType {
  CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK,
}

export interface Packet {
  /** One of PacketType. A parser gives EVENT and ACK for binary ones. */
  type: number;
  nsp: string;
  data?: Anything;
  id?: number;
  options?: WriteOptions;
}

/** Turns packets into what is sent. Users may give their own, as the `Encoder` of the option `parser`. */
export interface PacketEncoder {
  encode(packet: Packet): Frame[];
}

/** Turns what arrives into packets, announced as "decoded". add throws when it cannot. */
export interface PacketDecoder {
  on(event: "decoded", listener: (packet: Packet) => void): unknown;
  off(event: "decoded", listener: (packet: Packet) => void): unknown;
  add(frame: Anything): void;
  /** Forgets a packet that is not complete. */
  destroy(): void;
}

export interface Parser {
  Encoder: new () => PacketEncoder;
  Decoder: new () => PacketDecoder;
}

/** Names that events cannot have, as each has a meaning of its own. */
export const reserved = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/** The same limit as the reference's. */
const maxAttachments = 10;

interface Placeholder {
  _placeholder: true;
  num: number;
}

export class Encoder implements PacketEncoder {
  encode({ type, nsp, id, data }: Packet): Frame[] {
    const attachments: Binary[] = [];
    const text = data === undefined ? "" : JSON.stringify(data, function (this: Record<string, unknown>, key, value: unknown) {
      // The value before its toJSON counts: a Buffer has one, and would be a list of numbers here.
      const binary = [this[key], value].find(isBinary);
      return binary ? { "_placeholder": true, num: attachments.push(binary) - 1 } : value;
    });
    const binary = attachments.length > 0 && (type === PacketType.EVENT || type === PacketType.ACK);
    return [
      `${binary ? `${type + 3}${attachments.length}-` : type}${nsp === "/" ? "" : `${nsp},`}${id ?? ""}${text}`,
      ...(binary ? attachments : []),
    ];
  }
}

/** Refuses a packet that no peer may send. Shared by the parsers, since each must refuse the same. */
export function validate({ type, nsp, data, id }: Packet): void {
  const isObject = typeof data === "object" && data && !Array.isArray(data);
  const [name] = Array.isArray(data) ? (data as unknown[]) : [];
  if (typeof nsp !== "string" || !/^\/[^,]*$/.test(nsp)) throw Error("invalid namespace");
  if (id !== undefined && !(Number.isSafeInteger(id) && id >= 0)) throw Error("invalid acknowledgement id");
  if (
    !(type === PacketType.CONNECT ? data === undefined || isObject
    : type === PacketType.DISCONNECT ? data === undefined
    : type === PacketType.CONNECT_ERROR ? isObject || typeof data === "string"
    : Array.isArray(data) && (type === PacketType.ACK || Number.isFinite(name) || (typeof name === "string" && !reserved.includes(name))))
  ) throw Error("invalid payload");
}

/**
 * What the decoder is doing: nothing, or waiting for the attachments of a packet, with the places where they belong.
 */
type State =
  | { name: "idle" }
  | { name: "waiting"; packet: Packet; count: number; attachments: Binary[]; places: [holder: Record<string, unknown>, key: string, num: number][] };

export class Decoder extends Emitter<DecoderEvents, DecoderEvents, DecoderEvents> implements PacketDecoder {
  private _state: State = { name: "idle" };

  add(frame: Frame): void {
    const state = this._state;
    if (typeof frame === "string") {
      if (state.name === "waiting") throw Error("got plaintext data when reconstructing a packet");
      this._text(frame);
      return;
    }
    if (state.name === "idle") throw Error("got binary data when not reconstructing a packet");
    if (state.attachments.push(frame) === state.count) {
      this._state = { name: "idle" };
      for (const [holder, key, num] of state.places) holder[key] = state.attachments[num];
      this._fire("decoded", state.packet);
    }
  }

  private _text(text: string): void {
    if (!text) throw Error("empty packet");
    const type = text.charCodeAt(0) - 48;
    if (!(type >= 0 && type <= 6)) throw Error(`unknown packet type ${text[0]!}`);
    const binary = type > 4;
    const [head, digits] = (binary ? /^.([1-9]\d*)-/ : /./s).exec(text) ?? [];
    const count = Number(digits);
    if (!head) throw Error("illegal attachments");
    if (count > maxAttachments) throw Error("too many attachments");

    const [, nsp, id, payload] = /^(?:(\/[^,]*)(?:,|$))?(\d*)([^]*)$/.exec(text.slice(head.length))!;
    if (id!.length > 16) throw Error("invalid acknowledgement id");
    const places: [Record<string, unknown>, string, number][] = [];
    const packet: Packet = { type: binary ? type - 3 : type, nsp: nsp ?? "/", data: undefined };
    if (id) packet.id = Number(id);
    if (payload) {
      try {
        if (/^\s/.test(payload)) throw 0; // JSON.parse would skip it
        packet.data = JSON.parse(payload, !binary ? undefined : function (this: Record<string, unknown>, key, value: Placeholder | null) {
          if (value?.["_placeholder"] === true) places.push([this, key, value.num]);
          return value;
        });
      } catch {
        throw Error("invalid payload");
      }
    }
    validate(packet);
    if (!binary) this._fire("decoded", packet);
    else this._state = { name: "waiting", packet, count, attachments: [], places };
    if (places.some(([, , num]) => !Number.isInteger(num) || num < 0 || num >= count)) throw Error("illegal attachments");
  }

  destroy(): void {
    this._state = { name: "idle" };
  }
}

export interface DecoderEvents {
  decoded: (packet: Packet) => void;
}
