//! Domain values as clients see them. The only translation there is: replies, snapshots and stored events all come from here.

mod account;
mod booking;
mod event;
mod message;
mod property;
mod review;
mod search;

use latchkey_protocol::view;

pub use self::account::{audit_entry, audit_entry_of, me, session, user};
pub use self::booking::{booking, booking_details, booking_file, cancellation, payment, state_name};
pub use self::event::new_event;
pub use self::message::{message, notification, preferences, thread};
pub use self::property::{block, calendar_days, photo, property};
pub use self::review::{moderated_review, ratings_of, review};
pub use self::search::{found_page, search_update};
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::job::JobState;
use crate::domain::pricing::LineKind;
use crate::domain::{Calendar, Date, Hold, HoldState, Job, JobKind, Quote, Seq, Timestamp};

/// A home's calendar in `[from, to)`.
#[must_use]
pub fn calendar(calendar: &Calendar, from: Date, to: Date) -> view::Calendar {
    view::Calendar {
        property: calendar.listing().id,
        seq: calendar.seq(),
        from,
        to,
        taken: calendar.taken(from, to).into_iter().map(night_range).collect(),
    }
}

fn night_range(run: NightRun) -> view::NightRange {
    view::NightRange { from: run.from, to: run.to, state: night_state(run.state) }
}

const fn night_state(state: NightState) -> view::NightState {
    match state {
        NightState::Free => view::NightState::Free,
        NightState::Held => view::NightState::Held,
        NightState::Booked => view::NightState::Booked,
        NightState::Blocked => view::NightState::Blocked,
    }
}

/// A run of nights, read back from an event.
#[must_use]
pub const fn night_run(range: view::NightRange) -> NightRun {
    let state = match range.state {
        view::NightState::Free => NightState::Free,
        view::NightState::Held => NightState::Held,
        view::NightState::Booked => NightState::Booked,
        view::NightState::Blocked => NightState::Blocked,
    };
    NightRun { from: range.from, to: range.to, state }
}

/// A price.
#[must_use]
pub fn quote(quote: &Quote) -> view::Quote {
    let lines = quote.lines.iter().map(|line| view::QuoteLine {
        kind: match line.kind {
            LineKind::Nights => view::QuoteLineKind::Nights,
            LineKind::WeeklyDiscount => view::QuoteLineKind::WeeklyDiscount,
            LineKind::MonthlyDiscount => view::QuoteLineKind::MonthlyDiscount,
            LineKind::ExtraGuests => view::QuoteLineKind::ExtraGuests,
            LineKind::Cleaning => view::QuoteLineKind::Cleaning,
            LineKind::ServiceFee => view::QuoteLineKind::ServiceFee,
            LineKind::Taxes => view::QuoteLineKind::Taxes,
        },
        quantity: line.quantity,
        unit_minor: line.unit.minor,
        amount_minor: line.amount.minor,
    });
    view::Quote {
        property: quote.property,
        check_in: quote.stay.check_in(),
        check_out: quote.stay.check_out(),
        guests: quote.guests,
        currency: quote.total.currency.code().to_owned(),
        lines: lines.collect(),
        total_minor: quote.total.minor,
    }
}

/// A hold, as of `seq` of its property's topic.
#[must_use]
pub fn hold(hold: &Hold, seq: Seq) -> view::Hold {
    let (state, at) = match hold.state {
        HoldState::Active { expires_at } => (view::HoldState::Active, expires_at),
        HoldState::Converted { at } => (view::HoldState::Converted, at),
        HoldState::Released { at } => (view::HoldState::Released, at),
        HoldState::Expired { at } => (view::HoldState::Expired, at),
    };
    view::Hold {
        id: hold.id,
        property: hold.property,
        check_in: hold.stay.check_in(),
        check_out: hold.stay.check_out(),
        guests: hold.guests,
        state,
        expires_at: at.epoch_ms(),
        seq,
    }
}

/// A job, as an admin sees it.
#[must_use]
pub fn job(job: &Job) -> view::Job {
    let (what, user, payment, booking) = match &job.kind {
        JobKind::Refund { payment } => ("refund", None, Some(*payment), None),
        JobKind::Mail(mail) => (mail.name(), Some(mail.user()), None, None),
        JobKind::Sweep(sweep) => (sweep.name(), None, None, None),
        JobKind::Homes { host } => ("homes", Some(*host), None, None),
        JobKind::Capture { payment } => ("capture", None, Some(*payment), None),
        JobKind::Void { payment } => ("void", None, Some(*payment), None),
        JobKind::PayOut { booking } => ("pay_out", None, None, Some(*booking)),
        JobKind::Advance { booking } => ("advance", None, None, Some(*booking)),
        JobKind::Forget { user, .. } => ("forget", Some(*user), None, None),
        JobKind::PublishReviews { booking } => ("publish_reviews", None, None, Some(*booking)),
    };
    view::Job {
        kind: job.id.work.name().to_owned(),
        key: job.id.key.clone(),
        what: what.to_owned(),
        user,
        payment,
        booking,
        state: match job.state {
            JobState::Waiting { .. } => view::JobState::Waiting,
            JobState::Running { .. } => view::JobState::Running,
            JobState::Dead { .. } => view::JobState::Dead,
        },
        run_at: job.state.due_at().map(Timestamp::epoch_ms),
        attempts: job.attempts,
        last_error: job.last_error.clone(),
        created_at: job.created_at.epoch_ms(),
    }
}
