// Keeps a connection: opens one when it is needed, waits with full jitter when that fails, stops when the hub says to.
//
// Invariants: at most one connection or attempt at a time; after `closed` nothing is tried any more. Codes 4500 to 4999 are final, all other
// ends lead to a new attempt, after the delay of a `goaway` if there was one.

import { fullJitterMs } from './backoff.js';
import { Connection, type ConnectionListener, type Down } from './connection.js';
import { closedByUser, LatchkeyError, ofCloseCode } from './errors.js';
import type { Settings, TokenReason } from './options.js';
import type { GoAway } from './types.generated.js';

/**
 * Where a client is: `idle` (nothing to do), `connecting`, `ready`, `waiting` (for the next attempt), `offline` (the platform says that there is no
 * network; tried again when there is, and seldom until then), `closed` (for good).
 */
export type ClientState = 'idle' | 'connecting' | 'ready' | 'waiting' | 'offline' | 'closed';

/** What a connector needs of its client. */
export interface ConnectorHooks extends Pick<ConnectionListener, 'push' | 'ended' | 'heartbeat' | 'search' | 'presence' | 'typing'> {
  /** There is a connection. */
  up(connection: Connection): void;
  /** The hub reads nothing more from it, but what is on its way still comes. */
  pause(): void;
  /** There is none any more. */
  down(): void;
  /** It is over for good. */
  stop(error: LatchkeyError): void;
  changed(state: ClientState): void;
  /** Whether somebody waits for anything. */
  isNeeded(): boolean;
}

export class Connector {
  state: ClientState = 'idle';
  connection: Connection | undefined;
  readonly #settings: Settings;
  readonly #hooks: ConnectorHooks;
  readonly #onOnline = () => this.#online();
  readonly #onOffline = () => this.connection?.doubt();
  #attempts = 0;
  /** Counts attempts, so that a token that comes late is known to be late. */
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #goawayMs: number | undefined;
  #hasExpired = false;
  #expiresAt: number | undefined;

  constructor(settings: Settings, hooks: ConnectorHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    settings.network?.addEventListener('online', this.#onOnline);
    settings.network?.addEventListener('offline', this.#onOffline);
  }

  /** Somebody needs a connection. */
  wake(): void {
    if (this.state === 'idle') void this.#attempt();
    else if (this.state === 'ready') clearTimeout(this.#timer);
  }

  /** Nobody needs one now: an anonymous one is given up after a while, before the hub does it. */
  rest(): void {
    if (this.state !== 'ready' || this.connection?.authenticated !== undefined || this.#hooks.isNeeded()) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#hooks.isNeeded()) this.connection?.cut('nothing to do', 1000);
    }, this.#settings.idleAfterMs);
  }

  /** The token has run out: a new connection with a new token. */
  tokenExpired(connection: Connection): void {
    this.#hasExpired = true;
    connection.cut('token expired', 4011);
  }

  /** Ends it for good. */
  close(error: LatchkeyError = closedByUser()): void {
    if (this.state === 'closed') return;
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#settings.network?.removeEventListener('online', this.#onOnline);
    this.#settings.network?.removeEventListener('offline', this.#onOffline);
    this.#become('closed');
    this.connection?.cut('bye', 1000);
    this.connection = undefined;
    this.#hooks.stop(error);
  }

  /** Asks for a token, for a connection or for the one that is there. @throws whatever the callback throws, or `timeout` */
  async token(reason: TokenReason): Promise<string | undefined> {
    const { token, connectTimeoutMs } = this.#settings;
    if (token === undefined) return undefined;
    let timer;
    const late = new Promise<never>((_, reject) => {
      const message = `no token within ${connectTimeoutMs} ms`;
      timer = setTimeout(() => reject(new LatchkeyError({ code: 'timeout', message, retryable: true })), connectTimeoutMs);
    });
    try {
      return (await Promise.race([token({ reason }), late])) ?? undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    clearTimeout(this.#timer);
    this.#become('connecting');
    const hasExpired = this.#hasExpired || (this.#expiresAt !== undefined && Date.now() >= this.#expiresAt);
    let token: string | undefined;
    try {
      token = await this.token(hasExpired ? 'expired' : 'connect');
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof LatchkeyError && !error.retryable) this.close(error);
      else this.#later();
      return;
    }
    if (turn !== this.#turn) return;
    const { push, ended, heartbeat, search, presence, typing } = this.#hooks;
    const listener: ConnectionListener = {
      push,
      ended,
      heartbeat,
      search,
      presence,
      typing,
      up: (connection) => this.#up(connection),
      goaway: (goaway) => this.#goaway(goaway),
      tokenExpiring: () => void this.#expiring(),
      down: (connection, down) => this.#down(connection, down),
    };
    try {
      this.connection = new Connection(this.#settings, token, listener);
    } catch (error) {
      // The platform forbids it (an insecure address on a secure page): it will not change its mind.
      this.close(new LatchkeyError({ code: 'refused', message: String(error) }));
    }
  }

  #up(connection: Connection): void {
    this.#hasExpired = false;
    this.#goawayMs = undefined;
    const { authenticated, hello } = connection;
    // By this machine's clock, which may be wrong.
    this.#expiresAt = authenticated && hello && Date.now() + (authenticated.expires_at - hello.now);
    this.#become('ready');
    this.#hooks.up(connection);
    this.rest();
  }

  #goaway({ after_ms }: GoAway): void {
    this.#goawayMs = after_ms;
    this.#hooks.pause();
  }

  /** The notice comes once: a callback that fails is asked again while the connection lasts. */
  async #expiring(): Promise<void> {
    const { connection } = this;
    for (let failures = 0; connection !== undefined && this.connection === connection; failures += 1) {
      try {
        const token = await this.token('expiring');
        if (token !== undefined && this.connection === connection) await this.refresh(token);
        return;
      } catch (error) {
        if (error instanceof LatchkeyError && !error.retryable) return;
        await new Promise((resolve) => setTimeout(resolve, 250 + fullJitterMs(failures, this.#settings.backoff)));
      }
    }
  }

  /** Gives the hub a newer token in place. @throws LatchkeyError if it is refused, or the connection is lost */
  refresh(token: string): Promise<void> {
    const { connection } = this;
    return new Promise((resolve, reject) => {
      const lost = new LatchkeyError({ code: 'unavailable', message: 'the connection was lost', retryable: true });
      if (connection === undefined) return reject(lost);
      connection.request('refresh', JSON.stringify({ token }), undefined, (outcome) => {
        if (!('ok' in outcome)) return reject('error' in outcome ? outcome.error : lost);
        connection.authenticated = outcome.ok as NonNullable<Connection['authenticated']>;
        this.#expiresAt = Date.now() + (connection.authenticated.expires_at - (connection.hello?.now ?? 0));
        resolve();
      });
    });
  }

  #down(connection: Connection, down: Down): void {
    if (connection !== this.connection) return;
    this.connection = undefined;
    this.#hooks.down();
    if (this.state === 'closed') return;
    // An anonymous client is closed with 4500 if it follows nothing for long: it had nothing to prove.
    const isAnonymous = connection.upAt !== undefined && connection.authenticated === undefined;
    const final = down.refusal ?? (isAnonymous && down.code === 4500 ? undefined : ofCloseCode(down.code, down.reason));
    if (final !== undefined) {
      this.close(final);
      return;
    }
    if (down.code === 4011) this.#hasExpired = true;
    if (connection.upAt !== undefined && performance.now() - connection.upAt >= this.#settings.stableAfterMs) this.#attempts = 0;
    if (isAnonymous && !this.#hooks.isNeeded()) this.#become('idle');
    else this.#later();
  }

  #later(): void {
    const isOffline = this.#settings.network?.onLine === false;
    const { backoff } = this.#settings;
    const waitMs = isOffline ? backoff.capMs : (this.#goawayMs ?? fullJitterMs(this.#attempts, backoff));
    if (this.#goawayMs === undefined) this.#attempts += 1;
    this.#goawayMs = undefined;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#attempt(), waitMs);
    this.#become(isOffline ? 'offline' : 'waiting');
  }

  #online(): void {
    if (this.state === 'offline' || this.state === 'waiting') {
      this.#attempts = 0;
      void this.#attempt();
    } else {
      this.connection?.doubt();
    }
  }

  #become(state: ClientState): void {
    if (this.state === state) return;
    this.state = state;
    this.#hooks.changed(state);
  }
}
