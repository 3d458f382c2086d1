// The client of Socket.IO for pages and workers: a drop-in for socket.io-client 4.x.

import { io } from "./io.js";
import { Manager } from "./manager.js";
import { Decoder, Encoder } from "./parser.js";
import { Socket } from "./socket.js";

Manager._parser = { Encoder, Decoder };

export { io, io as connect, io as default, Manager, Socket };
export { protocol } from "./parser.js";
export { Fetch, XHR, XHR as NodeXHR } from "./engine/polling.js";
export { WS as WebSocket, WS as NodeWebSocket } from "./engine/websocket.js";
export { WT as WebTransport } from "./engine/webtransport.js";
export type { ManagerOptions, ManagerReservedEvents } from "./manager.js";
export type { DisconnectDescription, ExtendedError, SocketOptions, SocketReservedEvents } from "./socket.js";
