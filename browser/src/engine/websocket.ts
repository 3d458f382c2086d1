import { soon } from "../clock.js";
import { encodePackets, type Frame, type Packet, type WriteOptions } from "./packet.js";
import { Transport } from "./transport.js";

/** The part of a WebSocket that the transport uses. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  close(): void;
}

/** WebSocket: one packet a message. */
export class WS extends Transport {
  protected ws: WebSocketLike | undefined;

  get name() {
    return "websocket";
  }

  protected _createSocket(uri: string): WebSocketLike {
    const { protocols } = this.opts;
    return protocols ? new WebSocket(uri, protocols) : new WebSocket(uri);
  }

  protected _doWrite(frame: Frame, _options?: WriteOptions): void {
    (this.ws as WebSocket).send(frame as string);
  }

  protected _doOpen(): void {
    const ws = (this.ws = this._createSocket(this._uri()));
    ws.binaryType = this.socket.binaryType;
    ws.onopen = () => this._onOpen();
    ws.onclose = (context) => this._onClose({ description: "websocket connection closed", context });
    ws.onmessage = ({ data }: { data: Frame }) => this._onData(data);
    ws.onerror = (event) => this._onError("websocket error", event);
  }

  protected _write(packets: Packet[]): void {
    this.writable = false;
    encodePackets(
      packets,
      this._supportsBinary,
      (frames) => {
        // A browser may know that the socket is closed before it says so; then send throws, and "close" follows.
        try {
          frames.forEach((frame, i) => this._doWrite(frame, packets[i]!.options));
        } catch {}
        soon(() => this._onDrain());
      },
      (error) => this._onError("websocket error", error),
    );
  }

  protected _doClose(): void {
    this.ws?.close();
  }

  protected _uri(): string {
    return this._createUri(this.opts.secure ? "wss" : "ws", !!this.opts.timestampRequests);
  }
}
