// Commands that wait: for a connection, for their turn, for their answer.
//
// Invariants: a command's promise settles once; a keyed command is sent with one key and one body however often it is sent; commands are
// sent in the order in which they were given. A command that was sent and not answered when its connection broke is sent again.

import { type CommandName, type CommandOptions, KEYED } from './commands.js';
import type { Connection, Outcome } from './connection.js';
import { LatchkeyError } from './errors.js';
import { freshKey } from './key.js';
import { MAX_TIMER_MS, type Settings } from './options.js';
import { byteLength, encodeCommand, MAX_KEY_BYTES, MAX_MESSAGE_BYTES } from './wire.js';

interface Waiting {
  readonly command: string;
  readonly data: string | undefined;
  readonly key: string | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whether it is on the current connection. */
  isSent: boolean;
  /** Whether it was refused for a token that had run out and waits for a newer one. */
  wasUnauthenticated: boolean;
  /** Stops its timer and its signal. */
  forget: () => void;
}

export class CommandQueue {
  readonly #settings: Settings;
  /** Called when a connection is needed, when nothing waits any more, and when the token turned out to have run out. */
  readonly #hooks: { wake(): void; settled(): void; tokenExpired(connection: Connection): void };
  readonly #waiting = new Set<Waiting>();
  #connection: Connection | undefined;
  #inFlight = 0;

  constructor(settings: Settings, hooks: { wake(): void; settled(): void; tokenExpired(connection: Connection): void }) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  /** How many commands have no answer. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Takes a command; rejects at once if it cannot be sent. */
  submit(name: CommandName, data: unknown, options: CommandOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const key = KEYED[name] ? (options.key ?? freshKey()) : undefined;
      const timeoutMs = Math.min(options.timeoutMs ?? this.#settings.commandTimeoutMs, MAX_TIMER_MS);
      const json = data === undefined ? undefined : JSON.stringify(data);
      const fault = this.#fault(name, json, key);
      if (fault !== undefined) return reject(fault);
      if (signal?.aborted) return reject(signal.reason);

      const waiting: Waiting = { command: name, data: json, key, resolve, reject, isSent: false, wasUnauthenticated: false, forget };
      const giveUp = (error: unknown) => {
        if (this.#take(waiting)) reject(error);
      };
      const timer = setTimeout(() => {
        const message = `no answer to ${name} within ${timeoutMs} ms`;
        giveUp(new LatchkeyError({ code: 'timeout', message, retryable: true, key }));
      }, timeoutMs);
      const onAbort = () => giveUp(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      function forget() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      }
      this.#waiting.add(waiting);
      this.#hooks.wake();
      this.#send();
    });
  }

  /** Sends what waits on a new connection. */
  attach(connection: Connection): void {
    this.#connection = connection;
    this.#inFlight = 0;
    this.#send();
  }

  /** There is no connection, or the hub reads nothing more from it. What it was sent may yet be answered. */
  hold(): void {
    this.#connection = undefined;
  }

  /** Nothing will be sent any more. */
  stop(error: LatchkeyError): void {
    this.hold();
    for (const waiting of [...this.#waiting]) {
      this.#take(waiting);
      const { code, message, retryable, details, closeCode } = error;
      const facts = { code, message, retryable, details, key: waiting.key };
      waiting.reject(new LatchkeyError(closeCode === undefined ? facts : { ...facts, closeCode }));
    }
  }

  #fault(name: string, json: string | undefined, key: string | undefined): LatchkeyError | undefined {
    if (key !== undefined && (key === '' || byteLength(key) > MAX_KEY_BYTES)) {
      return new LatchkeyError({ code: 'key_required', message: `a key has 1 to ${MAX_KEY_BYTES} bytes`, key });
    }
    // The hub would close the connection for it, and again on every other.
    if (byteLength(encodeCommand(Number.MAX_SAFE_INTEGER, name, json, key)) > MAX_MESSAGE_BYTES) {
      return new LatchkeyError({ code: 'too_large', message: `a command has at most ${MAX_MESSAGE_BYTES} bytes`, key });
    }
    if (this.#waiting.size >= this.#settings.queueLimit) {
      const message = `${this.#waiting.size} commands wait already; this one was not sent`;
      return new LatchkeyError({ code: 'queue_full', message, retryable: true, details: { limit: this.#settings.queueLimit }, key });
    }
    return undefined;
  }

  #send(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (const waiting of this.#waiting) {
      if (this.#inFlight >= this.#settings.inFlightLimit) return;
      if (waiting.isSent) continue;
      waiting.isSent = true;
      this.#inFlight += 1;
      connection.request(waiting.command, waiting.data, waiting.key, (outcome) => this.#answered(connection, waiting, outcome));
    }
  }

  #answered(connection: Connection, waiting: Waiting, outcome: Outcome): void {
    if (connection === this.#connection) this.#inFlight -= 1;
    if ('lost' in outcome) {
      waiting.isSent = false;
      return;
    }
    if ('ok' in outcome) {
      if (this.#take(waiting)) waiting.resolve(outcome.ok);
    } else if (outcome.error.code === 'unauthenticated' && connection.authenticated !== undefined && !waiting.wasUnauthenticated) {
      // The token ran out a moment ago: the hub is about to close the connection, and a newer token will do.
      waiting.wasUnauthenticated = true;
      waiting.isSent = false;
      this.#hooks.tokenExpired(connection);
    } else if (this.#take(waiting)) {
      const { code, message, retryable, details } = outcome.error;
      waiting.reject(new LatchkeyError({ code, message, retryable, details, key: waiting.key }));
    }
    if (connection === this.#connection) this.#send();
  }

  #take(waiting: Waiting): boolean {
    waiting.forget();
    const wasThere = this.#waiting.delete(waiting);
    if (wasThere && this.#waiting.size === 0) this.#hooks.settled();
    return wasThere;
  }
}
