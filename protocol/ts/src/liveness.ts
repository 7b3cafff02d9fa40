// Whether a connection is alive: one from which nothing was heard for two heartbeats is dead, whatever its socket says.
//
// WebSocket pings are invisible here. A hub that hears nothing sends `heartbeat`; one that does not is asked by a `ping` command after a
// heartbeat and a half. After a sleep all timers are late: then the ping goes out first and the verdict waits for the margin.

/** What a {@link Liveness} needs of its connection. */
export interface Vitals {
  /** Asks the hub for any answer. */
  probe(): void;
  /** Gives the connection up. */
  dead(): void;
}

/** Watches one connection. */
export class Liveness {
  readonly #vitals: Vitals;
  readonly #marginMs: number;
  #heartbeatMs = 0;
  #heardAt = 0;
  #probedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(vitals: Vitals, marginMs: number) {
    this.#vitals = vitals;
    this.#marginMs = marginMs;
  }

  /** Begins to watch. */
  start(heartbeatMs: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.heard();
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#heartbeatMs = 0;
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = performance.now();
    this.#probedAt = undefined;
  }

  /** Asks at once and gives the connection up if nothing comes within the margin: the network has changed. */
  doubt(): void {
    if (this.#heartbeatMs === 0) return;
    this.#probe();
    this.#heardAt = Math.min(this.#heardAt, performance.now() - 2 * this.#heartbeatMs - this.#marginMs);
    this.#wait();
  }

  #probe(): void {
    this.#probedAt = performance.now();
    this.#vitals.probe();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#heartbeatMs === 0) return;
    const due =
      this.#probedAt === undefined
        ? this.#heardAt + 1.5 * this.#heartbeatMs
        : Math.max(this.#heardAt + 2 * this.#heartbeatMs + this.#marginMs, this.#probedAt + this.#marginMs);
    this.#timer = setTimeout(() => this.#judge(due), Math.max(1, due - performance.now()));
  }

  #judge(due: number): void {
    const silentMs = performance.now() - this.#heardAt;
    if (this.#probedAt === undefined) {
      if (silentMs >= 1.5 * this.#heartbeatMs) this.#probe();
    } else if (performance.now() >= due) {
      this.#vitals.dead();
      return;
    }
    this.#wait();
  }
}
