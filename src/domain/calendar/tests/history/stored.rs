//! What the database would hold, and what must be true of it after every step.

use std::collections::HashMap;

use super::super::*;
use crate::domain::Block;
use crate::domain::booking::Booking;
use crate::domain::ledger::{Account, Transfer};
use crate::domain::payment::Payment;
use crate::domain::settlement::Shares;

/// Every record ever written, and who owns which night.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) deals: HashMap<ClaimId, Deal>,
    holds: HashMap<ClaimId, Hold>,
    blocks: HashMap<ClaimId, Block>,
    nights: HashMap<Date, Night>,
    topics: HashMap<Topic, u64>,
    ledger: Vec<Transfer>,
}

impl Stored {
    pub(super) fn write(&mut self, changes: &Changes) {
        let replaces = |write: &Write| matches!(write, Write::SetBooking(_) | Write::SetPayment(_) | Write::SetHold(_));
        let is_guarded = changes.events.iter().any(|event| event.seq.is_some());
        assert!(is_guarded || !changes.writes.iter().any(replaces), "nothing guards what is replaced: {changes:?}");
        // As the transaction does it: deletes before inserts.
        for write in &changes.writes {
            if let Write::FreeNight(_, date) = write {
                assert!(self.nights.remove(date).is_some(), "freed a night that nobody had");
            }
        }
        for write in &changes.writes {
            match write {
                Write::TakeNight(night) => assert!(self.nights.insert(night.date, *night).is_none(), "P1: a night was taken twice"),
                Write::AddHold(hold) => assert!(self.holds.insert(hold.id, *hold).is_none()),
                Write::SetHold(hold) => assert!(self.holds.insert(hold.id, *hold).is_some()),
                Write::AddBooking(booking) => {
                    let payment = payments(changes).find(|payment| payment.id == booking.payment).expect("written with its payment");
                    let deal = Deal { booking: booking.clone(), payment: payment.clone(), further_payments: Vec::new() };
                    assert!(self.deals.insert(booking.id, deal).is_none());
                }
                Write::SetBooking(booking) => self.deals.get_mut(&booking.id).expect("replaced, not made").booking = booking.clone(),
                Write::AddBlock(block) => assert!(self.blocks.insert(block.id, block.clone()).is_none()),
                Write::EndBlock(block) => assert!(self.blocks.remove(block).is_some()),
                Write::AddTransfer(transfer) => {
                    let is_there = |known: &Transfer| (known.booking, known.number) == (transfer.booking, transfer.number);
                    assert!(!self.ledger.iter().any(is_there), "P9: a movement happened twice");
                    self.ledger.push(transfer.clone());
                }
                _ => {}
            }
        }
        for payment in payments(changes) {
            self.deals.get_mut(&payment.booking).expect("a payment has a booking").put_payment(payment.clone());
        }
        for event in &changes.events {
            if let Some(seq) = event.seq {
                let head = self.topics.entry(event.topic).or_insert_with(|| u64::from(matches!(event.topic, Topic::Property(_))));
                assert_eq!(seq, *head + 1, "P4: a gap in {}", event.topic);
                *head = seq;
            }
        }
    }

    pub(super) fn check(&self, calendar: &Calendar) {
        for (id, claim) in calendar.claims() {
            for date in claim.stay().nights() {
                assert_eq!(calendar.nights[&date].claim, id, "a live claim owns its nights");
            }
        }
        for (date, owner) in &calendar.nights {
            let is_live = calendar.claim(owner.claim).is_some_and(|claim| claim.stay().nights().any(|night| night == *date));
            let is_past = self.deals.get(&owner.claim).is_some_and(|deal| owns_past_night(&deal.booking, *date));
            assert!(is_live || is_past, "a night of nobody: {date}");
        }
        for deal in self.deals.values() {
            assert_eq!(self.topics[&Topic::Booking(deal.booking.id)], deal.booking.seq, "P4: the booking's version is its topic's head");
            assert_eq!(deal.further_payments.iter().map(|payment| payment.id).collect::<Vec<_>>(), deal.booking.further_payments);
            self.check_money(deal);
        }
        assert!(self.ledger.iter().all(Transfer::is_balanced), "P9: every movement is balanced");
        let restored = Calendar::restore(
            calendar.listing.clone(),
            calendar.leases,
            calendar.seq,
            self.nights.values().copied().collect(),
            self.live_claims(),
        );
        assert_eq!(Calendar { cooldowns: vec![], ..calendar.clone() }, restored, "what is stored reads back as what is in memory");
    }

    fn check_money(&self, deal: &Deal) {
        let booking = &deal.booking;
        for payment in deal.payments() {
            assert!(payment.refunded_minor <= payment.refund_due_minor && payment.refund_due_minor <= payment.captured_minor, "P9");
        }
        assert!(is_within(booking.returned, Shares::of(&booking.quote)), "P9: no more goes back than the price");
        let of_booking = || self.ledger.iter().filter(|transfer| transfer.booking == booking.id);
        let account = |account| of_booking().map(|transfer| transfer.into_account(account)).sum::<i64>();
        let sum = |pick: fn(&Payment) -> i64| deal.payments().map(pick).sum::<i64>();
        let withheld: i64 =
            deal.payments().filter(|payment| payment.is_disputed()).map(|payment| payment.dispute.unwrap().amount_minor).sum();
        let in_provider = sum(|payment| payment.captured_minor - payment.refunded_minor - payment.charged_back_minor())
            - withheld
            - booking.payout.paid_minor;
        assert_eq!(account(Account::Provider), in_provider, "P9: the provider holds what came in and did not go out");
        assert_eq!(account(Account::Disputed), withheld, "P9: what is disputed is kept apart");
        assert_eq!(account(Account::Host(HOST)), booking.payout.paid_minor - booking.settled.host_minor, "P9: what the host is still owed");
        assert_eq!(-account(Account::Fees), booking.settled.fee_minor, "P9: fees");
        assert_eq!(-account(Account::Taxes), booking.settled.taxes_minor, "P9: taxes");
        if deal.is_closed() {
            assert_eq!(account(Account::Escrow), 0, "P9: nothing is left with a closed booking");
            let divided = booking.payout.paid_minor + booking.settled.fee_minor + booking.settled.taxes_minor;
            let brought = sum(|payment| payment.captured_minor) + account(Account::Losses);
            let gone = sum(|payment| payment.refunded_minor + payment.charged_back_minor());
            assert_eq!(brought, gone + divided, "P9: a closed booking adds up, with what the platform lost");
        }
    }

    /// Every booking that is over has all its money where it belongs.
    pub(super) fn check_closed(&self) {
        for deal in self.deals.values() {
            assert!(deal.is_closed() || deal.payment.state != PaymentState::Succeeded, "open for ever: {deal:#?}");
        }
    }

    fn live_claims(&self) -> Vec<Claim> {
        let holds = self.holds.values().filter(|hold| matches!(hold.state, HoldState::Active { .. })).map(|hold| Claim::Hold(*hold));
        let booked = self.deals.values().filter(|deal| deal.booking.state.is_live());
        let blocked = self.blocks.values().map(|block| Claim::Blocked(Box::new(block.clone())));
        holds.chain(booked.map(|deal| Claim::Booked(Box::new(deal.clone())))).chain(blocked).collect()
    }
}

fn payments(changes: &Changes) -> impl Iterator<Item = &Payment> {
    changes.writes.iter().filter_map(|write| match write {
        Write::AddPayment(payment) | Write::SetPayment(payment) => Some(payment),
        _ => None,
    })
}

/// A stay that is over keeps the nights that were stayed, or could have been.
fn owns_past_night(booking: &Booking, date: Date) -> bool {
    let is_of_stay = booking.stay().nights().any(|night| night == date) && booking.left_on.is_none_or(|left_on| date < left_on);
    is_of_stay && matches!(booking.state, BookingState::Completed { .. } | BookingState::NoShow { .. })
}

const fn is_within(part: Shares, whole: Shares) -> bool {
    part.host_minor <= whole.host_minor && part.fee_minor <= whole.fee_minor && part.taxes_minor <= whole.taxes_minor
}
