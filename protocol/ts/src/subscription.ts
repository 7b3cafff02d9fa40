// What an application holds of a topic: messages in order, by `for await` or by callbacks.
//
// Invariants: the first message is a snapshot; after a snapshot or reset at `seq` come the events from `seq + 1` on, each once. The buffer of
// what was not read is bounded: when it is full it is dropped, and whoever reads on gets a `reset` with a fresh snapshot first.

import type { LatchkeyError } from './errors.js';
import type { EventMessage, EventTypeOf, ResetMessage, SnapshotMessage, Topic, TopicMessage } from './topics.js';

/** What a subscription needs of the client. */
export interface SubscriptionOwner {
  /** A snapshot is wanted: there is none yet, or the buffer was dropped. */
  wants(): void;
  /** Nobody listens any more. */
  closed(): void;
}

type Pending<T extends Topic> = { resolve: (result: IteratorResult<TopicMessage<T>, undefined>) => void; reject: (error: unknown) => void };

/** A topic that is followed; made by `client.subscribe`. */
export interface Subscription<T extends Topic = Topic> extends AsyncIterable<TopicMessage<T>> {
  /** Which topic. */
  readonly topic: T;
  /** The last event that was taken in, read or not; `undefined` before the first snapshot and after an overflow. */
  readonly seq: number | undefined;
  /** Whether nothing more will come. */
  readonly isEnded: boolean;

  /**
   * Calls the listener for each such message: `message` (all), `snapshot`, `reset`, `event`, an event's type such as `availability.changed`, or
   * `end` (nothing more will come: with the reason, or without one after `close()`). What a listener throws goes to the platform as uncaught.
   * Messages that came before the first listener are given to it in a moment, unless an iterator has them.
   *
   * @returns a function that removes the listener
   */
  on(kind: 'message', listener: (message: TopicMessage<T>) => void): () => void;
  on(kind: 'snapshot', listener: (message: SnapshotMessage<T>) => void): () => void;
  on(kind: 'reset', listener: (message: ResetMessage<T>) => void): () => void;
  on(kind: 'event', listener: (message: EventMessage<T>) => void): () => void;
  on(kind: 'end', listener: (error: LatchkeyError | undefined) => void): () => void;
  on<E extends EventTypeOf<T>>(type: E, listener: (message: EventMessage<T, E>) => void): () => void;

  /** Ends the subscription: iterators finish, `end` is told, the hub sends no more. May be called twice. */
  close(): void;

  /**
   * Reads the messages in order. It throws the {@link LatchkeyError} that ended the subscription, finishes after `close()`, and leaving
   * the loop closes the subscription. There is one buffer: of several iterators each message goes to one.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<TopicMessage<T>, undefined>;
}

/** The client's side of a subscription. */
export class TopicReader<T extends Topic = Topic> implements Subscription<T> {
  readonly topic: T;
  readonly #owner: SubscriptionOwner;
  readonly #bufferLimit: number;
  readonly #listeners = new Map<string, Set<(argument: never) => void>>();
  #buffer: TopicMessage<T>[] = [];
  #readers: Pending<T>[] = [];
  #hasIterator = false;
  #isDraining = false;
  #place: number | undefined;
  #hadSnapshot = false;
  #hasOverflowed = false;
  #isThrown = false;
  #end: { error: LatchkeyError | undefined } | undefined;

  constructor(topic: T, bufferLimit: number, owner: SubscriptionOwner) {
    this.topic = topic;
    this.#bufferLimit = bufferLimit;
    this.#owner = owner;
  }

  get seq(): number | undefined {
    return this.#place;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  on(kind: string, listener: (argument: never) => void): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners);
    listeners.add(listener);
    const isOver = this.#end !== undefined && this.#buffer.length === 0;
    if (isOver && !this.#isDraining) {
      if (kind === 'end') queueMicrotask(() => listener(this.#end?.error as never));
    } else if (!this.#hasIterator && !this.#isDraining) {
      this.#isDraining = true;
      queueMicrotask(() => this.#drain());
    }
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(kind);
    };
  }

  close(): void {
    this.end(undefined);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<TopicMessage<T>, undefined> {
    this.#hasIterator = true;
    const iterator: AsyncIterableIterator<TopicMessage<T>, undefined> = {
      next: () => this.#next(),
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Whether a snapshot is wanted now: not before a dropped buffer is read on. */
  get needsSnapshot(): boolean {
    return this.#end === undefined && this.#place === undefined && (!this.#hasOverflowed || this.#readers.length > 0 || this.#isPushing);
  }

  /** The state of the topic: the first one, or one that begins anew. Passed over if what it says is known already. */
  begin(seq: number, snapshot: unknown, isLost: boolean): void {
    if (this.#end !== undefined || (this.#place !== undefined && !isLost)) return;
    if (this.#place === undefined && !this.needsSnapshot) return;
    const cause = this.#hasOverflowed ? 'overflow' : 'history';
    const message = this.#hadSnapshot ? { kind: 'reset', cause } : { kind: 'snapshot' };
    this.#hadSnapshot = true;
    this.#hasOverflowed = false;
    this.#place = seq;
    this.#give({ ...message, topic: this.topic, seq, snapshot } as TopicMessage<T>);
  }

  /** The next event, or one that was seen. */
  event(message: EventMessage<T>): void {
    if (this.#end !== undefined || this.#place === undefined || message.seq <= this.#place) return;
    this.#place = message.seq;
    this.#give(message as TopicMessage<T>);
  }

  /** Nothing more will come. */
  end(error: LatchkeyError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (error === undefined) this.#buffer = [];
    for (const reader of this.#readers.splice(0)) this.#finish(reader);
    if (!this.#isDraining) this.#call('end', error);
    this.#owner.closed();
  }

  get #isPushing(): boolean {
    return !this.#hasIterator && this.#listeners.size > 0;
  }

  #give(message: TopicMessage<T>): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ done: false, value: message });
    else if (this.#hasIterator || this.#isDraining || this.#listeners.size === 0) this.#keep(message);
    if (!this.#isDraining) this.#tell(message);
  }

  #keep(message: TopicMessage<T>): void {
    if (this.#buffer.length < this.#bufferLimit) {
      this.#buffer.push(message);
      return;
    }
    this.#buffer = [];
    this.#place = undefined;
    this.#hasOverflowed = true;
  }

  #drain(): void {
    this.#isDraining = false;
    if (this.#hasIterator) return;
    for (const message of this.#buffer.splice(0)) this.#tell(message);
    if (this.#end !== undefined) this.#call('end', this.#end.error);
    else if (this.needsSnapshot) this.#owner.wants();
  }

  #tell(message: TopicMessage<T>): void {
    this.#call('message', message);
    this.#call(message.kind, message);
    if (message.kind === 'event') this.#call((message as EventMessage<T>).type, message);
  }

  #call(kind: string, argument: unknown): void {
    for (const listener of [...(this.#listeners.get(kind) ?? [])]) {
      try {
        listener(argument as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #next(): Promise<IteratorResult<TopicMessage<T>, undefined>> {
    const value = this.#buffer.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      if (this.#end !== undefined) return this.#finish(reader);
      this.#readers.push(reader);
      if (this.#place === undefined) this.#owner.wants();
    });
  }

  #finish({ resolve, reject }: Pending<T>): void {
    const error = this.#end?.error;
    // Thrown once, as a generator would.
    if (error === undefined || this.#isThrown) return resolve({ done: true, value: undefined });
    this.#isThrown = true;
    reject(error);
  }
}
