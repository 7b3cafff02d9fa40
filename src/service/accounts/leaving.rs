//! Leaving: for a while, with everything one has, or for good.

use latchkey_protocol::rest::WithPassword;
use latchkey_protocol::{UserId, view};

use super::passwords::still;
use super::sessions::live;
use super::{Accounts, By, Change, Departure, MAX_TRIES, Origin};
use crate::domain::account::{AccountState, AccountWrite, AuditKind, LoginRecord, nothing_is_open};
use crate::domain::booking::Booking;
use crate::domain::retention::Sweep;
use crate::domain::{Job, Message, PaymentId, Preferences, Timestamp, Write};
use crate::service::{Caller, ServiceError, wire};
use crate::store::{BookingFilter, CommitError, Person};

/// Bookings read at once.
const PAGE: u16 = 500;

/// How long after an erasure its addresses are looked for: entries that were being written beside it are there by then.
const LOOK_FOR_ADDRESSES_AFTER_MS: i64 = 60_000;

impl Accounts {
    /// Leaves until the next log-in: homes go off sale, every session ends, and to others the user is not there.
    ///
    /// # Errors
    /// `BadCredentials`; `InvalidState` of admins; `RateLimited`, `Busy`.
    pub async fn deactivate(&self, caller: &Caller, ask: WithPassword, origin: &Origin) -> Result<(), ServiceError> {
        let verified = self.verified(caller, ask.password).await?;
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            still(&person, &verified)?;
            let mut change = Change::default();
            change.end(live(&person, now), now);
            change.write(AccountWrite::Set(person.account.deactivate()?));
            change.audit(&by, AuditKind::Deactivated, caller.user, now);
            change.settle_homes(caller.user, now);
            Ok((change, ()))
        })
        .await?;
        self.settle_homes_now(caller.user).await;
        Ok(())
    }

    /// Takes away everything personal for good; bookings and money stay, of a user without a name, and homes without a face.
    ///
    /// Homes go off sale first, with the holds on them, so that no booking comes in behind what is looked at here; whoever puts one on sale
    /// meanwhile raises the account's version, and it is all looked at again. A job takes network addresses from the audit log soon after.
    ///
    /// # Errors
    /// `BadCredentials`; `InvalidState` of admins, and with an unpaid or future booking on either side; `RateLimited`, `Busy`.
    pub async fn erase(&self, caller: &Caller, ask: WithPassword, origin: &Origin) -> Result<(), ServiceError> {
        let verified = self.verified(caller, ask.password).await?;
        let by = By::caller(caller, origin);
        for _ in 0..MAX_TRIES {
            let seen = self.account(caller.user).await?;
            seen.clone().erase()?;
            self.must_have_nothing_open(caller.user).await?;
            self.let_homes_go(caller.user, Departure::ForNow).await?;
            self.must_have_nothing_open(caller.user).await?;
            let person = self.person(caller.user).await?;
            if person.account.version != seen.version {
                continue;
            }
            match self.commit(erasure(person, &verified, &by, self.now())?).await {
                Ok(()) => {
                    self.settle_homes_now(caller.user).await;
                    return Ok(());
                }
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    async fn must_have_nothing_open(&self, user: UserId) -> Result<(), ServiceError> {
        let today = self.now().utc_date();
        let bookings = self.all_bookings(user).await?;
        Ok(nothing_is_open(&bookings, today)?)
    }

    /// Does now what the job would do soon, so that it is done when the answer comes; if it cannot be done now, it stays with the job.
    pub(super) async fn settle_homes_now(&self, user: UserId) {
        if let Err(error) = self.settle_homes(user).await {
            tracing::warn!(%user, %error, "homes could not be taken off sale at once: a job does it");
        }
    }

    /// What becomes of the homes of a user, by what they are now: nothing, if they may let them (again).
    ///
    /// # Errors
    /// `Busy`, `Unavailable`; what was done until then stays so, and doing it again is right.
    pub async fn settle_homes(&self, user: UserId) -> Result<(), ServiceError> {
        let account = self.account(user).await?;
        match account.state {
            AccountState::Active if account.may_let() => Ok(()),
            AccountState::Active | AccountState::Deactivated | AccountState::Suspended => self.let_homes_go(user, Departure::ForNow).await,
            AccountState::Erased => self.let_homes_go(user, Departure::ForGood).await,
        }
    }

    async fn let_homes_go(&self, user: UserId, departure: Departure) -> Result<(), ServiceError> {
        match self.let_homes_go.get() {
            Some(let_go) => let_go(user, departure).await,
            // No hub is running beside the command line: its jobs see to it when it starts.
            None => Ok(()),
        }
    }

    async fn all_bookings(&self, user: UserId) -> Result<Vec<Booking>, ServiceError> {
        let mut bookings: Vec<Booking> = Vec::new();
        loop {
            let page = self.store.bookings_of(user, &BookingFilter::default(), bookings.last().map(|booking| booking.id), PAGE).await?;
            let is_last = page.len() < usize::from(PAGE);
            bookings.extend(page);
            if is_last {
                return Ok(bookings);
            }
        }
    }

    /// What a user wrote to others.
    async fn messages_by(&self, user: UserId) -> Result<Vec<Message>, ServiceError> {
        let mut messages = Vec::new();
        for thread in self.store.threads_of(user, None, usize::MAX).await? {
            let all = self.store.messages(thread.booking, 1, thread.messages()).await?;
            messages.extend(all.into_iter().filter(|message| message.sender == user));
        }
        Ok(messages)
    }

    /// Everything that is held about the caller.
    ///
    /// # Errors
    /// `RateLimited`, `Busy`.
    pub async fn export(&self, caller: &Caller, origin: &Origin) -> Result<view::Export, ServiceError> {
        self.limits.export.count(&caller.user)?;
        let user = caller.user;
        let by = By::caller(caller, origin);
        let person = self
            .decide(user, |person, now| {
                let mut change = Change::default();
                change.audit(&by, AuditKind::Exported, user, now);
                Ok((change, person))
            })
            .await?;
        let bookings = self.all_bookings(user).await?;
        let ids: Vec<PaymentId> = bookings.iter().flat_map(Booking::payments).collect();
        let payments = self.store.payments(&ids).await?;
        let party = |id| bookings.iter().find(|booking| booking.id == id).and_then(|booking| booking.party(user));
        let payments = payments.iter().filter_map(|payment| Some(wire::payment(payment, party(payment.booking)?)));
        let homes = self.store.listings_of(user).await?;
        let messages = self.messages_by(user).await?;
        let notifications = self.store.notifications(user, None, false, u16::MAX, self.now()).await?;
        let preferences = self.store.preferences(user).await?.unwrap_or_else(|| Preferences::unchosen(user));
        let reviews = self.store.reviews_around(user).await?;
        let reviews = reviews.iter().filter(|review| review.is_visible_to(Some(user)));
        let audit = self.store.audit(Some(user), None, u16::MAX, self.now()).await?;
        Ok(view::Export {
            exported_at: Timestamp::epoch_ms(self.now()),
            previous_email: person.account.previous_email.as_ref().map(|previous| previous.email.clone()),
            profile: wire::me(&person.account),
            sessions: person.sessions.iter().map(|family| wire::session(family, caller.session)).collect(),
            homes: homes.iter().map(|home| wire::property(home, Some(user))).collect(),
            payments: payments.collect(),
            bookings: bookings.iter().filter_map(|booking| Some(wire::booking_details(booking, booking.party(user)?, None))).collect(),
            messages: messages.iter().map(wire::message).collect(),
            notifications: notifications.iter().map(wire::notification).collect(),
            preferences: wire::preferences(&preferences),
            reviews: reviews.map(|review| wire::review(review, Some(user))).collect(),
            audit: audit.iter().map(|entry| wire::audit_entry_of(entry, user)).collect(),
        })
    }
}

/// Everything about erasing somebody but their homes.
fn erasure(person: Person, verified: &LoginRecord, by: &By, now: Timestamp) -> Result<Change, ServiceError> {
    let user = person.account.user;
    let login = still(&person, verified)?;
    let edition = person.account.edition;
    let mut change = Change::default();
    // Those that are over as well: what clients called themselves is personal too.
    change.end(person.sessions, now);
    change.write(AccountWrite::EndLogin { email: login.email });
    change.write(AccountWrite::Set(person.account.erase()?));
    change.audit(by, AuditKind::Erased, user, now);
    change.tell_of_account(edition, now);
    change.settle_homes(user, now);
    let addresses = Job::sweep(Sweep::Addresses(user), now).delayed_until(now.plus_ms(LOOK_FOR_ADDRESSES_AFTER_MS));
    change.writes.push(Write::AddJob(addresses));
    change.writes.push(Write::AddJob(Job::forget(user, now)));
    Ok(change)
}
