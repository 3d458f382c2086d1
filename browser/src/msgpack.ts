// Socket.IO packets as MessagePack: one binary message a packet (socket.io-msgpack-parser, which stands on notepack).
// Pure: no connection, no clock.

import { bytesOf, isBinary } from "./binary.js";
import { Emitter } from "./emitter.js";
import { validate, type DecoderEvents, type Packet, type PacketDecoder, type PacketEncoder } from "./parser.js";
import { platform } from "./platform.js";

const two32 = 2 ** 32;

/** Bytes that grow. */
class Output {
  private _bytes = new Uint8Array(256);
  private _view = new DataView(this._bytes.buffer);
  private _length = 0;

  /** Makes room for n bytes and returns the offset of the first. */
  private _grow(n: number): number {
    const start = this._length;
    this._length += n;
    if (this._length > this._bytes.length) {
      const old = this._bytes;
      this._bytes = new Uint8Array(2 * this._length);
      this._bytes.set(old);
      this._view = new DataView(this._bytes.buffer);
    }
    return start;
  }

  /** Writes a head, and a number of 0, 1, 2, 4 or 8 bytes behind it. */
  head(head: number, size = 0, value = 0): void {
    const at = this._grow(1 + size);
    const view = this._view;
    view.setUint8(at, head);
    if (size === 1) view.setUint8(at + 1, value);
    else if (size === 2) view.setUint16(at + 1, value);
    else if (size) {
      if (size > 4) view.setUint32(at + 1, Math.floor(value / two32));
      view.setUint32(at + size - 3, value);
    }
  }

  float(value: number): void {
    this._view.setUint8(this._grow(1), 0xcb);
    const at = this._grow(8);
    this._view.setFloat64(at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this._grow(bytes.length);
    this._bytes.set(bytes, at);
  }

  /** Writes the head of a value with a length: a short one if there is one and it has room, else of 8, 16 or 32 bits. */
  length(length: number, short: number, room: number, head8: number, head16: number): void {
    if (length < room) this.head(short | length);
    else if (head8 && length < 256) this.head(head8, 1, length);
    else if (length < 65536) this.head(head16, 2, length);
    else this.head(head16 + 1, 4, length);
  }

  value(value: unknown): void {
    if (value === undefined) {
      this.head(0xd4, 2);
    } else if (value === null) this.head(0xc0);
    else if (typeof value === "boolean") this.head(value ? 0xc3 : 0xc2);
    else if (typeof value === "string") {
      const bytes = new TextEncoder().encode(value);
      this.length(bytes.length, 0xa0, 32, 0xd9, 0xda);
      this.raw(bytes);
    } else if (typeof value === "number") {
      if (!Number.isInteger(value) || value >= 2 ** 64 || value < -(2 ** 63)) this.float(value);
      else if (value >= 0) {
        if (value < 128) this.head(value);
        else if (value < 256) this.head(0xcc, 1, value);
        else if (value < 65536) this.head(0xcd, 2, value);
        else if (value < two32) this.head(0xce, 4, value);
        else this.head(0xcf, 8, value);
      } else if (value >= -32) this.head(value);
      else if (value >= -128) this.head(0xd0, 1, value);
      else if (value >= -32768) this.head(0xd1, 2, value);
      else if (value >= -two32 / 2) this.head(0xd2, 4, value);
      else this.head(0xd3, 8, value);
    } else if (isBinary(value)) {
      if ("arrayBuffer" in value) throw Error("MessagePack cannot wait for a Blob: send its arrayBuffer()");
      const bytes = bytesOf(value as ArrayBuffer);
      this.length(bytes.length, 0, 0, 0xc4, 0xc5);
      this.raw(bytes);
    } else if (value instanceof Date) {
      this.head(0xd7);
      this.head(0, 8, value.getTime());
    } else if (typeof (value as { toJSON?: unknown }).toJSON === "function") this.value((value as { toJSON(): unknown }).toJSON());
    else if (Array.isArray(value)) {
      this.length(value.length, 0x90, 16, 0, 0xdc);
      value.forEach((one) => this.value(one));
    } else if (typeof value === "object") {
      const members = Object.entries(value).filter(([, member]) => typeof member !== "function");
      this.length(members.length, 0x80, 16, 0, 0xde);
      for (const [key, member] of members) {
        this.value(key);
        this.value(member);
      }
    } else throw Error(`MessagePack has no ${typeof value}`);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this._bytes.slice(0, this._length);
  }
}

/** Reads one value after the other. */
class Input {
  private readonly _view: DataView;
  private _at = 0;

  constructor(private readonly _bytes: Uint8Array) {
    this._view = new DataView(_bytes.buffer, _bytes.byteOffset, _bytes.length);
  }

  get rest(): number {
    return this._bytes.length - this._at;
  }

  /** The next n bytes. */
  private _take(n: number): Uint8Array<ArrayBuffer> {
    if (n > this.rest) throw RangeError();
    return this._bytes.slice(this._at, (this._at += n)) as Uint8Array<ArrayBuffer>;
  }

  /** An integer of 1, 2, 4 or 8 bytes. */
  private _int(size: number, signed = false): number {
    const at = this._at;
    this._at += size;
    const view = this._view;
    if (size === 8) return (signed ? view.getInt32(at) : view.getUint32(at)) * two32 + view.getUint32(at + 4);
    if (size === 4) return signed ? view.getInt32(at) : view.getUint32(at);
    if (size === 2) return signed ? view.getInt16(at) : view.getUint16(at);
    return signed ? view.getInt8(at) : view.getUint8(at);
  }

  private _text(length: number): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this._take(length));
  }

  private _list(length: number): unknown[] {
    if (length > this.rest) throw RangeError();
    return Array.from({ length }, () => this.value());
  }

  private _map(length: number): object {
    if (2 * length > this.rest) throw RangeError();
    return Object.fromEntries(Array.from({ length }, () => {
      const key = this.value();
      if (typeof key !== "string" && typeof key !== "number") throw RangeError();
      return [key, this.value()];
    }));
  }

  private _bin(length: number): unknown {
    return platform.bytes(this._take(length), platform.binaryType);
  }

  private _extension(length: number, fixed: boolean): unknown {
    const type = this._int(1, true);
    const { _at } = this;
    if (type === 0) {
      if (!fixed) return this._bin(length); // notepack's ArrayBuffer
      if (length === 1) return void this._take(1); // its undefined
      if (length === 8) return new Date(this._int(8, true)); // its Date
    } else if (type === -1) {
      // Seconds in 32 bits; nanoseconds in 30 and seconds in 34; nanoseconds in 32 and seconds in 64.
      if (length === 4) return new Date(1000 * this._int(4));
      if (length === 8) {
        const high = this._int(4);
        return new Date(1000 * ((high % 4) * two32 + this._int(4)) + Math.floor((high >>> 2) / 1e6));
      }
      if (length === 12) {
        const ms = Math.floor(this._int(4) / 1e6);
        return new Date(1000 * this._int(8, true) + ms);
      }
    }
    this._at = _at;
    return [type, this._bin(length)];
  }

  value(): unknown {
    const head = this._int(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this._map(head & 15);
    if (head < 0xa0) return this._list(head & 15);
    if (head < 0xc0) return this._text(head & 31);
    if (head >= 0xe0) return head - 256;
    const size = 1 << (head & 3); // of the integers from 0xcc and 0xd0 on
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    if (head >= 0xc4 && head <= 0xc6) return this._bin(this._int(1 << (head - 0xc4)));
    if (head >= 0xc7 && head <= 0xc9) return this._extension(this._int(1 << (head - 0xc7)), false);
    if (head === 0xca || head === 0xcb) {
      const at = this._at;
      this._at += head === 0xca ? 4 : 8;
      return head === 0xca ? this._view.getFloat32(at) : this._view.getFloat64(at);
    }
    if (head >= 0xcc && head <= 0xd3) return this._int(size, head >= 0xd0);
    if (head >= 0xd4 && head <= 0xd8) return this._extension(1 << (head - 0xd4), true);
    if (head >= 0xd9 && head <= 0xdb) return this._text(this._int(1 << (head - 0xd9)));
    if (head === 0xdc || head === 0xdd) return this._list(this._int(head === 0xdc ? 2 : 4));
    if (head === 0xde || head === 0xdf) return this._map(this._int(head === 0xde ? 2 : 4));
    throw RangeError();
  }
}

export class Encoder implements PacketEncoder {
  encode({ type, data, nsp, id }: Packet): Uint8Array<ArrayBuffer>[] {
    const out = new Output();
    const packet: Partial<Packet> = { type };
    if (data !== undefined) packet.data = data;
    packet.nsp = nsp;
    if (id !== undefined) packet.id = id;
    out.value(packet);
    return [out.bytes()];
  }
}

export class Decoder extends Emitter<DecoderEvents, DecoderEvents, DecoderEvents> implements PacketDecoder {
  add(frame: ArrayBuffer | ArrayBufferView): void {
    if (typeof frame === "string") throw Error("invalid payload");
    const bytes = bytesOf(frame);
    if (!bytes.length) throw Error("empty packet");
    let packet: unknown;
    try {
      const input = new Input(bytes);
      packet = input.value();
      if (input.rest) packet = undefined;
    } catch (error) {
      throw Error(error instanceof TypeError ? "invalid UTF-8" : "invalid payload");
    }
    if (!packet || typeof packet !== "object" || Array.isArray(packet)) throw Error("invalid payload");
    const { type, nsp, id, data } = packet as Partial<Packet>;
    if (!Number.isInteger(type) || type! < 0 || type! > 4) throw Error("unknown packet type");
    // python-socketio has null for nothing
    const decoded: Packet = { type: type!, nsp: nsp!, data: type! < 2 ? (data ?? undefined) as unknown : data };
    if (id !== undefined) decoded.id = id;
    validate(decoded);
    this._fire("decoded", decoded);
  }

  destroy(): void {}
}
