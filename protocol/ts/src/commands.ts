// Every command that an application sends: its data, its reply, whether it carries a key. From protocol/src/client.rs, by hand;
// a test holds it against the golden examples.
//
// The commands of a connection (authenticate, refresh, subscribe, unsubscribe, resume, search.watch, search.unwatch) are the client's own to send.

import type {
  AskQuote,
  BookHold,
  Booking,
  BookingRef,
  Hold,
  HoldDates,
  HoldRef,
  Message,
  Pay,
  Payment,
  Pong,
  Quote,
  ReadMessagesOf,
  ReadNotifications,
  SendMessageTo,
  Thread,
  UnreadCount,
} from './types.generated.js';

/** Command → what it is sent with and answered by. `keyed`: it changes something and carries an idempotency key. */
export interface Commands {
  /** Asks for the hub's clock. */
  ping: { data: undefined; reply: Pong; keyed: false };
  /** What a stay costs; changes nothing. */
  quote: { data: AskQuote; reply: Quote; keyed: false };
  /** Takes nights for a short while; `dates_unavailable` if somebody was faster. */
  hold: { data: HoldDates; reply: Hold; keyed: true };
  /** Begins a hold's time anew. */
  extend_hold: { data: HoldRef; reply: Hold; keyed: true };
  /** Gives the nights back. */
  release_hold: { data: HoldRef; reply: Hold; keyed: true };
  /** Turns a hold into a booking that waits for its payment. */
  book: { data: BookHold; reply: Booking; keyed: true };
  /** Pays for a booking. */
  pay: { data: Pay; reply: Payment; keyed: true };
  /** Calls a booking off. */
  cancel: { data: BookingRef; reply: Booking; keyed: true };
  /** Writes to the other side of a booking. */
  'message.send': { data: SendMessageTo; reply: Message; keyed: true };
  /** Says how far a thread is read; saying it twice changes nothing. */
  'message.read': { data: ReadMessagesOf; reply: Thread; keyed: false };
  /** Tells the other side, if it looks, that one is writing; only while `booking:{id}` is subscribed to. Say it at every keystroke: it is told every 3 s. */
  typing: { data: BookingRef; reply: Record<string, never>; keyed: false };
  /** Says which notifications are read; saying it twice changes nothing. */
  'notification.read': { data: ReadNotifications; reply: UnreadCount; keyed: false };
}

/** The name of a command. */
export type CommandName = keyof Commands;
/** What a command is sent with. */
export type CommandData<N extends CommandName> = Commands[N]['data'];
/** What a command is answered by. */
export type CommandReply<N extends CommandName> = Commands[N]['reply'];

/** Whether a command carries an idempotency key, by name. */
export const KEYED: { readonly [N in CommandName]: Commands[N]['keyed'] } = {
  ping: false,
  quote: false,
  hold: true,
  extend_hold: true,
  release_hold: true,
  book: true,
  pay: true,
  cancel: true,
  'message.send': true,
  'message.read': false,
  typing: false,
  'notification.read': false,
};

/** How a command is to be sent. */
export interface CommandOptions {
  /**
   * The idempotency key, 1 to 128 bytes of UTF-8, of a command that changes something; made up if left out. Give one to repeat a command
   * across restarts of the program: the same key and data are done once and answered alike.
   */
  readonly key?: string;
  /** How long to wait for the answer, reconnects included, in milliseconds, 1 to 2^31 - 1. Default: `commandTimeoutMs` of the client. */
  readonly timeoutMs?: number;
  /** Gives up waiting: the promise is rejected with the signal's reason. What was sent already may still be done. */
  readonly signal?: AbortSignal;
}

/** Data may be left out where there are none. */
export type CommandArguments<N extends CommandName> = CommandData<N> extends undefined
  ? [data?: undefined, options?: CommandOptions]
  : [data: CommandData<N>, options?: CommandOptions];
