import { clockOf, guard, type Clock } from "./clock.js";
import { Emitter, listen } from "./emitter.js";
import { Engine, type EngineOptions } from "./engine/engine.js";
import type { CloseDetails } from "./engine/transport.js";
import type { Anything, DefaultEventsMap, EventsMap } from "./events.js";
import { PacketType, type Packet, type PacketDecoder, type PacketEncoder, type Parser } from "./parser.js";
import { Socket, type DisconnectDescription, type SocketOptions } from "./socket.js";

/** Options of {@link Manager}. Durations are milliseconds. */
export interface ManagerOptions extends EngineOptions {
  /** Whether to make a new connection, though there is one to the same server. @default false */
  forceNew?: boolean;
  /** Whether sockets of several namespaces share a connection. @default true */
  multiplex?: boolean;
  /** Whether to connect again when the connection is lost. @default true */
  reconnection?: boolean;
  /** How often to try. @default Infinity */
  reconnectionAttempts?: number;
  /** The delay before the first attempt; it doubles with each. @default 1000 */
  reconnectionDelay?: number;
  /** Upper bound of the delay between attempts, before jitter. @default 5000 */
  reconnectionDelayMax?: number;
  /** Jitter: each delay is multiplied by a random number from 1 - factor to 1 + factor. @default 0.5 */
  randomizationFactor?: number;
  /** How long one attempt may take; false means for ever. @default 20000 */
  timeout?: number | false;
  /** Whether to connect at once. @default true */
  autoConnect?: boolean;
  /** Another wire form of packets; the server must use the same. @default JSON with binary attachments */
  parser?: Parser | Anything;
}

export interface ManagerReservedEvents {
  open: () => void;
  error: (err: Error) => void;
  ping: () => void;
  packet: (packet: Packet) => void;
  close: (reason: string, description?: DisconnectDescription) => void;
  reconnect_failed: () => void;
  reconnect_attempt: (attempt: number) => void;
  reconnect_error: (err: Error) => void;
  reconnect: (attempt: number) => void;
}

/**
 * The life of a manager:
 *
 *     closed ──► opening ──► open ──► closed
 *                 ▲  │                  │
 *                 │  ▼                  ▼
 *                waiting ◄──────────────┘     for the next attempt, if there is to be one
 *
 * stop ends what the state holds: timers and listeners.
 */
type State =
  | { name: "closed" }
  | { name: "waiting"; stop: () => void; attempt: () => void }
  | { name: "opening"; stop: () => void }
  | { name: "open"; stop: () => void };

/** The options that may be changed by the method of their name, which without an argument returns them. */
interface Settings {
  reconnection: boolean;
  reconnectionAttempts: number;
  reconnectionDelay: number;
  reconnectionDelayMax: number;
  randomizationFactor: number;
  timeout: number | false;
}

/** The managers that wait for their next attempt. */
const waiting = new Set<Manager>();

globalThis.addEventListener?.("online", () => [...waiting].forEach((manager) => manager._retry()));

/** A connection to a server, made again when it is lost, for the sockets of its namespaces. */
export class Manager<ListenEvents extends EventsMap = DefaultEventsMap, EmitEvents extends EventsMap = ListenEvents>
  extends Emitter<{}, {}, ManagerReservedEvents> {
  /** The connection of now, or the last one. */
  engine!: Engine;
  /** The address; a change counts from the next attempt on. */
  uri: string | undefined;
  /** The options; a change of those of the connection counts from the next attempt on. */
  opts: Partial<ManagerOptions>;
  /** @internal */
  _autoConnect: boolean;
  /** @internal The sockets by their namespace. */
  readonly nsps: { [nsp: string]: Socket } = {};
  /** @internal */
  readonly _clock: Clock;

  private _state: State = { name: "closed" };
  private _attempts = 0;
  private _skipReconnect = false;
  private readonly _encoder: PacketEncoder;
  private readonly _decoder: PacketDecoder;
  private readonly _settings: Settings;

  constructor(opts: Partial<ManagerOptions>);
  constructor(uri?: string, opts?: Partial<ManagerOptions>);
  constructor(uri?: string | Partial<ManagerOptions>, opts?: Partial<ManagerOptions>);
  constructor(uri?: string | Partial<ManagerOptions>, opts: Partial<ManagerOptions> = {}) {
    super();
    if (typeof uri === "object") {
      opts = uri;
      uri = undefined;
    }
    this.uri = uri;
    this.opts = opts;
    opts.path ||= "/socket.io";
    this._clock = clockOf(opts);
    this._settings = {
      reconnection: opts.reconnection !== false,
      reconnectionAttempts: opts.reconnectionAttempts || Infinity,
      reconnectionDelay: opts.reconnectionDelay || 1000,
      reconnectionDelayMax: opts.reconnectionDelayMax || 5000,
      randomizationFactor: opts.randomizationFactor ?? 0.5,
      timeout: opts.timeout ?? 20_000,
    };
    const parser = (opts.parser || Manager._parser) as Parser;
    this._encoder = new parser.Encoder();
    this._decoder = new parser.Decoder();
    this._autoConnect = opts.autoConnect !== false;
    if (this._autoConnect) this.open();
  }

  /** @internal The parser of who asks for none. Set by each entry point, so that a build has but the one it needs. */
  static _parser: Parser;

  /** Sets whether to connect again when the connection is lost, or says it. */
  reconnection(v: boolean): this;
  reconnection(): boolean;
  reconnection(v?: boolean): this | boolean {
    return this._setting("reconnection", v);
  }

  /** Sets how often to try, or says it. */
  reconnectionAttempts(v: number): this;
  reconnectionAttempts(): number;
  reconnectionAttempts(v?: number): this | number {
    return this._setting("reconnectionAttempts", v);
  }

  /** Sets the delay before the first attempt, or says it. */
  reconnectionDelay(v: number): this;
  reconnectionDelay(): number;
  reconnectionDelay(v?: number): this | number {
    return this._setting("reconnectionDelay", v);
  }

  /** Sets the upper bound of the delay, before jitter, or says it. */
  reconnectionDelayMax(v: number): this;
  reconnectionDelayMax(): number;
  reconnectionDelayMax(v?: number): this | number {
    return this._setting("reconnectionDelayMax", v);
  }

  /** Sets the jitter, or says it. */
  randomizationFactor(v: number): this;
  randomizationFactor(): number;
  randomizationFactor(v?: number): this | number {
    return this._setting("randomizationFactor", v);
  }

  /** Sets how long one attempt may take; false means for ever, or says it. */
  timeout(v: number | false): this;
  timeout(): number | false;
  timeout(v?: number | false): this | number | false {
    return this._setting("timeout", v);
  }

  private _setting<Name extends keyof Settings>(name: Name, v?: Settings[Name]): this | Settings[Name] {
    if (v === undefined) return this._settings[name];
    this._settings[name] = v;
    return this;
  }

  /** @internal */
  get _readyState(): "opening" | "open" | "closed" {
    const { name } = this._state;
    return name === "waiting" ? "closed" : name;
  }

  /** @internal Whether the connection was lost, or could not be made, and will be tried again. */
  get _reconnecting(): boolean {
    return this._attempts > 0;
  }

  /** Connects, unless that is done or under way. With fn, a failure is told to it, and not tried again. */
  open(fn?: (err?: Error) => void): this {
    if (this._readyState === "closed") {
      this._skipReconnect = false;
      if (this._state.name === "waiting" && !fn) this._retry();
      else this._open(fn);
    }
    return this;
  }

  /** The same as open. */
  connect(fn?: (err?: Error) => void): this {
    return this.open(fn);
  }

  private _open(fn?: (err?: Error) => void): void {
    let stopTimer = () => {};
    const failed = (error: Error) => {
      this._to({ name: "closed" });
      this._fire("error", error);
      if (fn) fn(error);
      else this._reconnect();
    };
    const engine = (this.engine = new Engine(this.uri, this.opts));
    const open = () => {
      this._opened();
      fn?.();
    };
    const stopListening = listen(engine, { open, error: failed, close: (reason) => failed(Error(reason)) });
    this._to({ name: "opening", stop: () => {
      stopTimer();
      stopListening();
    } });
    const { timeout } = this._settings;
    if (timeout !== false) {
      stopTimer = this._clock(() => {
        failed(Error("timeout"));
        engine.close();
      }, timeout);
    }
  }

  private _opened(): void {
    const { engine, _decoder } = this;
    // Listeners of packets are the user's: what they throw is no fault of the packet.
    const decoded = (packet: Packet) => {
      const { type, nsp } = packet;
      // The answer to a socket that has left meanwhile: the server must not keep what nobody wants.
      if (type === PacketType.CONNECT && !this.nsps[nsp]?.active) this._packet({ type: PacketType.DISCONNECT, nsp });
      guard(() => this._fire("packet", packet));
    };
    const stopListening = listen(engine, {
      ping: () => this._fire("ping"),
      data: (frame: unknown) => {
        try {
          _decoder.add(frame);
        } catch (error) {
          this._fire("error", error as Error);
          this._onClose("parse error", error as Error);
        }
      },
      error: (error) => this._fire("error", error),
      close: (...why) => this._onClose(...why),
    });
    this._to({ name: "open", stop: () => {
      stopListening();
      _decoder.off("decoded", decoded);
    } });
    _decoder.on("decoded", decoded);
    this._fire("open");
  }

  /** Changes the state, after what the old one holds has ended. */
  private _to(state: State): void {
    waiting.delete(this);
    (this._state as { stop?: () => void }).stop?.();
    this._decoder.destroy();
    this._state = state;
  }

  /** Returns the socket of a namespace. */
  socket(nsp: string, opts?: Partial<SocketOptions>): Socket<ListenEvents, EmitEvents> {
    let socket = this.nsps[nsp];
    if (!socket) socket = this.nsps[nsp] = new Socket(this, nsp, opts);
    else if (this._autoConnect && !socket.active) socket.connect();
    return socket as Socket<Anything, Anything>;
  }

  /** @internal A socket is done with the connection; without any other it ends. */
  _destroy(): void {
    if (!Object.values(this.nsps).some((socket) => socket.active)) this.disconnect();
  }

  /** @internal */
  _packet(packet: Packet): void {
    for (const frame of this._encoder.encode(packet)) this.engine.write(frame, packet.options);
  }

  /** Ends the connection with all its sockets, and does not make it again. */
  disconnect(): void {
    this._skipReconnect = true;
    this._attempts = 0; // also from a listener of an attempt, when there is nothing to close
    this._onClose("forced close");
  }

  private _onClose(reason: string, description?: CloseDetails | Error): void {
    if (this._state.name === "closed") return;
    this._to({ name: "closed" });
    this._attempts = 0;
    this.engine.close();
    this._fire("close", reason, description);
    this._reconnect();
  }

  /** @internal Makes the next attempt now. */
  _retry(): void {
    if (this._state.name === "waiting") this._state.attempt();
  }

  private _mayReconnect(): boolean {
    return this._state.name === "closed" && !this._skipReconnect && this._settings.reconnection;
  }

  /** Waits for the next attempt, if there is to be one. */
  private _reconnect(): void {
    const settings = this._settings;
    if (!this._mayReconnect()) return;
    if (this._attempts >= settings.reconnectionAttempts) {
      this._attempts = 0;
      this._fire("reconnect_failed");
      return;
    }
    // The jitter comes after the bound. Before it, all clients of a server that is away for long would come at once.
    const delay = Math.min(settings.reconnectionDelayMax, settings.reconnectionDelay * 2 ** this._attempts++);
    const attempt = () => {
      this._to({ name: "closed" });
      if (!this._mayReconnect()) return; // it was turned off meanwhile
      this._fire("reconnect_attempt", this._attempts);
      if (!this._mayReconnect()) return; // a listener knew better
      this._open((error) => {
        if (error) {
          this._reconnect();
          this._fire("reconnect_error", error);
          return;
        }
        const attempts = this._attempts;
        if (this._state.name !== "open") return; // a listener closed it
        this._attempts = 0;
        this._fire("reconnect", attempts);
      });
    };
    const stop = this._clock(attempt, delay * (1 + settings.randomizationFactor * (2 * Math.random() - 1)));
    this._to({ name: "waiting", stop, attempt });
    waiting.add(this);
  }
}
