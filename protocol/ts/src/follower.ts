// All followed topics of a client: subscribes them, resumes them after every break, and asks again for what is refused for now.
//
// Invariants: on one connection at most one question about a topic is under way; an answer is handled in the order of the frames around it;
// a topic whose question was refused for good is ended with the refusal and asked for no more.

import { type Backoff, fullJitterMs } from './backoff.js';
import type { Connection, Outcome } from './connection.js';
import { fromWire, type LatchkeyError } from './errors.js';
import { Follow } from './follow.js';
import type { Settings } from './options.js';
import { type Subscription, TopicReader } from './subscription.js';
import type { Topic } from './topics.js';
import type { Ended, Heartbeat, Resumed, Subscribed } from './types.generated.js';
import { MAX_RESUME_TOPICS, type Push } from './wire.js';

/** What a follower needs of its client. */
export interface FollowerHooks {
  /** There is something to follow. */
  wake(): void;
  /** There is nothing to follow any more. */
  settled(): void;
  /** A private topic was refused because the token has run out. */
  tokenExpired(connection: Connection): void;
}

export class Follower {
  readonly #settings: Settings;
  readonly #backoff: Backoff;
  readonly #hooks: FollowerHooks;
  readonly #follows = new Map<string, Follow>();
  #connection: Connection | undefined;
  #isPaused = false;

  constructor(settings: Settings, hooks: FollowerHooks) {
    this.#settings = settings;
    this.#backoff = settings.backoff;
    this.#hooks = hooks;
  }

  /** How many topics are followed. */
  get size(): number {
    return this.#follows.size;
  }

  /** Follows a topic; several subscriptions to one topic share what comes from the hub. */
  subscribe<T extends Topic>(topic: T): Subscription<T> {
    const follow = this.#follows.get(topic) ?? new Follow(topic);
    this.#follows.set(topic, follow);
    const reader: TopicReader<T> = new TopicReader(topic, this.#settings.bufferLimit, {
      wants: () => this.#ask(),
      closed: () => this.#left(follow, reader as unknown as TopicReader),
    });
    follow.readers.add(reader as unknown as TopicReader);
    this.#hooks.wake();
    this.#ask();
    return reader;
  }

  /** A new connection: everything is resumed from where it was seen. */
  attach(connection: Connection): void {
    this.#connection = connection;
    this.#isPaused = false;
    for (const follow of this.#follows.values()) {
      clearTimeout(follow.retry);
      follow.isAsking = false;
      follow.isBehind = follow.seen !== undefined;
    }
    this.#ask();
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
    for (const follow of [...this.#follows.values()]) this.#end(follow, error);
  }

  push(push: Push): void {
    if (this.#follows.get(push.topic)?.push(push)) this.#ask();
  }

  ended({ topic, error }: Ended): void {
    const follow = this.#follows.get(topic);
    if (follow !== undefined) this.#end(follow, fromWire(error));
  }

  /** The hub says how far each topic is: all that was on its way has come before. */
  heartbeat({ heads }: Heartbeat): void {
    for (const [topic, head] of Object.entries(heads)) {
      const follow = this.#follows.get(topic);
      if (follow?.seen !== undefined && !follow.isAsking && follow.seen < head) follow.isBehind = true;
    }
    this.#ask();
  }

  #ask(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#isPaused) return;
    const byEpoch = new Map<string, Follow[]>();
    for (const follow of this.#follows.values()) {
      const { want } = follow;
      if (want === 'nothing') continue;
      follow.isAsking = true;
      if (want === 'snapshot') this.#askForSnapshot(connection, follow);
      else byEpoch.set(follow.epoch, [...(byEpoch.get(follow.epoch) ?? []), follow]);
    }
    for (const [epoch, follows] of byEpoch) {
      for (let at = 0; at < follows.length; at += MAX_RESUME_TOPICS) {
        this.#resume(connection, epoch, follows.slice(at, at + MAX_RESUME_TOPICS));
      }
    }
  }

  #askForSnapshot(connection: Connection, follow: Follow): void {
    connection.request('subscribe', JSON.stringify({ topic: follow.topic }), undefined, (outcome) => {
      if (follow.isOver || connection !== this.#connection || 'lost' in outcome) return;
      if ('error' in outcome) return this.#refused(connection, follow, outcome.error);
      const { seq, snapshot } = outcome.ok as Subscribed;
      this.#begin(connection, follow, seq, snapshot, false);
      this.#ask();
    });
  }

  #resume(connection: Connection, epoch: string, follows: Follow[]): void {
    const topics = Object.fromEntries(follows.map((follow) => [follow.topic, follow.seen]));
    const answered = (outcome: Outcome) => {
      if (connection !== this.#connection || 'lost' in outcome) return;
      if ('ok' in outcome) return this.#resumed(connection, follows, outcome.ok as Resumed);
      const { error } = outcome;
      const [first] = follows;
      if (!error.retryable && follows.length > 1) {
        // All or none is refused, for instance for being too many: some may be taken.
        const half = Math.ceil(follows.length / 2);
        this.#resume(connection, epoch, follows.slice(0, half));
        this.#resume(connection, epoch, follows.slice(half));
      } else if (follows.length === 1 && first !== undefined) {
        this.#refused(connection, first, error);
      } else {
        for (const follow of follows) this.#retryLater(connection, follow, error.retryAfterMs);
      }
    };
    connection.request('resume', JSON.stringify({ epoch, topics }), undefined, answered);
  }

  #resumed(connection: Connection, follows: Follow[], { topics }: Resumed): void {
    for (const follow of follows) {
      const resumption = topics[follow.topic];
      if (follow.isOver) continue;
      if (resumption === undefined) {
        this.#retryLater(connection, follow, undefined);
      } else if ('resumed' in resumption) {
        follow.resumed(resumption.resumed.head, connection.hello?.epoch ?? '');
        if (follow.isBehind) this.#retryLater(connection, follow, undefined);
        else follow.isAsking = false;
      } else if ('reset' in resumption) {
        this.#begin(connection, follow, resumption.reset.seq, resumption.reset.snapshot, true);
      } else {
        this.#refused(connection, follow, fromWire(resumption.refused));
      }
    }
    this.#ask();
  }

  #begin(connection: Connection, follow: Follow, seq: number, snapshot: Subscribed['snapshot'], isReset: boolean): void {
    follow.isAsking = false;
    // The wire says which kind of state it is; the topic's name says it as well.
    const [state] = Object.values(snapshot) as unknown[];
    follow.begin(seq, state, connection.hello?.epoch ?? '', isReset);
  }

  #refused(connection: Connection, follow: Follow, error: LatchkeyError): void {
    if (follow.isOver) return;
    if (error.retryable) {
      this.#retryLater(connection, follow, error.retryAfterMs);
    } else if (error.code === 'unauthenticated' && connection.authenticated !== undefined) {
      this.#retryLater(connection, follow, undefined);
      this.#hooks.tokenExpired(connection);
    } else {
      this.#end(follow, error);
    }
  }

  /** The hub follows a topic no longer that it refused to resume: it is resumed again, from where it was seen. */
  #retryLater(connection: Connection, follow: Follow, afterMs: number | undefined): void {
    const waitMs = (afterMs ?? 0) + fullJitterMs(follow.failures, this.#backoff);
    follow.failures += 1;
    follow.isBehind = follow.seen !== undefined;
    clearTimeout(follow.retry);
    follow.retry = setTimeout(() => {
      if (connection !== this.#connection) return;
      follow.isAsking = false;
      this.#ask();
    }, waitMs);
  }

  #left(follow: Follow, reader: TopicReader): void {
    follow.readers.delete(reader);
    if (follow.readers.size > 0 || follow.isOver) return;
    this.#end(follow, undefined);
    this.#connection?.request('unsubscribe', JSON.stringify({ topic: follow.topic }), undefined, () => {});
  }

  #end(follow: Follow, error: LatchkeyError | undefined): void {
    // Before its subscriptions are told: whoever subscribes anew at that gets a new one.
    if (this.#follows.get(follow.topic) === follow) this.#follows.delete(follow.topic);
    follow.end(error);
    if (this.#follows.size === 0) this.#hooks.settled();
  }
}
