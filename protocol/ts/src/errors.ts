// Why something was not done. The codes are those of the wire (protocol/src/error.rs), and a few of the client's own.

import type { ErrorCode as WireErrorCode, WireError } from './types.generated.js';

/**
 * Codes of the client's own, for what no reply of the hub says:
 *
 * - `timeout`: no answer within `timeoutMs`. Whether a change was done is unknown: repeat it with the same `key` to learn it.
 * - `queue_full`: `queueLimit` commands wait already; nothing was sent.
 * - `closed`: `close()` was called.
 * - `bad_authentication` (4500), `revoked` (4501), `policy_violation` (4502), `refused` (another code from 4500 to 4999): the hub
 *   closed the connection for good, or the platform would not open one (`refused`), and this client is closed. `too_many_connections` (4503)
 *   is the same: the user has opened so many since that this one, the oldest, had to go.
 */
export type ClientErrorCode = 'timeout' | 'queue_full' | 'closed' | 'bad_authentication' | 'revoked' | 'policy_violation' | 'refused';

/** What went wrong, as a fact a program can act on. */
export type ErrorCode = WireErrorCode | ClientErrorCode;

/** What a {@link LatchkeyError} is made of. */
export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, string | number>>;
  readonly key?: string | undefined;
  readonly closeCode?: number;
}

/** A refusal by the hub, or a failure of the client. */
export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError';
  /** The fact. */
  readonly code: ErrorCode;
  /** Whether the same command with the same key may succeed later without anything else changing. */
  readonly retryable: boolean;
  /** What the code promises, such as `seq` and `from` of `dates_unavailable`. */
  readonly details: Readonly<Record<string, string | number>>;
  /** The idempotency key of the command that failed, if it had one: the command may be repeated with it. */
  readonly key: string | undefined;
  /** The WebSocket close code behind the error, if a close was the reason. */
  readonly closeCode: number | undefined;

  constructor(facts: ErrorFacts) {
    super(facts.message);
    this.code = facts.code;
    this.retryable = facts.retryable ?? false;
    this.details = facts.details ?? {};
    this.key = facts.key;
    this.closeCode = facts.closeCode;
  }

  /** How long to wait before trying again, in milliseconds, if the hub said so (`rate_limited`, `hold_cooldown`). */
  get retryAfterMs(): number | undefined {
    const wait = this.details['retry_after_ms'];
    return typeof wait === 'number' ? wait : undefined;
  }
}

/** An error as the wire tells it. */
export function fromWire(error: WireError, key?: string): LatchkeyError {
  const { code, message, retryable, details } = error;
  return new LatchkeyError({ code, message, retryable, details: details ?? {}, key });
}

/** What a close code from 4500 to 4999 means for this client; `undefined` for codes that invite it to come back. */
export function ofCloseCode(closeCode: number, reason: string): LatchkeyError | undefined {
  if (closeCode < 4500 || closeCode > 4999) return undefined;
  const code = closeCode === 4500 ? 'bad_authentication' : closeCode === 4501 ? 'revoked' : closeCode === 4502 ? 'policy_violation' : closeCode === 4503 ? 'too_many_connections' : 'refused';
  return new LatchkeyError({ code, message: reason || `closed with ${closeCode}`, closeCode });
}

/** The client was closed by its user. */
export function closedByUser(): LatchkeyError {
  return new LatchkeyError({ code: 'closed', message: 'the client was closed' });
}
