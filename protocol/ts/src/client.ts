// The client: what applications hold. It puts together the connector, the queue of commands, the follower of topics
// and the watched searches.

import type { CommandArguments, CommandName, CommandReply } from './commands.js';
import type { Connection } from './connection.js';
import { type ClientState, Connector } from './connector.js';
import { type LatchkeyError } from './errors.js';
import { Follower } from './follower.js';
import { browserNetwork } from './network.js';
import { type ClientOptions, settle } from './options.js';
import { CommandQueue } from './queue.js';
import { Searches, type SearchQuery, type SearchWatch } from './search.js';
import type { Subscription } from './subscription.js';
import type { Topic } from './topics.js';
import type { PresenceNotice, TypingNotice } from './types.generated.js';

/** What can be listened to on a client. */
export interface ClientListeners {
  /** The client is in another state now. */
  state: (state: ClientState) => void;
  /** About how many people look at a home that is subscribed to: told when that changes, after a subscription unless it is only oneself. */
  presence: (presence: PresenceNotice) => void;
  /** The other side of a booking that is subscribed to is writing: true for about 5 seconds. */
  typing: (typing: TypingNotice) => void;
  /** The client is closed for good: with the reason, or with `closed` after `close()`. */
  close: (error: LatchkeyError) => void;
}

/**
 * A client of one hub, for one user or for nobody.
 *
 * It connects when it is first needed, by itself again after every break, and not any more once it is closed.
 */
export class LatchkeyClient {
  readonly #connector: Connector;
  readonly #queue: CommandQueue;
  readonly #follower: Follower;
  readonly #searches: Searches;
  readonly #listeners: { [K in keyof ClientListeners]: Set<ClientListeners[K]> } = {
    state: new Set(),
    presence: new Set(),
    typing: new Set(),
    close: new Set(),
  };
  #closed: LatchkeyError | undefined;
  #clockOffsetMs = 0;

  /** Connects to nothing yet. @throws TypeError for a bad address or where there is no WebSocket; RangeError for a bad number */
  constructor(options: ClientOptions) {
    const settings = settle(options, browserNetwork());
    const hooks = {
      wake: () => this.#connector.wake(),
      settled: () => this.#connector.rest(),
      tokenExpired: (connection: Connection) => this.#connector.tokenExpired(connection),
    };
    this.#queue = new CommandQueue(settings, hooks);
    const follower = new Follower(settings, hooks);
    this.#follower = follower;
    const searches = new Searches(settings, hooks);
    this.#searches = searches;
    this.#connector = new Connector(settings, {
      push: (push) => follower.push(push),
      ended: (ended) => follower.ended(ended),
      heartbeat: (heartbeat) => follower.heartbeat(heartbeat),
      search: (update) => searches.update(update),
      presence: (presence) => this.#tell('presence', presence),
      typing: (typing) => this.#tell('typing', typing),
      up: (connection) => this.#up(connection),
      pause: () => this.#pause(),
      down: () => this.#down(),
      stop: (error) => this.#stop(error),
      changed: (state) => this.#tell('state', state),
      isNeeded: () => this.#queue.size > 0 || follower.size > 0 || searches.size > 0,
    });
  }

  /** Where the client is. */
  get state(): ClientState {
    return this.#connector.state;
  }

  /** The id of the user the hub takes this client for; `undefined` while not connected, and for the anonymous. */
  get user(): string | undefined {
    return this.#connector.connection?.authenticated?.user;
  }

  /**
   * The hub's clock now, in milliseconds since 1970, as far as the last greeting tells: deadlines such as `expires_at` are by that clock, and
   * this machine's may be wrong. It is late by as long as the greeting was on its way.
   */
  serverNow(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /**
   * Connects, if it was not done yet, and waits until the hub has said who one is. There is no need to call it: commands and
   * subscriptions connect by themselves.
   *
   * @throws LatchkeyError once the client is closed: by `close()`, by a token that is refused, by a session that was revoked. A hub that cannot
   * be reached is no error: it is tried again and again.
   */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed);
      if (this.state === 'ready') return resolve();
      const offState = this.on('state', (state) => {
        if (state !== 'ready') return;
        off();
        resolve();
      });
      const offClose = this.on('close', (error) => {
        off();
        reject(error);
      });
      const off = () => {
        offState();
        offClose();
      };
      this.#connector.wake();
    });
  }

  /**
   * Has the hub do something, and waits for its answer across reconnects.
   *
   * A command that changes something carries an idempotency key, made up here or given in the options, and is sent again with the same key
   * whenever the connection broke before its answer came: it is done once. Commands that change nothing are simply asked again.
   *
   * @throws LatchkeyError the hub's refusal (`dates_unavailable`, `busy`, …: `retryable` says whether to try again, `retryAfterMs` when; the client
   * does not do it by itself), or `timeout`, `queue_full`, `closed`. With a `signal` that is aborted: its reason.
   */
  command<N extends CommandName>(name: N, ...[data, options]: CommandArguments<N>): Promise<CommandReply<N>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return this.#queue.submit(name, data, options) as Promise<CommandReply<N>>;
  }

  /**
   * Follows a topic: a snapshot, then every event, in order and once each, until `close()` of the subscription.
   *
   * A refusal for good (`not_found`, `too_many_subscriptions`: 200 is the hub's limit) ends the subscription.
   */
  subscribe<T extends Topic>(topic: T): Subscription<T> {
    const subscription = this.#follower.subscribe(topic);
    if (this.#closed !== undefined) this.#follower.stop(this.#closed);
    return subscription;
  }

  /**
   * Watches a search: its first page now, and what it becomes as nights are taken and freed, prices change and homes come and go, until
   * `close()` of the watch. The page is what `GET /properties/` answers; after a reconnect it is asked for again.
   *
   * A refusal for good (`invalid`, `too_many_subscriptions`: 10 of a connection, 200 of a user or address) ends the watch.
   */
  search(query: SearchQuery): SearchWatch {
    const watch = this.#searches.watch(query);
    if (this.#closed !== undefined) this.#searches.stop(this.#closed);
    return watch;
  }

  /**
   * Asks the `token` callback for a token now, with the reason `expiring`, and gives it to the hub in place: subscriptions and commands go on.
   * The client does so by itself whenever the hub says that a token ends soon.
   *
   * @throws LatchkeyError if there is no connection or the token is refused; and whatever the callback throws
   */
  async refreshToken(): Promise<void> {
    const token = await this.#connector.token('expiring');
    if (token !== undefined) await this.#connector.refresh(token);
  }

  /** Calls the listener whenever it happens. @returns a function that removes it */
  on<K extends keyof ClientListeners>(kind: K, listener: ClientListeners[K]): () => void {
    const listeners = this.#listeners[kind];
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Ends everything: waiting commands fail with `closed`, subscriptions finish. May be called twice. */
  close(): void {
    this.#connector.close();
  }

  #up(connection: Connection): void {
    if (connection.hello !== undefined) this.#clockOffsetMs = connection.hello.now - Date.now();
    // First what was missed, then what is to be done.
    this.#follower.attach(connection);
    this.#searches.attach(connection);
    this.#queue.attach(connection);
  }

  #pause(): void {
    this.#follower.pause();
    this.#searches.pause();
    this.#queue.hold();
  }

  #down(): void {
    this.#follower.detach();
    this.#searches.detach();
    this.#queue.hold();
  }

  #stop(error: LatchkeyError): void {
    this.#closed = error;
    this.#queue.stop(error);
    this.#follower.stop(error.code === 'closed' ? undefined : error);
    this.#searches.stop(error.code === 'closed' ? undefined : error);
    this.#tell('close', error);
  }

  #tell<K extends keyof ClientListeners>(kind: K, ...args: Parameters<ClientListeners[K]>): void {
    for (const listener of [...this.#listeners[kind]] as ((...args: Parameters<ClientListeners[K]>) => void)[]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
