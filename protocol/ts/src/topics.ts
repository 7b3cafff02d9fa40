// Topics: their names, and by name what their snapshots and events look like.
//
// Which events come on which topic is said in words in protocol/src/event.rs; the tables below say it in types.

import type { BookingFile, Calendar, Event as WireEvent, Inbox } from './types.generated.js';

/** `property:{id}`, public: what can be booked. It never shows who holds or books. */
export type PropertyTopic = `property:${string}`;
/** `user:{id}`, private inbox: that user's bookings, payments, messages, notifications, account and sessions. */
export type UserTopic = `user:${string}`;
/** `booking:{id}`, for its two parties. */
export type BookingTopic = `booking:${string}`;
/** A stream of events with its own sequence. */
export type Topic = PropertyTopic | UserTopic | BookingTopic;

/** The type of an event, such as `availability.changed`. */
export type EventType = WireEvent['type'];

type OnHome =
  | 'review.published'
  | 'review.hidden'
  | 'review.shown'
  | Extract<EventType, `property.${string}` | `availability.${string}`>;
type OnInboxAlone = Extract<EventType, `hold.${string}` | `payout.${string}` | `account.${string}` | `session.${string}` | `notification.${string}`>;
type OnBookingAlone = 'booking.updated';
type Shared = Exclude<EventType, Extract<EventType, `property.${string}` | `availability.${string}`> | OnInboxAlone | OnBookingAlone>;

/** The types of events that come on such a topic. */
export type EventTypeOf<T extends Topic> =
  | (T extends PropertyTopic ? OnHome : never)
  | (T extends UserTopic ? Shared | OnInboxAlone : never)
  | (T extends BookingTopic ? Shared | OnBookingAlone : never);

/** The state that a topic of this kind begins with. */
export type SnapshotOf<T extends Topic> =
  | (T extends PropertyTopic ? Calendar : never)
  | (T extends UserTopic ? Inbox : never)
  | (T extends BookingTopic ? BookingFile : never);

/** The state of a topic: the first message of a subscription. */
export interface SnapshotMessage<T extends Topic> {
  readonly kind: 'snapshot';
  readonly topic: T;
  /** The last event that the state contains. The next event is `seq + 1`. */
  readonly seq: number;
  readonly snapshot: SnapshotOf<T>;
}

/** The thread was lost: forget the state built so far and begin again from this one. */
export interface ResetMessage<T extends Topic> {
  readonly kind: 'reset';
  readonly topic: T;
  /** The last event that the state contains. It may be lower than what was seen before: a restored hub counts anew. */
  readonly seq: number;
  readonly snapshot: SnapshotOf<T>;
  /** `history`: the hub could not fill the gap. `overflow`: more messages waited to be read than the buffer holds. */
  readonly cause: 'history' | 'overflow';
}

interface EventPlace<T extends Topic> {
  readonly kind: 'event';
  readonly topic: T;
  /** Its number in the topic: one more than the one before, unless {@link EventPlace.fromSeq} says that it stands for several. */
  readonly seq: number;
  /** The first of the events that this one stands for, if there are several (`availability.conflated`). */
  readonly fromSeq?: number;
  /** When it was decided: milliseconds since 1970 by the hub's clock. */
  readonly at: number;
}

/** An event of a topic, told apart by `type`. A newer hub may send types that are not listed here: skip them. */
export type EventMessage<T extends Topic, E extends EventType = EventTypeOf<T>> = E extends EventType
  ? EventPlace<T> & { readonly type: E; readonly data: Extract<WireEvent, { type: E }>['data'] }
  : never;

/** What a subscription gives: a snapshot, then events, in order, each once; sometimes a reset. */
export type TopicMessage<T extends Topic> = SnapshotMessage<T> | ResetMessage<T> | EventMessage<T>;

/** Whether an event is the next one, was seen already, or comes after others that were not seen. */
export type Order = 'next' | 'seen' | 'gap';

/** Judges an event that stands for `fromSeq` to `seq` by the last one seen. */
export function order(seen: number, seq: number, fromSeq: number = seq): Order {
  if (seq <= seen) return 'seen';
  return fromSeq <= seen + 1 ? 'next' : 'gap';
}
