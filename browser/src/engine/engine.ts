import type { BinaryType } from "../binary.js";
import { bytesOf, isBinary } from "../binary.js";
import { clockOf, soon, type Clock, type ClockOptions } from "../clock.js";
import { Emitter } from "../emitter.js";
import type { Anything } from "../events.js";
import { platform } from "../platform.js";
import { parseUrl } from "../url.js";
import type { Packet, PacketType, WriteOptions } from "./packet.js";
import { Fetch, XHR } from "./polling.js";
import type { CloseDetails, Query, Transport, TransportOptions } from "./transport.js";
import { WS } from "./websocket.js";
import { WT } from "./webtransport.js";

export type TransportName = "polling" | "websocket" | "webtransport";
export type TransportCtor = new (opts: TransportOptions) => Transport;

/** Options of a connection. Durations are milliseconds. */
export interface EngineOptions extends ClockOptions {
  /** Where the server is, if no address is given. @default the host of the page, or localhost */
  host?: string;
  /** The same as host, without a port. */
  hostname?: string;
  /** @default the port of the page, or that of the scheme */
  port?: string | number;
  /** Whether to use https and wss. @default as the page */
  secure?: boolean;
  /** The path under which the server answers. @default "/socket.io" for a Manager */
  path?: string;
  /** Whether the path gets a slash at its end. @default true */
  addTrailingSlash?: boolean;
  /** Goes with each request. The names EIO, transport, sid, t and b64 are taken. */
  query?: Query;
  /** What to try, the first first; the others are for upgrades. Names, or classes. @default ["polling", "websocket", "webtransport"] */
  transports?: TransportName[] | TransportCtor[] | string[];
  /** What to try, as classes. Not together with transports. */
  transportImplementations?: TransportCtor[];
  /** Whether to change to a better transport once connected. @default true */
  upgrade?: boolean;
  /** Whether to try the next transport if the first cannot connect. @default false */
  tryAllTransports?: boolean;
  /** Whether to begin with WebSocket if it has worked before. @default false */
  rememberUpgrade?: boolean;
  /** Options for one transport only, by its name. */
  transportOptions?: { [name: string]: Partial<TransportOptions> | object };
  /** Whether bytes travel as base64 on every transport. @default false */
  forceBase64?: boolean;
  /** Whether requests have a timestamp, against caches. @default for polling only */
  timestampRequests?: boolean;
  /** The name of the timestamp in the query. @default "t" */
  timestampParam?: string;
  /** How long one HTTP request may take. @default no limit */
  requestTimeout?: number;
  /** Headers of each request; in browsers those of polling only. */
  extraHeaders?: { [name: string]: string };
  /** Whether cookies go to other origins, too; in Node, whether they are kept and sent back. @default false */
  withCredentials?: boolean;
  /** Whether to close without an event when the page is left. @default false */
  closeOnBeforeunload?: boolean;
  /** Subprotocols of WebSocket. */
  protocols?: string | string[];

  /** Only in Node: the agent of http.request; false means a new one for each request. */
  agent?: Anything;
  /** Only in Node: TLS options, as of tls.connect. */
  pfx?: Anything;
  key?: Anything;
  passphrase?: string;
  cert?: Anything;
  ca?: Anything;
  ciphers?: string;
  rejectUnauthorized?: boolean;
  localAddress?: string;
  /** Only in Node: compression of WebSocket messages. @default those of 1,024 bytes and more */
  perMessageDeflate?: false | { threshold: number };
}

/** What the server says first. */
export interface Handshake {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload?: number;
}

export interface EngineEvents {
  open: () => void;
  handshake: (data: Handshake) => void;
  packet: (packet: Packet) => void;
  packetCreate: (packet: Packet) => void;
  data: (data: Anything) => void;
  message: (data: Anything) => void;
  drain: () => void;
  flush: () => void;
  heartbeat: () => void;
  ping: () => void;
  pong: () => void;
  upgrading: (transport: Transport) => void;
  upgrade: (transport: Transport) => void;
  upgradeError: (error: Error & { transport?: string }) => void;
  error: (error: Error) => void;
  close: (reason: string, description?: CloseDetails | Error) => void;
}

/**
 * The life of a connection:
 *
 *     opening ──► open ──► closing ──► closed
 *        └──────────┴────────────────►┘
 *
 * While it is open, transports may be probed, and one may be about to take over: an upgrade is no state. If it fails, at
 * any point, the connection goes on as before.
 */
type State = "opening" | "open" | "closing" | "closed";

/** The longest delay of a timer; a longer one would fire at once. */
const forever = 2 ** 31 - 1;

/** The transports by their names, the first the first to try. The entry point for Node puts its own here. */
const defaults: Record<string, TransportCtor> = {
  polling: typeof XMLHttpRequest === "function" ? XHR : Fetch,
  websocket: WS,
  webtransport: WT,
};

/** @internal */
export { defaults as transportsByName };

/** The revision of the protocol. */
const protocol = 4;

/** Whether WebSocket worked at the last attempt of any connection, for the option rememberUpgrade. */
let webSocketWorked = false;

/** The open connections, for the events of the page. */
const live = new Set<Engine>();

// A service worker must add its listeners while it is first evaluated.
const listen: typeof addEventListener | undefined = globalThis.addEventListener;
if (listen) {
  const each = (event: string, act: (engine: Engine, event: Event) => void) =>
    // A copy: a listener may connect anew, and that connection is not meant.
    listen(event, (e) => [...live].forEach((engine) => act(engine, e)));
  each("offline", (engine) => {
    if (engine.hostname !== "localhost") engine._onClose("transport close", { description: "network connection lost" });
  });
  // A page that comes back later must not wait for the dead connection of before; one that does not, need not be told.
  each("pagehide", (engine, event) => {
    if ((event as PageTransitionEvent).persisted) engine._onClose("transport close", { description: "page hidden" });
    else engine._leave();
  });
  // Back from a night's sleep, the timers may be hours late.
  each("visibilitychange", (engine) => engine._hasPingExpired());
}

/** An Engine.IO connection, protocol revision 4. */
export class Engine extends Emitter<{}, {}, EngineEvents> {
  id: string | undefined;
  transport!: Transport;
  binaryType: BinaryType = platform.binaryType;
  /** What waits to be sent. What is being sent stays at its front until it has left. */
  writeBuffer: Packet[] = [];
  readonly opts: EngineOptions;
  readonly hostname: string;
  readonly port: string | number;
  readonly secure: boolean;
  /** The names of the transports that may be used. */
  readonly transports: string[];
  /** @internal The cookies of the connection, in Node. */
  _cookies: unknown;

  readyState: State = "opening";
  /** The transport that is about to take over; nothing is sent meanwhile. */
  private _successor: Transport | undefined;
  private readonly _byName: Record<string, TransportCtor>;
  private readonly _clock: Clock;
  private _sending = 0;
  private _handshake: Handshake | undefined;
  private _stopTimer = () => {};
  private _deadline = Infinity;

  constructor(uri?: string | EngineOptions, options: EngineOptions = {}) {
    super();
    if (typeof uri === "object") {
      options = uri;
      uri = undefined;
    }
    const page = globalThis.location as Location | undefined;
    const to = uri || options.host ? parseUrl(uri || options.host!) : undefined;
    const secure = (this.secure = uri ? to!.secure : options.secure ?? page?.protocol === "https:");
    const hostname = to?.hostname || options.hostname;
    this.hostname = hostname || page?.hostname || "localhost";
    this.port = (uri ? to!.port : options.port) || (!hostname && page?.port) || (secure ? 443 : 80);
    this.opts = {
      path: "/engine.io",
      upgrade: true,
      timestampParam: "t",
      addTrailingSlash: true,
      transportOptions: {},
      ...options,
    };
    const opts = this.opts;
    opts.path = opts.path!.replace(/\/$/, "") + (opts.addTrailingSlash ? "/" : "");
    const query: unknown = to?.query || opts.query;
    opts.query = typeof query === "string" ? Object.fromEntries(new URLSearchParams(query)) : ((query ?? {}) as Query);

    const { transports } = opts;
    let classes = opts.transportImplementations;
    if (classes && transports) throw Error("both 'transportImplementations' and 'transports' are given");
    if (typeof transports?.[0] === "function") classes = transports as TransportCtor[];
    this._byName = classes ? Object.fromEntries(classes.map((one) => [(one.prototype as Transport).name, one])) : defaults;
    this.transports = classes ? Object.keys(this._byName) : ([...(transports ?? Object.keys(defaults))] as string[]);

    this._clock = clockOf(opts);
    live.add(this);
    if (opts.closeOnBeforeunload) listen?.("beforeunload", this._leave);
    this._open();
  }

  /** Whether another transport is about to take over; nothing is sent meanwhile. */
  get upgrading(): boolean {
    return !!this._successor;
  }

  /** @internal Ends the connection without an event, as the page is going away. */
  readonly _leave = (): void => {
    this.transport?.off();
    this.transport?.close();
  };

  private _create(name: string): Transport {
    const { opts, secure, hostname, port, id } = this;
    return new this._byName[name]!({
      ...opts,
      path: opts.path!,
      query: { ...opts.query, EIO: protocol, transport: name, ...(id && { sid: id }) },
      socket: this,
      secure,
      hostname,
      port,
      ...opts.transportOptions![name],
    });
  }

  private _open(): void {
    const { transports, opts } = this;
    if (!transports.length) {
      // Told when somebody listens. The reference gives a string here.
      soon(() => this._onError(Error("No transports available")));
      return;
    }
    const remembered = opts.rememberUpgrade && webSocketWorked && transports.includes("websocket");
    this._setTransport(this._create(remembered ? "websocket" : transports[0]!));
    this.transport.open();
  }

  private _setTransport(transport: Transport): void {
    this.transport?.off();
    this.transport = transport;
    transport
      .on("drain", () => this._onDrain())
      .on("packet", (packet) => this._onPacket(packet))
      .on("error", (error) => this._onError(error))
      .on("close", (details) => this._onClose("transport close", details));
  }

  /** Tries a transport while the connection goes on, and changes to it if the server answers there. */
  private _probe(name: string): void {
    const transport = this._create(name);
    webSocketWorked = false;

    const stop = () => {
      transport.off();
      this.off("close", closed).off("upgrading", other);
    };
    const failed = (why: unknown) => {
      stop();
      transport.close();
      if (this._successor === transport) {
        // The current transport waits for a successor that will not come.
        this._successor = undefined;
        this.transport.resume();
      }
      this._fire("upgradeError", Object.assign(Error(`probe error: ${why as string}`), { transport: name }));
      this._flush();
    };
    const closed = () => failed("socket closed");
    const other = (winner: Transport) => winner === transport || failed("too slow");

    transport
      .once("open", () => transport.send([{ type: "ping", data: "probe" }]))
      .once("packet", ({ type, data }) => {
        if (type !== "pong" || data !== "probe" || this.readyState !== "open" || this._successor) return failed("no pong");
        this._successor = transport;
        this._fire("upgrading", transport);
        webSocketWorked = name === "websocket";
        this.transport.pause(() => {
          if (this._successor !== transport) return; // it failed meanwhile, or the connection did
          stop();
          this._setTransport(transport);
          transport.send([{ type: "upgrade" }]);
          this._successor = undefined;
          this._fire("upgrade", transport);
          this._flush();
        });
      })
      .once("error", failed)
      .once("close", () => failed("transport closed"));
    this.once("close", closed).on("upgrading", other);

    // WebTransport is better, so it gets a start.
    if (name !== "webtransport" && this._handshake!.upgrades.includes("webtransport")) {
      this._clock(() => transport.hasListeners("open") && transport.open(), 200); // unless it was given up
    } else transport.open();
  }

  private _onPacket(packet: Packet): void {
    const { type, data } = packet;
    if (this.readyState === "closed") return;
    this._fire("packet", packet);
    this._fire("heartbeat");
    if (type === "open") this._onHandshake(data as string);
    else if (type === "ping") {
      this._send("pong");
      this._fire("ping");
      this._fire("pong");
      this._resetDeadline();
    } else if (type === "error") this._onError(Object.assign(Error("server error"), { code: data }));
    else if (type === "message") {
      this._fire("data", data);
      this._fire("message", data);
    }
  }

  private _onHandshake(text: string): void {
    if (this.readyState !== "opening") return; // one session has one handshake
    let handshake: Partial<Handshake> | null = null;
    try {
      handshake = JSON.parse(text) as Partial<Handshake> | null;
    } catch {}
    const { sid, upgrades, pingInterval, pingTimeout } = handshake ?? {};
    const isDelay = (ms: unknown) => Number.isFinite(ms) && (ms as number) > 0;
    if (typeof sid !== "string" || !sid || !Array.isArray(upgrades) || !isDelay(pingInterval) || !isDelay(pingTimeout)) {
      return this._onError(Error("invalid handshake"));
    }
    this._handshake = handshake as Handshake;
    this._fire("handshake", this._handshake);
    this.id = this.transport.query["sid"] = sid;
    this.readyState = "open";
    webSocketWorked = this.transport.name === "websocket";
    this._resetDeadline();
    this._fire("open");
    this._flush();
    if (this.opts.upgrade) {
      for (const name of upgrades) {
        if ((this.readyState as State) === "open" && this.transports.includes(name as string)) this._probe(name as string);
      }
    }
  }

  private _resetDeadline(): void {
    this._stopTimer();
    if (this.readyState === "closed") return;
    const { pingInterval, pingTimeout } = this._handshake!;
    const delay = Math.min(pingInterval + pingTimeout, forever);
    this._deadline = Date.now() + delay;
    this._stopTimer = this._clock(() => this._onClose("ping timeout"), delay);
  }

  /** @internal Reports whether the server is overdue although no timer has said so yet, and ends the connection then. */
  _hasPingExpired(): boolean {
    const expired = Date.now() > this._deadline;
    if (expired) soon(() => this._onClose("ping timeout"));
    return expired;
  }

  private _onDrain(): void {
    this.writeBuffer.splice(0, this._sending);
    this._sending = 0; // an upgrade packet drains, too
    if (this.writeBuffer.length) this._flush();
    else this._fire("drain");
  }

  private _flush(): void {
    const { writeBuffer, transport } = this;
    if (this.readyState === "closed" || !transport.writable || this.upgrading || !writeBuffer.length) return;
    const packets = this._fitting();
    this._sending = packets.length;
    transport.send(packets);
    this._fire("flush");
  }

  /** As many of the waiting packets as one request may carry. The first always goes: the server has to say no to it. */
  private _fitting(): Packet[] {
    const { writeBuffer } = this;
    const max = this._handshake?.maxPayload;
    let size = -1;
    const end = max && this.transport.name === "polling"
      ? writeBuffer.findIndex(({ data }, i) => (size += 2 + sizeOf(data)) > max && i > 0)
      : -1;
    return writeBuffer.slice(0, end < 0 ? undefined : end);
  }

  /** Sends a message. sent is called when it, and maybe others, were given to the transport. */
  write(data: unknown, options?: WriteOptions, sent?: () => void): this {
    return this._send("message", data, options, sent);
  }

  /** The same as write. */
  send(data: unknown, options?: WriteOptions, sent?: () => void): this {
    return this.write(data, options, sent);
  }

  private _send(type: PacketType, data?: unknown, options?: WriteOptions, sent?: () => void): this {
    if (this.readyState === "opening" || this.readyState === "open") {
      const packet: Packet = { type, data, options: { ...options, compress: options?.compress !== false } };
      this._fire("packetCreate", packet);
      this.writeBuffer.push(packet);
      if (sent) this.once("flush", sent);
      this._flush();
    }
    return this;
  }

  /** Closes the connection, once what waits has been sent. */
  close(): this {
    if (this.readyState === "opening" || this.readyState === "open") {
      this.readyState = "closing";
      const end = () => {
        // While a transport takes over nothing can be sent.
        if (this.upgrading) this.once("upgrade", end).once("upgradeError", end);
        else this._onClose("forced close");
      };
      if (this.writeBuffer.length) this.once("drain", end);
      else end();
    }
    return this;
  }

  private _onError(error: Error): void {
    webSocketWorked = false;
    if (this.opts.tryAllTransports && this.transports.length > 1 && this.readyState === "opening") {
      this.transports.shift();
      this._open();
      return;
    }
    this._fire("error", error);
    this._onClose("transport error", error);
  }

  /** @internal */
  _onClose(reason: string, description?: CloseDetails | Error): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this._successor = undefined;
    live.delete(this);
    this._stopTimer();
    globalThis.removeEventListener?.("beforeunload", this._leave);
    this._leave();
    this.id = undefined;
    this._fire("close", reason, description);
    // Cleared last, so that listeners can see what was not sent.
    this.writeBuffer = [];
    this._sending = 0;
  }
}

/** The bytes of a message in the body of a request. */
function sizeOf(data: unknown): number {
  if (!isBinary(data)) return new TextEncoder().encode(data as string | undefined).length;
  return Math.ceil(("arrayBuffer" in data ? data.size : bytesOf(data).length) / 3) * 4;
}
