// require() has types, too.

import client = require("@siogo/client");
import msgpack = require("@siogo/client/msgpack");

const socket: client.Socket = client.io("https://example.com", { parser: msgpack });
socket.emit("hello");
