// What differs between a page and Node. The entry point for Node changes it before anything is connected.

import type { BinaryType } from "./binary.js";

export const platform = {
  /** The form of received bytes unless an engine says otherwise. */
  binaryType: "arraybuffer" as BinaryType,

  /** Turns bytes that arrived as base64 into what listeners get. */
  bytes: (bytes: Uint8Array<ArrayBuffer>, type: BinaryType): unknown => (type === "blob" ? new Blob([bytes]) : bytes.buffer),
};
