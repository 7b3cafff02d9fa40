//! Leaving: for a while, with everything one has, or for good.

use latchkey_protocol::rest::WithPassword;
use latchkey_protocol::{UserId, view};

use super::passwords::still;
use super::sessions::live;
use super::{Accounts, By, Change, Origin};
use crate::domain::account::{AccountWrite, AuditKind, RefreshFamily, nothing_is_open};
use crate::domain::booking::Booking;
use crate::domain::retention::Sweep;
use crate::domain::{Job, PaymentId, Refusal, Timestamp, Write};
use crate::service::{Caller, ServiceError, wire};
use crate::store::BookingFilter;

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
        self.account(caller.user).await?.deactivate()?;
        self.leave_no_home_on_sale(caller.user).await?;
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            still(&person, &verified)?;
            let mut change = Change::default();
            change.end(live(&person, now), now);
            change.write(AccountWrite::Set(person.account.deactivate()?));
            change.audit(&by, AuditKind::Deactivated, caller.user, now);
            Ok((change, ()))
        })
        .await
    }

    /// Takes away everything personal for good; bookings and money stay, of a user without a name. Homes go off sale first, so that
    /// no booking comes in behind what is looked at here. A job takes network addresses from the audit log soon after.
    ///
    /// # Errors
    /// `BadCredentials`; `InvalidState` of admins, with an unpaid or future booking on either side, and with homes that cannot be taken
    /// off sale; `RateLimited`, `Busy`.
    pub async fn erase(&self, caller: &Caller, ask: WithPassword, origin: &Origin) -> Result<(), ServiceError> {
        let verified = self.verified(caller, ask.password).await?;
        self.account(caller.user).await?.erase()?;
        self.must_have_nothing_open(caller.user).await?;
        self.leave_no_home_on_sale(caller.user).await?;
        self.must_have_nothing_open(caller.user).await?;
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let login = still(&person, &verified)?;
            let mut change = Change::default();
            // Those that are over as well: what clients called themselves is personal too.
            let nameless = |family: RefreshFamily| RefreshFamily { user_agent: None, ..family };
            let (live, over): (Vec<_>, Vec<_>) = person.sessions.into_iter().map(nameless).partition(|family| family.is_live(now));
            change.end(live, now);
            for family in over {
                change.write(AccountWrite::SetFamily(family.end()));
            }
            change.write(AccountWrite::EndLogin { email: login.email });
            change.write(AccountWrite::Set(person.account.erase()?));
            change.audit(&by, AuditKind::Erased, caller.user, now);
            let addresses = Job::sweep(Sweep::Addresses(caller.user), now).delayed_until(now.plus_ms(LOOK_FOR_ADDRESSES_AFTER_MS));
            change.writes.push(Write::AddJob(addresses));
            // When nothing can be written any more: their sessions have ended by then.
            change.writes.push(Write::AddJob(Job::erase_reviews(caller.user, now)));
            Ok((change, ()))
        })
        .await
    }

    async fn must_have_nothing_open(&self, user: UserId) -> Result<(), ServiceError> {
        let today = self.now().utc_date();
        let bookings = self.all_bookings(user).await?;
        Ok(nothing_is_open(&bookings, today)?)
    }

    /// The one place where the homes of somebody who leaves or is suspended go off sale.
    pub(super) async fn leave_no_home_on_sale(&self, user: UserId) -> Result<(), ServiceError> {
        match self.take_homes_off_sale.get() {
            Some(take_off) => take_off(user).await,
            None if self.store.listings_of(user).await?.is_empty() => Ok(()),
            None => Err(Refusal::InvalidState { state: "has_homes" }.into()),
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
        let ids: Vec<PaymentId> =
            bookings.iter().flat_map(|booking| std::iter::once(booking.payment).chain(booking.further_payments.iter().copied())).collect();
        let payments = self.store.payments(&ids).await?;
        let party = |id| bookings.iter().find(|booking| booking.id == id).and_then(|booking| booking.party(user));
        let payments = payments.iter().filter_map(|payment| Some(wire::payment(payment, party(payment.booking)?)));
        let homes = self.store.listings_of(user).await?;
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
            reviews: reviews.map(|review| wire::review(review, Some(user))).collect(),
            audit: audit.iter().map(wire::audit_entry).collect(),
        })
    }
}
