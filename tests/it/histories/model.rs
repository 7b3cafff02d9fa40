//! What a history has been told: a naive model of homes, claims, bookings and money, and what may never be told after it.
//!
//! It predicts a success only where nothing else is possible, and takes a refusal for granted everywhere else. What happens by itself
//! (leases, late payments, the ends of stays) it learns by reading; what it reads must be reachable from what it knew.

use std::collections::BTreeMap;

use latchkey_protocol::client::HoldDates;
use latchkey_protocol::rest::ProposeAlteration;
use latchkey_protocol::view::{Block, Booking, BookingState, Hold, HoldState, Message, Payment, Review};
use latchkey_protocol::{
    BlockId, BookingId, ClaimId, Date, EpochMs, ErrorCode, HoldId, PaymentId, PropertyId, ReviewId, UserId, WireError,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ask::{Ask, Word};
use super::door::Told;

pub(super) struct Home {
    pub(super) id: PropertyId,
    pub(super) host: UserId,
    pub(super) is_listed: bool,
}

/// When something was asked and answered: it happened in between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) asked_at: EpochMs,
    pub(super) answered_at: EpochMs,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) homes: Vec<Home>,
    pub(super) holds: BTreeMap<HoldId, (UserId, Hold)>,
    pub(super) bookings: BTreeMap<BookingId, Booking>,
    pub(super) blocks: BTreeMap<BlockId, Block>,
    pub(super) payments: BTreeMap<PaymentId, Payment>,
    /// How many messages each booking has.
    pub(super) messages: BTreeMap<BookingId, u64>,
    /// Of which booking each review is, and whose.
    pub(super) reviews: BTreeMap<ReviewId, (BookingId, UserId)>,
}

/// Nights of a home that somebody has just been given: nobody else may have them.
pub(super) struct Given {
    pub(super) claim: ClaimId,
    pub(super) home: PropertyId,
    pub(super) from: Date,
    pub(super) to: Date,
}

impl Given {
    pub(super) fn overlaps(&self, home: PropertyId, from: Date, to: Date) -> bool {
        self.home == home && self.from < to && from < self.to
    }
}

pub(super) fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

pub(super) const fn is_live(state: BookingState) -> bool {
    matches!(state, BookingState::PendingPayment | BookingState::Requested | BookingState::Confirmed | BookingState::CheckedIn)
}

/// Whether a booking can come from one state to another, by any number of steps.
fn leads(from: BookingState, to: BookingState) -> bool {
    use BookingState as S;
    let next: &[S] = match from {
        S::PendingPayment => &[S::Requested, S::Confirmed, S::Expired, S::CancelledByGuest, S::CancelledByHost],
        S::Requested => &[S::Confirmed, S::Declined, S::Expired, S::PaymentFailed, S::Withdrawn],
        S::Confirmed => &[S::PaymentFailed, S::CancelledByGuest, S::CancelledByHost, S::CheckedIn, S::NoShow, S::Completed],
        S::CheckedIn => &[S::Completed],
        S::Completed | S::PaymentFailed | S::Declined | S::Withdrawn | S::Expired => &[],
        S::CancelledByGuest | S::CancelledByHost | S::NoShow => &[],
    };
    from == to || next.iter().any(|between| leads(*between, to))
}

impl Model {
    /// Claims that may own one of these nights, as far as is known.
    pub(super) fn possible_owners(&self, given: &Given, at: EpochMs) -> Vec<ClaimId> {
        let holds = self.holds.values().map(|(_, hold)| hold);
        let holds = holds.filter(|hold| hold.state == HoldState::Active && hold.expires_at > at);
        let holds = holds.filter(|hold| given.overlaps(hold.property, hold.check_in, hold.check_out)).map(|hold| hold.id);
        let bookings = self.bookings.values().filter(|booking| {
            let altered = booking.alteration.as_ref().map(|alteration| &alteration.quote);
            let may_be = altered.is_some_and(|quote| given.overlaps(booking.property, quote.check_in, quote.check_out));
            is_live(booking.state) && (may_be || given.overlaps(booking.property, booking.check_in, booking.check_out))
        });
        let blocks = self.blocks.values().filter(|block| given.overlaps(block.property, block.from, block.to)).map(|block| block.id);
        let all = holds.chain(bookings.map(|booking| booking.id)).chain(blocks);
        all.filter(|claim| *claim != given.claim).collect()
    }

    /// Whether a claim surely owns one of these nights, as it was just read.
    pub(super) fn owns(&self, claim: ClaimId, given: &Given, at: EpochMs) -> bool {
        let hold = self.holds.get(&claim).is_some_and(|(_, hold)| {
            let lives = hold.state == HoldState::Active && hold.expires_at > at;
            lives && given.overlaps(hold.property, hold.check_in, hold.check_out)
        });
        let booking = self.bookings.get(&claim).is_some_and(|booking| {
            let lives = is_live(booking.state) && booking.expires_at.is_none_or(|end| end > at);
            lives && given.overlaps(booking.property, booking.check_in, booking.check_out)
        });
        let block = self.blocks.get(&claim).is_some_and(|block| given.overlaps(block.property, block.from, block.to));
        hold || booking || block
    }

    /// Takes note of an answer; the nights that it gave to somebody.
    pub(super) fn learn(&mut self, who: UserId, ask: &Ask, told: &Told, span: Span) -> Option<Given> {
        match told {
            Ok(value) => self.done(who, ask, value, span),
            Err(error) => {
                self.refused(who, ask, error, span);
                None
            }
        }
    }

    fn done(&mut self, who: UserId, ask: &Ask, value: &Value, span: Span) -> Option<Given> {
        if let Some(booking) = ask.booking().and_then(|booking| self.bookings.get(&booking)) {
            assert!(who == booking.guest || who == booking.host, "P8: a stranger's {ask:?} was answered");
        }
        match ask {
            Ask::Hold(asked) => return Some(self.held(who, asked, read(value), span)),
            Ask::Extend(_) | Ask::Release(_) | Ask::FindHold(_) => self.observe_hold(who, ask, read(value), span),
            Ask::Book(asked) => self.booked(who, asked.hold, read(value), span),
            Ask::Pay(asked) => {
                let booking = &self.bookings[&asked.booking];
                let is_over = booking.state == BookingState::PendingPayment && booking.expires_at.is_some_and(|end| span.asked_at >= end);
                assert!(!is_over, "P6: a booking that was over took a payment");
                self.observe_payment(read(value));
            }
            Ask::Refresh(_) | Ask::GiveRefund(..) => self.observe_payment(read(value)),
            Ask::Payments(_) => read::<Vec<Payment>>(value).into_iter().for_each(|payment| self.observe_payment(payment)),
            Ask::Stay(_, word) => return self.worded(who, *word, read(value), span),
            Ask::Propose(..) | Ask::Answer(..) | Ask::FindBooking(_) => return self.observe(read(value), span),
            Ask::Send(booking, _) => {
                let count = self.messages.entry(*booking).or_default();
                *count += 1;
                assert_eq!(read::<Message>(value).number, *count, "messages are numbered one by one");
            }
            Ask::FindThread(booking) => {
                let count = self.messages.get(booking).copied().unwrap_or_default();
                assert_eq!(value["messages"].as_u64(), Some(count), "P2: messages of {booking}");
            }
            Ask::Review(booking, _) => {
                let review: Review = read(value);
                let is_first = self.reviews.values().all(|known| *known != (*booking, who));
                assert!(is_first && self.reviews.insert(review.id, (*booking, who)).is_none(), "reviewed twice");
            }
            Ask::Reviews(booking) => {
                let seen: Vec<Value> = read(&value["items"]);
                for (id, (of, by)) in &self.reviews {
                    let is_mine = of == booking && *by == who;
                    assert!(!is_mine || seen.iter().any(|review| review["id"] == id.to_string()), "P2: review {id} is gone");
                }
            }
            Ask::Block(..) => {
                let block: Block = read(value);
                let given = Given { claim: block.id, home: block.property, from: block.from, to: block.to };
                self.blocks.insert(block.id, block);
                return Some(given);
            }
            Ask::Unblock(_, block) => _ = self.blocks.remove(block),
            Ask::Publish(home) | Ask::Unlist(home) => {
                let home = self.homes.iter_mut().find(|known| known.id == *home).unwrap();
                assert_eq!(home.host, who, "P8: somebody else's home");
                home.is_listed = matches!(ask, Ask::Publish(_));
            }
            Ask::Quote(_) => {
                let lines = value["lines"].as_array().unwrap().iter().map(|line| line["amount_minor"].as_i64().unwrap());
                assert_eq!(Some(lines.sum::<i64>()), value["total_minor"].as_i64(), "P9: {value}");
            }
            Ask::ReadMessages(..) | Ask::Reply(..) | Ask::ReadNotifications | Ask::Cancellation(_) | Ask::Calendar(_) => {}
        }
        None
    }

    /// A hold that was given, and its nights.
    fn held(&mut self, who: UserId, asked: &HoldDates, hold: Hold, span: Span) -> Given {
        let home = self.homes.iter().find(|home| home.id == asked.property).unwrap();
        assert!(home.is_listed || who == home.host, "a home that is not listed was held");
        assert_eq!((hold.check_in, hold.check_out, hold.state), (asked.check_in, asked.check_out, HoldState::Active));
        assert!(hold.expires_at > span.asked_at, "P6: a hold that was over when it was given");
        let given = Given { claim: hold.id, home: hold.property, from: hold.check_in, to: hold.check_out };
        assert!(self.holds.insert(hold.id, (who, hold)).is_none(), "two holds of one name");
        given
    }

    /// A booking that grew from a hold.
    fn booked(&mut self, who: UserId, hold: HoldId, booking: Booking, span: Span) {
        let (guest, hold) = self.holds.remove(&hold).expect("P7: a hold that became a booking became another");
        assert!(hold.state == HoldState::Active && span.asked_at < hold.expires_at, "P6: a hold that was over was booked");
        assert_eq!((booking.id, booking.guest, guest, booking.check_in), (hold.id, who, who, hold.check_in));
        assert_eq!(booking.state, BookingState::PendingPayment);
        self.bookings.insert(booking.id, booking);
    }

    /// What a command on a booking did, and whether its time had not run out.
    fn worded(&mut self, who: UserId, word: Word, booking: Booking, span: Span) -> Option<Given> {
        use BookingState as S;
        let known = &self.bookings[&booking.id];
        let is_host = who == known.host;
        let in_time = !matches!(known.state, S::PendingPayment | S::Requested) || known.expires_at.is_none_or(|end| span.asked_at < end);
        // What was paid in time may have confirmed it since it was read.
        let knew_it = known.state == S::Requested || word == Word::Accept;
        assert!(in_time || !knew_it, "P6: {word:?} of a booking that was over");
        let expected: &[S] = match word {
            Word::Accept => &[S::Confirmed],
            Word::Decline => &[S::Declined],
            // Whoever books their own home calls it off as its guest.
            Word::Cancel if is_host && who != known.guest => &[S::CancelledByHost, S::Declined],
            Word::Cancel => &[S::CancelledByGuest, S::Withdrawn],
            Word::CheckIn => &[S::CheckedIn],
            Word::CheckOut | Word::LeaveEarly => &[S::Completed],
            Word::NoShow => &[S::NoShow],
        };
        assert!(expected.contains(&booking.state), "{word:?} made it {:?}", booking.state);
        let wants_host = matches!(word, Word::Accept | Word::Decline | Word::NoShow);
        assert!(!wants_host || is_host, "P8: a guest's {word:?}");
        assert!(word != Word::LeaveEarly || who == known.guest, "P8: a host's {word:?}");
        self.observe(booking, span)
    }

    /// A booking as it was just read; the nights that it has now, if they are others than before.
    pub(super) fn observe(&mut self, booking: Booking, span: Span) -> Option<Given> {
        let known = self.bookings.get(&booking.id).expect("a booking that nobody made");
        let (before, after) = (known.state, booking.state);
        assert!(leads(before, after), "{} went from {before:?} to {after:?}", booking.id);
        assert!(booking.seq >= known.seq, "P2: {} went back from seq {} to {}", booking.id, known.seq, booking.seq);
        let fixed = |of: &Booking| (of.property, of.guest, of.host, of.payment, of.created_at, of.instant_book, of.cancellation_policy);
        assert_eq!(fixed(known), fixed(&booking));
        if after == BookingState::Expired && before != after {
            assert!(known.expires_at.is_some_and(|end| end <= span.answered_at), "P6: {} expired early", booking.id);
        }
        if let (Some(end), Some(at)) = (known.expires_at, booking.confirmed_at) {
            let is_direct = before == BookingState::Requested || booking.instant_book;
            assert!(!is_direct || at < end, "P6: {} was confirmed at {at}, its lease ended at {end}", booking.id);
        }
        if let Some(confirmed_at) = known.confirmed_at {
            assert_eq!(booking.confirmed_at, Some(confirmed_at));
        }
        let is_elsewhere = (known.check_in, known.check_out) != (booking.check_in, booking.check_out);
        let given = Given { claim: booking.id, home: booking.property, from: booking.check_in, to: booking.check_out };
        let has_more = is_elsewhere && is_live(after);
        self.bookings.insert(booking.id, booking);
        has_more.then_some(given)
    }

    fn observe_hold(&mut self, who: UserId, ask: &Ask, hold: Hold, span: Span) {
        let (guest, known) = &self.holds[&hold.id];
        assert_eq!((*guest, known.check_in, known.check_out), (who, hold.check_in, hold.check_out), "P8: {ask:?}");
        assert!(known.state == HoldState::Active || known.state == hold.state, "a hold that was over lives: {hold:?}");
        let is_command = matches!(ask, Ask::Extend(_) | Ask::Release(_));
        assert!(!is_command || span.asked_at < known.expires_at, "P6: {ask:?} of a hold that was over");
        assert!(hold.state != HoldState::Expired || known.expires_at <= span.answered_at, "P6: a hold expired early");
        assert!(hold.state != HoldState::Released || known.state == hold.state || matches!(ask, Ask::Release(_)), "P2: {hold:?}");
        assert!(hold.expires_at >= known.expires_at || hold.state != HoldState::Active, "P2: an extension is gone");
        self.holds.insert(hold.id, (who, hold));
    }

    fn observe_payment(&mut self, payment: Payment) {
        let Payment { amount_minor, captured_minor, refund_due_minor, refunded_minor, .. } = payment;
        let adds_up = amount_minor >= captured_minor && captured_minor >= refund_due_minor && refund_due_minor >= refunded_minor;
        assert!(adds_up && refunded_minor >= 0, "P9: {payment:?}");
        if let Some(known) = self.payments.get(&payment.id) {
            let grew = captured_minor >= known.captured_minor && refunded_minor >= known.refunded_minor;
            assert!(grew && amount_minor == known.amount_minor, "P2: {known:?} became {payment:?}");
        }
        self.payments.insert(payment.id, payment);
    }

    fn refused(&mut self, who: UserId, ask: &Ask, error: &WireError, span: Span) {
        assert!(!matches!(error.code, ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::Unauthenticated), "{ask:?}: {error:?}");
        if error.retryable {
            return;
        }
        match ask {
            Ask::Hold(asked) if error.code == ErrorCode::DatesUnavailable => {
                let nobody = ClaimId::from_bytes([0; 16]);
                let given = Given { claim: nobody, home: asked.property, from: asked.check_in, to: asked.check_out };
                assert!(!self.possible_owners(&given, span.asked_at).is_empty(), "P1: nobody has a night of {asked:?}: {error:?}");
            }
            Ask::Release(asked) => {
                let (guest, hold) = &self.holds[&asked.hold];
                let lives = hold.state == HoldState::Active && span.answered_at < hold.expires_at;
                assert!(*guest != who || !lives, "P2: {hold:?} is {error:?}");
            }
            Ask::Book(asked) => {
                let (guest, hold) = &self.holds[&asked.hold];
                let lives = hold.state == HoldState::Active && span.answered_at < hold.expires_at;
                let is_listed = self.homes.iter().any(|home| home.id == asked.property && home.is_listed);
                assert!(*guest != who || !lives || !is_listed, "P2: {hold:?} is {error:?}");
            }
            Ask::FindBooking(id) | Ask::Stay(id, _) | Ask::Payments(id) | Ask::Cancellation(id) | Ask::FindThread(id) => {
                let booking = &self.bookings[id];
                let is_party = who == booking.guest || who == booking.host;
                assert!(is_party || error.code == ErrorCode::NotFound, "P8: a stranger is told {error:?}");
                assert!(!is_party || error.code != ErrorCode::NotFound, "P2: {booking:?} is gone");
            }
            _ => {}
        }
    }
}

impl Ask {
    /// Of which booking it is, if of one.
    pub(super) const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::Stay(id, _) | Self::Propose(id, ProposeAlteration { .. }) | Self::Answer(id, ..) | Self::Send(id, _) => Some(*id),
            Self::ReadMessages(id, _) | Self::Review(id, _) | Self::FindBooking(id) | Self::FindThread(id) => Some(*id),
            Self::Cancellation(id) | Self::Payments(id) | Self::Reviews(id) => Some(*id),
            Self::Pay(ask) => Some(ask.booking),
            _ => None,
        }
    }
}
