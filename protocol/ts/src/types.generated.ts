// Generated from protocol/schema/latchkey.json by `npm run generate`. Do not edit.

/**
 * How a proposal ended.
 */
export type AlterationEnd = 'applied' | 'declined' | 'withdrawn' | 'expired' | 'dates_taken';
/**
 * Where a proposed alteration is.
 */
export type AlterationState = 'proposed' | 'awaiting_payment';
/**
 * What a home offers. New words are added at the end: the database stores words, memory a bit for each.
 */
export type Amenity =
  | 'wifi'
  | 'kitchen'
  | 'washer'
  | 'dryer'
  | 'air_conditioning'
  | 'heating'
  | 'workspace'
  | 'tv'
  | 'hair_dryer'
  | 'iron'
  | 'essentials'
  | 'dishwasher'
  | 'coffee_maker'
  | 'free_parking'
  | 'ev_charger'
  | 'pool'
  | 'hot_tub'
  | 'sauna'
  | 'gym'
  | 'garden'
  | 'balcony'
  | 'barbecue'
  | 'fireplace'
  | 'cot'
  | 'high_chair'
  | 'lift'
  | 'step_free'
  | 'private_entrance'
  | 'self_check_in'
  | 'smoke_alarm'
  | 'carbon_monoxide_alarm'
  | 'first_aid_kit'
  | 'waterfront';
/**
 * Where a booking is in its life.
 */
export type BookingState =
  | 'pending_payment'
  | 'requested'
  | 'confirmed'
  | 'checked_in'
  | 'completed'
  | 'payment_failed'
  | 'declined'
  | 'withdrawn'
  | 'expired'
  | 'cancelled_by_guest'
  | 'cancelled_by_host'
  | 'no_show';
/**
 * What a guest gets back who calls a confirmed booking off; listing-local times.
 */
export type CancellationPolicy = 'flexible' | 'moderate' | 'limited' | 'firm' | 'strict';
export type ClaimId = string;
export type Date = string;
/**
 * A detail of an error: a number or a word.
 */
export type Detail = number | string;
/**
 * Where a dispute is.
 */
export type DisputeState = 'open' | 'won' | 'lost';
/**
 * What went wrong, as a fact a program can act on.
 *
 * Listed in order of precedence: of several faults in one command, the first in this list is the one reported.
 */
export type ErrorCode =
  | 'malformed'
  | 'unknown_command'
  | 'method_not_allowed'
  | 'upgrade_required'
  | 'too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'unauthenticated'
  | 'forbidden'
  | 'key_required'
  | 'invalid'
  | 'precondition_required'
  | 'key_reused'
  | 'not_found'
  | 'already_registered'
  | 'bad_credentials'
  | 'precondition_failed'
  | 'rule_violated'
  | 'dates_unavailable'
  | 'expired'
  | 'invalid_state'
  | 'hold_limit'
  | 'hold_cooldown'
  | 'too_early'
  | 'payment_declined'
  | 'too_many_subscriptions'
  | 'too_many_in_flight'
  | 'too_many_connections'
  | 'busy'
  | 'unavailable'
  | 'internal';
/**
 * An event's type and its data, as `{"type":"hold.expired","data":{…}}`.
 *
 * Events name things by id and carry no personal text, so that erasing a user leaves the log whole.
 */
export type Event =
  | {
      /**
       * On `property:{id}`: the home was listed. Always its topic's first event.
       */
      data: PropertyRef;
      type: 'property.listed';
    }
  | {
      /**
       * On `property:{id}`: everybody can see the home.
       */
      data: PropertyVersion;
      type: 'property.published';
    }
  | {
      /**
       * On `property:{id}`: something about the home is otherwise; read it again.
       */
      data: PropertyVersion;
      type: 'property.updated';
    }
  | {
      /**
       * On `property:{id}`: the home's host alone can see it. For everybody else the topic ends with it, see [`crate::server::Ended`].
       */
      data: PropertyVersion;
      type: 'property.unlisted';
    }
  | {
      /**
       * On `property:{id}`: the home is gone, and its topic ends for everybody.
       */
      data: PropertyVersion;
      type: 'property.deleted';
    }
  | {
      /**
       * On `property:{id}`: nights changed their state. It never says who did it.
       */
      data: NightRange;
      type: 'availability.changed';
    }
  | {
      /**
       * On `property:{id}`, to a client that reads slowly, with `from_seq`: what several `availability.changed` together came to. It is never stored
       * and never replayed.
       */
      data: NightRanges;
      type: 'availability.conflated';
    }
  | {
      /**
       * On the guest's inbox: a hold ran out.
       */
      data: HoldNotice;
      type: 'hold.expired';
    }
  | {
      /**
       * On both inboxes and the booking: a booking waits for its payment.
       */
      data: BookingNotice;
      type: 'booking.created';
    }
  | {
      /**
       * On both inboxes and the booking: it is paid, the nights are the guest's.
       */
      data: BookingNotice;
      type: 'booking.confirmed';
    }
  | {
      /**
       * On both inboxes and the booking: the payment did not come in time.
       */
      data: BookingNotice;
      type: 'booking.expired';
    }
  | {
      /**
       * On both inboxes and the booking: one side called it off.
       */
      data: BookingNotice;
      type: 'booking.cancelled';
    }
  | {
      /**
       * On both inboxes and the booking: the money is set aside, the host is asked.
       */
      data: BookingNotice;
      type: 'booking.requested';
    }
  | {
      /**
       * On both inboxes and the booking: the host said no.
       */
      data: BookingNotice;
      type: 'booking.declined';
    }
  | {
      /**
       * On both inboxes and the booking: the guest took the request back.
       */
      data: BookingNotice;
      type: 'booking.withdrawn';
    }
  | {
      /**
       * On both inboxes and the booking: the money that was set aside did not come in; the nights are free again.
       */
      data: BookingNotice;
      type: 'booking.payment_failed';
    }
  | {
      /**
       * On both inboxes and the booking: the guest is there.
       */
      data: BookingNotice;
      type: 'booking.checked_in';
    }
  | {
      /**
       * On both inboxes and the booking: the stay is over.
       */
      data: BookingNotice;
      type: 'booking.completed';
    }
  | {
      /**
       * On both inboxes and the booking: the guest never came.
       */
      data: BookingNotice;
      type: 'booking.no_show';
    }
  | {
      /**
       * On the booking: something about it is otherwise; read it again.
       */
      data: BookingMention;
      type: 'booking.updated';
    }
  | {
      /**
       * On both inboxes and the booking: a change of the stay is proposed, or accepted and to be paid.
       */
      data: AlterationNotice;
      type: 'alteration.proposed';
    }
  | {
      /**
       * On both inboxes and the booking: a proposal is no more.
       */
      data: AlterationEnded;
      type: 'alteration.ended';
    }
  | {
      /**
       * On both inboxes and the booking: the guest's bank disputes a payment, or has decided.
       */
      data: PaymentNotice;
      type: 'payment.disputed';
    }
  | {
      /**
       * On the host's inbox: money is on its way, back, or has arrived.
       */
      data: PayoutNotice;
      type: 'payout.updated';
    }
  | {
      /**
       * On the guest's inbox and the booking: the payment waits for the guest, the bank or another method.
       */
      data: PaymentNotice;
      type: 'payment.updated';
    }
  | {
      /**
       * On both inboxes and the booking: the money came in.
       */
      data: PaymentNotice;
      type: 'payment.succeeded';
    }
  | {
      /**
       * On both inboxes and the booking: money goes or went back, for the reason that `state` of the booking gives.
       */
      data: PaymentNotice;
      type: 'payment.refunded';
    }
  | {
      /**
       * On the user's inbox: their profile, address, roles or standing changed; read it again.
       */
      data: AccountVersion;
      type: 'account.updated';
    }
  | {
      /**
       * On the user's inbox: a session was logged out, revoked or ended as stolen. One that runs out by itself is not told.
       */
      data: SessionRef;
      type: 'session.ended';
    }
  | {
      /**
       * On both inboxes and the booking: one side wrote to the other; `GET /bookings/{booking}/messages/` has the text.
       */
      data: MessageNotice;
      type: 'message.sent';
    }
  | {
      /**
       * On both inboxes and the booking: one side has read what the other wrote.
       */
      data: MessagesRead;
      type: 'message.read';
    }
  | {
      /**
       * On the inbox of whom it is for: there is a new notification, besides the event that it follows from.
       */
      data: NotificationNotice;
      type: 'notification.created';
    }
  | {
      /**
       * On the inbox of whose they are: notifications were read, here or on another device.
       */
      data: NotificationsRead;
      type: 'notification.read';
    }
  | {
      /**
       * On the booking and the other side's inbox: one side has written its review. What it says is told when both have, or when the time is over. On
       * its author's inbox: they have written it anew.
       */
      data: ReviewSubmitted;
      type: 'review.submitted';
    }
  | {
      /**
       * On both inboxes, the booking and, of a guest's review, the home: everybody can read it.
       */
      data: ReviewNotice;
      type: 'review.published';
    }
  | {
      /**
       * On both inboxes and the booking: the reviewed side has answered.
       */
      data: ReviewNotice;
      type: 'review.replied';
    }
  | {
      /**
       * On both inboxes, the booking and, of a guest's review, the home: an admin has hidden it.
       */
      data: ReviewNotice;
      type: 'review.hidden';
    }
  | {
      /**
       * On both inboxes, the booking and, of a guest's review, the home: everybody can read it again.
       */
      data: ReviewNotice;
      type: 'review.shown';
    };
/**
 * Where a hold is in its life.
 */
export type HoldState = 'active' | 'converted' | 'released' | 'expired';
/**
 * What one night of a public calendar looks like from outside.
 */
export type NightState = 'free' | 'held' | 'booked' | 'blocked';
export type NotificationId = string;
/**
 * What a notification is about. New words are added at the end: the database stores words.
 */
export type NotificationKind =
  | 'booking_confirmed'
  | 'booking_expired'
  | 'booking_cancelled'
  | 'payment_failed'
  | 'refund_sent'
  | 'message_received'
  | 'booking_requested'
  | 'booking_declined'
  | 'booking_withdrawn'
  | 'no_show'
  | 'alteration_proposed'
  | 'alteration_ended'
  | 'payout_sent'
  | 'payment_disputed'
  | 'review_received'
  | 'review_published'
  | 'review_replied';
export type PaymentId = string;
/**
 * Where a payment is: Stripe's names for the states of a PaymentIntent, and what becomes of its money.
 */
export type PaymentState =
  'requires_payment_method' | 'requires_confirmation' | 'requires_action' | 'processing' | 'requires_capture' | 'succeeded' | 'canceled';
export type PhotoId = string;
export type PropertyId = string;
/**
 * What a line of a quote is for.
 */
export type QuoteLineKind = 'nights' | 'weekly_discount' | 'monthly_discount' | 'extra_guests' | 'cleaning' | 'service_fee' | 'taxes';
/**
 * How a topic goes on after a reconnect.
 */
export type Resumption =
  | {
      /**
       * Every event up to this one was sent; later ones follow as pushes, or came already.
       */
      resumed: {
        /**
         * The last event sent when the topic was followed again; no reason to forget later ones.
         */
        head: number;
      };
    }
  | {
      /**
       * The past is out of reach: forget the old state and start from this one.
       */
      reset: Subscribed;
    }
  | {
      /**
       * Not followed, nor any longer if it was; `retryable` says whether to resume it again.
       */
      refused: WireError;
    };
export type ReviewId = string;
/**
 * The order of results; ties are broken by id.
 */
export type SearchSort = 'newest' | 'distance' | 'price' | 'rating';
export type SessionId = string;
/**
 * A side of a booking.
 */
export type Side = 'guest' | 'host';
/**
 * A topic's state, in the shape its kind has.
 */
export type Snapshot =
  | {
      /**
       * Of `property:{id}`.
       */
      calendar: Calendar;
    }
  | {
      /**
       * Of `user:{id}`.
       */
      inbox: Inbox;
    }
  | {
      /**
       * Of `booking:{id}`.
       */
      booking: BookingFile;
    };
export type Topic = string;
export type UserId = string;

/**
 * Names an account as it was after a change.
 */
export interface AccountVersion {
  /**
   * Whose.
   */
  user: UserId;
  /**
   * Its version then: that of its `ETag`.
   */
  version: number;
}
/**
 * A proposal to change a booked stay; it takes no nights before it is applied.
 */
export interface Alteration {
  /**
   * Who proposed it.
   */
  by: Side;
  /**
   * When it was proposed.
   */
  created_at: number;
  /**
   * What it costs more than the booking as it is, in minor units; negative: less.
   */
  difference_minor: number;
  /**
   * When it ends by itself; exclusive.
   */
  expires_at: number;
  /**
   * 1, 2, 3 … within the booking.
   */
  number: number;
  payment?: PaymentId | null;
  /**
   * The stay as it would be, and what it would cost altogether.
   */
  quote: Quote;
  /**
   * Where it is.
   */
  state: AlterationState;
}
/**
 * What became of a proposal.
 */
export interface AlterationEnded {
  /**
   * Of which booking.
   */
  booking: ClaimId;
  /**
   * How it ended.
   */
  end: AlterationEnd;
  /**
   * Which of its alterations.
   */
  number: number;
}
/**
 * A proposal to change a stay.
 */
export interface AlterationNotice {
  /**
   * Of which booking.
   */
  booking: ClaimId;
  /**
   * When it ends by itself.
   */
  expires_at: number;
  /**
   * Which of its alterations.
   */
  number: number;
  /**
   * Where it is.
   */
  state: AlterationState;
}
/**
 * What would this stay cost?
 */
export interface AskQuote {
  /**
   * First night.
   */
  check_in: Date;
  /**
   * Morning of departure; the night before is the last one.
   */
  check_out: Date;
  /**
   * 1 or more.
   */
  guests: number;
  min_seq?: number | null;
  /**
   * Which home.
   */
  property: PropertyId;
}
/**
 * Who the connection speaks for.
 */
export interface Authenticate {
  /**
   * An access token from `/auth/login/` or `/auth/refresh/`.
   */
  token: string;
}
/**
 * Reply to `authenticate` and `refresh`.
 */
export interface Authenticated {
  /**
   * When the token ends, and the connection with it.
   */
  expires_at: number;
  /**
   * The login behind the token.
   */
  session: SessionId;
  /**
   * Who the connection speaks for.
   */
  user: UserId;
}
/**
 * Turn one's own live hold into a booking that waits for its payment.
 */
export interface BookHold {
  /**
   * The total the guest agreed to, in minor units; refused if the price has changed since.
   */
  expected_total_minor?: number | null;
  /**
   * Which hold.
   */
  hold: ClaimId;
  /**
   * On which home.
   */
  property: PropertyId;
}
/**
 * A booking as its two parties see it.
 */
export interface Booking {
  /**
   * Street and number of the home, from the confirmation to the departure; only where the booking itself is read.
   */
  address?: string | null;
  alteration?: Alteration | null;
  /**
   * What the guest gets back who calls it off, frozen when it was made.
   */
  cancellation_policy: CancellationPolicy;
  /**
   * First night.
   */
  check_in: Date;
  /**
   * When the guest may arrive, in the home's local time on the first day.
   */
  check_in_at: number;
  /**
   * What somebody wrote to the arrival; only where the booking itself is read.
   */
  check_in_note?: string | null;
  /**
   * Morning of departure.
   */
  check_out: Date;
  /**
   * When the guest must have left, on the last day.
   */
  check_out_at: number;
  /**
   * What somebody wrote to the departure; only where the booking itself is read.
   */
  check_out_note?: string | null;
  checked_in_at?: number | null;
  checked_out_at?: number | null;
  confirmed_at?: number | null;
  /**
   * When it was made.
   */
  created_at: number;
  expires_at?: number | null;
  /**
   * Payments of what alterations cost more, in order.
   */
  further_payments?: PaymentId[];
  /**
   * Who stays.
   */
  guest: UserId;
  /**
   * How many people.
   */
  guests: number;
  /**
   * Who lets.
   */
  host: UserId;
  /**
   * Its id, which was the hold's.
   */
  id: ClaimId;
  /**
   * Whether its payment alone confirms it; otherwise the host is asked.
   */
  instant_book: boolean;
  left_on?: Date | null;
  /**
   * Its first payment.
   */
  payment: PaymentId;
  payout?: Payout | null;
  /**
   * Of which home.
   */
  property: PropertyId;
  /**
   * The price, frozen when it was booked or altered.
   */
  quote: Quote;
  /**
   * The booking topic's sequence at which this was true.
   */
  seq: number;
  /**
   * Where it is in its life.
   */
  state: BookingState;
}
/**
 * Snapshot of `booking:{id}`.
 */
export interface BookingFile {
  /**
   * The booking.
   */
  booking: Booking;
  /**
   * Payments of what alterations cost more, in order.
   */
  further_payments?: Payment[];
  /**
   * Its first payment.
   */
  payment: Payment;
}
/**
 * Names a booking.
 */
export interface BookingMention {
  /**
   * Which one.
   */
  booking: ClaimId;
  /**
   * Of which home.
   */
  property: PropertyId;
}
/**
 * What became of a booking.
 */
export interface BookingNotice {
  /**
   * Which booking.
   */
  booking: ClaimId;
  expires_at?: number | null;
  /**
   * Of which home.
   */
  property: PropertyId;
  /**
   * Its state now.
   */
  state: BookingState;
}
/**
 * Names a booking one is a party of.
 */
export interface BookingRef {
  /**
   * Which booking.
   */
  booking: ClaimId;
}
/**
 * Snapshot of `property:{id}`.
 */
export interface Calendar {
  /**
   * First day told about.
   */
  from: Date;
  /**
   * Whose.
   */
  property: PropertyId;
  /**
   * The topic's sequence at which this was true.
   */
  seq: number;
  /**
   * The nights in that window that are not free, in order.
   */
  taken: NightRange[];
  /**
   * The day after the last one told about.
   */
  to: Date;
}
/**
 * A point on the earth (WGS 84), kept to a millionth of a degree.
 */
export interface Coordinates {
  /**
   * Degrees north, -90 to 90.
   */
  latitude: number;
  /**
   * Degrees east, -180 to 180.
   */
  longitude: number;
}
/**
 * A guest's bank took, or wants to take, a charge back.
 */
export interface Dispute {
  /**
   * How much, in minor units.
   */
  amount_minor: number;
  /**
   * Where it is.
   */
  state: DisputeState;
}
/**
 * A topic is followed no longer, though nobody unsubscribed: it is not this client's to see any more.
 *
 * A home that its host took back, that is gone, or whose host was suspended or left: `property.unlisted` or `property.deleted` came before.
 * It is the topic's last frame; subscribe anew to find out whether it can be followed again.
 */
export interface Ended {
  /**
   * What a `subscribe` would be told now.
   */
  error: WireError;
  /**
   * Which topic.
   */
  topic: Topic;
}
/**
 * A home as a result: what a list of homes shows. The rest is at `/properties/{id}/`.
 */
export interface FoundProperty {
  /**
   * What it offers.
   */
  amenities: Amenity[];
  /**
   * Bathrooms.
   */
  bathrooms: number;
  /**
   * Rooms to sleep in.
   */
  bedrooms: number;
  /**
   * Beds.
   */
  beds: number;
  check_in?: Date | null;
  check_out?: Date | null;
  /**
   * City.
   */
  city: string;
  /**
   * ISO 3166-1 alpha-2 code.
   */
  country?: string | null;
  /**
   * When it was made.
   */
  created_at: number;
  /**
   * ISO 4217 code of every price.
   */
  currency: string;
  /**
   * How far it is from `near`, in metres.
   */
  distance_m?: number | null;
  /**
   * Who lets it.
   */
  host: UserId;
  /**
   * Its id.
   */
  id: PropertyId;
  location?: Coordinates | null;
  /**
   * Most guests at once.
   */
  max_guests: number;
  /**
   * Price of one night, in minor units.
   */
  nightly_minor: number;
  photo?: Photo | null;
  /**
   * Their average altogether in hundredths of a star (487 is 4.87), if there are any.
   */
  rating_hundredths?: number | null;
  /**
   * How many published reviews of guests there are.
   */
  review_count: number;
  /**
   * IANA time zone; nights are local dates there.
   */
  time_zone: string;
  /**
   * Headline.
   */
  title: string;
  /**
   * What that stay costs with everything, in minor units: the total of its quote.
   */
  total_minor?: number | null;
}
/**
 * The server will close this connection; reconnect elsewhere after the delay.
 */
export interface GoAway {
  /**
   * How long to wait before reconnecting, in milliseconds; spread over clients.
   */
  after_ms: number;
}
/**
 * Sent every `heartbeat_ms` of [`Hello`].
 *
 * It comes after every push up to these heads: a client that has seen less of a topic has lost something on the way, and resumes it.
 */
export interface Heartbeat {
  /**
   * The newest event of each topic that the connection follows.
   */
  heads: {
    [k: string]: number;
  };
  /**
   * The server's clock.
   */
  now: number;
}
/**
 * The first frame of every connection: `{"hello":{…}}`.
 */
export interface Hello {
  /**
   * Names this database's history; a restore changes it, and `resume` with another one gives `reset`.
   */
  epoch: string;
  /**
   * A [`Heartbeat`] comes this often, and a ping whenever the server has heard nothing for as long, in milliseconds.
   */
  heartbeat_ms: number;
  /**
   * The server's clock.
   */
  now: number;
}
/**
 * A hold as its guest sees it.
 */
export interface Hold {
  /**
   * First night.
   */
  check_in: Date;
  /**
   * Morning of departure.
   */
  check_out: Date;
  /**
   * When it ends by itself; exclusive: at this instant it is over.
   */
  expires_at: number;
  /**
   * How many people.
   */
  guests: number;
  /**
   * Its id; the booking that grows from it keeps it.
   */
  id: ClaimId;
  /**
   * On which home.
   */
  property: PropertyId;
  /**
   * The property topic's sequence at which this was true.
   */
  seq: number;
  /**
   * Where it is in its life.
   */
  state: HoldState;
}
/**
 * Take nights for a short while, to think and to pay.
 */
export interface HoldDates {
  /**
   * First night.
   */
  check_in: Date;
  /**
   * Morning of departure; the night before is the last one.
   */
  check_out: Date;
  /**
   * 1 or more.
   */
  guests: number;
  /**
   * Which home.
   */
  property: PropertyId;
}
/**
 * What became of a hold.
 */
export interface HoldNotice {
  /**
   * Which hold.
   */
  hold: ClaimId;
  /**
   * On which home.
   */
  property: PropertyId;
}
/**
 * Names one's own hold.
 */
export interface HoldRef {
  /**
   * Which hold.
   */
  hold: ClaimId;
  /**
   * On which home.
   */
  property: PropertyId;
}
/**
 * What a home's reviews come to.
 */
export interface HomeRating {
  /**
   * Their average altogether in hundredths of a star, if there are any.
   */
  rating_hundredths?: number | null;
  /**
   * How many reviews count.
   */
  review_count: number;
  /**
   * The home's version now.
   */
  version: number;
}
/**
 * Snapshot of `user:{id}`: the newest bookings of that user, as guest and as host.
 */
export interface Inbox {
  /**
   * Newest first, at most 50 of each side.
   */
  bookings: Booking[];
}
/**
 * A message in the thread of a booking.
 */
export interface Message {
  /**
   * In the thread of which booking.
   */
  booking: ClaimId;
  /**
   * Its number in the thread: 1, 2, 3 … in the order in which they were sent, without gaps.
   */
  number: number;
  /**
   * Who wrote it.
   */
  sender: UserId;
  /**
   * When it was sent.
   */
  sent_at: number;
  /**
   * What was written; left out once its sender was erased.
   */
  text?: string | null;
}
/**
 * Somebody wrote to the other side of a booking. Never the text.
 */
export interface MessageNotice {
  /**
   * In the thread of which booking.
   */
  booking: ClaimId;
  /**
   * Its number in the thread.
   */
  message: number;
  /**
   * Who wrote it.
   */
  sender: UserId;
}
/**
 * How far somebody has read a thread.
 */
export interface MessagesRead {
  /**
   * The thread of which booking.
   */
  booking: ClaimId;
  /**
   * Who.
   */
  reader: UserId;
  /**
   * The number of the last message that they have read.
   */
  up_to: number;
}
/**
 * A run of nights in one state, `[from, to)`.
 */
export interface NightRange {
  /**
   * First night.
   */
  from: Date;
  /**
   * Their state.
   */
  state: NightState;
  /**
   * The day after the last night.
   */
  to: Date;
}
/**
 * Nights that changed their state.
 */
export interface NightRanges {
  /**
   * In order; no night is in two of them.
   */
  nights: NightRange[];
}
/**
 * A new notification.
 */
export interface NotificationNotice {
  /**
   * Of which booking.
   */
  booking: ClaimId;
  /**
   * What it is about.
   */
  kind: NotificationKind;
  /**
   * Which.
   */
  notification: NotificationId;
}
/**
 * Notifications that are read now: all up to one, or those that are listed.
 */
export interface NotificationsRead {
  /**
   * These.
   */
  notifications?: NotificationId[];
  up_to?: NotificationId | null;
}
/**
 * Pay for one's own booking.
 */
export interface Pay {
  /**
   * Which booking.
   */
  booking: ClaimId;
  /**
   * The provider's token for a card or account. The sandbox knows `pm_card_visa` (set aside, then taken), `pm_card_declined`,
   * `pm_card_authentication_required` (pay a second time to come back from the bank), `pm_card_settles_late` (taken 2 s later, and not
   * set aside before), `pm_card_capture_fails` (set aside, but cannot be taken), and `pm_card_disputed_won` and
   * `pm_card_disputed_lost` (disputed 2 s after it was taken, decided 2 s later).
   */
  payment_method: string;
}
/**
 * A payment as the booking's parties see it.
 */
export interface Payment {
  /**
   * How much is asked, in minor units.
   */
  amount_minor: number;
  /**
   * For which booking.
   */
  booking: ClaimId;
  /**
   * How much has come in.
   */
  captured_minor: number;
  /**
   * With what the guest's client authenticates while the payment requires action; for the guest alone.
   */
  client_secret?: string | null;
  /**
   * When it was asked for.
   */
  created_at: number;
  /**
   * ISO 4217 code.
   */
  currency: string;
  /**
   * Why the last method was declined, in the provider's words; for the guest alone.
   */
  decline_reason?: string | null;
  dispute?: Dispute | null;
  /**
   * Its id.
   */
  id: PaymentId;
  /**
   * How much is promised back.
   */
  refund_due_minor: number;
  /**
   * How much went back.
   */
  refunded_minor: number;
  /**
   * Where it is.
   */
  state: PaymentState;
}
/**
 * What became of a payment.
 */
export interface PaymentNotice {
  /**
   * For which booking.
   */
  booking: ClaimId;
  /**
   * How much has come in, in minor units.
   */
  captured_minor: number;
  dispute?: Dispute | null;
  /**
   * Which payment.
   */
  payment: PaymentId;
  /**
   * How much went back, in minor units.
   */
  refunded_minor: number;
  /**
   * Its state now.
   */
  state: PaymentState;
}
/**
 * What a host is paid for a booking.
 */
export interface Payout {
  /**
   * For which booking.
   */
  booking: ClaimId;
  /**
   * ISO 4217 code.
   */
  currency: string;
  /**
   * When it is due: 24 hours after the guest may arrive.
   */
  due_at: number;
  /**
   * What has been sent of it, less what was taken back.
   */
  paid_minor: number;
  /**
   * What is on its way; negative: back.
   */
  pending_minor: number;
  /**
   * The host's share as it is now, in minor units.
   */
  share_minor: number;
}
/**
 * What became of a payout.
 */
export interface PayoutNotice {
  /**
   * For which booking.
   */
  booking: ClaimId;
  /**
   * ISO 4217 code.
   */
  currency: string;
  /**
   * What the host has of it, in minor units.
   */
  paid_minor: number;
  /**
   * What is on its way, in minor units; negative: back.
   */
  pending_minor: number;
}
/**
 * A photo of a home, served at `/photos/{id}/`.
 */
export interface Photo {
  /**
   * Length of the file.
   */
  bytes: number;
  /**
   * What is to be seen.
   */
  caption?: string | null;
  /**
   * When it was uploaded.
   */
  created_at: number;
  /**
   * Pixels down.
   */
  height_px: number;
  /**
   * Its id; whoever knows it may see the photo.
   */
  id: PhotoId;
  /**
   * `image/jpeg`, `image/png` or `image/webp`.
   */
  media_type: string;
  /**
   * Pixels across.
   */
  width_px: number;
}
/**
 * Reply to `ping`.
 */
export interface Pong {
  /**
   * The server's clock.
   */
  now: number;
}
/**
 * About how many people follow a home's topic now. It has no number, is not stored, and is not sent to who reads slowly: only the newest counts.
 */
export interface PresenceNotice {
  /**
   * Which home.
   */
  property: PropertyId;
  /**
   * At least so many and fewer than the next of 1, 2, 3, 5, 10, 20, 30, 50, 100 and so on, oneself among them; its host is not. Before the first
   * of these a guest knows of themselves alone.
   */
  viewers: number;
}
/**
 * Names a home.
 */
export interface PropertyRef {
  /**
   * Which one.
   */
  property: PropertyId;
}
/**
 * Names a home as it was after a change.
 */
export interface PropertyVersion {
  /**
   * Which one.
   */
  property: PropertyId;
  /**
   * Its version then.
   */
  version: number;
}
/**
 * What a stay costs; the total is the sum of the lines.
 */
export interface Quote {
  /**
   * First night.
   */
  check_in: Date;
  /**
   * Morning of departure.
   */
  check_out: Date;
  /**
   * ISO 4217 code.
   */
  currency: string;
  /**
   * How many people.
   */
  guests: number;
  /**
   * Each thing paid for.
   */
  lines: QuoteLine[];
  /**
   * Which home.
   */
  property: PropertyId;
  /**
   * The sum, in minor units.
   */
  total_minor: number;
}
/**
 * One line of a quote.
 */
export interface QuoteLine {
  /**
   * Quantity times price, in minor units.
   */
  amount_minor: number;
  /**
   * What for.
   */
  kind: QuoteLineKind;
  /**
   * How many.
   */
  quantity: number;
  /**
   * Price of each, in minor units.
   */
  unit_minor: number;
}
/**
 * Say how far one has read a thread.
 */
export interface ReadMessagesOf {
  /**
   * The thread of which booking.
   */
  booking: ClaimId;
  /**
   * The number of the last message that was read. One that is lower than before changes nothing.
   */
  up_to: number;
}
/**
 * `POST /notifications/read/`: either `up_to` or `notifications`; answered by [`crate::view::UnreadCount`]. What is read already, or is
 * not the caller's, is passed over.
 */
export interface ReadNotifications {
  /**
   * These: 1 to 100.
   *
   * @minItems 1
   * @maxItems 100
   */
  notifications?: NotificationId[] | null;
  up_to?: NotificationId | null;
}
/**
 * Follow topics again after a reconnect, from the last event seen of each.
 */
export interface Resume {
  /**
   * The database's epoch from the `hello` of the connection that saw those events.
   */
  epoch: string;
  /**
   * Topic → the last `seq` seen (0: none).
   */
  topics: {
    [k: string]: number;
  };
}
/**
 * Reply to `resume`; the missed events were pushed before it.
 *
 * A topic is followed from the moment its missed events are out, so events above its `head` may have been pushed before this
 * reply as well. A client keeps its place by the pushes and never moves it back.
 */
export interface Resumed {
  /**
   * What became of each topic.
   */
  topics: {
    [k: string]: Resumption;
  };
}
/**
 * What became of a published review.
 */
export interface ReviewNotice {
  booking?: ClaimId | null;
  /**
   * Who wrote it.
   */
  by: Side;
  home?: HomeRating | null;
  /**
   * Its stars altogether, 1 to 5.
   */
  overall: number;
  /**
   * At which home the stay was.
   */
  property: PropertyId;
  /**
   * Which.
   */
  review: ReviewId;
}
/**
 * That one side has written its review, and nothing of it.
 */
export interface ReviewSubmitted {
  /**
   * Of which stay.
   */
  booking: ClaimId;
  /**
   * Who.
   */
  by: Side;
  /**
   * At which home.
   */
  property: PropertyId;
}
/**
 * What the page of a watched search has become: a view, of which only the newest counts, and no log of what happened in between.
 */
export interface SearchUpdate {
  /**
   * Those of them that were not on the page before, or are not what they were; the others are as they were told last.
   */
  entries: FoundProperty[];
  /**
   * Cursor of the next page now, if there is one.
   */
  next?: string | null;
  /**
   * The homes that are on the page now, in order. What is not named has left it.
   */
  order: PropertyId[];
  /**
   * One more than that of the update or reply before.
   */
  revision: number;
  /**
   * Which watch.
   */
  watch: number;
}
/**
 * Reply to `search.watch`: the first page, as `GET /properties/` answers it. [`SearchUpdate`]s keep it current.
 */
export interface SearchWatched {
  /**
   * The homes of the page, in order.
   */
  items: FoundProperty[];
  /**
   * Cursor of the next page, if there is one: for `GET /properties/` with the same query.
   */
  next?: string | null;
  /**
   * 1; each update counts one further.
   */
  revision: number;
  /**
   * Names the watch on this connection.
   */
  watch: number;
}
/**
 * Write to the other side of a booking.
 */
export interface SendMessageTo {
  /**
   * Of which booking.
   */
  booking: ClaimId;
  /**
   * What is written: 1 to 4000 characters, of control characters only line feed and tab.
   */
  text: string;
}
/**
 * Names a session.
 */
export interface SessionRef {
  /**
   * Which one.
   */
  session: SessionId;
}
/**
 * Follow a topic: a snapshot now, every later event as a push.
 */
export interface Subscribe {
  /**
   * Which one.
   */
  topic: Topic;
}
/**
 * State of a topic at a sequence; the pushes that follow begin at `seq + 1`.
 *
 * One who followed the topic already may have had some of them before this reply: begin again from here.
 */
export interface Subscribed {
  /**
   * The last event the snapshot contains.
   */
  seq: number;
  /**
   * The state.
   */
  snapshot: Snapshot;
  /**
   * Which topic.
   */
  topic: Topic;
}
/**
 * The thread of a booking, as one of its sides sees it.
 */
export interface Thread {
  /**
   * Of which booking.
   */
  booking: ClaimId;
  last_sent_at?: number | null;
  /**
   * How many messages it has: the number of the last one.
   */
  messages: number;
  /**
   * Who is on the other side.
   */
  other: UserId;
  /**
   * The last message that the other side has read; 0 if none.
   */
  other_read_up_to: number;
  /**
   * Of which home.
   */
  property: PropertyId;
  /**
   * The last message that the caller has read; 0 if none.
   */
  read_up_to: number;
  /**
   * How many of the other side's messages the caller has not read.
   */
  unread: number;
}
/**
 * The token ends soon: `refresh` with a new one, or the connection is closed with 4011.
 */
export interface TokenExpiring {
  /**
   * When.
   */
  expires_at: number;
}
/**
 * The other side is writing a message. Said at most every 3 seconds, and true for about 5.
 */
export interface TypingNotice {
  /**
   * In which thread.
   */
  booking: ClaimId;
}
/**
 * How many notifications are not read.
 */
export interface UnreadCount {
  /**
   * So many.
   */
  unread: number;
}
/**
 * Stop following a topic.
 */
export interface Unsubscribe {
  /**
   * Which one.
   */
  topic: Topic;
}
/**
 * Look at a search no longer.
 */
export interface UnwatchSearch {
  /**
   * Which one: the number that the reply to `search.watch` gave it.
   */
  watch: number;
}
/**
 * Look at the first page of a search, and go on looking: the query of `GET /properties/` without its cursor.
 */
export interface WatchSearch {
  /**
   * Only homes that offer all of these, with commas between.
   */
  amenities?: string | null;
  check_in?: Date | null;
  check_out?: Date | null;
  /**
   * Only homes priced in this ISO 4217 currency. `EUR` if left out where prices are compared (`max_total_minor`, `sort: "price"`).
   */
  currency?: string | null;
  /**
   * Days by which both dates may be moved, 0 to 3; each home is offered for its cheapest dates.
   */
  flexible?: number | null;
  /**
   * Only homes that take so many people, 1 to 50; 1 if left out.
   */
  guests?: number | null;
  /**
   * Homes on the page: 1 to 100, 20 if left out.
   */
  limit?: number | null;
  /**
   * Only stays whose total is not higher, in minor units; needs dates.
   */
  max_total_minor?: number | null;
  /**
   * Only homes around this point: degrees north and degrees east, with a comma between.
   */
  near?: string | null;
  /**
   * How far around it, in kilometres, 0.001 to 500; 10 if left out.
   */
  radius_km?: number | null;
  sort?: SearchSort | null;
}
/**
 * An error as a client receives it.
 */
export interface WireError {
  /**
   * The fact.
   */
  code: ErrorCode;
  /**
   * What the code's description promises.
   */
  details?: {
    [k: string]: Detail;
  };
  /**
   * A sentence for people; it may change between versions.
   */
  message: string;
  /**
   * See [`ErrorCode::retryable`].
   */
  retryable: boolean;
}
