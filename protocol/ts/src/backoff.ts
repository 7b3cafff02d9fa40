// When to try again: full jitter, so that a thousand clients that were cut off together do not come back together.

/** How long to wait between attempts. */
export interface Backoff {
  /** Upper bound of the first wait, in milliseconds; each further attempt doubles it. */
  readonly baseMs: number;
  /** Upper bound of every wait, in milliseconds. */
  readonly capMs: number;
}

/**
 * A wait before attempt `attempt + 1`: evenly random in `[0, min(capMs, baseMs * 2^attempt))`.
 *
 * @param attempt how many attempts have failed already, from 0
 * @param random  gives numbers in `[0, 1)`
 */
export function fullJitterMs(attempt: number, { baseMs, capMs }: Backoff, random: () => number = Math.random): number {
  return Math.floor(random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)));
}
