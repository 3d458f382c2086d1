// Gives Node the events of a page. To be imported before the client, which looks for them when it is loaded.

if (typeof addEventListener === "undefined") {
  const target = new EventTarget();
  for (const method of ["addEventListener", "removeEventListener", "dispatchEvent"] as const) {
    Object.assign(globalThis, { [method]: target[method].bind(target) });
  }
}

/** Lets an event of the page happen, with properties of its own. */
export const happen = (type: string, properties: object = {}): void =>
  void dispatchEvent(Object.assign(new Event(type), properties));
