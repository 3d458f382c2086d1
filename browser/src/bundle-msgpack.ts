// The entry point of the bundle whose packets are MessagePack.

import { io } from "./io.js";
import { Manager } from "./manager.js";
import { Decoder, Encoder } from "./msgpack.js";
import { publish } from "./publish.js";

Manager._parser = { Encoder, Decoder };
publish(io);
