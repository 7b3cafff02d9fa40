//! A connection and the clock: pings, heartbeats, warnings, and the ends that time brings. One sweep a second calls it for all of them.

use std::sync::atomic::Ordering;

use latchkey_protocol::server::TokenExpiring;
use latchkey_protocol::{CloseCode, EpochMs};

use super::connection::{Connection, NEVER};
use super::encoding::Encoding;
use super::terms::Limit;
use crate::hub::frame;
use crate::service::Caller;

/// How long before its end a token is warned of, in milliseconds.
const TOKEN_WARNING_MS: EpochMs = 30_000;

/// How long what waits for the client of an event stream that closes is kept, in milliseconds.
const STREAM_LINGER_MS: EpochMs = 3_000;

impl Connection {
    /// Whether a heartbeat is due; the session sends it.
    pub(super) fn take_heartbeat(&self) -> bool {
        self.owes_heartbeat.swap(false, Ordering::AcqRel)
    }

    /// Warns once of each token that ends soon, and has the session send a heartbeat when its time has come.
    fn remind(&self, now: EpochMs) {
        if let Some(Caller { expires_at, .. }) = self.caller()
            && (now..=now + TOKEN_WARNING_MS).contains(&expires_at)
            && self.warned_of.swap(expires_at, Ordering::Relaxed) != expires_at
        {
            self.notify("token_expiring", &TokenExpiring { expires_at });
        }
        if now - self.last_beat_at.load(Ordering::Relaxed) >= self.terms.limits.heartbeat_ms {
            self.last_beat_at.store(now, Ordering::Relaxed);
            self.owes_heartbeat.store(true, Ordering::Release);
            self.task.wake();
        }
    }

    /// An event stream that closes has as long as a socket to take what waits.
    fn end_stream(&self, now: EpochMs) {
        let since = self.closing_since.load(Ordering::Relaxed);
        if since == NEVER {
            self.closing_since.store(now, Ordering::Relaxed);
        } else if now - since >= STREAM_LINGER_MS {
            self.hurry();
        }
    }

    /// Judges the connection by the clock: expired, without a name or an aim, silent. Called by the registry's sweep.
    pub(super) fn judge(&self, now: EpochMs) {
        if self.encoding == Encoding::Events && self.closing().is_some() {
            return self.end_stream(now);
        }
        self.remind(now);
        let limits = &self.terms.limits;
        let silent_ms = now - self.last_heard_at.load(Ordering::Relaxed);
        let pinged_at = self.pinged_at.load(Ordering::Relaxed);
        let aimless_ms = now - self.aimless_since.load(Ordering::Relaxed);
        match self.caller() {
            Some(caller) if caller.expires_at <= now => self.close(CloseCode::TokenExpired),
            None if !self.is_watching.load(Ordering::Relaxed) && aimless_ms >= limits.authenticate_within_ms => {
                // One that has said something which we understood knows how to speak to us, and may come back.
                let has_spoken = self.has_spoken.load(Ordering::Relaxed);
                Limit::Silence.count();
                self.close(if has_spoken { CloseCode::IdleTimeout } else { CloseCode::BadAuthentication });
            }
            // Nothing is heard from an event stream's client; a heartbeat that cannot be sent ends it.
            Some(_) | None if self.encoding == Encoding::Events => {}
            // Only a ping's answer is late, never silence alone: a clock that jumps closes nobody who was not asked.
            Some(_) | None if pinged_at != NEVER => {
                if now - pinged_at >= limits.heartbeat_ms {
                    self.close(CloseCode::IdleTimeout);
                }
            }
            Some(_) | None if silent_ms >= limits.heartbeat_ms => {
                self.pinged_at.store(now, Ordering::Relaxed);
                self.send(frame::PING);
            }
            Some(_) | None => {}
        }
    }
}
