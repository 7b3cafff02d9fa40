// Watched searches: pages that stay current. Watches them, applies what the hub says, watches them again after every break.
//
// Invariants: a page is always what the hub's search answered at some moment, and never an older one after a newer; only the newest counts, so a slow
// reader skips what was in between and nothing waits for it. On one connection at most one question about a search is under way.

import { fullJitterMs } from './backoff.js';
import type { Connection } from './connection.js';
import type { LatchkeyError } from './errors.js';
import type { Settings } from './options.js';
import type { FoundProperty, SearchUpdate, SearchWatched, WatchSearch } from './types.generated.js';

/** What is searched for: the query of `GET /properties/`, without its cursor. */
export type SearchQuery = WatchSearch;

/** The first page of a search. */
export interface SearchPage {
  /** The homes, in order. */
  readonly items: readonly FoundProperty[];
  /** Cursor of the next page, if there is one: for `GET /properties/` with the same query. */
  readonly next: string | undefined;
}

/** A search that is watched; made by `client.search`. */
export interface SearchWatch extends AsyncIterable<SearchPage> {
  readonly query: SearchQuery;
  /** The page as it was told last; `undefined` before the first answer. */
  readonly page: SearchPage | undefined;
  /** Whether nothing more will come. */
  readonly isEnded: boolean;

  /**
   * Calls the listener whenever the page has changed (`page`), at once if there is one already; or when nothing more will come (`end`: with the reason,
   * or without one after `close()`). What a listener throws goes to the platform as uncaught.
   *
   * @returns a function that removes the listener
   */
  on(kind: 'page', listener: (page: SearchPage) => void): () => void;
  on(kind: 'end', listener: (error: LatchkeyError | undefined) => void): () => void;

  /** Watches it no longer. May be called twice. */
  close(): void;

  /**
   * Reads the page, and again whenever it has changed since: always the newest. It throws the {@link LatchkeyError} that ended the watch, finishes
   * after `close()`, and leaving the loop closes the watch.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<SearchPage, undefined>;
}

/** What searches need of their client. */
export interface SearchHooks {
  /** There is something to watch. */
  wake(): void;
  /** There is nothing to watch any more. */
  settled(): void;
}

class Watched implements SearchWatch {
  readonly query: SearchQuery;
  page: SearchPage | undefined;
  /** Its number on the current connection, and the revision of its page. */
  place: { watch: number; revision: number } | undefined;
  isAsking = false;
  failures = 0;
  retry: ReturnType<typeof setTimeout> | undefined;
  readonly #closed: (watched: Watched) => void;
  readonly #onPage = new Set<(page: SearchPage) => void>();
  readonly #onEnd = new Set<(error: LatchkeyError | undefined) => void>();
  /** Iterators that wait. */
  readonly #waiting = new Set<() => void>();
  #end: { error: LatchkeyError | undefined } | undefined;

  constructor(query: SearchQuery, closed: (watched: Watched) => void) {
    this.query = query;
    this.#closed = closed;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  on(kind: 'page' | 'end', listener: (argument: never) => void): () => void {
    const listeners = (kind === 'page' ? this.#onPage : this.#onEnd) as Set<(argument: never) => void>;
    listeners.add(listener);
    const { page } = this;
    if (kind === 'page' && page !== undefined) {
      queueMicrotask(() => listeners.has(listener) && this.page === page && listener(page as never));
    } else if (kind === 'end' && this.#end !== undefined) {
      queueMicrotask(() => listener(this.#end?.error as never));
    }
    return () => void listeners.delete(listener);
  }

  close(): void {
    this.end(undefined);
  }

  show(page: SearchPage): void {
    this.page = page;
    this.#call(this.#onPage, page);
    this.#wake();
  }

  end(error: LatchkeyError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    clearTimeout(this.retry);
    this.#closed(this);
    this.#call(this.#onEnd, error);
    this.#wake();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<SearchPage, undefined> {
    let read: SearchPage | undefined;
    let isThrown = false;
    const iterator: AsyncIterableIterator<SearchPage, undefined> = {
      next: async () => {
        while (this.#end === undefined && this.page === read) await new Promise<void>((resolve) => this.#waiting.add(resolve));
        if (this.#end === undefined && this.page !== undefined) {
          read = this.page;
          return { done: false, value: read };
        }
        const error = this.#end?.error;
        if (error === undefined || isThrown) return { done: true, value: undefined };
        isThrown = true;
        throw error;
      },
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #call<A>(listeners: Set<(argument: A) => void>, argument: A): void {
    for (const listener of [...listeners]) {
      try {
        listener(argument);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** All watched searches of a client. */
export class Searches {
  readonly #settings: Settings;
  readonly #hooks: SearchHooks;
  readonly #all = new Set<Watched>();
  #connection: Connection | undefined;
  #isPaused = false;

  constructor(settings: Settings, hooks: SearchHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
  }

  /** How many searches are watched. */
  get size(): number {
    return this.#all.size;
  }

  watch(query: SearchQuery): SearchWatch {
    const watched = new Watched({ ...query }, (ended) => this.#left(ended));
    this.#all.add(watched);
    this.#hooks.wake();
    this.#ask(watched);
    return watched;
  }

  /** A new connection knows of no watch. */
  attach(connection: Connection): void {
    this.#connection = connection;
    this.#isPaused = false;
    for (const watched of this.#all) {
      clearTimeout(watched.retry);
      watched.place = undefined;
      watched.isAsking = false;
      this.#ask(watched);
    }
  }

  /** There is no connection. */
  detach(): void {
    this.#connection = undefined;
  }

  /** The hub reads nothing more from the connection, but what is on its way still comes. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Nothing will come any more. */
  stop(error: LatchkeyError | undefined): void {
    this.detach();
    for (const watched of [...this.#all]) watched.end(error);
  }

  update(update: SearchUpdate): void {
    for (const watched of this.#all) {
      if (watched.place?.watch === update.watch) return this.#apply(watched, watched.place, update);
    }
  }

  #apply(watched: Watched, place: { watch: number; revision: number }, { watch, revision, order, entries, next }: SearchUpdate): void {
    const known = new Map([...(watched.page?.items ?? []), ...entries].map((home) => [home.id, home]));
    const items = order.flatMap((id) => known.get(id) ?? []);
    if (revision !== place.revision + 1 || items.length !== order.length) {
      // It does not continue what is known: from the beginning.
      watched.place = undefined;
      this.#unwatch(watch);
      this.#ask(watched);
      return;
    }
    place.revision = revision;
    watched.show({ items, next: next ?? undefined });
  }

  #ask(watched: Watched): void {
    const connection = this.#connection;
    if (connection === undefined || this.#isPaused || watched.isAsking || watched.isEnded) return;
    watched.isAsking = true;
    connection.request('search.watch', JSON.stringify(watched.query), undefined, (outcome) => {
      if (connection !== this.#connection || 'lost' in outcome) return;
      if ('error' in outcome) return this.#refused(connection, watched, outcome.error);
      const { watch, revision, items, next } = outcome.ok as SearchWatched;
      if (watched.isEnded) return this.#unwatch(watch);
      watched.isAsking = false;
      watched.failures = 0;
      watched.place = { watch, revision };
      watched.show({ items, next: next ?? undefined });
    });
  }

  #refused(connection: Connection, watched: Watched, error: LatchkeyError): void {
    if (watched.isEnded) return;
    if (!error.retryable) return watched.end(error);
    const waitMs = (error.retryAfterMs ?? 0) + fullJitterMs(watched.failures, this.#settings.backoff);
    watched.failures += 1;
    watched.retry = setTimeout(() => {
      if (connection !== this.#connection) return;
      watched.isAsking = false;
      this.#ask(watched);
    }, waitMs);
  }

  #unwatch(watch: number): void {
    this.#connection?.request('search.unwatch', JSON.stringify({ watch }), undefined, () => {});
  }

  #left(watched: Watched): void {
    this.#all.delete(watched);
    if (watched.place !== undefined) this.#unwatch(watched.place.watch);
    watched.place = undefined;
    if (this.#all.size === 0) this.#hooks.settled();
  }
}
