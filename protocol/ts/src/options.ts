// What a client is made with, and what it does where nothing is said.

import type { NetworkStatus } from './network.js';

/** Why a token is asked for: a new connection, the token before has run out, or it is about to. */
export type TokenReason = 'connect' | 'expired' | 'expiring';

/** What the client needs of a WebSocket; the browsers', Node's and that of the package `ws` have it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A constructor of WebSockets. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** Settings of a client; only `url` is needed. Times are in milliseconds, at most 2^31 - 1. */
export interface ClientOptions {
  /** Where the hub is: `wss://…/ws`. Never put a token into it. */
  readonly url: string | URL;
  /**
   * Gives the access token whenever one is needed: at each connect, and again when the hub says that it ends soon. Gives nothing for an
   * anonymous client, who may follow `property:` topics and ask for quotes. A callback that throws is asked again after a while,
   * unless it throws a `LatchkeyError` that is not retryable: then the client closes with it.
   */
  readonly token?: (ask: { readonly reason: TokenReason }) => string | null | undefined | Promise<string | null | undefined>;
  /** The WebSocket to use where there is no global one (Node before 22: that of the package `ws`). */
  readonly webSocket?: WebSocketConstructor;
  /** Tells whether there is a network. Default: the browser's `online` and `offline` events; elsewhere nothing. */
  readonly network?: NetworkStatus;
  /** How long to wait for a token, and then for a connection that is authenticated. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** Upper bound of the first random wait before a reconnect; doubles with each failure. Default 500. */
  readonly backoffBaseMs?: number;
  /** Upper bound of every wait before a reconnect. Default 30 000. */
  readonly backoffCapMs?: number;
  /** After a connection that held for as long, waits begin at the base again. Default 10 000. */
  readonly stableAfterMs?: number;
  /** A connection is given up when nothing was heard for twice the hub's heartbeat and this. Default 5 000. */
  readonly heartbeatMarginMs?: number;
  /** How long a command waits for its answer, reconnects included. Default 30 000. */
  readonly commandTimeoutMs?: number;
  /** Most commands without an answer, sent or not; further ones fail with `queue_full`. 1 or more, default 1 000. */
  readonly queueLimit?: number;
  /** Most commands sent and not answered at once; the hub reads no further than 16. 1 or more, default 16. */
  readonly inFlightLimit?: number;
  /** Most messages of a subscription that wait to be read by `for await`; beyond, they are dropped for a fresh snapshot. 1 or more, default 1 000. */
  readonly bufferLimit?: number;
  /** After how long an anonymous client with nothing to do hangs up (the hub would after 10 s); it connects again when needed. Default 5 000. */
  readonly idleAfterMs?: number;
}

/** Settings with every default filled in. */
export interface Settings {
  readonly url: string;
  readonly token: ClientOptions['token'];
  readonly webSocket: WebSocketConstructor;
  readonly network: NetworkStatus | undefined;
  readonly connectTimeoutMs: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  readonly stableAfterMs: number;
  readonly heartbeatMarginMs: number;
  readonly commandTimeoutMs: number;
  readonly queueLimit: number;
  readonly inFlightLimit: number;
  readonly bufferLimit: number;
  readonly idleAfterMs: number;
}

/** The longest wait that timers can do. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

function number(name: string, value: number | undefined, fallback: number, min: number): number {
  const chosen = value ?? fallback;
  if (!Number.isFinite(chosen) || chosen < min || chosen > MAX_TIMER_MS) {
    throw new RangeError(`${name} must be from ${min} to ${MAX_TIMER_MS}, not ${chosen}`);
  }
  return chosen;
}

/** Fills in the defaults. @throws RangeError for a number out of range, TypeError without a WebSocket or for a bad address */
export function settle(options: ClientOptions, network: NetworkStatus | undefined): Settings {
  const url = new URL(options.url);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new TypeError(`url must begin with ws:// or wss://, not ${url.protocol}`);
  const webSocket = options.webSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (webSocket === undefined) throw new TypeError('there is no global WebSocket here: give one as `webSocket`');
  return {
    url: url.href,
    token: options.token,
    webSocket,
    network: options.network ?? network,
    connectTimeoutMs: number('connectTimeoutMs', options.connectTimeoutMs, 10_000, 1),
    backoff: {
      baseMs: number('backoffBaseMs', options.backoffBaseMs, 500, 1),
      capMs: number('backoffCapMs', options.backoffCapMs, 30_000, 1),
    },
    stableAfterMs: number('stableAfterMs', options.stableAfterMs, 10_000, 0),
    heartbeatMarginMs: number('heartbeatMarginMs', options.heartbeatMarginMs, 5_000, 1),
    commandTimeoutMs: number('commandTimeoutMs', options.commandTimeoutMs, 30_000, 1),
    queueLimit: number('queueLimit', options.queueLimit, 1_000, 1),
    inFlightLimit: number('inFlightLimit', options.inFlightLimit, 16, 1),
    bufferLimit: number('bufferLimit', options.bufferLimit, 1_000, 1),
    idleAfterMs: number('idleAfterMs', options.idleAfterMs, 5_000, 0),
  };
}
