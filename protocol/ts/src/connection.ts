// One WebSocket from its opening to its end: hello, authentication, requests and their replies, pushes, signs of life.
//
// Invariants: frames are handled in the order in which they come, without a promise in between, so that a reply and the pushes around
// it keep their order; every request's callback is called exactly once; after `down` nothing else is reported.

import { fromWire, type LatchkeyError } from './errors.js';
import { Liveness } from './liveness.js';
import type { Settings, WebSocketLike } from './options.js';
import type { Authenticated, Ended, GoAway, Heartbeat, Hello, PresenceNotice, SearchUpdate, TypingNotice } from './types.generated.js';
import { encodeCommand, parseFrame, type Push, SUBPROTOCOL } from './wire.js';

/** How a request ended: done, refused, or the connection was lost before an answer came. */
export type Outcome = { readonly ok: unknown } | { readonly error: LatchkeyError } | { readonly lost: true };

/** How a connection ended. */
export interface Down {
  /** The close code; 1006 if there was none. */
  readonly code: number;
  readonly reason: string;
  /** Why the hub refused to authenticate, if that was it. */
  readonly refusal?: LatchkeyError;
}

/** Whom a connection reports to. */
export interface ConnectionListener {
  /** The hub has greeted and, if there is a token, knows who it speaks to. */
  up(connection: Connection): void;
  push(push: Push): void;
  ended(ended: Ended): void;
  heartbeat(heartbeat: Heartbeat): void;
  search(update: SearchUpdate): void;
  presence(presence: PresenceNotice): void;
  typing(typing: TypingNotice): void;
  goaway(goaway: GoAway): void;
  tokenExpiring(): void;
  /** It is over. */
  down(connection: Connection, down: Down): void;
}

/** How long after an error the close that should follow is waited for, in milliseconds: it has the code. */
const CLOSE_AFTER_ERROR_MS = 500;

/** Ids are unique over all connections, so that no late reply can be taken for another's. */
let lastId = 0;

export class Connection {
  /** The greeting; there from `up` on. */
  hello: Hello | undefined;
  /** Who the hub takes this connection for; nobody: anonymous. */
  authenticated: Authenticated | undefined;
  /** `performance.now()` of `up`. */
  upAt: number | undefined;
  readonly #socket: WebSocketLike;
  readonly #listener: ConnectionListener;
  readonly #token: string | undefined;
  readonly #replies = new Map<number, (outcome: Outcome) => void>();
  readonly #liveness: Liveness;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;
  #isOver = false;

  constructor(settings: Settings, token: string | undefined, listener: ConnectionListener) {
    this.#listener = listener;
    this.#token = token;
    const vitals = { probe: () => this.request('ping', undefined, undefined, () => {}), dead: () => this.cut('nothing heard') };
    this.#liveness = new Liveness(vitals, settings.heartbeatMarginMs);
    const socket = new settings.webSocket(settings.url, [SUBPROTOCOL]);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.cut('no connection in time'), settings.connectTimeoutMs);
    socket.onopen = () => {
      this.#isOpen = true;
    };
    socket.onmessage = (event: { data: unknown }) => this.#frame(event.data);
    socket.onclose = (event: { code: number; reason: string }) => this.#over({ code: event.code, reason: event.reason });
    socket.onerror = () => {
      if (!this.#isOpen) this.#over({ code: 1006, reason: 'cannot connect' });
      else setTimeout(() => this.#over({ code: 1006, reason: 'connection lost' }), CLOSE_AFTER_ERROR_MS);
    };
  }

  /** Sends a command; `reply` is called once, never from within this call. `data` is JSON text. */
  request(command: string, data: string | undefined, key: string | undefined, reply: (outcome: Outcome) => void): void {
    if (this.#isOver) {
      queueMicrotask(() => reply({ lost: true }));
      return;
    }
    lastId += 1;
    this.#replies.set(lastId, reply);
    try {
      this.#socket.send(encodeCommand(lastId, command, data, key));
    } catch {
      // It is closing; the close event gives the callback its outcome.
    }
  }

  /** Makes sure that it is alive, or ends it soon. */
  doubt(): void {
    this.#liveness.doubt();
  }

  /** Ends it now, without waiting for the hub's agreement. */
  cut(reason: string, code = 1006): void {
    if (this.#isOver) return;
    const socket = this.#socket as WebSocketLike & { terminate?: () => void };
    this.#over({ code, reason });
    try {
      if (code === 1000) socket.close(1000, 'bye');
      else if (socket.terminate !== undefined) socket.terminate();
      else socket.close();
    } catch {
      // It was closed before it opened.
    }
  }

  #over(down: Down): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#liveness.stop();
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // Kept: an error that nobody listens to is thrown by some.
    socket.onerror = () => {};
    const replies = [...this.#replies.values()];
    this.#replies.clear();
    for (const reply of replies) reply({ lost: true });
    this.#listener.down(this, down);
  }

  #frame(data: unknown): void {
    if (this.#isOver) return;
    let frame;
    try {
      if (typeof data !== 'string') throw new SyntaxError('not a text frame');
      frame = parseFrame(data);
    } catch (error) {
      this.cut(`malformed frame: ${String(error)}`);
      return;
    }
    this.#liveness.heard();
    const listener = this.#listener;
    switch (frame.kind) {
      case 'push':
        return listener.push(frame.push);
      case 'ok':
        return this.#answer(frame.id, { ok: frame.ok });
      case 'error':
        // Without an id: a message of ours was too broken to have one, which cannot be.
        return frame.id === null ? undefined : this.#answer(frame.id, { error: fromWire(frame.error) });
      case 'hello':
        return this.#greeted(frame.hello);
      case 'goaway':
        return listener.goaway(frame.goaway);
      case 'ended':
        return listener.ended(frame.ended);
      case 'heartbeat':
        return listener.heartbeat(frame.heartbeat);
      case 'search':
        return listener.search(frame.search);
      case 'presence':
        return listener.presence(frame.presence);
      case 'typing':
        return listener.typing(frame.typing);
      case 'token_expiring':
        return listener.tokenExpiring();
      case 'unknown':
        return undefined;
    }
  }

  #answer(id: number, outcome: Outcome): void {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    reply?.(outcome);
  }

  #greeted(hello: Hello): void {
    if (this.hello !== undefined) return;
    this.hello = hello;
    if (this.#token === undefined) {
      this.#up();
      return;
    }
    this.request('authenticate', JSON.stringify({ token: this.#token }), undefined, (outcome) => {
      if ('ok' in outcome) {
        this.authenticated = outcome.ok as Authenticated;
        this.#up();
      } else if ('error' in outcome) {
        const { error } = outcome;
        if (error.retryable) this.cut(error.message);
        else this.#refused(error);
      }
    });
  }

  #refused(refusal: LatchkeyError): void {
    const socket = this.#socket;
    this.#over({ code: 4500, reason: refusal.message, refusal });
    socket.close();
  }

  #up(): void {
    clearTimeout(this.#timer);
    this.upAt = performance.now();
    this.#liveness.start(this.hello?.heartbeat_ms ?? 0);
    this.#listener.up(this);
  }
}
