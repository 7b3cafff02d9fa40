// Frames: what a text frame of the hub is, and how a command is written. Told apart by the field they have (protocol/src/server.rs).
//
// A frame of a kind that this client does not know is skipped: a newer hub may send some. One that is not JSON is a fault.

import type { Ended, GoAway, Heartbeat, Hello, PresenceNotice, SearchUpdate, TokenExpiring, TypingNotice, WireError } from './types.generated.js';

/** The subprotocol that the client offers. */
export const SUBPROTOCOL = 'latchkey.v1.json';
/** Largest message the hub takes, in bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** Longest idempotency key, in bytes. */
export const MAX_KEY_BYTES = 128;
/** Most topics in one `resume`. */
export const MAX_RESUME_TOPICS = 200;

/** An event as it is pushed. */
export interface Push {
  readonly topic: string;
  readonly seq: number;
  readonly from_seq?: number;
  readonly type: string;
  readonly at: number;
  readonly data: unknown;
}

/** A frame of the hub. */
export type Frame =
  | { readonly kind: 'push'; readonly push: Push }
  | { readonly kind: 'ok'; readonly id: number; readonly ok: unknown }
  | { readonly kind: 'error'; readonly id: number | null; readonly error: WireError }
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'goaway'; readonly goaway: GoAway }
  | { readonly kind: 'ended'; readonly ended: Ended }
  | { readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat }
  | { readonly kind: 'search'; readonly search: SearchUpdate }
  | { readonly kind: 'presence'; readonly presence: PresenceNotice }
  | { readonly kind: 'typing'; readonly typing: TypingNotice }
  | { readonly kind: 'token_expiring'; readonly tokenExpiring: TokenExpiring }
  | { readonly kind: 'unknown' };

/** Reads a text frame. @throws SyntaxError if it is not a JSON object */
export function parseFrame(text: string): Frame {
  const message = JSON.parse(text) as Record<string, unknown>;
  if (typeof message !== 'object' || message === null) throw new SyntaxError('a frame is an object');
  if ('topic' in message && 'seq' in message) return { kind: 'push', push: message as unknown as Push };
  if ('ok' in message) return { kind: 'ok', id: message['id'] as number, ok: message['ok'] };
  if ('error' in message) return { kind: 'error', id: message['id'] as number | null, error: message['error'] as WireError };
  if ('heartbeat' in message) return { kind: 'heartbeat', heartbeat: message['heartbeat'] as Heartbeat };
  if ('search' in message) return { kind: 'search', search: message['search'] as SearchUpdate };
  if ('presence' in message) return { kind: 'presence', presence: message['presence'] as PresenceNotice };
  if ('typing' in message) return { kind: 'typing', typing: message['typing'] as TypingNotice };
  if ('ended' in message) return { kind: 'ended', ended: message['ended'] as Ended };
  if ('hello' in message) return { kind: 'hello', hello: message['hello'] as Hello };
  if ('goaway' in message) return { kind: 'goaway', goaway: message['goaway'] as GoAway };
  if ('token_expiring' in message) return { kind: 'token_expiring', tokenExpiring: message['token_expiring'] as TokenExpiring };
  return { kind: 'unknown' };
}

/**
 * Writes a command.
 *
 * @param data its data as JSON text, written once, so that a repetition is the same byte for byte; `undefined` for none
 */
export function encodeCommand(id: number, command: string, data: string | undefined, key: string | undefined): string {
  const keyed = key === undefined ? '' : `,"key":${JSON.stringify(key)}`;
  return `{"id":${id},"cmd":${JSON.stringify(command)}${keyed}${data === undefined ? '' : `,"data":${data}`}}`;
}

/** How long a text is in UTF-8, in bytes. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
