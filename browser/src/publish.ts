// What a script tag gives: a module in the sense of CommonJS or AMD, or else a global.

declare const module: { exports: unknown } | undefined;
declare const define: { (factory: () => unknown): void; amd?: unknown } | undefined;

export function publish(io: unknown): void {
  if (typeof module === "object" && module.exports) module.exports = io;
  else if (typeof define === "function" && define.amd) define(() => io);
  else Object.assign(globalThis, { io });
}
