//! Access tokens: JWT by RFC 8725. One algorithm, pinned; key, type, issuer, audience and every time are checked.
//!
//! Keys rotate (`app/keys.rs`): each token names its key, and one that names none, or one that is not known, is refused.

use std::sync::{PoisonError, RwLock};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use latchkey_protocol::{EpochMs, SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::{Caller, ServiceError};

/// How long an access token is good, in milliseconds.
pub const ACCESS_TTL_MS: i64 = 15 * 60_000;

const ISSUER: &str = "latchkey";
const AUDIENCE: &str = "latchkey-api";
/// RFC 9068, 2.1: so that no other kind of JWT is taken for an access token.
const TYPE: &str = "at+jwt";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    /// Seconds, as RFC 7519 wants; rounded down, so a token is never good for longer than told.
    iat: i64,
    exp: i64,
}

/// A key that tokens are signed with, and its name in their `kid`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// Its name: no two keys have the same.
    pub kid: String,
    /// 32 bytes or more (RFC 7518, 3.2).
    pub secret: Vec<u8>,
}

struct Known {
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl std::fmt::Debug for TokenKey {
    /// Its name only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Signs and verifies access tokens: the newest key signs, the older ones verify what they signed.
pub struct AccessTokens {
    /// The newest last. Never empty.
    keys: RwLock<Vec<Known>>,
    validation: Validation,
}

impl AccessTokens {
    /// With these keys, the newest last.
    #[must_use]
    pub fn new(keys: &[TokenKey]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked against the injected clock instead of the system's.
        validation.validate_exp = false;
        Self { keys: RwLock::new(known(keys)), validation }
    }

    /// Takes other keys, the newest last. Without any, those there are stay.
    pub fn set_keys(&self, keys: &[TokenKey]) {
        if !keys.is_empty() {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = known(keys);
        }
    }

    /// A token for a login, and when it ends.
    ///
    /// # Errors
    /// `Internal` if it cannot be signed.
    pub fn issue(&self, user: UserId, session: SessionId, now: EpochMs) -> Result<(String, EpochMs), ServiceError> {
        let exp = (now + ACCESS_TTL_MS).div_euclid(1_000);
        let claims = Claims { iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), sub: user, sid: session, iat: now.div_euclid(1_000), exp };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let newest = keys.last().ok_or(ServiceError::Internal)?;
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(newest.kid.clone()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &newest.signing).map_err(|_| ServiceError::Internal)?;
        Ok((token, exp * 1_000))
    }

    /// Who a token speaks for.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn verify(&self, token: &str, now: EpochMs) -> Result<Caller, ServiceError> {
        let invalid = ServiceError::Unauthenticated("the token is not valid");
        // Not trusted before the signature is: it only chooses among our own keys, and the algorithm is pinned (RFC 8725, 3.1).
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid.clone())?;
        let claims = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let key = keys.iter().find(|key| header.kid.as_deref() == Some(key.kid.as_str())).ok_or(invalid.clone())?;
            jsonwebtoken::decode::<Claims>(token, &key.verifying, &self.validation).map_err(|_| invalid.clone())?.claims
        };
        if header.typ.as_deref() != Some(TYPE) || claims.iat * 1_000 > now + 1_000 {
            return Err(invalid);
        }
        if claims.exp * 1_000 <= now {
            return Err(ServiceError::Unauthenticated("the token has expired"));
        }
        Ok(Caller { user: claims.sub, session: claims.sid, expires_at: claims.exp * 1_000 })
    }
}

fn known(keys: &[TokenKey]) -> Vec<Known> {
    let known = |key: &TokenKey| Known {
        kid: key.kid.clone(),
        signing: EncodingKey::from_secret(&key.secret),
        verifying: DecodingKey::from_secret(&key.secret),
    };
    keys.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = 1_790_000_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn key(kid: &str, secret: &[u8]) -> TokenKey {
        TokenKey { kid: kid.to_owned(), secret: secret.to_vec() }
    }

    fn ids() -> (UserId, SessionId) {
        (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]))
    }

    #[test]
    fn a_token_speaks_for_its_user_until_it_ends() {
        let tokens = AccessTokens::new(&[key("one", SECRET)]);
        let (user, session) = ids();
        let (token, expires_at) = tokens.issue(user, session, NOW).unwrap();
        assert_eq!(tokens.verify(&token, NOW), Ok(Caller { user, session, expires_at }));
        assert!(tokens.verify(&token, expires_at - 1).is_ok());
        assert_eq!(tokens.verify(&token, expires_at), Err(ServiceError::Unauthenticated("the token has expired")));
    }

    #[test]
    fn a_token_of_another_kind_issuer_key_or_algorithm_is_refused() {
        let tokens = AccessTokens::new(&[key("one", SECRET)]);
        let (sub, sid) = ids();
        let claims = |iss: &str, aud: &str, iat| Claims { iss: iss.to_owned(), aud: aud.to_owned(), sub, sid, iat, exp: NOW / 1_000 + 60 };
        let kid = Some("one".to_owned());
        let good = Header { typ: Some(TYPE.to_owned()), kid: kid.clone(), ..Header::new(Algorithm::HS256) };
        let sign =
            |header: &Header, claims: &Claims, key: &[u8]| jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).unwrap();
        let fine = claims(ISSUER, AUDIENCE, NOW / 1_000);
        assert!(tokens.verify(&sign(&good, &fine, SECRET), NOW).is_ok());
        let rows = [
            sign(&Header { kid: kid.clone(), ..Header::new(Algorithm::HS256) }, &fine, SECRET),
            sign(&Header { kid: None, ..good.clone() }, &fine, SECRET),
            sign(&Header { kid: Some("two".to_owned()), ..good.clone() }, &fine, SECRET),
            sign(&Header { typ: Some(TYPE.to_owned()), kid, ..Header::new(Algorithm::HS512) }, &fine, SECRET),
            sign(&good, &fine, b"another secret of thirty-two bytes"),
            sign(&good, &claims("other", AUDIENCE, NOW / 1_000), SECRET),
            sign(&good, &claims(ISSUER, "other", NOW / 1_000), SECRET),
            sign(&good, &claims(ISSUER, AUDIENCE, NOW / 1_000 + 60), SECRET),
            // {"alg":"none","typ":"at+jwt"} with no signature.
            "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.".to_owned(),
            String::new(),
        ];
        for (row, token) in rows.iter().enumerate() {
            assert!(matches!(tokens.verify(token, NOW), Err(ServiceError::Unauthenticated(_))), "row {row}");
        }
    }

    #[test]
    fn the_newest_key_signs_and_those_before_it_still_verify_until_they_go() {
        const OTHER: &[u8] = b"another secret of thirty-two bytes";
        let (user, session) = ids();
        let tokens = AccessTokens::new(&[key("one", SECRET)]);
        let (old, _) = tokens.issue(user, session, NOW).unwrap();
        tokens.set_keys(&[key("one", SECRET), key("two", OTHER)]);
        let (new, _) = tokens.issue(user, session, NOW).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid.as_deref(), Some("two"));
        assert!(tokens.verify(&old, NOW).is_ok() && tokens.verify(&new, NOW).is_ok());
        tokens.set_keys(&[key("two", OTHER)]);
        assert!(tokens.verify(&old, NOW).is_err() && tokens.verify(&new, NOW).is_ok());
        tokens.set_keys(&[]);
        assert!(tokens.verify(&new, NOW).is_ok(), "a folder that cannot be read locks nobody out");
    }
}
