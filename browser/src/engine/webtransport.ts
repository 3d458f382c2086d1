import { bytesOf } from "../binary.js";
import { platform } from "../platform.js";
import { encodePackets, type Frame, type Packet } from "./packet.js";
import { Transport } from "./transport.js";

/**
 * The header before a packet of so many bytes on a stream. The top bit of its first byte says that the packet is
 * binary, the others are the length; 126 and 127 mean that the length follows in 16 or 64 bits.
 * Source: Engine.IO protocol v4, "WebTransport".
 */
export function encodeHeader(binary: boolean, length: number): Uint8Array<ArrayBuffer> {
  const size = length < 126 ? 1 : length < 65536 ? 3 : 9;
  const view = new DataView(new ArrayBuffer(size));
  view.setUint8(0, (size < 3 ? length : size < 9 ? 126 : 127) + (binary ? 128 : 0));
  if (size === 3) view.setUint16(1, length);
  if (size === 9) view.setBigUint64(1, BigInt(length));
  return new Uint8Array(view.buffer);
}

/** Reads a header: undefined while bytes are missing. Empty packets and those above 2^53-1 bytes are errors. */
export function decodeHeader(bytes: Uint8Array): { binary: boolean; length: number; size: number } | undefined {
  const head = bytes[0]! & 127;
  const size = head < 126 ? 1 : head < 127 ? 3 : 9;
  if (bytes.length < size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = size < 2 ? head : size < 4 ? view.getUint16(1) : Number(view.getBigUint64(1));
  if (!length || length >= 2 ** 53) throw Error("length");
  return { binary: bytes[0]! > 127, length, size };
}

/** WebTransport: one bidirectional stream of frames, over HTTP/3. */
export class WT extends Transport {
  private _session: WebTransport | undefined;
  private _writer: WritableStreamDefaultWriter<Uint8Array> | undefined;

  get name() {
    return "webtransport";
  }

  protected _doOpen(): void {
    const session = (this._session = new WebTransport(
      this._createUri("https", false),
      this.opts.transportOptions![this.name] as WebTransportOptions,
    ));
    const failed = (error: unknown) => this._onError("webtransport error", error);
    session.closed.then(() => this._onClose(), failed);
    session.ready.then(async () => {
      const { readable, writable } = await session.createBidirectionalStream();
      this._writer = writable.getWriter() as WritableStreamDefaultWriter<Uint8Array>;
      this.readyState = "open"; // for write
      this._write([{ type: "open", data: this.query["sid"] && JSON.stringify({ sid: this.query["sid"] as string }) }], () => this._onOpen());
      await this._read(readable.getReader() as ReadableStreamDefaultReader<Uint8Array>);
    }).catch(failed);
  }

  /** Cuts the stream into packets until it ends. */
  private async _read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    let buffer = new Uint8Array();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const joined = new Uint8Array(buffer.length + value.length);
      joined.set(buffer);
      joined.set(value, buffer.length);
      buffer = joined;
      for (let header; (header = decodeHeader(buffer)); ) {
        const end = header.size + header.length;
        if (buffer.length < end) break;
        const data = buffer.slice(header.size, end);
        buffer = buffer.slice(end);
        this._onData(header.binary ? (platform.bytes(data, this.socket.binaryType) as Frame) : new TextDecoder().decode(data));
      }
    }
  }

  protected _write(packets: Packet[], written = () => this._onDrain()): void {
    this.writable = false;
    const failed = (error: unknown) => this._onError("webtransport error", error);
    encodePackets(packets, true, (frames) => this._send(frames).then(written, failed), failed);
  }

  private async _send(frames: Frame[]): Promise<void> {
    for (const frame of frames) {
      const bytes = typeof frame === "string" ? new TextEncoder().encode(frame)
        : "arrayBuffer" in frame ? new Uint8Array(await frame.arrayBuffer()) : bytesOf(frame);
      await this._writer!.write(encodeHeader(typeof frame !== "string", bytes.length));
      await this._writer!.write(bytes);
    }
  }

  protected _doClose(): void {
    this._session?.close();
  }
}
