// Timers, as the options want them.

export type Timer = ReturnType<typeof setTimeout>;

export interface ClockOptions {
  /** Use the timers that were there when this library was loaded, even if a test has replaced them since. @default false */
  useNativeTimers?: boolean;
  /** Let the process end although a connection or a timer is there. Node only. @default false */
  autoUnref?: boolean;
}

/** Starts a timer. What it returns stops it. */
export type Clock = (callback: () => void, ms: number) => () => void;

const { setTimeout: nativeSet, clearTimeout: nativeClear } = globalThis;

export const clockOf = ({ useNativeTimers, autoUnref }: ClockOptions): Clock => (callback, ms) => {
  // Looked up at each call: whoever has fake timers installs them there.
  const timer: Timer = (useNativeTimers ? nativeSet : setTimeout)(callback, ms);
  if (autoUnref) (timer as { unref?(): void }).unref?.();
  return () => (useNativeTimers ? nativeClear : clearTimeout)(timer);
};

/** Calls back after the current step, before timers and events. What it throws is reported as uncaught. */
export const soon = (callback: () => void): void => queueMicrotask(callback);

/** Calls user code whose errors are the user's: they are reported as uncaught, and harm nobody else. */
export function guard(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    soon(() => {
      throw error;
    });
  }
}
