import type { EventNames, EventParams, EventsMap, ReservedOrUserListener } from "./events.js";

/** A listener of any event: all that can be said of it is that it can be called. */
type Listener = (...args: never[]) => unknown;

/** A once-listener leaves by the function that was given, so it remembers it. */
interface Once extends Listener {
  _of?: unknown;
}

/**
 * Listeners by the name of an event. They are called in the order in which they came; those that come or go meanwhile
 * do not change the current round. One that throws ends the round, as with every emitter of the family.
 */
export class Emitter<Listen extends EventsMap, Emit extends EventsMap, Reserved extends EventsMap = {}> {
  /** @internal */
  _lists = new Map<PropertyKey, Once[]>();

  /** Adds a listener. */
  on<Ev extends EventNames<Reserved> | EventNames<Listen>>(event: Ev, listener: ReservedOrUserListener<Reserved, Listen, Ev>): this {
    this._lists.set(event, [...this.listeners(event), listener]);
    return this;
  }

  /** Adds a listener that leaves before its first call. */
  once<Ev extends EventNames<Reserved> | EventNames<Listen>>(event: Ev, listener: ReservedOrUserListener<Reserved, Listen, Ev>): this {
    const once = (...args: never[]) => {
      this.off(event, once as typeof listener);
      (listener as Listener).apply(this, args);
    };
    once._of = listener;
    return this.on(event, once as typeof listener);
  }

  /** Removes a listener (the first such), all listeners of an event, or all of them. */
  off<Ev extends EventNames<Reserved> | EventNames<Listen>>(event?: Ev, listener?: ReservedOrUserListener<Reserved, Listen, Ev>): this {
    // The arguments are counted: who removes a listener that is undefined does not mean all of them.
    if (!arguments.length) this._lists.clear();
    else if (arguments.length < 2) this._lists.delete(event!);
    else if (listener) {
      const list: Once[] = this.listeners(event!);
      const i = list.findIndex((one) => one === listener || one._of === listener);
      if (i >= 0) list.splice(i, 1);
      this._lists.set(event!, list);
    }
    return this;
  }

  /** Calls the listeners of an event. */
  emit<Ev extends EventNames<Emit>>(event: Ev, ...args: EventParams<Emit, Ev>): this {
    return this._fire(event as never, ...(args as never));
  }

  /** @internal Calls the listeners of an event, also where a subclass gives emit another meaning. */
  _fire<Ev extends EventNames<Reserved>>(event: Ev, ...args: EventParams<Reserved, Ev>): this {
    for (const listener of this.listeners(event as never)) (listener as Listener).apply(this, args as unknown as never[]);
    return this;
  }

  /** The listeners of an event, in a list that may be kept. */
  listeners<Ev extends EventNames<Reserved> | EventNames<Listen>>(event: Ev): ReservedOrUserListener<Reserved, Listen, Ev>[] {
    return [...((this._lists.get(event) ?? []) as ReservedOrUserListener<Reserved, Listen, Ev>[])];
  }

  /** Reports whether an event has listeners. */
  hasListeners<Ev extends EventNames<Reserved> | EventNames<Listen>>(event: Ev): boolean {
    return this.listeners(event).length > 0;
  }
}

/** Adds listeners by the names of their events. Returns what removes them again. */
export function listen<Reserved extends EventsMap>(to: Emitter<{}, {}, Reserved>, listeners: Partial<Reserved>): () => void {
  const each = (method: "on" | "off") => {
    for (const event in listeners) to[method](event as never, listeners[event] as never);
  };
  each("on");
  return () => each("off");
}

/** The other names by which the methods of the family's emitters are known. */
export interface Emitter<Listen extends EventsMap, Emit extends EventsMap, Reserved extends EventsMap = {}> {
  /** The same as on. */
  addEventListener: Emitter<Listen, Emit, Reserved>["on"];
  /** The same as off. */
  removeListener: Emitter<Listen, Emit, Reserved>["off"];
  /** The same as off. */
  removeEventListener: Emitter<Listen, Emit, Reserved>["off"];
  /** The same as off. */
  removeAllListeners: Emitter<Listen, Emit, Reserved>["off"];
}

const proto = Emitter.prototype;
proto.addEventListener = proto.on;
proto.removeListener = proto.removeEventListener = proto.removeAllListeners = proto.off;
