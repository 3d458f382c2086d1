// Bytes, in all the forms in which the platform has them.

/** What travels as bytes. A Blob (so also a File) is read when it is sent. */
export type Binary = ArrayBuffer | ArrayBufferView | Blob;

/** The form in which bytes are given to listeners. */
export type BinaryType = "arraybuffer" | "blob" | "nodebuffer";

const name = Object.prototype.toString;

/** Reports whether a value travels as bytes. Values of other realms (frames, test environments) count as well. */
export const isBinary = (value: unknown): value is Binary =>
  ArrayBuffer.isView(value) || (typeof value === "object" && /(ArrayBuffer|Blob|File)]$/.test(name.call(value)));

/** The bytes of a value that is no Blob, without a copy. */
export const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);

/** Base64 with padding, in the standard alphabet. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/**
 * The bytes of padded base64 in the standard alphabet, or undefined. Line breaks after the first character are skipped,
 * since some clients write them. atob alone would take more than this.
 */
export function fromBase64(base64: string): Uint8Array<ArrayBuffer> | undefined {
  const text = base64.replace(/(?!^)[\r\n]/g, "");
  if (text.length % 4 || !/^[a-z\d+/]*={0,2}$/i.test(text)) return undefined;
  try {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}
