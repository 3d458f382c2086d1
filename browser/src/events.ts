// The types of events, as users of the family write them:
//
//   interface ServerToClient { greeted: (name: string) => void }
//   interface ClientToServer { hello: (who: Who, answer: (text: string) => void) => void }
//   const socket: Socket<ServerToClient, ClientToServer> = io();
//
// This file is the only one with `any`. It cannot do without: an interface fits an index signature only if that is of
// `any`, and a map that says nothing must let listeners name the parameters that they expect.

/** The listeners by the name of their event. Interfaces fit it, too. */
export interface EventsMap {
  [event: string]: any;
}

/** The map of a socket about whose events nothing was said: every name, every argument. */
export interface DefaultEventsMap {
  [event: string]: (...args: any[]) => void;
}

/** What came with a refusal, or with the events that no map describes. */
export type Anything = any;

/** A listener that is told of every event, or a socket of whatever events. */
export type AnyListener = (...args: any[]) => void;

/** The names of the events of a map. */
export type EventNames<Map extends EventsMap> = keyof Map & (string | symbol);

/** The arguments of an event. */
export type EventParams<Map extends EventsMap, Ev extends EventNames<Map>> = Parameters<Map[Ev]>;

/** The listener of an event that is the library's own (Reserved) or the user's (Listen). */
export type ReservedOrUserListener<Reserved extends EventsMap, Listen extends EventsMap, Ev> =
  Ev extends EventNames<Reserved> ? Reserved[Ev]
  : Ev extends EventNames<Listen> ? Listen[Ev] extends AnyListener ? Listen[Ev] : AnyListener
  : never;

/** The parameters with an error in front of those of each acknowledgement, as after timeout(). */
type PrependTimeoutError<T extends any[]> = {
  [K in keyof T]: T[K] extends (...args: infer Params) => infer Result ? (err: Error, ...args: Params) => Result : T[K];
};

/** The map whose acknowledgements take an error first: what timeout() makes of it. */
export type DecorateAcknowledgements<Map> = {
  [K in keyof Map]: Map[K] extends (...args: infer Params) => infer Result ? (...args: PrependTimeoutError<Params>) => Result : Map[K];
};

/** The last of a list of parameters: the acknowledgement. */
export type Last<T extends any[]> = T extends [...infer _, infer L] ? L : any;

/** All but the last of a list of parameters. */
export type AllButLast<T extends any[]> = T extends [...infer H, infer _] ? H : any[];

/** The first parameter of a function: what an acknowledgement answers. */
export type FirstArg<T> = T extends (arg: infer Param) => infer _ ? Param : any;
