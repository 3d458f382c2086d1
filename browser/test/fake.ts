// A server of the imagination: transports whose other end is the test. "websocket" is one of messages, "polling" the
// real long-polling over requests that the test answers.

import { encodePackets, type Frame, type Packet } from "../src/engine/packet.js";
import { Polling, type Answer } from "../src/engine/polling.js";
import { Transport, type TransportOptions } from "../src/engine/transport.js";

export const handshake = (changes: object = {}) =>
  "0" + JSON.stringify({ sid: "s1", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000, ...changes });

/** One connection by "websocket", as its server sees it. */
export class Line extends Transport {
  readonly got: Frame[] = [];
  /** Called with each frame of the client. */
  onFrame: (frame: Frame) => void = () => {};

  get name() {
    return "websocket";
  }

  protected _doOpen(): void {}
  protected _doClose(): void {}

  protected _write(packets: Packet[]): void {
    this.writable = false;
    encodePackets(packets, true, (frames) => {
      for (const frame of frames) {
        this.got.push(frame);
        queueMicrotask(() => this.onFrame(frame));
      }
      queueMicrotask(() => this._onDrain());
    }, (error) => this._onError("websocket error", error));
  }

  /** The connection is made. */
  accept(): this {
    this._onOpen();
    return this;
  }

  /** The server sends frames. */
  reply(...frames: Frame[]): this {
    for (const frame of frames) this._onData(frame);
    return this;
  }

  /** The connection breaks. */
  cut(): void {
    if (this.readyState !== "closed") this._onClose({ description: "cut" });
  }

  /** It could not be made, or broke with an error. */
  fail(description: unknown = 0): void {
    this._onError("websocket error", description);
  }
}

/** A request of long-polling that waits for its answer. */
export interface Request extends Answer {
  body: string | undefined;
  sid: unknown;
}

export class FakeServer {
  readonly lines: Line[] = [];
  readonly requests: Request[] = [];
  onLine: (line: Line) => void = () => {};
  onRequest: (request: Request) => void = () => {};

  /** What the option `transports` of the client is. */
  readonly websocket: typeof Line;
  readonly polling: new (opts: TransportOptions) => Transport;

  constructor() {
    const server = this;
    this.websocket = class extends Line {
      protected override _doOpen(): void {
        server.lines.push(this);
        queueMicrotask(() => server.onLine(this));
      }
    };
    this.polling = class extends Polling {
      protected get _errors() {
        return ["xhr poll error", "xhr post error"] as const;
      }

      protected _request(body: string | undefined, answer: Answer): () => void {
        let aborted = false;
        const request: Request = {
          body,
          sid: this.query["sid"],
          ok: (text) => aborted || answer.ok(text),
          failed: (...what) => aborted || answer.failed(...what),
        };
        server.requests.push(request);
        queueMicrotask(() => aborted || server.onRequest(request));
        return () => {
          aborted = true;
        };
      }
    };
  }

  /** The newest line. */
  get line(): Line {
    return this.lines[this.lines.length - 1]!;
  }

  /** Accepts each line and lets its client join, the first time and whenever it comes back. */
  serve(answer: (connect: string, n: number) => string[] = (_, n) => [`40{"sid":"socket${n}"}`]): this {
    let n = 0;
    this.onLine = (line) => {
      line.onFrame = (frame) => {
        if (typeof frame === "string" && /^40({|$)/.test(frame)) line.reply(...answer(frame, ++n));
      };
      line.accept().reply(handshake());
    };
    return this;
  }
}
