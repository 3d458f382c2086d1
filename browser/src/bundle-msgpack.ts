// The entry point of the bundle whose packets are MessagePack.

import { io } from "./io.js";
import { Manager } from "./manager.js";
import * as parser from "./msgpack.js";
import { publish } from "./publish.js";

Manager._parser = parser;
publish(io);
