//! Bodies and queries of `/bookings/…` and `/payments/…`.

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::id::{BookingId, PropertyId};
use crate::view::{BookingState, Side};

/// Query of `GET /bookings/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct BookingsQuery {
    /// Only those in which one is on this side.
    #[serde(default)]
    pub side: Option<Side>,
    /// Only those in this state.
    #[serde(default)]
    pub state: Option<BookingState>,
    /// Only those of this home.
    #[serde(default)]
    pub property: Option<PropertyId>,
    /// Only those whose last night is this one or later.
    #[serde(default)]
    pub from: Option<Date>,
    /// Only those whose first night is before this one.
    #[serde(default)]
    pub to: Option<Date>,
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}

/// `POST /bookings/{id}/check-in/`, `/check-out/` and `/early-departure/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// For the two parties alone, up to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 500, example = "The key is under the mat."))]
    pub note: Option<String>,
}

/// `POST /bookings/{id}/alterations/`: the stay as it should be; what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProposeAlteration {
    /// First night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<Date>,
    /// Morning of departure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out: Option<Date>,
    /// How many people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50))]
    pub guests: Option<u16>,
}

/// `POST /payments/{id}/refunds/`: what the host gives back beyond the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GiveRefund {
    /// How much, in minor units; everything that is left if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000_000_i64))]
    pub amount_minor: Option<i64>,
}

/// Query of `GET /payments/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct PaymentsQuery {
    /// Only those of this booking.
    #[serde(default)]
    pub booking: Option<BookingId>,
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Payments of so many bookings: 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}
