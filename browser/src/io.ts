import { Manager, type ManagerOptions } from "./manager.js";
import { Socket, type SocketOptions } from "./socket.js";
import { parseUrl } from "./url.js";

/** The managers that sockets share, by the address and path of their server. */
const cache = new Map<string, Manager>();

type Options = Partial<ManagerOptions & SocketOptions>;

/**
 * Returns a socket for the namespace that is the path of an address, over a connection that is shared with the sockets
 * for other namespaces of the same server.
 */
function lookup(opts?: Options): Socket;
function lookup(uri?: string, opts?: Options): Socket;
function lookup(uri?: string | Options, options?: Options): Socket {
  if (typeof uri === "object") {
    options = uri;
    uri = undefined;
  }
  const opts: Options & { "force new connection"?: boolean } = { ...options };
  uri ??= (globalThis.location as Location | undefined)?.origin;
  const to = parseUrl(uri ?? "");
  const key = `${to.secure}/${to.hostname}:${to.port}${opts.path || "/socket.io"}`;
  if (to.query && !opts.query) opts.query = Object.fromEntries(new URLSearchParams(to.query));
  const alone = opts.forceNew || opts["force new connection"] || opts.multiplex === false;
  let manager = alone ? undefined : cache.get(key);
  if (!manager || to.path in manager.nsps) {
    const first = !alone && !manager;
    manager = new Manager(uri, opts);
    if (first) cache.set(key, manager);
  }
  return manager.socket(to.path, opts);
}

// So that io(…), io.connect(…) and new io.Manager(…) all do.
export const io = Object.assign(lookup, { Manager, Socket, io: lookup, connect: lookup });
