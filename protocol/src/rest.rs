//! Bodies that only REST has. Commands share [`crate::client`], answers share [`crate::view`]; the idempotency key is the
//! `Idempotency-Key` header.

mod property;
mod search;

use serde::{Deserialize, Serialize};

pub use self::property::{CaptionPhoto, CreateBlock, CreateProperty, OrderPhotos, UpdateProperty};
pub use self::search::{FindProperties, FoundProperty, SearchSort};
use crate::Seq;
use crate::date::Date;
use crate::id::PropertyId;

mod account;
mod booking;
mod job;
mod message;
mod notification;
mod review;
pub use account::*;
pub use booking::*;
pub use job::*;
pub use message::*;
pub use notification::*;
pub use review::*;

/// Query of `GET /properties/{id}/calendar/`; the window is at most 732 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct CalendarWindow {
    /// First day; today in the property's time zone if left out.
    #[serde(default)]
    pub from: Option<Date>,
    /// The day after the last one; 366 days after `from` if left out.
    #[serde(default)]
    pub to: Option<Date>,
    /// Not older than this event of the property's topic; a node that has not got so far is waited for, for 2 s, and then `busy`.
    #[serde(default)]
    pub min_seq: Option<Seq>,
}

/// Query of a read of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct MinSeq {
    /// Not older than this event of the thing's topic; a node that has not got so far is waited for, for 2 s, and then `busy`.
    #[serde(default)]
    pub min_seq: Option<Seq>,
}

/// `POST /holds/{id}/extend/` and `/release/`: on which home the hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct OnProperty {
    /// Which home.
    pub property: PropertyId,
}

/// Query of a list: where to go on, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The things on this page, newest first.
    pub items: Vec<T>,
    /// The cursor of the next page; left out on the last one.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An error body: RFC 9457 problem details, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:latchkey:problem:` and the error code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code as words.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// A sentence about this occurrence.
    pub detail: String,
    /// `code`, `retryable` and `details`, as on the WebSocket.
    #[serde(flatten)]
    pub error: crate::error::WireError,
}

/// What a problem's `type` means; `GET /problems/` lists them in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemType {
    /// `type` of the problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its code, the same over REST and WebSocket.
    pub code: crate::error::ErrorCode,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// Whether the same request may succeed later without anything else changing.
    pub retryable: bool,
    /// What it says, in a sentence for people.
    pub meaning: String,
}
