// Loads a client package by its name. "sio-client-4" is our own client, as npm would install it.

import { createRequire } from "node:module";

const theirs = createRequire(import.meta.url);
const ours = createRequire(new URL("../../browser/package.json", import.meta.url)); // the package finds itself by its name

export const load = (name) => (name === "sio-client-4" ? ours("@siogo/client") : theirs(name));
