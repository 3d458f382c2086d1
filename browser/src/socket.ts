import { guard } from "./clock.js";
import { Emitter, listen } from "./emitter.js";
import type {
  AllButLast, AnyListener, Anything, DecorateAcknowledgements, DefaultEventsMap, EventNames, EventParams, EventsMap, FirstArg, Last,
} from "./events.js";
import type { CloseDetails } from "./engine/transport.js";
import type { Manager } from "./manager.js";
import { PacketType, reserved, type Packet } from "./parser.js";

/** Options of {@link Socket}. Durations are milliseconds. */
export interface SocketOptions {
  /** Goes to the server with each connection: an object, or a function that is asked for it each time. */
  auth?: { [key: string]: Anything } | ((cb: (data: object) => void) => void);
  /**
   * How often to send an event again that was not acknowledged. With it, events go one at a time, in order, each after
   * the acknowledgement of the one before; the server may see one twice. @default events are sent once, at once
   */
  retries?: number;
  /** How long to wait for each acknowledgement. @default no limit */
  ackTimeout?: number;
}

/** More about why a connection ended. */
export type DisconnectDescription = Error | CloseDetails;

export interface ExtendedError extends Error {
  /** What the middleware of the server added to its refusal. */
  data?: Anything;
}

export interface SocketReservedEvents {
  connect: () => void;
  connect_error: (err: ExtendedError) => void;
  disconnect: (reason: Socket.DisconnectReason, description?: DisconnectDescription) => void;
}

/** How the next event is to be sent. */
interface Flags {
  volatile?: boolean;
  timeout?: number;
  compress?: boolean;
  /** It is the attempt of a queued event. */
  queued?: boolean;
}

type Args = [event: string, ...args: unknown[]];

/** Who waits for an acknowledgement. */
interface Ack {
  call: (...args: unknown[]) => void;
  /** It takes an error first. */
  withError: boolean;
  stopTimer?: () => void;
}

/** An event that is sent until it is acknowledged. */
interface Queued {
  args: Args;
  flags: Flags;
  ack: ((...args: unknown[]) => void) | undefined;
  tries: number;
  /** The attempt that is under way; an answer to an earlier one does not count. */
  attempt: object | undefined;
}

/**
 * The life of a socket:
 *
 *     idle ──► joining ──► connected
 *      ▲          │  ▲         │
 *      └──────────┘  └─────────┤     the connection is lost: it joins again
 *      └───────────────────────┘     it was told to leave, or told so
 */
type State =
  | { name: "idle" }
  | { name: "joining"; leave: () => void }
  | { name: "connected"; leave: () => void; id: string };

/** One namespace of a server. */
export class Socket<ListenEvents extends EventsMap = DefaultEventsMap, EmitEvents extends EventsMap = ListenEvents>
  extends Emitter<ListenEvents, EmitEvents, SocketReservedEvents> {
  readonly io: Manager<ListenEvents, EmitEvents>;
  /** Whether the server knew the last session still: id, rooms and data are as before, and missed events have come. */
  recovered = false;
  /** See {@link SocketOptions.auth}; may be changed. */
  auth: SocketOptions["auth"];
  /** The events that came before the server's answer to the connection. */
  receiveBuffer: ReadonlyArray<Anything>[] = [];
  /** The events that wait for a connection. */
  sendBuffer: Packet[] = [];

  private _state: State = { name: "idle" };
  private _pid: string | undefined;
  private _lastOffset: string | undefined;
  private _ids = 0;
  private _acks = new Map<number, Ack>();
  private _flags: Flags = {};
  private _queue: Queued[] = [];
  private _any: AnyListener[] = [];
  private _anyOutgoing: AnyListener[] = [];

  /** Made by {@link Manager.socket}. */
  constructor(io: Manager<Anything, Anything>, private readonly nsp: string, private readonly _opts: Partial<SocketOptions> = {}) {
    super();
    this.io = io;
    this.auth = _opts.auth;
    if (io._autoConnect) this.connect();
  }

  /** The id on the server; none while not connected. It changes with each session. */
  get id(): string | undefined {
    return this._state.name === "connected" ? this._state.id : undefined;
  }

  get connected(): boolean {
    return this._state.name === "connected";
  }

  get disconnected(): boolean {
    return !this.connected;
  }

  /** Whether it is connected, or will be when there is a connection. */
  get active(): boolean {
    return this._state.name !== "idle";
  }

  /** Connects. */
  connect(): this {
    const { io } = this;
    if (this.connected) return this;
    if (!this.active) {
      const leave = listen(io, {
        open: () => this._onOpen(),
        packet: (packet) => this._onPacket(packet),
        error: (error) => this.connected || this._fire("connect_error", error),
        close: (reason, description) => this._onClose(reason as Socket.DisconnectReason, description),
      });
      this._state = { name: "joining", leave };
      if (io._readyState === "open") this._onOpen();
    }
    if (!io._reconnecting) io.open();
    return this;
  }

  /** The same as connect. */
  open(): this {
    return this.connect();
  }

  /** Sends the event "message". */
  send(...args: Anything[]): this {
    return this.emit("message" as EventNames<EmitEvents>, ...(args as EventParams<EmitEvents, EventNames<EmitEvents>>));
  }

  /** Sends an event. A function as the last argument is called with the acknowledgement. */
  override emit<Ev extends EventNames<EmitEvents>>(ev: Ev, ...args: EventParams<EmitEvents, Ev>): this {
    const flags = this._flags;
    this._flags = {}; // also if it is refused
    if (reserved.includes(ev as string)) throw Error(`"${ev as string}" is a reserved event name`);
    this._emit([ev as string, ...args], flags);
    return this;
  }

  private _emit(args: Args, flags: Flags): void {
    const last = args[args.length - 1];
    const ack = typeof last === "function" ? (last as Queued["ack"]) : undefined;
    if (ack) args.pop();
    if (this._opts.retries && !flags.queued && !flags.volatile) {
      this._queue.push({ args, flags: { ...flags, queued: true }, ack, tries: 0, attempt: undefined });
      this._drainQueue();
      return;
    }
    const packet: Packet = { type: PacketType.EVENT, nsp: this.nsp, data: args, options: { compress: flags.compress !== false } };
    if (ack) this._await((packet.id = this._ids++), ack, flags);
    const { engine } = this.io;
    if (this.connected && !engine._hasPingExpired()) {
      if (!flags.volatile || engine.transport.writable) this._sendEvent(packet);
    } else if (!flags.volatile) this.sendBuffer.push(packet);
  }

  private _sendEvent(packet: Packet): void {
    for (const listener of [...this._anyOutgoing]) listener.apply(this, packet.data as unknown[]);
    this.io._packet(packet);
  }

  private _await(id: number, call: Ack["call"], flags: Flags): void {
    const timeout = flags.timeout ?? this._opts.ackTimeout;
    const ack: Ack = { call: (...args) => call.apply(this, args), withError: timeout !== undefined || !!(call as { withError?: boolean }).withError };
    if (timeout !== undefined) {
      ack.stopTimer = this.io._clock(() => {
        this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
        this._answer(id, Error("operation has timed out"));
      }, timeout);
    }
    this._acks.set(id, ack);
  }

  /** Tells who waits for an acknowledgement that it came, or that it will not. */
  private _answer(id: number, error: Error | null, args: unknown[] = []): void {
    const ack = this._acks.get(id);
    if (!ack) return;
    this._acks.delete(id);
    ack.stopTimer?.();
    if (ack.withError) ack.call(error, ...args);
    else if (!error) ack.call(...args);
  }

  /** Sends an event and resolves with the first argument of the acknowledgement; with timeout(), it may reject. */
  emitWithAck<Ev extends EventNames<EmitEvents>>(
    ev: Ev, ...args: AllButLast<EventParams<EmitEvents, Ev>>
  ): Promise<FirstArg<Last<EventParams<EmitEvents, Ev>>>> {
    return new Promise((resolve, reject) => {
      const ack = (error: unknown, answer: FirstArg<Last<EventParams<EmitEvents, Ev>>>) => (error ? reject(error) : resolve(answer));
      ack.withError = true;
      this.emit(ev, ...([...args, ack] as EventParams<EmitEvents, Ev>));
    });
  }

  /** Sends the first event of the queue, unless it is under way. */
  private _drainQueue(): void {
    const [first] = this._queue;
    if (!this.connected || !first || first.attempt) return;
    const attempt = (first.attempt = {});
    first.tries++;
    const ack = (error: unknown, ...args: unknown[]) => {
      if (first.attempt !== attempt) return;
      first.attempt = undefined;
      if (!error || first.tries > this._opts.retries!) {
        this._queue.shift();
        if (first.ack) guard(() => first.ack!(error, ...args)); // the queue goes on
      }
      this._drainQueue();
    };
    ack.withError = true;
    this._emit([...first.args, ack], first.flags);
  }

  private _onOpen(): void {
    const { auth } = this;
    const { engine } = this.io;
    const send = (data?: object) => {
      // The answer may take its time; it is for the connection for which it was asked.
      if (this._state.name !== "joining" || engine !== this.io.engine || this.io._readyState !== "open") return;
      this._packet(PacketType.CONNECT, this._pid ? { pid: this._pid, offset: this._lastOffset, ...data } : data);
    };
    if (typeof auth === "function") auth(send);
    else send(auth);
  }

  private _packet(type: number, data?: unknown, id?: number): void {
    this.io._packet({ type, nsp: this.nsp, data, ...(id !== undefined && { id }) });
  }

  private _onClose(reason: Socket.DisconnectReason, description?: DisconnectDescription): void {
    const state = this._state;
    if (state.name === "connected") this._state = { name: "joining", leave: state.leave };
    // What came before the answer to the connection comes again, if the session is recovered.
    this.receiveBuffer = [];
    this._fire("disconnect", reason, description);
    for (const id of [...this._acks.keys()]) {
      if (!this.sendBuffer.some((packet) => packet.id === id)) this._answer(id, Error("socket has been disconnected"));
    }
  }

  private _onPacket({ type, nsp, data, id }: Packet): void {
    if (nsp !== this.nsp) return;
    switch (type) {
      case PacketType.CONNECT:
        this._onConnect((data ?? {}) as { sid?: string; pid?: string });
        break;
      case PacketType.EVENT:
      case PacketType.BINARY_EVENT:
        this._onEvent(data as unknown[], id);
        break;
      case PacketType.ACK:
      case PacketType.BINARY_ACK:
        this._answer(id!, null, data as unknown[]);
        break;
      case PacketType.DISCONNECT:
        this._leave();
        this._onClose("io server disconnect");
        break;
      case PacketType.CONNECT_ERROR: {
        this._leave();
        const { message, data: more } = (typeof data === "object" ? data ?? {} : { message: data }) as { message?: string; data?: unknown };
        this._fire("connect_error", Object.assign(Error(message), { data: more }));
      }
    }
  }

  private _onConnect({ sid, pid }: { sid?: string; pid?: string }): void {
    const state = this._state;
    if (state.name !== "joining") return;
    if (typeof sid !== "string") {
      this._fire("connect_error", Error("no sid: is this a server of generation 2.x?"));
      return;
    }
    this._state = { name: "connected", leave: state.leave, id: sid };
    this.recovered = !!pid && this._pid === pid;
    if (!this.recovered) this._lastOffset = undefined;
    this._pid = pid;
    const { receiveBuffer, sendBuffer } = this;
    this.receiveBuffer = [];
    this.sendBuffer = [];
    // One bad event must not keep the others from their way.
    for (const args of receiveBuffer) guard(() => this._dispatch(args));
    for (const packet of sendBuffer) guard(() => this._sendEvent(packet));
    if (this._queue[0]) this._queue[0].attempt = undefined;
    this._drainQueue();
    this._fire("connect");
  }

  private _onEvent(data: unknown[] = [], id?: number): void {
    const args = [...data];
    if (id != null) {
      let sent = false;
      args.push((...answer: unknown[]) => {
        if (sent) return;
        sent = true;
        this._packet(PacketType.ACK, answer, id);
      });
    }
    if (this.connected) this._dispatch(args);
    else this.receiveBuffer.push(args);
  }

  private _dispatch(args: ReadonlyArray<unknown>): void {
    // The server ends each event with its offset, if it keeps them. It counts once the event is here, whatever becomes
    // of it: it must not come twice.
    const last = args[args.length - 1];
    if (this._pid && typeof last === "string") this._lastOffset = last;
    for (const listener of [...this._any]) listener.apply(this, args as unknown[]);
    super.emit(args[0] as EventNames<EmitEvents>, ...(args.slice(1) as EventParams<EmitEvents, EventNames<EmitEvents>>));
  }

  /** Leaves the manager: the socket does not come back by itself. */
  private _leave(): void {
    const state = this._state;
    if (state.name === "idle") return;
    state.leave();
    this._state = { name: "idle" };
    this.io._destroy();
  }

  /** Disconnects for good. The last socket takes the connection with it. */
  disconnect(): this {
    const { connected } = this;
    if (connected) this._packet(PacketType.DISCONNECT);
    this._leave();
    if (connected) this._onClose("io client disconnect");
    return this;
  }

  /** The same as disconnect. */
  close(): this {
    return this.disconnect();
  }

  /** Says whether the next event may be compressed. */
  compress(compress: boolean): this {
    this._flags.compress = compress;
    return this;
  }

  /** Makes the next event one that is dropped if it cannot be sent now. */
  get volatile(): this {
    this._flags.volatile = true;
    return this;
  }

  /** Makes the acknowledgement of the next event take an error first, which comes after so many milliseconds. */
  timeout(timeout: number): Socket<ListenEvents, DecorateAcknowledgements<EmitEvents>> {
    this._flags.timeout = timeout;
    return this as Socket<Anything, Anything>;
  }

  /** Adds a listener of every event that arrives. */
  onAny(listener: AnyListener): this {
    this._any.push(listener);
    return this;
  }

  /** Adds a listener of every event that arrives, before the others. */
  prependAny(listener: AnyListener): this {
    this._any.unshift(listener);
    return this;
  }

  /** Removes a listener of every event that arrives, or all of them. */
  offAny(listener?: AnyListener): this {
    remove(this._any, listener);
    return this;
  }

  /** The listeners of every event that arrives; the list may be changed. */
  listenersAny(): AnyListener[] {
    return this._any;
  }

  /** Adds a listener of every event that is sent; acknowledgements are none. */
  onAnyOutgoing(listener: AnyListener): this {
    this._anyOutgoing.push(listener);
    return this;
  }

  /** Adds a listener of every event that is sent, before the others. */
  prependAnyOutgoing(listener: AnyListener): this {
    this._anyOutgoing.unshift(listener);
    return this;
  }

  /** Removes a listener of every event that is sent, or all of them. */
  offAnyOutgoing(listener?: AnyListener): this {
    remove(this._anyOutgoing, listener);
    return this;
  }

  /** The listeners of every event that is sent; the list may be changed. */
  listenersAnyOutgoing(): AnyListener[] {
    return this._anyOutgoing;
  }
}

/** Removes one listener, or all. */
function remove(list: AnyListener[], listener?: AnyListener): void {
  const i = listener ? list.indexOf(listener) : 0;
  if (i >= 0) list.splice(i, listener ? 1 : list.length);
}

export declare namespace Socket {
  type DisconnectReason =
    | "io server disconnect"
    | "io client disconnect"
    | "ping timeout"
    | "transport close"
    | "transport error"
    | "parse error";
}
