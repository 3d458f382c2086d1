import { soon } from "../clock.js";
import { Emitter } from "../emitter.js";
import type { Anything } from "../events.js";
import type { Engine, EngineOptions } from "./engine.js";
import { decodePacket, type Frame, type Packet } from "./packet.js";

/** The values of a query, by name. */
export type Query = Record<string, Anything>;

/** What went wrong at a transport, and with what: the status or error, and the request or event. */
export interface TransportError extends Error {
  type: "TransportError";
  description: unknown;
  context?: unknown;
}

/** More about a close that the other side or the network made. */
export interface CloseDetails {
  description: string;
  context?: unknown;
}

export interface TransportEvents {
  open: () => void;
  packet: (packet: Packet) => void;
  drain: () => void;
  error: (error: Error) => void;
  close: (details?: CloseDetails) => void;
  poll: () => void;
  pollComplete: () => void;
}

/** What a transport is made from: the options of its engine, with those of `transportOptions` for it. */
export interface TransportOptions extends EngineOptions {
  query: Query;
  socket: Engine;
  hostname: string;
  port: string | number;
  secure: boolean;
  path: string;
}

/**
 * One way of moving packets. A transport is opened once and closed once:
 *
 *     opening ──► open ──► closed
 *        │         │▲
 *        │         ▼│
 *        │  pausing ──► paused        (polling, while another transport takes over)
 *        └────────────┴───────► closed
 */
export abstract class Transport extends Emitter<{}, {}, TransportEvents> {
  abstract get name(): string;

  /** Whether send may be called now; "drain" says when it may be again. */
  writable = false;
  readyState: "opening" | "open" | "pausing" | "paused" | "closed" = "opening";
  query: Query;
  _supportsBinary: boolean;
  protected socket: Engine;

  constructor(readonly opts: TransportOptions) {
    super();
    this.query = opts.query;
    this.socket = opts.socket;
    this._supportsBinary = !opts.forceBase64;
  }

  protected abstract _doOpen(): void;
  protected abstract _doClose(): void;
  protected abstract _write(packets: Packet[]): void;

  open(): this {
    // What fails at once is told later, when somebody listens.
    try {
      this._doOpen();
    } catch (error) {
      soon(() => this._fire("error", error as Error));
    }
    return this;
  }

  close(): this {
    if (this.readyState !== "closed") {
      this._doClose();
      this._onClose();
    }
    return this;
  }

  send(packets: Packet[]): void {
    if (this.readyState === "open") this._write(packets);
  }

  /** Calls back when nothing is under way any more, and starts nothing new meanwhile. */
  pause(paused: () => void): void {
    paused();
  }

  /** Undoes pause. */
  resume(): void {}

  protected _onOpen(): void {
    this.readyState = "open";
    this.writable = true;
    this._fire("open");
  }

  protected _onData(data: Frame): void {
    this._onPacket(decodePacket(data, this.socket.binaryType));
  }

  protected _onPacket(packet: Packet): void {
    this._fire("packet", packet);
  }

  protected _onError(reason: string, description: unknown, context?: unknown): void {
    this._fire("error", Object.assign(Error(reason), { type: "TransportError", description, context }) as TransportError);
  }

  protected _onClose(details?: CloseDetails): void {
    this.readyState = "closed";
    this._fire("close", details);
  }

  /** All that was given to write has left. */
  protected _onDrain(): void {
    this.writable = true;
    this._fire("drain");
  }

  /** The address to connect to, with the query. */
  protected _createUri(scheme: string, timestamp: boolean): string {
    const { hostname, port, secure, path, timestampParam } = this.opts;
    if (timestamp) this.query[timestampParam!] = Math.random().toString(36).slice(2);
    if (!this._supportsBinary) this.query["b64"] = 1;
    return (
      `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}` +
      `${port && Number(port) !== (secure ? 443 : 80) ? `:${port}` : ""}${path}?${new URLSearchParams(this.query).toString()}`
    );
  }
}
