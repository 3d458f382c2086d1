// The entry point of the bundles for script tags.

import { io } from "./io.js";
import { Manager } from "./manager.js";
import { Decoder, Encoder } from "./parser.js";
import { publish } from "./publish.js";

Manager._parser = { Encoder, Decoder };
publish(io);
