// The entry point of the bundles for script tags.

import { io } from "./io.js";
import { Manager } from "./manager.js";
import * as parser from "./parser.js";
import { publish } from "./publish.js";

Manager._parser = parser;
publish(io);
