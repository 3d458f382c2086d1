/*! sio | MIT */
"use strict";
(() => {
  // src/clock.ts
  var native = { setTimeout, clearTimeout };
  function clockOf({ useNativeTimers, autoUnref }) {
    const { setTimeout: setTimeout2, clearTimeout: clearTimeout2 } = useNativeTimers ? native : globalThis;
    return (callback, ms) => {
      const timer = setTimeout2(callback, ms);
      if (autoUnref) timer.unref?.();
      return () => clearTimeout2(timer);
    };
  }
  var soon = queueMicrotask;
  function guard(callback) {
    try {
      callback();
    } catch (error) {
      soon(() => {
        throw error;
      });
    }
  }

  // src/emitter.ts
  var Emitter = class {
    constructor() {
      /** @internal */
      this._lists = /* @__PURE__ */ new Map();
    }
    /** Adds a listener. */
    on(event, listener) {
      this._lists.set(event, [...this.listeners(event), listener]);
      return this;
    }
    /** Adds a listener that leaves before its first call. */
    once(event, listener) {
      const once = (...args) => {
        this.off(event, once);
        listener.apply(this, args);
      };
      once._of = listener;
      return this.on(event, once);
    }
    /** Removes a listener (the first such), all listeners of an event, or all of them. */
    off(event, listener) {
      if (!arguments.length) this._lists.clear();
      else if (arguments.length < 2) this._lists.delete(event);
      else if (listener) {
        const list = this.listeners(event);
        const i = list.findIndex((one) => one === listener || one._of === listener);
        if (i >= 0) list.splice(i, 1);
        this._lists.set(event, list);
      }
      return this;
    }
    /** Calls the listeners of an event. */
    emit(event, ...args) {
      return this._fire(event, ...args);
    }
    /** @internal Calls the listeners of an event, also where a subclass gives emit another meaning. */
    _fire(event, ...args) {
      for (const listener of this.listeners(event)) listener.apply(this, args);
      return this;
    }
    /** The listeners of an event, in a list that may be kept. */
    listeners(event) {
      return [...this._lists.get(event) ?? []];
    }
    /** Reports whether an event has listeners. */
    hasListeners(event) {
      return this.listeners(event).length > 0;
    }
  };
  function listen(to, listeners) {
    const each = (method) => {
      for (const event in listeners) to[method](event, listeners[event]);
    };
    each("on");
    return () => each("off");
  }
  var proto = Emitter.prototype;
  proto.addEventListener = proto.on;
  proto.removeListener = proto.removeEventListener = proto.removeAllListeners = proto.off;

  // src/binary.ts
  var name = Object.prototype.toString;
  var isBinary = (value) => ArrayBuffer.isView(value) || typeof value === "object" && /(ArrayBuffer|Blob|File)]$/.test(name.call(value));
  var bytesOf = (data) => ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  function toBase64(bytes) {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }
  function fromBase64(base64) {
    const text = base64.replace(/(?!^)[\r\n]/g, "");
    if (text.length % 4 || !/^[a-z\d+/]*={0,2}$/i.test(text)) return void 0;
    try {
      const raw = atob(text);
      const bytes = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
      return bytes;
    } catch {
      return void 0;
    }
  }

  // src/platform.ts
  var platform = {
    /** The form of received bytes unless an engine says otherwise. */
    binaryType: "arraybuffer",
    /** Turns bytes that arrived as base64 into what listeners get. */
    bytes: (bytes, type) => type === "blob" ? new Blob([bytes]) : bytes.buffer
  };

  // src/url.ts
  function parseUrl(uri, page = globalThis.location) {
    if (/^\/(?!\/)/.test(uri)) uri = `//${page?.host ?? "localhost"}${uri}`;
    const [, protocol2, , ipv6, name2, port, path, query] = /^(?:(?:(https?|wss?):)?\/\/)?([^@/?#]*@)?(?:\[([^\]]*)]|([^:/?#]*))(?::(\d+))?([^?#]*)(?:\?([^#]*))?/i.exec(uri);
    const secure = /^(http|ws)s/i.test(protocol2 ?? page?.protocol ?? "https");
    return {
      secure,
      hostname: ipv6 ?? name2,
      port: Number(port) || (secure ? 443 : 80),
      path: path || "/",
      query: query ?? ""
    };
  }

  // src/engine/packet.ts
  var types = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
  var separator = "";
  function encode({ type, data }, binary) {
    if (!isBinary(data)) return types.indexOf(type) + (data === void 0 ? "" : `${data}`);
    if (binary) return data;
    const base64 = (bytes) => `b${toBase64(bytesOf(bytes))}`;
    return "arrayBuffer" in data ? data.arrayBuffer().then(base64) : base64(data);
  }
  function encodePackets(packets, binary, done, failed) {
    const frames = packets.map((packet) => encode(packet, binary));
    if (frames.some((frame) => frame instanceof Promise)) Promise.all(frames).then(done, failed);
    else done(frames);
  }
  var joinPayload = (frames) => frames.join(separator);
  function decodePacket(frame, binaryType) {
    if (typeof frame !== "string") return { type: "message", data: frame };
    const data = frame.slice(1);
    if (frame[0] === "b") {
      const bytes = fromBase64(data);
      return bytes ? { type: "message", data: platform.bytes(bytes, binaryType) } : broken;
    }
    const type = types[frame.charCodeAt(0) - 48];
    return type ? { type, data } : broken;
  }
  var broken = { type: "error", data: "parser error" };
  function decodePayload(body, binaryType) {
    const packets = [];
    for (const frame of body.split(separator)) {
      const packet = decodePacket(frame, binaryType);
      packets.push(packet);
      if (packet.type === "error") break;
    }
    return packets;
  }

  // src/engine/transport.ts
  var Transport = class extends Emitter {
    constructor(opts) {
      super();
      this.opts = opts;
      /** Whether send may be called now; "drain" says when it may be again. */
      this.writable = false;
      this.readyState = "opening";
      this.query = opts.query;
      this.socket = opts.socket;
      this._supportsBinary = !opts.forceBase64;
    }
    open() {
      try {
        this._doOpen();
      } catch (error) {
        soon(() => this._fire("error", error));
      }
      return this;
    }
    close() {
      if (this.readyState !== "closed") {
        this._doClose();
        this._onClose();
      }
      return this;
    }
    send(packets) {
      if (this.readyState === "open") this._write(packets);
    }
    /** Calls back when nothing is under way any more, and starts nothing new meanwhile. */
    pause(paused) {
      paused();
    }
    /** Undoes pause. */
    resume() {
    }
    _onOpen() {
      this.readyState = "open";
      this.writable = true;
      this._fire("open");
    }
    _onData(data) {
      this._onPacket(decodePacket(data, this.socket.binaryType));
    }
    _onPacket(packet) {
      this._fire("packet", packet);
    }
    _onError(reason, description, context) {
      this._fire("error", Object.assign(Error(reason), { type: "TransportError", description, context }));
    }
    _onClose(details) {
      this.readyState = "closed";
      this._fire("close", details);
    }
    /** All that was given to write has left. */
    _onDrain() {
      this.writable = true;
      this._fire("drain");
    }
    /** The address to connect to, with the query. */
    _createUri(scheme, timestamp) {
      const { hostname, port, secure, path, timestampParam } = this.opts;
      if (timestamp) this.query[timestampParam] = Math.random().toString(36).slice(2);
      if (!this._supportsBinary) this.query["b64"] = 1;
      return `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}${port && Number(port) !== (secure ? 443 : 80) ? `:${port}` : ""}${path}?${new URLSearchParams(this.query).toString()}`;
    }
  };

  // src/engine/polling.ts
  var Polling = class extends Transport {
    constructor() {
      super(...arguments);
      this._posting = false;
    }
    get name() {
      return "polling";
    }
    _doOpen() {
      this._poll();
    }
    _poll() {
      this._get = this._request(void 0, {
        ok: (text) => {
          this._get = void 0;
          this._receive(text);
        },
        failed: (...what) => this._onError(this._errors[0], ...what)
      });
      this._fire("poll");
    }
    _receive(text) {
      for (const packet of decodePayload(text, this.socket.binaryType)) {
        if (this.readyState === "opening" && packet.type === "open") this._onOpen();
        if (packet.type === "close") {
          this._onClose({ description: "transport closed by the server" });
          return;
        }
        guard(() => this._onPacket(packet));
      }
      if (this.readyState === "closed") return;
      this._fire("pollComplete");
      this._next();
    }
    /** Starts the next poll, or tells who wants a pause that nothing is under way. */
    _next() {
      if (this.readyState === "open") {
        if (!this._get) this._poll();
      } else if (this.readyState === "pausing" && !this._get && !this._posting) {
        this.readyState = "paused";
        this._paused();
      }
    }
    pause(paused) {
      this._paused = paused;
      this.readyState = "pausing";
      this._next();
    }
    resume() {
      if (this.readyState === "closed") return;
      this.readyState = "open";
      this._next();
    }
    _write(packets) {
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
            failed: (...what) => this._onError(this._errors[1], ...what)
          });
        },
        (error) => this._onError(this._errors[1], error)
      );
    }
    /** Says goodbye, if there is a session, and leaves no request behind. */
    _doClose() {
      const abort = () => this._get?.();
      if (this.readyState === "opening") abort();
      else this._request("1", { ok: abort, failed: abort });
    }
    _uri() {
      return this._createUri(this.opts.secure ? "https" : "http", this.opts.timestampRequests !== false);
    }
  };
  var XHR = class extends Polling {
    get _errors() {
      return ["xhr poll error", "xhr post error"];
    }
    _request(body, { ok, failed }) {
      const { withCredentials, requestTimeout, extraHeaders } = this.opts;
      const xhr = new XMLHttpRequest();
      xhr.open(body === void 0 ? "GET" : "POST", this._uri());
      for (const name2 in extraHeaders) xhr.setRequestHeader(name2, extraHeaders[name2]);
      xhr.withCredentials = !!withCredentials;
      xhr.timeout = requestTimeout ?? 0;
      xhr.onload = () => xhr.status === 200 ? ok(xhr.responseText) : failed(xhr.status, xhr);
      xhr.onerror = xhr.ontimeout = () => failed(xhr.status, xhr);
      xhr.send(body);
      return () => xhr.abort();
    }
  };
  var Fetch = class extends Polling {
    get _errors() {
      return ["fetch read error", "fetch write error"];
    }
    _request(body, { ok, failed }) {
      const controller = new AbortController();
      const { signal } = controller;
      const response = fetch(this._uri(), {
        method: body === void 0 ? "GET" : "POST",
        body,
        headers: this.opts.extraHeaders,
        credentials: this.opts.withCredentials ? "include" : "omit",
        signal
      }).then(async (res) => {
        const text = await res.text();
        if (!signal.aborted) res.ok ? ok(text) : failed(res.status, res);
      });
      response.catch((error) => signal.aborted || failed(error));
      return () => controller.abort();
    }
  };

  // src/engine/websocket.ts
  var WS = class extends Transport {
    get name() {
      return "websocket";
    }
    _createSocket(uri) {
      const { protocols } = this.opts;
      return protocols ? new WebSocket(uri, protocols) : new WebSocket(uri);
    }
    _doWrite(frame, _options) {
      this.ws.send(frame);
    }
    _doOpen() {
      const ws = this.ws = this._createSocket(this._uri());
      ws.binaryType = this.socket.binaryType;
      ws.onopen = () => this._onOpen();
      ws.onclose = (context) => this._onClose({ description: "websocket connection closed", context });
      ws.onmessage = ({ data }) => this._onData(data);
      ws.onerror = (event) => this._onError("websocket error", event);
    }
    _write(packets) {
      this.writable = false;
      encodePackets(
        packets,
        this._supportsBinary,
        (frames) => {
          try {
            frames.forEach((frame, i) => this._doWrite(frame, packets[i].options));
          } catch {
          }
          soon(() => this._onDrain());
        },
        (error) => this._onError("websocket error", error)
      );
    }
    _doClose() {
      this.ws?.close();
    }
    _uri() {
      return this._createUri(this.opts.secure ? "wss" : "ws", !!this.opts.timestampRequests);
    }
  };

  // src/engine/webtransport.ts
  function encodeHeader(binary, length) {
    const size = length < 126 ? 1 : length < 65536 ? 3 : 9;
    const view = new DataView(new ArrayBuffer(size));
    view.setUint8(0, (size < 3 ? length : size < 9 ? 126 : 127) + (binary ? 128 : 0));
    if (size === 3) view.setUint16(1, length);
    if (size === 9) view.setBigUint64(1, BigInt(length));
    return new Uint8Array(view.buffer);
  }
  function decodeHeader(bytes) {
    const head = bytes[0] & 127;
    const size = head < 126 ? 1 : head < 127 ? 3 : 9;
    if (bytes.length < size) return void 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = size < 2 ? head : size < 4 ? view.getUint16(1) : Number(view.getBigUint64(1));
    if (!length || length >= 2 ** 53) throw Error("length");
    return { binary: bytes[0] > 127, length, size };
  }
  var WT = class extends Transport {
    get name() {
      return "webtransport";
    }
    _doOpen() {
      const session = this._session = new WebTransport(
        this._createUri("https", false),
        this.opts.transportOptions[this.name]
      );
      const failed = (error) => this._onError("webtransport error", error);
      session.closed.then(() => this._onClose(), failed);
      session.ready.then(async () => {
        const { readable, writable } = await session.createBidirectionalStream();
        this._writer = writable.getWriter();
        this.readyState = "open";
        this._write([{ type: "open", data: this.query["sid"] && JSON.stringify({ sid: this.query["sid"] }) }], () => this._onOpen());
        await this._read(readable.getReader());
      }).catch(failed);
    }
    /** Cuts the stream into packets until it ends. */
    async _read(reader) {
      let buffer = new Uint8Array();
      for (; ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        const joined = new Uint8Array(buffer.length + value.length);
        joined.set(buffer);
        joined.set(value, buffer.length);
        buffer = joined;
        for (let header; header = decodeHeader(buffer); ) {
          const end = header.size + header.length;
          if (buffer.length < end) break;
          const data = buffer.slice(header.size, end);
          buffer = buffer.slice(end);
          this._onData(header.binary ? platform.bytes(data, this.socket.binaryType) : new TextDecoder().decode(data));
        }
      }
    }
    _write(packets, written = () => this._onDrain()) {
      this.writable = false;
      const failed = (error) => this._onError("webtransport error", error);
      encodePackets(packets, true, (frames) => this._send(frames).then(written, failed), failed);
    }
    async _send(frames) {
      for (const frame of frames) {
        const bytes = typeof frame === "string" ? new TextEncoder().encode(frame) : "arrayBuffer" in frame ? new Uint8Array(await frame.arrayBuffer()) : bytesOf(frame);
        await this._writer.write(encodeHeader(typeof frame !== "string", bytes.length));
        await this._writer.write(bytes);
      }
    }
    _doClose() {
      this._session?.close();
    }
  };

  // src/engine/engine.ts
  var forever = 2 ** 31 - 1;
  var defaults = {
    polling: typeof XMLHttpRequest === "function" ? XHR : Fetch,
    websocket: WS,
    webtransport: WT
  };
  var protocol = 4;
  var webSocketWorked = false;
  var live = /* @__PURE__ */ new Set();
  var listen2 = globalThis.addEventListener;
  if (listen2) {
    const each = (event, act) => (
      // A copy: a listener may connect anew, and that connection is not meant.
      listen2(event, (e) => [...live].forEach((engine) => act(engine, e)))
    );
    each("offline", (engine) => {
      if (engine.hostname !== "localhost") engine._onClose("transport close", { description: "network connection lost" });
    });
    each("pagehide", (engine, event) => {
      if (event.persisted) engine._onClose("transport close", { description: "page hidden" });
      else engine._leave();
    });
    each("visibilitychange", (engine) => engine._hasPingExpired());
  }
  var Engine = class extends Emitter {
    constructor(uri, options = {}) {
      super();
      this.binaryType = platform.binaryType;
      /** What waits to be sent. What is being sent stays at its front until it has left. */
      this.writeBuffer = [];
      this.readyState = "opening";
      this._sending = 0;
      this._stopTimer = () => {
      };
      this._deadline = Infinity;
      /** @internal Ends the connection without an event, as the page is going away. */
      this._leave = () => {
        this.transport?.off();
        this.transport?.close();
      };
      if (typeof uri === "object") {
        options = uri;
        uri = void 0;
      }
      const page = globalThis.location;
      const to = uri || options.host ? parseUrl(uri || options.host) : void 0;
      const secure = this.secure = uri ? to.secure : options.secure ?? page?.protocol === "https:";
      const hostname = to?.hostname || options.hostname;
      this.hostname = hostname || page?.hostname || "localhost";
      this.port = (uri ? to.port : options.port) || !hostname && page?.port || (secure ? 443 : 80);
      this.opts = {
        path: "/engine.io",
        upgrade: true,
        timestampParam: "t",
        addTrailingSlash: true,
        transportOptions: {},
        ...options
      };
      const opts = this.opts;
      opts.path = opts.path.replace(/\/$/, "") + (opts.addTrailingSlash ? "/" : "");
      const query = to?.query || opts.query;
      opts.query = typeof query === "string" ? Object.fromEntries(new URLSearchParams(query)) : query ?? {};
      const { transports } = opts;
      let classes = opts.transportImplementations;
      if (classes && transports) throw Error("both 'transportImplementations' and 'transports' are given");
      if (typeof transports?.[0] === "function") classes = transports;
      this._byName = classes ? Object.fromEntries(classes.map((one) => [one.prototype.name, one])) : defaults;
      this.transports = classes ? Object.keys(this._byName) : [...transports ?? Object.keys(defaults)];
      this._clock = clockOf(opts);
      live.add(this);
      if (opts.closeOnBeforeunload) listen2?.("beforeunload", this._leave);
      this._open();
    }
    /** Whether another transport is about to take over; nothing is sent meanwhile. */
    get upgrading() {
      return !!this._successor;
    }
    _create(name2) {
      const { opts, secure, hostname, port, id } = this;
      return new this._byName[name2]({
        ...opts,
        path: opts.path,
        query: { ...opts.query, EIO: protocol, transport: name2, ...id && { sid: id } },
        socket: this,
        secure,
        hostname,
        port,
        ...opts.transportOptions[name2]
      });
    }
    _open() {
      const { transports, opts } = this;
      if (!transports.length) {
        soon(() => this._onError(Error("No transports available")));
        return;
      }
      const remembered = opts.rememberUpgrade && webSocketWorked && transports.includes("websocket");
      this._setTransport(this._create(remembered ? "websocket" : transports[0]));
      this.transport.open();
    }
    _setTransport(transport) {
      this.transport?.off();
      this.transport = transport;
      transport.on("drain", () => this._onDrain()).on("packet", (packet) => this._onPacket(packet)).on("error", (error) => this._onError(error)).on("close", (details) => this._onClose("transport close", details));
    }
    /** Tries a transport while the connection goes on, and changes to it if the server answers there. */
    _probe(name2) {
      const transport = this._create(name2);
      webSocketWorked = false;
      const stop = () => {
        transport.off();
        this.off("close", closed).off("upgrading", other);
      };
      const failed = (why) => {
        stop();
        transport.close();
        if (this._successor === transport) {
          this._successor = void 0;
          this.transport.resume();
        }
        this._fire("upgradeError", Object.assign(Error(`probe error: ${why}`), { transport: name2 }));
        this._flush();
      };
      const closed = () => failed("socket closed");
      const other = (winner) => winner === transport || failed("too slow");
      transport.once("open", () => transport.send([{ type: "ping", data: "probe" }])).once("packet", ({ type, data }) => {
        if (type !== "pong" || data !== "probe" || this.readyState !== "open" || this._successor) return failed("no pong");
        this._successor = transport;
        this._fire("upgrading", transport);
        webSocketWorked = name2 === "websocket";
        this.transport.pause(() => {
          if (this._successor !== transport) return;
          stop();
          this._setTransport(transport);
          transport.send([{ type: "upgrade" }]);
          this._successor = void 0;
          this._fire("upgrade", transport);
          this._flush();
        });
      }).once("error", failed).once("close", () => failed("transport closed"));
      this.once("close", closed).on("upgrading", other);
      if (name2 !== "webtransport" && this._handshake.upgrades.includes("webtransport")) {
        this._clock(() => transport.hasListeners("open") && transport.open(), 200);
      } else transport.open();
    }
    _onPacket(packet) {
      const { type, data } = packet;
      if (this.readyState === "closed") return;
      this._fire("packet", packet);
      this._fire("heartbeat");
      if (type === "open") this._onHandshake(data);
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
    _onHandshake(text) {
      if (this.readyState !== "opening") return;
      let handshake = null;
      try {
        handshake = JSON.parse(text);
      } catch {
      }
      const { sid, upgrades, pingInterval, pingTimeout } = handshake ?? {};
      const isDelay = (ms) => Number.isFinite(ms) && ms > 0;
      if (typeof sid !== "string" || !sid || !Array.isArray(upgrades) || !isDelay(pingInterval) || !isDelay(pingTimeout)) {
        return this._onError(Error("invalid handshake"));
      }
      this._handshake = handshake;
      this._fire("handshake", this._handshake);
      this.id = this.transport.query["sid"] = sid;
      this.readyState = "open";
      webSocketWorked = this.transport.name === "websocket";
      this._resetDeadline();
      this._fire("open");
      this._flush();
      if (this.opts.upgrade) {
        for (const name2 of upgrades) {
          if (this.readyState === "open" && this.transports.includes(name2)) this._probe(name2);
        }
      }
    }
    _resetDeadline() {
      this._stopTimer();
      if (this.readyState === "closed") return;
      const { pingInterval, pingTimeout } = this._handshake;
      const delay = Math.min(pingInterval + pingTimeout, forever);
      this._deadline = Date.now() + delay;
      this._stopTimer = this._clock(() => this._onClose("ping timeout"), delay);
    }
    /** @internal Reports whether the server is overdue although no timer has said so yet, and ends the connection then. */
    _hasPingExpired() {
      const expired = Date.now() > this._deadline;
      if (expired) soon(() => this._onClose("ping timeout"));
      return expired;
    }
    _onDrain() {
      this.writeBuffer.splice(0, this._sending);
      this._sending = 0;
      if (this.writeBuffer.length) this._flush();
      else this._fire("drain");
    }
    _flush() {
      const { writeBuffer, transport } = this;
      if (this.readyState === "closed" || !transport.writable || this.upgrading || !writeBuffer.length) return;
      const packets = this._fitting();
      this._sending = packets.length;
      transport.send(packets);
      this._fire("flush");
    }
    /** As many of the waiting packets as one request may carry. The first always goes: the server has to say no to it. */
    _fitting() {
      const { writeBuffer } = this;
      const max = this._handshake?.maxPayload;
      let size = -1;
      const end = max && this.transport.name === "polling" ? writeBuffer.findIndex(({ data }, i) => (size += 2 + sizeOf(data)) > max && i > 0) : -1;
      return writeBuffer.slice(0, end < 0 ? void 0 : end);
    }
    /** Sends a message. sent is called when it, and maybe others, were given to the transport. */
    write(data, options, sent) {
      return this._send("message", data, options, sent);
    }
    /** The same as write. */
    send(data, options, sent) {
      return this.write(data, options, sent);
    }
    _send(type, data, options, sent) {
      if (this.readyState === "opening" || this.readyState === "open") {
        const packet = { type, data, options: { ...options, compress: options?.compress !== false } };
        this._fire("packetCreate", packet);
        this.writeBuffer.push(packet);
        if (sent) this.once("flush", sent);
        this._flush();
      }
      return this;
    }
    /** Closes the connection, once what waits has been sent. */
    close() {
      if (this.readyState === "opening" || this.readyState === "open") {
        this.readyState = "closing";
        const end = () => {
          if (this.upgrading) this.once("upgrade", end).once("upgradeError", end);
          else this._onClose("forced close");
        };
        if (this.writeBuffer.length) this.once("drain", end);
        else end();
      }
      return this;
    }
    _onError(error) {
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
    _onClose(reason, description) {
      if (this.readyState === "closed") return;
      this.readyState = "closed";
      this._successor = void 0;
      live.delete(this);
      this._stopTimer();
      globalThis.removeEventListener?.("beforeunload", this._leave);
      this._leave();
      this.id = void 0;
      this._fire("close", reason, description);
      this.writeBuffer = [];
      this._sending = 0;
    }
  };
  function sizeOf(data) {
    if (!isBinary(data)) return new TextEncoder().encode(data).length;
    return Math.ceil(("arrayBuffer" in data ? data.size : bytesOf(data).length) / 3) * 4;
  }

  // src/parser.ts
  var reserved = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
  var maxAttachments = 10;
  var Encoder = class {
    encode({ type, nsp, id, data }) {
      const attachments = [];
      const text = data === void 0 ? "" : JSON.stringify(data, function(key, value) {
        const binary2 = [this[key], value].find(isBinary);
        return binary2 ? { "_placeholder": true, num: attachments.push(binary2) - 1 } : value;
      });
      const binary = attachments.length > 0 && (type === 2 /* EVENT */ || type === 3 /* ACK */);
      return [
        `${binary ? `${type + 3}${attachments.length}-` : type}${nsp === "/" ? "" : `${nsp},`}${id ?? ""}${text}`,
        ...binary ? attachments : []
      ];
    }
  };
  function validate({ type, nsp, data, id }) {
    const isObject = typeof data === "object" && data && !Array.isArray(data);
    const [name2] = Array.isArray(data) ? data : [];
    if (typeof nsp !== "string" || !/^\/[^,]*$/.test(nsp)) throw Error("invalid namespace");
    if (id !== void 0 && !(Number.isSafeInteger(id) && id >= 0)) throw Error("invalid acknowledgement id");
    if (!(type === 0 /* CONNECT */ ? data === void 0 || isObject : type === 1 /* DISCONNECT */ ? data === void 0 : type === 4 /* CONNECT_ERROR */ ? isObject || typeof data === "string" : Array.isArray(data) && (type === 3 /* ACK */ || Number.isFinite(name2) || typeof name2 === "string" && !reserved.includes(name2)))) throw Error("invalid payload");
  }
  var Decoder = class extends Emitter {
    constructor() {
      super(...arguments);
      this._state = { name: "idle" };
    }
    add(frame) {
      const state = this._state;
      if (typeof frame === "string") {
        if (state.name === "waiting") throw Error("got plaintext data when reconstructing a packet");
        this._text(frame);
        return;
      }
      if (state.name === "idle") throw Error("got binary data when not reconstructing a packet");
      if (state.attachments.push(frame) === state.count) {
        this._state = { name: "idle" };
        for (const [holder, key, num] of state.places) holder[key] = state.attachments[num];
        this._fire("decoded", state.packet);
      }
    }
    _text(text) {
      if (!text) throw Error("empty packet");
      const type = text.charCodeAt(0) - 48;
      if (!(type >= 0 && type <= 6)) throw Error(`unknown packet type ${text[0]}`);
      const binary = type > 4;
      const [head, digits] = (binary ? /^.([1-9]\d*)-/ : /./s).exec(text) ?? [];
      const count = Number(digits);
      if (!head) throw Error("illegal attachments");
      if (count > maxAttachments) throw Error("too many attachments");
      const [, nsp, id, payload] = /^(?:(\/[^,]*)(?:,|$))?(\d*)([^]*)$/.exec(text.slice(head.length));
      if (id.length > 16) throw Error("invalid acknowledgement id");
      const places = [];
      const packet = { type: binary ? type - 3 : type, nsp: nsp ?? "/", data: void 0 };
      if (id) packet.id = Number(id);
      if (payload) {
        try {
          if (/^\s/.test(payload)) throw 0;
          packet.data = JSON.parse(payload, !binary ? void 0 : function(key, value) {
            if (value?.["_placeholder"] === true) places.push([this, key, value.num]);
            return value;
          });
        } catch {
          throw Error("invalid payload");
        }
      }
      validate(packet);
      if (!binary) this._fire("decoded", packet);
      else this._state = { name: "waiting", packet, count, attachments: [], places };
      if (places.some(([, , num]) => !Number.isInteger(num) || num < 0 || num >= count)) throw Error("illegal attachments");
    }
    destroy() {
      this._state = { name: "idle" };
    }
  };

  // src/socket.ts
  var Socket = class extends Emitter {
    /** Made by {@link Manager.socket}. */
    constructor(io2, nsp, _opts = {}) {
      super();
      this.nsp = nsp;
      this._opts = _opts;
      /** Whether the server knew the last session still: id, rooms and data are as before, and missed events have come. */
      this.recovered = false;
      /** The events that came before the server's answer to the connection. */
      this.receiveBuffer = [];
      /** The events that wait for a connection. */
      this.sendBuffer = [];
      this._state = { name: "idle" };
      this._ids = 0;
      this._acks = /* @__PURE__ */ new Map();
      this._flags = {};
      this._queue = [];
      this._any = [];
      this._anyOutgoing = [];
      this.io = io2;
      this.auth = _opts.auth;
      if (io2._autoConnect) this.connect();
    }
    /** The id on the server; none while not connected. It changes with each session. */
    get id() {
      return this._state.name === "connected" ? this._state.id : void 0;
    }
    get connected() {
      return this._state.name === "connected";
    }
    get disconnected() {
      return !this.connected;
    }
    /** Whether it is connected, or will be when there is a connection. */
    get active() {
      return this._state.name !== "idle";
    }
    /** Connects. */
    connect() {
      const { io: io2 } = this;
      if (this.connected) return this;
      if (!this.active) {
        const leave = listen(io2, {
          open: () => this._onOpen(),
          packet: (packet) => this._onPacket(packet),
          error: (error) => this.connected || this._fire("connect_error", error),
          close: (reason, description) => this._onClose(reason, description)
        });
        this._state = { name: "joining", leave };
        if (io2._readyState === "open") this._onOpen();
      }
      if (!io2._reconnecting) io2.open();
      return this;
    }
    /** The same as connect. */
    open() {
      return this.connect();
    }
    /** Sends the event "message". */
    send(...args) {
      return this.emit("message", ...args);
    }
    /** Sends an event. A function as the last argument is called with the acknowledgement. */
    emit(ev, ...args) {
      const flags = this._flags;
      this._flags = {};
      if (reserved.includes(ev)) throw Error(`"${ev}" is a reserved event name`);
      this._emit([ev, ...args], flags);
      return this;
    }
    _emit(args, flags) {
      const last = args[args.length - 1];
      const ack = typeof last === "function" ? last : void 0;
      if (ack) args.pop();
      if (this._opts.retries && !flags.queued && !flags.volatile) {
        this._queue.push({ args, flags: { ...flags, queued: true }, ack, tries: 0, attempt: void 0 });
        this._drainQueue();
        return;
      }
      const packet = { type: 2 /* EVENT */, nsp: this.nsp, data: args, options: { compress: flags.compress !== false } };
      if (ack) this._await(packet.id = this._ids++, ack, flags);
      const { engine } = this.io;
      if (this.connected && !engine._hasPingExpired()) {
        if (!flags.volatile || engine.transport.writable) this._sendEvent(packet);
      } else if (!flags.volatile) this.sendBuffer.push(packet);
    }
    _sendEvent(packet) {
      for (const listener of [...this._anyOutgoing]) listener.apply(this, packet.data);
      this.io._packet(packet);
    }
    _await(id, call, flags) {
      const timeout = flags.timeout ?? this._opts.ackTimeout;
      const ack = { call: (...args) => call.apply(this, args), withError: timeout !== void 0 || !!call.withError };
      if (timeout !== void 0) {
        ack.stopTimer = this.io._clock(() => {
          this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
          this._answer(id, Error("operation has timed out"));
        }, timeout);
      }
      this._acks.set(id, ack);
    }
    /** Tells who waits for an acknowledgement that it came, or that it will not. */
    _answer(id, error, args = []) {
      const ack = this._acks.get(id);
      if (!ack) return;
      this._acks.delete(id);
      ack.stopTimer?.();
      if (ack.withError) ack.call(error, ...args);
      else if (!error) ack.call(...args);
    }
    /** Sends an event and resolves with the first argument of the acknowledgement; with timeout(), it may reject. */
    emitWithAck(ev, ...args) {
      return new Promise((resolve, reject) => {
        const ack = (error, answer) => error ? reject(error) : resolve(answer);
        ack.withError = true;
        this.emit(ev, ...[...args, ack]);
      });
    }
    /** Sends the first event of the queue, unless it is under way. */
    _drainQueue() {
      const [first] = this._queue;
      if (!this.connected || !first || first.attempt) return;
      const attempt = first.attempt = {};
      first.tries++;
      const ack = (error, ...args) => {
        if (first.attempt !== attempt) return;
        first.attempt = void 0;
        if (!error || first.tries > this._opts.retries) {
          this._queue.shift();
          if (first.ack) guard(() => first.ack(error, ...args));
        }
        this._drainQueue();
      };
      ack.withError = true;
      this._emit([...first.args, ack], first.flags);
    }
    _onOpen() {
      const { auth } = this;
      const { engine } = this.io;
      const send = (data) => {
        if (this._state.name !== "joining" || engine !== this.io.engine || this.io._readyState !== "open") return;
        this._packet(0 /* CONNECT */, this._pid ? { pid: this._pid, offset: this._lastOffset, ...data } : data);
      };
      if (typeof auth === "function") auth(send);
      else send(auth);
    }
    _packet(type, data, id) {
      this.io._packet({ type, nsp: this.nsp, data, ...id !== void 0 && { id } });
    }
    _onClose(reason, description) {
      const state = this._state;
      if (state.name === "connected") this._state = { name: "joining", leave: state.leave };
      this.receiveBuffer = [];
      this._fire("disconnect", reason, description);
      for (const id of [...this._acks.keys()]) {
        if (!this.sendBuffer.some((packet) => packet.id === id)) this._answer(id, Error("socket has been disconnected"));
      }
    }
    _onPacket({ type, nsp, data, id }) {
      if (nsp !== this.nsp) return;
      switch (type) {
        case 0 /* CONNECT */:
          this._onConnect(data ?? {});
          break;
        case 2 /* EVENT */:
        case 5 /* BINARY_EVENT */:
          this._onEvent(data, id);
          break;
        case 3 /* ACK */:
        case 6 /* BINARY_ACK */:
          this._answer(id, null, data);
          break;
        case 1 /* DISCONNECT */:
          this._leave();
          this._onClose("io server disconnect");
          break;
        case 4 /* CONNECT_ERROR */: {
          this._leave();
          const { message, data: more } = typeof data === "object" ? data ?? {} : { message: data };
          this._fire("connect_error", Object.assign(Error(message), { data: more }));
        }
      }
    }
    _onConnect({ sid, pid }) {
      const state = this._state;
      if (state.name !== "joining") return;
      if (typeof sid !== "string") {
        this._fire("connect_error", Error("no sid: is this a server of generation 2.x?"));
        return;
      }
      this._state = { name: "connected", leave: state.leave, id: sid };
      this.recovered = !!pid && this._pid === pid;
      if (!this.recovered) this._lastOffset = void 0;
      this._pid = pid;
      const { receiveBuffer, sendBuffer } = this;
      this.receiveBuffer = [];
      this.sendBuffer = [];
      for (const args of receiveBuffer) guard(() => this._dispatch(args));
      for (const packet of sendBuffer) guard(() => this._sendEvent(packet));
      if (this._queue[0]) this._queue[0].attempt = void 0;
      this._drainQueue();
      this._fire("connect");
    }
    _onEvent(data = [], id) {
      const args = [...data];
      if (id != null) {
        let sent = false;
        args.push((...answer) => {
          if (sent) return;
          sent = true;
          this._packet(3 /* ACK */, answer, id);
        });
      }
      if (this.connected) this._dispatch(args);
      else this.receiveBuffer.push(args);
    }
    _dispatch(args) {
      const last = args[args.length - 1];
      if (this._pid && typeof last === "string") this._lastOffset = last;
      for (const listener of [...this._any]) listener.apply(this, args);
      super.emit(args[0], ...args.slice(1));
    }
    /** Leaves the manager: the socket does not come back by itself. */
    _leave() {
      const state = this._state;
      if (state.name === "idle") return;
      state.leave();
      this._state = { name: "idle" };
      this.io._destroy();
    }
    /** Disconnects for good. The last socket takes the connection with it. */
    disconnect() {
      const { connected } = this;
      if (connected) this._packet(1 /* DISCONNECT */);
      this._leave();
      if (connected) this._onClose("io client disconnect");
      return this;
    }
    /** The same as disconnect. */
    close() {
      return this.disconnect();
    }
    /** Says whether the next event may be compressed. */
    compress(compress) {
      this._flags.compress = compress;
      return this;
    }
    /** Makes the next event one that is dropped if it cannot be sent now. */
    get volatile() {
      this._flags.volatile = true;
      return this;
    }
    /** Makes the acknowledgement of the next event take an error first, which comes after so many milliseconds. */
    timeout(timeout) {
      this._flags.timeout = timeout;
      return this;
    }
    /** Adds a listener of every event that arrives. */
    onAny(listener) {
      this._any.push(listener);
      return this;
    }
    /** Adds a listener of every event that arrives, before the others. */
    prependAny(listener) {
      this._any.unshift(listener);
      return this;
    }
    /** Removes a listener of every event that arrives, or all of them. */
    offAny(listener) {
      remove(this._any, listener);
      return this;
    }
    /** The listeners of every event that arrives; the list may be changed. */
    listenersAny() {
      return this._any;
    }
    /** Adds a listener of every event that is sent; acknowledgements are none. */
    onAnyOutgoing(listener) {
      this._anyOutgoing.push(listener);
      return this;
    }
    /** Adds a listener of every event that is sent, before the others. */
    prependAnyOutgoing(listener) {
      this._anyOutgoing.unshift(listener);
      return this;
    }
    /** Removes a listener of every event that is sent, or all of them. */
    offAnyOutgoing(listener) {
      remove(this._anyOutgoing, listener);
      return this;
    }
    /** The listeners of every event that is sent; the list may be changed. */
    listenersAnyOutgoing() {
      return this._anyOutgoing;
    }
  };
  function remove(list, listener) {
    const i = listener ? list.indexOf(listener) : 0;
    if (i >= 0) list.splice(i, listener ? 1 : list.length);
  }

  // src/manager.ts
  var waiting = /* @__PURE__ */ new Set();
  globalThis.addEventListener?.("online", () => [...waiting].forEach((manager) => manager._retry()));
  var Manager = class _Manager extends Emitter {
    constructor(uri, opts = {}) {
      super();
      /** @internal The sockets by their namespace. */
      this.nsps = {};
      this._state = { name: "closed" };
      this._attempts = 0;
      this._skipReconnect = false;
      if (typeof uri === "object") {
        opts = uri;
        uri = void 0;
      }
      this.uri = uri;
      this.opts = opts;
      opts.path || (opts.path = "/socket.io");
      this._clock = clockOf(opts);
      this._settings = {
        reconnection: opts.reconnection !== false,
        reconnectionAttempts: opts.reconnectionAttempts || Infinity,
        reconnectionDelay: opts.reconnectionDelay || 1e3,
        reconnectionDelayMax: opts.reconnectionDelayMax || 5e3,
        randomizationFactor: opts.randomizationFactor ?? 0.5,
        timeout: opts.timeout ?? 2e4
      };
      const parser = opts.parser || _Manager._parser;
      this._encoder = new parser.Encoder();
      this._decoder = new parser.Decoder();
      this._autoConnect = opts.autoConnect !== false;
      if (this._autoConnect) this.open();
    }
    reconnection(v) {
      return this._setting("reconnection", v);
    }
    reconnectionAttempts(v) {
      return this._setting("reconnectionAttempts", v);
    }
    reconnectionDelay(v) {
      return this._setting("reconnectionDelay", v);
    }
    reconnectionDelayMax(v) {
      return this._setting("reconnectionDelayMax", v);
    }
    randomizationFactor(v) {
      return this._setting("randomizationFactor", v);
    }
    timeout(v) {
      return this._setting("timeout", v);
    }
    _setting(name2, v) {
      if (v === void 0) return this._settings[name2];
      this._settings[name2] = v;
      return this;
    }
    /** @internal */
    get _readyState() {
      const { name: name2 } = this._state;
      return name2 === "waiting" ? "closed" : name2;
    }
    /** @internal Whether the connection was lost, or could not be made, and will be tried again. */
    get _reconnecting() {
      return this._attempts > 0;
    }
    /** Connects, unless that is done or under way. With fn, a failure is told to it, and not tried again. */
    open(fn) {
      if (this._readyState === "closed") {
        this._skipReconnect = false;
        if (this._state.name === "waiting" && !fn) this._retry();
        else this._open(fn);
      }
      return this;
    }
    /** The same as open. */
    connect(fn) {
      return this.open(fn);
    }
    _open(fn) {
      let stopTimer = () => {
      };
      const failed = (error) => {
        this._to({ name: "closed" });
        this._fire("error", error);
        if (fn) fn(error);
        else this._reconnect();
      };
      const engine = this.engine = new Engine(this.uri, this.opts);
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
    _opened() {
      const { engine, _decoder } = this;
      const decoded = (packet) => {
        const { type, nsp } = packet;
        if (type === 0 /* CONNECT */ && !this.nsps[nsp]?.active) this._packet({ type: 1 /* DISCONNECT */, nsp });
        guard(() => this._fire("packet", packet));
      };
      const stopListening = listen(engine, {
        ping: () => this._fire("ping"),
        data: (frame) => {
          try {
            _decoder.add(frame);
          } catch (error) {
            this._fire("error", error);
            this._onClose("parse error", error);
          }
        },
        error: (error) => this._fire("error", error),
        close: (...why) => this._onClose(...why)
      });
      this._to({ name: "open", stop: () => {
        stopListening();
        _decoder.off("decoded", decoded);
      } });
      _decoder.on("decoded", decoded);
      this._fire("open");
    }
    /** Changes the state, after what the old one holds has ended. */
    _to(state) {
      waiting.delete(this);
      this._state.stop?.();
      this._decoder.destroy();
      this._state = state;
    }
    /** Returns the socket of a namespace. */
    socket(nsp, opts) {
      let socket = this.nsps[nsp];
      if (!socket) socket = this.nsps[nsp] = new Socket(this, nsp, opts);
      else if (this._autoConnect && !socket.active) socket.connect();
      return socket;
    }
    /** @internal A socket is done with the connection; without any other it ends. */
    _destroy() {
      if (!Object.values(this.nsps).some((socket) => socket.active)) this.disconnect();
    }
    /** @internal */
    _packet(packet) {
      for (const frame of this._encoder.encode(packet)) this.engine.write(frame, packet.options);
    }
    /** Ends the connection with all its sockets, and does not make it again. */
    disconnect() {
      this._skipReconnect = true;
      this._attempts = 0;
      this._onClose("forced close");
    }
    _onClose(reason, description) {
      if (this._state.name === "closed") return;
      this._to({ name: "closed" });
      this._attempts = 0;
      this.engine.close();
      this._fire("close", reason, description);
      this._reconnect();
    }
    /** @internal Makes the next attempt now. */
    _retry() {
      if (this._state.name === "waiting") this._state.attempt();
    }
    _mayReconnect() {
      return this._state.name === "closed" && !this._skipReconnect && this._settings.reconnection;
    }
    /** Waits for the next attempt, if there is to be one. */
    _reconnect() {
      const settings = this._settings;
      if (!this._mayReconnect()) return;
      if (this._attempts >= settings.reconnectionAttempts) {
        this._attempts = 0;
        this._fire("reconnect_failed");
        return;
      }
      const delay = Math.min(settings.reconnectionDelayMax, settings.reconnectionDelay * 2 ** this._attempts++);
      const attempt = () => {
        this._to({ name: "closed" });
        if (!this._mayReconnect()) return;
        this._fire("reconnect_attempt", this._attempts);
        if (!this._mayReconnect()) return;
        this._open((error) => {
          if (error) {
            this._reconnect();
            this._fire("reconnect_error", error);
            return;
          }
          const attempts = this._attempts;
          if (this._state.name !== "open") return;
          this._attempts = 0;
          this._fire("reconnect", attempts);
        });
      };
      const stop = this._clock(attempt, delay * (1 + settings.randomizationFactor * (2 * Math.random() - 1)));
      this._to({ name: "waiting", stop, attempt });
      waiting.add(this);
    }
  };

  // src/io.ts
  var cache = /* @__PURE__ */ new Map();
  function lookup(uri, options) {
    if (typeof uri === "object") {
      options = uri;
      uri = void 0;
    }
    const opts = { ...options };
    uri ?? (uri = globalThis.location?.origin);
    const to = parseUrl(uri ?? "");
    const key = `${to.secure}/${to.hostname}:${to.port}${opts.path || "/socket.io"}`;
    if (to.query && !opts.query) opts.query = Object.fromEntries(new URLSearchParams(to.query));
    const alone = opts.forceNew || opts["force new connection"] || opts.multiplex === false;
    let manager = alone ? void 0 : cache.get(key);
    if (!manager || to.path in manager.nsps) {
      const first = !alone && !manager;
      manager = new Manager(uri, opts);
      if (first) cache.set(key, manager);
    }
    return manager.socket(to.path, opts);
  }
  var io = Object.assign(lookup, { Manager, Socket, io: lookup, connect: lookup });

  // src/publish.ts
  function publish(io2) {
    if (typeof module === "object" && module.exports) module.exports = io2;
    else if (typeof define === "function" && define.amd) define(() => io2);
    else Object.assign(globalThis, { io: io2 });
  }

  // src/bundle.ts
  Manager._parser = { Encoder, Decoder };
  publish(io);
})();
//# sourceMappingURL=socket.io.js.map
