import { guard } from "../clock.js";
import { decodePayload, encodePackets, joinPayload, type Packet } from "./packet.js";
import { Transport } from "./transport.js";

/** How a request ended: with a text, or with what kept it from that. */
export interface Answer {
  ok(text: string): void;
  failed(description: unknown, context?: unknown): void;
}

/**
 * HTTP long-polling: one GET waits for packets, one POST at a time carries those of the client. Subclasses make the
 * requests.
 */
export abstract class Polling extends Transport {
  /** Aborts the GET that is under way. */
  private _get: (() => void) | undefined;
  private _posting = false;
  private _paused: (() => void) | undefined;

  get name() {
    return "polling";
  }

  /** The messages of errors: of reading, and of writing. */
  protected abstract get _errors(): readonly [string, string];

  /** Makes a request, a POST if there is a body. Afterwards one function of the answer is called, unless it was aborted. */
  protected abstract _request(body: string | undefined, answer: Answer): () => void;

  protected _doOpen(): void {
    this._poll();
  }

  private _poll(): void {
    this._get = this._request(undefined, {
      ok: (text) => {
        this._get = undefined;
        this._receive(text);
      },
      failed: (...what) => this._onError(this._errors[0], ...what),
    });
    this._fire("poll");
  }

  private _receive(text: string): void {
    for (const packet of decodePayload(text, this.socket.binaryType)) {
      if (this.readyState === "opening" && packet.type === "open") this._onOpen();
      if (packet.type === "close") {
        this._onClose({ description: "transport closed by the server" });
        return;
      }
      guard(() => this._onPacket(packet)); // polling goes on whatever a listener does
    }
    if (this.readyState === "closed") return;
    this._fire("pollComplete");
    this._next();
  }

  /** Starts the next poll, or tells who wants a pause that nothing is under way. */
  private _next(): void {
    if (this.readyState === "open") {
      if (!this._get) this._poll();
    } else if (this.readyState === "pausing" && !this._get && !this._posting) {
      this.readyState = "paused";
      this._paused!();
    }
  }

  override pause(paused: () => void): void {
    this._paused = paused;
    this.readyState = "pausing";
    this._next();
  }

  override resume(): void {
    if (this.readyState === "closed") return;
    this.readyState = "open";
    this._next();
  }

  protected _write(packets: Packet[]): void {
    this.writable = false;
    this._posting = true;
    encodePackets(
      packets,
      false,
      (frames) => {
        this._request(joinPayload(frames), {
          ok: () => {
            this._posting = false;
            this._onDrain();
            this._next();
          },
          failed: (...what) => this._onError(this._errors[1], ...what),
        });
      },
      (error) => this._onError(this._errors[1], error),
    );
  }

  /** Says goodbye, if there is a session, and leaves no request behind. */
  protected _doClose(): void {
    const abort = () => this._get?.();
    if (this.readyState === "opening") abort();
    else this._request("1", { ok: abort, failed: abort }); // a packet of type "close"
  }

  protected _uri(): string {
    return this._createUri(this.opts.secure ? "https" : "http", this.opts.timestampRequests !== false);
  }
}

/** Long-polling by XMLHttpRequest: in pages and dedicated workers. */
export class XHR extends Polling {
  protected get _errors() {
    return ["xhr poll error", "xhr post error"] as const;
  }

  protected _request(body: string | undefined, { ok, failed }: Answer): () => void {
    const { withCredentials, requestTimeout, extraHeaders } = this.opts;
    const xhr = new XMLHttpRequest();
    xhr.open(body === undefined ? "GET" : "POST", this._uri());
    for (const name in extraHeaders) xhr.setRequestHeader(name, extraHeaders[name]!);
    xhr.withCredentials = !!withCredentials;
    xhr.timeout = requestTimeout ?? 0;
    xhr.onload = () => (xhr.status === 200 ? ok(xhr.responseText) : failed(xhr.status, xhr));
    xhr.onerror = xhr.ontimeout = () => failed(xhr.status, xhr);
    xhr.send(body);
    return () => xhr.abort();
  }
}

/** Long-polling by fetch: also in service workers. */
export class Fetch extends Polling {
  protected get _errors() {
    return ["fetch read error", "fetch write error"] as const;
  }

  protected _request(body: string | undefined, { ok, failed }: Answer): () => void {
    const controller = new AbortController();
    const { signal } = controller;
    const response = fetch(this._uri(), {
      method: body === undefined ? "GET" : "POST",
      body,
      headers: this.opts.extraHeaders,
      credentials: this.opts.withCredentials ? "include" : "omit",
      signal,
    } as RequestInit).then(async (res) => {
      const text = await res.text();
      if (!signal.aborted) res.ok ? ok(text) : failed(res.status, res);
    });
    response.catch((error: unknown) => signal.aborted || failed(error));
    return () => controller.abort();
  }
}
