// The entry point for Node: HTTP and WebSocket with headers, cookies and TLS options, and bytes as Buffers.

import { request as http, type ClientRequest, type RequestOptions } from "node:http";
import { request as https } from "node:https";
import { WebSocket as Ws, type ClientOptions } from "ws";
import { clockOf } from "./clock.js";
import { transportsByName } from "./engine/engine.js";
import type { Frame, WriteOptions } from "./engine/packet.js";
import { Polling, type Answer } from "./engine/polling.js";
import type { TransportOptions } from "./engine/transport.js";
import { WS, type WebSocketLike } from "./engine/websocket.js";
import { platform } from "./platform.js";

export * from "./index.js";
export { io as default } from "./index.js";

platform.binaryType = "nodebuffer";
platform.bytes = (bytes, type) =>
  type === "nodebuffer" ? Buffer.from(bytes.buffer) : type === "blob" ? new Blob([bytes]) : bytes.buffer;

/** The options that go to TLS and to the agent as they are. */
const passed = ["agent", "pfx", "key", "passphrase", "cert", "ca", "ciphers", "rejectUnauthorized", "localAddress", "family", "checkServerIdentity"] as const;

function pass(opts: TransportOptions): object {
  return Object.fromEntries(passed.filter((name) => name in opts).map((name) => [name, (opts as unknown as { [name: string]: unknown })[name]]));
}

/** Cookies of one connection, as browsers would keep them for the page: sticky sessions need that. */
class CookieJar {
  private readonly _cookies = new Map<string, { value: string; expires: number }>();

  /** Reads the Set-Cookie headers of an answer. A cookie that is over is forgotten, also one whose end is unreadable. */
  set(headers: string[] | undefined): void {
    for (const header of headers ?? []) {
      const [pair, ...attributes] = header.split(";").map((part) => part.trim());
      const at = pair!.indexOf("=");
      if (at < 1) continue;
      let expires = Infinity;
      let maxAge: number | undefined;
      for (const attribute of attributes) {
        const [name, value = ""] = attribute.split(/=(.*)/s);
        if (name!.toLowerCase() === "expires") expires = Date.parse(value) || 0;
        if (name!.toLowerCase() === "max-age") maxAge = Date.now() + 1000 * (parseInt(value, 10) || 0);
      }
      this._cookies.set(pair!.slice(0, at), { value: pair!.slice(at + 1).replace(/^"(.*)"$/, "$1"), expires: maxAge ?? expires });
    }
  }

  /** The headers of a request with these cookies and others. */
  headers(extra: { [name: string]: string } | undefined): { [name: string]: string } {
    const now = Date.now();
    const cookies = [...this._cookies].filter(([, { expires }]) => expires > now).map(([name, { value }]) => `${name}=${value}`);
    const headers: { [name: string]: string } = {};
    for (const name in extra) {
      if (name.toLowerCase() === "cookie") cookies.unshift(extra[name]!);
      else headers[name] = extra[name]!;
    }
    if (cookies.length) headers["Cookie"] = cookies.join("; ");
    return headers;
  }
}

/** The jar of a connection: without withCredentials, it stays empty. */
function jarOf({ socket, withCredentials }: TransportOptions): CookieJar {
  return (withCredentials ? (socket._cookies ??= new CookieJar()) : new CookieJar()) as CookieJar;
}

/** Long-polling by node:http and node:https. */
export class NodeXHR extends Polling {
  protected get _errors() {
    return ["xhr poll error", "xhr post error"] as const;
  }

  protected _request(body: string | undefined, { ok, failed }: Answer): () => void {
    const { opts } = this;
    const jar = jarOf(opts);
    const post = body !== undefined;
    const options: RequestOptions = {
      agent: false,
      ...pass(opts),
      method: post ? "POST" : "GET",
      headers: { Accept: "*/*", ...(post && { "Content-Type": "text/plain;charset=UTF-8" }), ...jar.headers(opts.extraHeaders) },
    };
    let over = false;
    let stopTimer = () => {};
    const end = (tell: () => void) => {
      stopTimer();
      if (over) return;
      over = true;
      tell();
    };
    const broken = (error: Error) => end(() => failed(error, { status: 0, responseText: "" }));
    const req: ClientRequest = (opts.secure ? https : http)(this._uri(), options, (res) => {
      jar.set(res.headers["set-cookie"]);
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", broken);
      res.on("end", () => end(() => {
        const responseText = Buffer.concat(chunks).toString();
        if (res.statusCode === 200) ok(responseText);
        else failed(res.statusCode, { status: res.statusCode, responseText });
      }));
    });
    req.on("error", broken);
    if (opts.autoUnref) req.on("socket", (socket) => socket.unref());
    if (opts.requestTimeout) stopTimer = clockOf(opts)(() => req.destroy(Error("timeout")), opts.requestTimeout);
    req.end(body);
    return () => end(() => req.destroy());
  }
}

/** WebSocket by the package ws. */
export class NodeWebSocket extends WS {
  protected override _createSocket(uri: string): WebSocketLike {
    const { opts } = this;
    const options: ClientOptions = {
      perMessageDeflate: opts.perMessageDeflate !== false,
      ...pass(opts),
      headers: jarOf(opts).headers(opts.extraHeaders),
    };
    const ws = new Ws(uri, opts.protocols, options);
    if (opts.autoUnref) ws.on("upgrade", (res) => res.socket.unref());
    return ws as unknown as WebSocketLike;
  }

  protected override _doWrite(frame: Frame, options?: WriteOptions): void {
    const { perMessageDeflate } = this.opts;
    const size = typeof frame === "string" ? Buffer.byteLength(frame) : "size" in frame ? frame.size : frame.byteLength;
    const compress = options?.compress !== false && size >= (perMessageDeflate || { threshold: 1024 }).threshold;
    (this.ws as unknown as Ws).send(frame as string, { compress });
  }
}

transportsByName["polling"] = NodeXHR;
transportsByName["websocket"] = NodeWebSocket;
