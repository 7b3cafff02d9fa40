//! What somebody does next: drawn from a seed, among what the model knows, and now and then without sense.

use latchkey::service::stays::Answer;
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, HoldRef, Pay};
use latchkey_protocol::rest::{CreateBlock, GiveRefund, ProposeAlteration, ReadMessages, ReplyToReview, SendMessage, WriteReview};
use latchkey_protocol::view::{AlterationState, Booking, BookingState, HoldState, Ratings, Side};
use latchkey_protocol::{Date, EpochMs, UserId};

use super::ask::{Ask, Word};
use super::model::{Home, Model, is_live};
use crate::support::Seed;

/// The methods of the sandbox; the first is what most people have.
const METHODS: [&str; 10] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_declined",
    "pm_card_authentication_required",
    "pm_card_settles_late",
    "pm_card_capture_fails",
    "pm_card_disputed_won",
    "pm_card_disputed_lost",
];

/// How far ahead people book, in days: near enough that they meet.
const HORIZON_DAYS: i32 = 30;

pub(super) struct Draw<'a> {
    pub(super) seed: &'a mut Seed,
    pub(super) model: &'a Model,
    pub(super) people: &'a [UserId],
    pub(super) today: Date,
    pub(super) now: EpochMs,
}

impl<'a> Draw<'a> {
    pub(super) fn next(&mut self) -> (UserId, Ask) {
        loop {
            let drawn = match self.seed.below(100) {
                0..3 => self.quote(),
                3..24 => self.hold(),
                24..30 => self.change_hold(),
                30..44 => self.book(),
                44..60 => self.pay(),
                60..66 => self.word_in(BookingState::Requested, &[Word::Accept, Word::Accept, Word::Decline, Word::Cancel]),
                66..74 => self.word_in(BookingState::Confirmed, &[Word::CheckIn, Word::CheckIn, Word::NoShow, Word::Cancel]),
                74..78 => self.word_in(BookingState::CheckedIn, &[Word::CheckOut, Word::LeaveEarly]),
                78..84 => self.alter(),
                84..86 => self.refund(),
                86..91 => self.talk(),
                91..94 => self.review(),
                94..98 => self.keep_house(),
                _ => self.nonsense(),
            };
            if let Some(drawn) = drawn {
                return drawn;
            }
        }
    }

    fn pick<T>(&mut self, among: Vec<T>) -> Option<T> {
        let count = i32::try_from(among.len()).unwrap();
        if count == 0 {
            return None;
        }
        let chosen = usize::try_from(self.seed.below(count)).unwrap();
        among.into_iter().nth(chosen)
    }

    fn anybody(&mut self) -> UserId {
        self.pick(self.people.to_vec()).unwrap()
    }

    fn home(&mut self) -> &'a Home {
        let number = self.seed.below(i32::try_from(self.model.homes.len()).unwrap());
        &self.model.homes[usize::try_from(number).unwrap()]
    }

    /// Half of all stays are in the days to come, so that they begin within the history.
    fn dates(&mut self) -> (Date, Date) {
        let horizon = if self.seed.below(2) == 0 { 4 } else { HORIZON_DAYS };
        let first = self.today.saturating_add(self.seed.below(horizon));
        (first, first.saturating_add(1 + self.seed.below(5)))
    }

    fn booking(&mut self, is_wanted: impl Fn(&Booking) -> bool) -> Option<Booking> {
        self.pick(self.model.bookings.values().filter(|booking| is_wanted(booking)).collect()).cloned()
    }

    /// One of the two sides, which is the right one half of the time.
    fn side(&mut self, booking: &Booking) -> UserId {
        if self.seed.below(2) == 0 { booking.guest } else { booking.host }
    }

    /// Now and then somebody wants what has run out.
    fn is_late(&mut self) -> bool {
        self.seed.below(20) == 0
    }

    fn quote(&mut self) -> Option<(UserId, Ask)> {
        let ((check_in, check_out), property, guests) = (self.dates(), self.home().id, 2);
        Some((self.anybody(), Ask::Quote(AskQuote { property, check_in, check_out, guests, min_seq: None })))
    }

    fn hold(&mut self) -> Option<(UserId, Ask)> {
        let ((check_in, check_out), property) = (self.dates(), self.home().id);
        let guests = if self.seed.below(30) == 0 { 9 } else { 1 + u16::try_from(self.seed.below(4)).unwrap() };
        Some((self.anybody(), Ask::Hold(HoldDates { property, check_in, check_out, guests })))
    }

    fn held(&mut self) -> Option<(UserId, HoldRef)> {
        let is_late = self.is_late();
        let live = self.model.holds.values().filter(|(_, hold)| hold.state == HoldState::Active);
        let live = live.filter(|(_, hold)| is_late || hold.expires_at > self.now);
        self.pick(live.map(|(guest, hold)| (*guest, HoldRef { hold: hold.id, property: hold.property })).collect())
    }

    fn change_hold(&mut self) -> Option<(UserId, Ask)> {
        let (guest, ask) = self.held()?;
        let guest = if self.seed.below(10) == 0 { self.anybody() } else { guest };
        Some((guest, if self.seed.below(2) == 0 { Ask::Extend(ask) } else { Ask::Release(ask) }))
    }

    fn book(&mut self) -> Option<(UserId, Ask)> {
        let (guest, HoldRef { hold, property }) = self.held()?;
        let guest = if self.seed.below(10) == 0 { self.anybody() } else { guest };
        Some((guest, Ask::Book(BookHold { hold, property, expected_total_minor: None })))
    }

    fn pay(&mut self) -> Option<(UserId, Ask)> {
        let (is_late, now) = (self.is_late(), self.now);
        let waits = |booking: &Booking| {
            let more = booking.alteration.as_ref().is_some_and(|alteration| alteration.state == AlterationState::AwaitingPayment);
            let in_time = is_late || booking.expires_at.is_some_and(|end| end > now);
            booking.state == BookingState::PendingPayment && in_time || more
        };
        let booking = self.booking(waits)?;
        if self.seed.below(12) == 0 {
            return Some((booking.guest, Ask::Refresh(booking.payment)));
        }
        let payment_method = self.pick(METHODS.to_vec())?.to_owned();
        Some((booking.guest, Ask::Pay(Pay { booking: booking.id, payment_method })))
    }

    /// On one of the stays in that state, sooner ones first: those are what a visit is of.
    fn word_in(&mut self, state: BookingState, words: &[Word]) -> Option<(UserId, Ask)> {
        let begins = |booking: &Booking| booking.check_in <= self.today;
        let mut some: Vec<Booking> = self.model.bookings.values().filter(|booking| booking.state == state).cloned().collect();
        if some.iter().any(begins) && self.seed.below(3) != 0 {
            some.retain(|booking| booking.check_in <= self.today);
        }
        let (booking, word) = (self.pick(some)?, self.pick(words.to_vec())?);
        // Most stays go on; otherwise none would be left to arrive.
        if word == Word::Cancel && self.seed.below(3) != 0 {
            return None;
        }
        let who = match word {
            Word::Accept | Word::Decline | Word::NoShow => booking.host,
            Word::LeaveEarly | Word::CheckOut => booking.guest,
            Word::Cancel | Word::CheckIn => self.side(&booking),
        };
        Some((who, Ask::Stay(booking.id, word)))
    }

    fn alter(&mut self) -> Option<(UserId, Ask)> {
        let booking = self.booking(|booking| matches!(booking.state, BookingState::Confirmed | BookingState::CheckedIn))?;
        let who = self.side(&booking);
        let Some(alteration) = &booking.alteration else {
            let check_in = booking.check_in.saturating_add(self.seed.below(4) - 1);
            let check_out = check_in.saturating_add(1 + self.seed.below(6));
            let guests = (self.seed.below(4) == 0).then_some(3);
            let ask = ProposeAlteration { check_in: Some(check_in), check_out: Some(check_out), guests };
            return Some((who, Ask::Propose(booking.id, ask)));
        };
        let answer = self.pick(vec![Answer::Accept, Answer::Accept, Answer::Accept, Answer::Decline, Answer::Withdraw])?;
        let by = if alteration.by == Side::Guest { booking.guest } else { booking.host };
        let other = if alteration.by == Side::Guest { booking.host } else { booking.guest };
        let who = match (self.seed.below(8), answer) {
            (0, _) => who,
            (_, Answer::Withdraw) => by,
            (_, Answer::Accept | Answer::Decline) => other,
        };
        Some((who, Ask::Answer(booking.id, alteration.number, answer)))
    }

    fn refund(&mut self) -> Option<(UserId, Ask)> {
        let booking = self.booking(|booking| booking.confirmed_at.is_some())?;
        let who = if self.seed.below(5) == 0 { booking.guest } else { booking.host };
        let amount_minor = (self.seed.below(8) != 0).then(|| i64::from(1 + self.seed.below(20_000)));
        Some((who, Ask::GiveRefund(booking.payment, GiveRefund { amount_minor })))
    }

    fn talk(&mut self) -> Option<(UserId, Ask)> {
        let booking = self.booking(|_| true)?;
        let who = self.side(&booking);
        let count = self.model.messages.get(&booking.id).copied().unwrap_or_default();
        Some((
            who,
            match self.seed.below(5) {
                0 => Ask::ReadNotifications,
                1 if count > 0 => Ask::ReadMessages(booking.id, ReadMessages { up_to: count }),
                _ => Ask::Send(booking.id, SendMessage { text: format!("Word {}", count + 1) }),
            },
        ))
    }

    fn review(&mut self) -> Option<(UserId, Ask)> {
        if self.seed.below(3) == 0 {
            let (review, (booking, by)) = self.pick(self.model.reviews.iter().map(|(id, of)| (*id, *of)).collect())?;
            let booking = &self.model.bookings[&booking];
            let other = if by == booking.guest { booking.host } else { booking.guest };
            return Some((other, Ask::Reply(review, ReplyToReview { text: "Thank you".to_owned() })));
        }
        let booking = self.booking(|booking| booking.state == BookingState::Completed)?;
        let mut star = || 1 + u8::try_from(self.seed.below(5)).unwrap();
        let (overall, cleanliness, communication) = (star(), star(), star());
        let who = self.side(&booking);
        let ratings = if who == booking.host {
            Ratings::Guest { overall, cleanliness, communication, house_rules: 5 }
        } else {
            Ratings::Stay { overall, cleanliness, accuracy: 4, check_in: 5, communication, location: 3, value: 4 }
        };
        Some((who, Ask::Review(booking.id, WriteReview { ratings, text: "As it was".to_owned() })))
    }

    fn keep_house(&mut self) -> Option<(UserId, Ask)> {
        let Home { id: home, host, is_listed } = *self.home();
        let host = if self.seed.below(10) == 0 { self.anybody() } else { host };
        let mut blocks = self.model.blocks.values().filter(|block| block.property == home);
        let roll = self.seed.below(8);
        Some((
            host,
            match (roll, blocks.next()) {
                // What is not listed is soon listed again.
                (0..6, _) if !is_listed => Ask::Publish(home),
                (0, _) => Ask::Unlist(home),
                (1..5, Some(block)) => Ask::Unblock(home, block.id),
                _ => {
                    let (from, to) = self.dates();
                    Ask::Block(home, CreateBlock { from, to, note: None })
                }
            },
        ))
    }

    /// Any command on any booking by anybody: a stranger, too late, or once more.
    fn nonsense(&mut self) -> Option<(UserId, Ask)> {
        let booking = self.booking(|booking| is_live(booking.state) || booking.seq % 4 == 0)?;
        let (who, word) = (self.anybody(), self.pick(Word::ALL.to_vec())?);
        Some((
            who,
            match self.seed.below(5) {
                0 => Ask::FindBooking(booking.id),
                1 => Ask::Payments(booking.id),
                2 => Ask::Cancellation(booking.id),
                // A cancellation is drawn by those who mean it.
                _ if word == Word::Cancel => Ask::FindThread(booking.id),
                _ => Ask::Stay(booking.id, word),
            },
        ))
    }
}
