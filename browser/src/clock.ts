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

const native = { setTimeout, clearTimeout };

export function clockOf({ useNativeTimers, autoUnref }: ClockOptions): Clock {
  // Both of the same kind, though a test may install fake ones meanwhile.
  const { setTimeout, clearTimeout } = useNativeTimers ? native : globalThis;
  return (callback, ms) => {
    const timer: Timer = setTimeout(callback, ms);
    if (autoUnref) (timer as { unref?(): void }).unref?.();
    return () => clearTimeout(timer);
  };
}

/**
 * Calls back after the current step, before timers and events. What it throws is reported as uncaught. It is the real one,
 * also where a test has fake timers.
 */
export const soon = queueMicrotask;

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
