/** The parts of an address. */
export interface Address {
  secure: boolean;
  /** Without the brackets of an IPv6 address. */
  hostname: string;
  port: number;
  /** The path, which is a namespace; "/" if there is none. */
  path: string;
  query: string;
}

/**
 * Takes an address apart. What it leaves out comes from the page: "/admin" has the host of the page, "//example.com"
 * and "example.com" have its scheme, which outside of pages is https. The path stays as it is written, since it is the
 * name of a namespace.
 */
export function parseUrl(uri: string, page = globalThis.location as Location | undefined): Address {
  if (/^\/(?!\/)/.test(uri)) uri = `//${page?.host ?? "localhost"}${uri}`;
  const [, protocol, , ipv6, name, port, path, query] =
    /^(?:(?:(https?|wss?):)?\/\/)?([^@/?#]*@)?(?:\[([^\]]*)]|([^:/?#]*))(?::(\d+))?([^?#]*)(?:\?([^#]*))?/i.exec(uri)!;
  const secure = /^(http|ws)s/i.test(protocol ?? page?.protocol ?? "https");
  return {
    secure,
    hostname: (ipv6 ?? name)!,
    port: Number(port) || (secure ? 443 : 80),
    path: path || "/",
    query: query ?? "",
  };
}
