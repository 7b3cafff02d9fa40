//! Bodies about accounts: registering, logging in, passwords, addresses, profiles, roles.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::UserId;

/// `POST /auth/register/`; answered by [`crate::view::Me`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Where mail reaches them; case is ignored. At most 254 bytes.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.test", max_length = 254, format = "email"))]
    pub email: String,
    /// 8 to 128 characters (NIST SP 800-63B, 5.1.1.2); not a common one, and neither address nor name.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery", min_length = 8, max_length = 128, format = "password"))]
    pub password: String,
    /// What others call them, 1 to 80 characters.
    #[cfg_attr(feature = "openapi", schema(example = "Ada", min_length = 1, max_length = 80))]
    pub name: String,
}

/// `POST /auth/login/`; answered by [`Tokens`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// As registered; case is ignored.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.test"))]
    pub email: String,
    /// As registered.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery", format = "password"))]
    pub password: String,
}

/// `POST /auth/refresh/`; answered by [`Tokens`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token of the session; each is good for one use.
    pub refresh_token: String,
}

/// A session's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Who they are for.
    pub user: UserId,
    /// Goes into `Authorization: Bearer …` and into `authenticate`.
    pub access_token: String,
    /// When the access token ends.
    pub expires_at: EpochMs,
    /// Goes into `/auth/refresh/`, once.
    pub refresh_token: String,
}

/// `POST /auth/verify-email/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyEmail {
    /// From the mail; good for one use and a day.
    pub token: String,
}

/// `POST /auth/password/forgot/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// Where the mail shall go, if somebody is registered with it; case is ignored.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.test"))]
    pub email: String,
}

/// `POST /auth/password/reset/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// From the mail; good for one use and an hour.
    pub token: String,
    /// The new password, by the rules of [`Register::password`].
    #[cfg_attr(feature = "openapi", schema(example = "staple battery horse", min_length = 8, max_length = 128, format = "password"))]
    pub password: String,
}

/// `POST /users/me/password/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password until now.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery", format = "password"))]
    pub current: String,
    /// The new password, by the rules of [`Register::password`].
    #[cfg_attr(feature = "openapi", schema(example = "staple battery horse", min_length = 8, max_length = 128, format = "password"))]
    pub new: String,
}

/// `POST /users/me/email/`; answered by [`crate::view::Me`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The new address; it is to be verified again. At most 254 bytes.
    #[cfg_attr(feature = "openapi", schema(example = "lovelace@example.test", max_length = 254, format = "email"))]
    pub email: String,
    /// The password.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery", format = "password"))]
    pub password: String,
}

/// `POST /users/me/deactivate/` and `/users/me/erase/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WithPassword {
    /// The password.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery", format = "password"))]
    pub password: String,
}

/// `PATCH /users/me/`; what is left out stays. Answered by [`crate::view::Me`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateMe {
    /// What others call them, 1 to 80 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "Ada", min_length = 1, max_length = 80))]
    pub name: Option<String>,
    /// What they say about themselves, for everybody to read; at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "I write notes on engines.", max_length = 1000))]
    pub about: Option<String>,
}

/// `PUT /admin/users/{user}/roles/`; answered by [`crate::view::Me`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetRoles {
    /// Whether they may let homes.
    pub is_host: bool,
    /// Whether they may look after the hub.
    pub is_admin: bool,
}

/// Query of `GET /admin/audit/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only what happened to this user's account.
    #[serde(default)]
    pub user: Option<UserId>,
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}
