// Waiting for what must happen, never for a fixed time.

import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** Waits until the probe gives something. */
export async function eventually<V>(what: string, probe: () => V | undefined | false | Promise<V | undefined | false>, withinMs = 15_000): Promise<V> {
  const until = Date.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms for ${what}`);
    await sleep(10);
  }
}

/** The promise's value, or a failure that names what did not come. */
export async function within<V>(what: string, promise: Promise<V>, withinMs = 15_000): Promise<V> {
  const giveUp = new AbortController();
  const late = sleep(withinMs, undefined, { signal: giveUp.signal }).then(() => {
    throw new Error(`waited ${withinMs} ms for ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    giveUp.abort();
  }
}
