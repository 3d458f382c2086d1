// Loads a client package by its name. "sio-client-4" is our own client, as npm would install it, and "sio-msgpack" its
// parser.

import { createRequire } from "node:module";

const theirs = createRequire(import.meta.url);
const ours = createRequire(new URL("../../browser/package.json", import.meta.url)); // the package finds itself by its name

const own = { "sio-client-4": "@siogo/client", "sio-msgpack": "@siogo/client/msgpack" };

export const load = (name) => (own[name] ? ours(own[name]) : theirs(name));
