//! What a client sends: `{"id":7,"cmd":"hold","key":"…","data":{…}}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Seq;
use crate::date::Date;
use crate::id::{BookingId, HoldId, PropertyId};
use crate::rest::{FindProperties, SearchSort};
use crate::topic::Topic;

/// One message from a client. The server reads `data` in a second step, so that a fault in it can be answered by `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope<C, D> {
    /// Chosen by the client; the reply repeats it.
    pub id: u64,
    /// The command's name, see [`Command`].
    pub cmd: C,
    /// Idempotency key, 1 to [`crate::MAX_KEY_BYTES`] bytes: required by every command that changes something.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub key: Option<C>,
    /// The command's fields; may be left out where there are none.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub data: Option<D>,
}

/// The commands, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// [`Authenticate`]; answered by [`crate::server::Authenticated`]. The first command of everyone but anonymous watchers.
    Authenticate,
    /// [`Authenticate`] with a newer token of the same user, on a connection that goes on; answered by [`crate::server::Authenticated`].
    Refresh,
    /// [`Subscribe`]; answered by [`crate::server::Subscribed`].
    Subscribe,
    /// [`Unsubscribe`]; answered by `{}`.
    Unsubscribe,
    /// [`Resume`]; answered by [`crate::server::Resumed`].
    Resume,
    /// No data; answered by [`crate::server::Pong`].
    Ping,
    /// [`WatchSearch`]; answered by [`crate::server::SearchWatched`], and from then on [`crate::server::SearchUpdate`]s come.
    #[serde(rename = "search.watch")]
    WatchSearch,
    /// [`UnwatchSearch`]; answered by `{}`.
    #[serde(rename = "search.unwatch")]
    UnwatchSearch,
    /// [`AskQuote`]; answered by [`crate::view::Quote`].
    Quote,
    /// [`HoldDates`], with a key; answered by [`crate::view::Hold`].
    Hold,
    /// [`HoldRef`], with a key; answered by [`crate::view::Hold`].
    ExtendHold,
    /// [`HoldRef`], with a key; answered by [`crate::view::Hold`].
    ReleaseHold,
    /// [`BookHold`], with a key; answered by [`crate::view::Booking`].
    Book,
    /// [`Pay`], with a key; answered by [`crate::view::Payment`].
    Pay,
    /// [`BookingRef`], with a key; answered by [`crate::view::Booking`].
    Cancel,
    /// [`SendMessage`], with a key; answered by [`crate::view::Message`].
    #[serde(rename = "message.send")]
    SendMessage,
    /// [`ReadMessages`]; answered by [`crate::view::Thread`].
    #[serde(rename = "message.read")]
    ReadMessages,
    /// [`BookingRef`]; answered by `{}`. Tells the other side, if it looks, that one is writing; only on a connection that follows the booking's topic.
    Typing,
    /// [`crate::rest::ReadNotifications`]; answered by [`crate::view::UnreadCount`].
    #[serde(rename = "notification.read")]
    ReadNotifications,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 19] = [
        Self::Authenticate,
        Self::Refresh,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Resume,
        Self::Ping,
        Self::WatchSearch,
        Self::UnwatchSearch,
        Self::Quote,
        Self::Hold,
        Self::ExtendHold,
        Self::ReleaseHold,
        Self::Book,
        Self::Pay,
        Self::Cancel,
        Self::SendMessage,
        Self::ReadMessages,
        Self::Typing,
        Self::ReadNotifications,
    ];

    /// The name in `cmd`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Refresh => "refresh",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Resume => "resume",
            Self::Ping => "ping",
            Self::WatchSearch => "search.watch",
            Self::UnwatchSearch => "search.unwatch",
            Self::Quote => "quote",
            Self::Hold => "hold",
            Self::ExtendHold => "extend_hold",
            Self::ReleaseHold => "release_hold",
            Self::Book => "book",
            Self::Pay => "pay",
            Self::Cancel => "cancel",
            Self::SendMessage => "message.send",
            Self::ReadMessages => "message.read",
            Self::Typing => "typing",
            Self::ReadNotifications => "notification.read",
        }
    }

    /// The command of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.as_str() == name)
    }
}

/// Who the connection speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Authenticate {
    /// An access token from `/auth/login/` or `/auth/refresh/`.
    pub token: String,
}

/// Follow a topic: a snapshot now, every later event as a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Which one.
    pub topic: Topic,
}

/// Stop following a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// Which one.
    pub topic: Topic,
}

/// Follow topics again after a reconnect, from the last event seen of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The database's epoch from the `hello` of the connection that saw those events.
    pub epoch: String,
    /// Topic → the last `seq` seen (0: none).
    pub topics: BTreeMap<Topic, Seq>,
}

/// Look at the first page of a search, and go on looking: the query of `GET /properties/` without its cursor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WatchSearch {
    /// Only homes around this point: degrees north and degrees east, with a comma between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "48.2,16.37"))]
    pub near: Option<String>,
    /// How far around it, in kilometres, 0.001 to 500; 10 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 500))]
    pub radius_km: Option<f64>,
    /// First night; with it, only homes that can be booked now for exactly these nights, each with its exact total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<Date>,
    /// Morning of departure, 1 to 365 days after `check_in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out: Option<Date>,
    /// Days by which both dates may be moved, 0 to 3; each home is offered for its cheapest dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 3))]
    pub flexible: Option<u8>,
    /// Only homes that take so many people, 1 to 50; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50))]
    pub guests: Option<u16>,
    /// Only stays whose total is not higher, in minor units; needs dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub max_total_minor: Option<i64>,
    /// Only homes priced in this ISO 4217 currency. `EUR` if left out where prices are compared (`max_total_minor`, `sort: "price"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 3, example = "EUR"))]
    pub currency: Option<String>,
    /// Only homes that offer all of these, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "wifi,kitchen"))]
    pub amenities: Option<String>,
    /// In which order; `distance` if left out with `near`, else `newest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<SearchSort>,
    /// Homes on the page: 1 to 100, 20 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}

impl From<WatchSearch> for FindProperties {
    fn from(watch: WatchSearch) -> Self {
        let WatchSearch { near, radius_km, check_in, check_out, flexible, guests, max_total_minor, currency, amenities, sort, limit } =
            watch;
        Self { near, radius_km, check_in, check_out, flexible, guests, max_total_minor, currency, amenities, sort, cursor: None, limit }
    }
}

/// Look at a search no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnwatchSearch {
    /// Which one: the number that the reply to `search.watch` gave it.
    pub watch: u32,
}

/// What would this stay cost?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskQuote {
    /// Which home.
    pub property: PropertyId,
    /// First night.
    pub check_in: Date,
    /// Morning of departure; the night before is the last one.
    pub check_out: Date,
    /// 1 or more.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50, example = 2))]
    pub guests: u16,
    /// Not older than this event of the home's topic; a node that has not got so far is waited for, for 2 s, and then `busy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_seq: Option<Seq>,
}

/// Take nights for a short while, to think and to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HoldDates {
    /// Which home.
    pub property: PropertyId,
    /// First night.
    pub check_in: Date,
    /// Morning of departure; the night before is the last one.
    pub check_out: Date,
    /// 1 or more.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50, example = 2))]
    pub guests: u16,
}

/// Names one's own hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HoldRef {
    /// Which hold.
    pub hold: HoldId,
    /// On which home.
    pub property: PropertyId,
}

/// Turn one's own live hold into a booking that waits for its payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookHold {
    /// Which hold.
    pub hold: HoldId,
    /// On which home.
    pub property: PropertyId,
    /// The total the guest agreed to, in minor units; refused if the price has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total_minor: Option<i64>,
}

/// Names a booking one is a party of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingRef {
    /// Which booking.
    pub booking: BookingId,
}

/// Write to the other side of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SendMessageTo))]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// Of which booking.
    pub booking: BookingId,
    /// What is written: 1 to 4000 characters, of control characters only line feed and tab.
    pub text: String,
}

/// Say how far one has read a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ReadMessagesOf))]
#[serde(deny_unknown_fields)]
pub struct ReadMessages {
    /// The thread of which booking.
    pub booking: BookingId,
    /// The number of the last message that was read. One that is lower than before changes nothing.
    pub up_to: u64,
}

/// Pay for one's own booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// Which booking.
    pub booking: BookingId,
    /// The provider's token for a card or account. The sandbox knows `pm_card_visa` (set aside, then taken), `pm_card_declined`,
    /// `pm_card_authentication_required` (pay a second time to come back from the bank), `pm_card_settles_late` (taken 2 s later, and not
    /// set aside before), `pm_card_capture_fails` (set aside, but cannot be taken), and `pm_card_disputed_won` and
    /// `pm_card_disputed_lost` (disputed 2 s after it was taken, decided 2 s later).
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 200, example = "pm_card_visa"))]
    pub payment_method: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_the_name_serde_writes() {
        for command in Command::ALL {
            assert_eq!(serde_json::to_string(&command).unwrap(), format!("\"{}\"", command.as_str()));
            assert_eq!(Command::from_name(command.as_str()), Some(command));
        }
        assert_eq!(Command::from_name("drop_table"), None);
    }

    #[test]
    fn an_envelope_may_leave_out_key_and_data_but_nothing_unknown_gets_in() {
        let ping: Envelope<String, HoldRef> = serde_json::from_str(r#"{"id":1,"cmd":"ping"}"#).unwrap();
        assert_eq!((ping.id, ping.cmd.as_str(), ping.key, ping.data), (1, "ping", None, None));
        assert!(serde_json::from_str::<Envelope<String, HoldRef>>(r#"{"id":1,"cmd":"ping","token":"x"}"#).is_err());
    }
}
