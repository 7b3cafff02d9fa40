// One followed topic: how far it was seen, who listens, what is to be asked for next. The follower asks; this decides.
//
// Invariant: `seen` never skips an event: it moves by the next event, by a frame that stands for a range, or to a snapshot.

import type { LatchkeyError } from './errors.js';
import type { TopicReader } from './subscription.js';
import { type EventMessage, order, type Topic } from './topics.js';
import type { Push } from './wire.js';

/** What is to be asked of the hub about a topic. */
export type Want = 'snapshot' | 'resume' | 'nothing';

export class Follow {
  readonly topic: Topic;
  readonly readers = new Set<TopicReader>();
  /** The last event of the topic that came from the hub; `undefined` before the first snapshot. */
  seen: number | undefined;
  /** The history that `seen` counts in: the hub's epoch when it came. */
  epoch = '';
  /** A question is under way, or waits for a while; no other is asked. */
  isAsking = false;
  /** Events may be missing: since a reconnect, a gap, a heartbeat that knows more. */
  isBehind = false;
  /** How often in a row asking failed. */
  failures = 0;
  /** Nobody listens, or the hub ended it; late answers are for nobody. */
  isOver = false;
  retry: ReturnType<typeof setTimeout> | undefined;

  constructor(topic: Topic) {
    this.topic = topic;
  }

  /** What to ask for now. Missed events come before fresh snapshots: those who have a place lose nothing by them. */
  get want(): Want {
    if (this.isAsking || this.isOver) return 'nothing';
    const needing = [...this.readers].filter((reader) => reader.needsSnapshot).length;
    const isWanted = this.seen === undefined || needing > 0;
    if (this.seen !== undefined && this.isBehind && needing < this.readers.size) return 'resume';
    return isWanted ? 'snapshot' : this.isBehind ? 'resume' : 'nothing';
  }

  /** An event came. Says whether events before it are missing. */
  push(push: Push): boolean {
    // Before the first snapshot there is nothing that it could change.
    if (this.seen === undefined) return false;
    const judgement = order(this.seen, push.seq, push.from_seq);
    if (judgement === 'gap') {
      this.isBehind = true;
      return true;
    }
    if (judgement === 'seen') return false;
    this.seen = push.seq;
    const { topic, seq, from_seq: fromSeq, type, at, data } = push;
    const message = { kind: 'event', topic, seq, ...(fromSeq === undefined ? {} : { fromSeq }), type, at, data };
    for (const reader of [...this.readers]) reader.event(message as EventMessage<Topic>);
    return false;
  }

  /**
   * A snapshot came; the pushes that follow begin right after it.
   *
   * @param isReset the events before it cannot be had, so that everybody begins anew
   */
  begin(seq: number, snapshot: unknown, epoch: string, isReset: boolean): void {
    this.seen = seq;
    this.epoch = epoch;
    this.isBehind = false;
    this.failures = 0;
    for (const reader of [...this.readers]) {
      // Who has seen less than the snapshot contains would miss what is in between: the hub does not send it.
      const isLost = isReset || (reader.seq ?? seq) < seq;
      reader.begin(seq, snapshot, isLost);
    }
  }

  /** The missed events came, up to `head` at least. */
  resumed(head: number, epoch: string): void {
    this.epoch = epoch;
    this.isBehind = (this.seen ?? 0) < head;
    this.failures = this.isBehind ? this.failures + 1 : 0;
  }

  /** Nothing more comes. */
  end(error: LatchkeyError | undefined): void {
    this.isOver = true;
    clearTimeout(this.retry);
    for (const reader of [...this.readers]) reader.end(error);
  }
}
