//! One guest: asks for nights with everyone else, then either learns why not, or books, pays and waits for the confirmation.
//!
//! Every command has its key for the whole race, so a reconnect repeats it and cannot do it twice. Winners also say hold
//! and pay a second time on purpose: the first result must come back (P7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use latchkey_protocol::client::{BookHold, Command, HoldDates, Pay};
use latchkey_protocol::error::{Detail, WireError};
use latchkey_protocol::view::{Booking, Hold, Payment};
use latchkey_protocol::{EpochMs, ErrorCode, PropertyId, Topic};
use serde::Serialize;
use tokio::sync::Barrier;

use super::Course;
use super::inbox::Inbox;
use crate::account::Account;
use crate::invariants::claims::{Lost, Progress, Won};
use crate::invariants::inbox::Step;
use crate::plan::{Round, Stay, now_ms, sub_stay};
use crate::random::SplitMix64;
use crate::records::Record;
use crate::session::{Reply, Session};

/// A confirmation may take this long, beyond the patience for reconnects.
const CONFIRMATION: Duration = Duration::from_secs(30);
/// The hub's clock and ours may differ by this much when a lease is said to have run out.
const CLOCK_MARGIN_MS: EpochMs = 1_000;

/// What a round was for a guest.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An acknowledged hold; and when it was sent, if only once.
    Won(Won, Option<Instant>),
    /// Refused, with the reason.
    Lost(Lost),
}

/// A guest with an open session.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) number: usize,
    pub(crate) account: Arc<Account>,
    pub(crate) session: Session,
    inbox: Arc<Inbox>,
}

/// How a step after the hold failed.
enum Setback {
    /// The lease was over.
    Lapsed,
    /// Anything else.
    Stuck(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Setback {
    fn from(error: E) -> Self {
        Self::Stuck(error.into())
    }
}

/// A guest's part in one round.
struct Turn<'a> {
    guest: &'a Guest,
    course: &'a Course,
    round: u32,
    ask: HoldDates,
}

impl Guest {
    /// Opens the guest's socket and follows their inbox.
    ///
    /// # Errors
    /// The hub refused or could not be reached.
    pub(crate) async fn connect(number: usize, account: Arc<Account>, course: &Course) -> Result<Self> {
        let inbox = Inbox::new(format!("guest {number}"), &course.breaks);
        let session = Session::open(&course.link, Some(Arc::clone(&account)), Arc::clone(&inbox) as _).await?;
        session.subscribe(Topic::User(account.user)).await?;
        Ok(Self { number, account, session, inbox })
    }

    /// Plays one round: all guests send when the last of them has reached `start`.
    ///
    /// # Errors
    /// The hub refused for another reason than taken dates, answered against the protocol, or not at all.
    pub(crate) async fn play(&self, course: &Course, round: Round, property: PropertyId, start: &Barrier) -> Result<Outcome> {
        let lane = (u64::from(round.number) << 32) | self.number as u64;
        let Stay { check_in, check_out } = sub_stay(round.window, &mut SplitMix64::lane(course.seed, lane));
        let ask = HoldDates { property, check_in, check_out, guests: 1 };
        let turn = Turn { guest: self, course, round: round.number, ask };
        start.wait().await;
        turn.play().await
    }
}

impl Turn<'_> {
    async fn play(self) -> Result<Outcome> {
        let reply = self.send(Command::Hold, &self.ask).await?;
        let clocks = &self.course.clocks;
        match &reply.outcome {
            Ok(_) => {
                record(&clocks.hold_won, &reply);
                let hold: Hold = reply.body()?;
                self.check_hold(&hold)?;
                let sent_at = (!reply.repeated).then_some(reply.sent_at);
                let progress = match self.go_on(&hold).await {
                    Ok(()) => Progress::Confirmed,
                    Err(Setback::Lapsed) => Progress::Lapsed,
                    Err(Setback::Stuck(error)) => Progress::Stuck(format!("{error:#}")),
                };
                let (guest, round) = (self.guest.number, self.round);
                let won = Won { round, guest, property: hold.property, stay: self.stay(), hold: hold.id, seq: hold.seq, progress };
                Ok(Outcome::Won(won, sent_at))
            }
            Err(error) if error.code == ErrorCode::DatesUnavailable => {
                record(&clocks.hold_refused, &reply);
                self.read_refusal(error).map(Outcome::Lost)
            }
            Err(error) => bail!("hold refused: {} ({})", error.code.as_str(), error.message),
        }
    }

    /// From a hold to a confirmed booking.
    async fn go_on(&self, hold: &Hold) -> Result<(), Setback> {
        let (id, property) = (hold.id, hold.property);
        let Stay { check_in, check_out } = self.stay();
        let guest = self.guest.number;
        let recorder = &self.course.recorder;
        recorder.note(Record::Hold { guest, hold: id, property, check_in, check_out, expires_at: hold.expires_at, seq: hold.seq })?;
        let again: Hold = self.send(Command::Hold, &self.ask).await?.body().context("hold, said twice")?;
        ensure_same("hold", again.id == id)?;

        let ask = BookHold { hold: id, property, expected_total_minor: None };
        let reply = self.send(Command::Book, &ask).await?;
        let booking: Booking = accepted("book", &reply, hold.expires_at)?;
        record(&self.course.clocks.book, &reply);
        self.check_booking(&booking, hold)?;
        recorder.note(Record::Booking { booking: id, expires_at: booking.expires_at })?;

        let deadline = booking.expires_at.unwrap_or(hold.expires_at);
        let ask = Pay { booking: id, payment_method: "pm_card_visa".to_owned() };
        let reply = self.send(Command::Pay, &ask).await?;
        let payment: Payment = accepted("pay", &reply, deadline)?;
        ensure_same("payment", payment.id == booking.payment && payment.amount_minor == booking.quote.total_minor)?;
        match self.guest.inbox.outcome(id, self.course.link.patience + CONFIRMATION).await {
            Some((Step::Confirmed, at)) if !reply.repeated => {
                self.course.clocks.confirmed.record(at.saturating_duration_since(reply.sent_at));
            }
            Some((Step::Confirmed, _)) => {}
            Some(_) if is_over(deadline) => return Err(Setback::Lapsed),
            Some(_) => return Err(anyhow::anyhow!("the booking expired before {deadline}").into()),
            None => return Err(anyhow::anyhow!("paid, but never confirmed").into()),
        }
        recorder.note(Record::Confirmed { booking: id })?;
        let again: Payment = self.send(Command::Pay, &ask).await?.body().context("pay, said twice")?;
        ensure_same("payment", again.id == payment.id)
    }

    async fn send<D: Serialize + Sync>(&self, cmd: Command, data: &D) -> Result<Reply> {
        let key = format!("{}-{}-{}-{}", self.course.run, self.round, self.guest.number, cmd.as_str());
        self.guest.session.ask_settled(cmd, Some(&key), data).await
    }

    const fn stay(&self) -> Stay {
        Stay { check_in: self.ask.check_in, check_out: self.ask.check_out }
    }

    fn check_hold(&self, hold: &Hold) -> Result<()> {
        let asked = (self.ask.property, self.ask.check_in, self.ask.check_out, self.ask.guests);
        ensure!((hold.property, hold.check_in, hold.check_out, hold.guests) == asked, "asked for {:?}, got {hold:?}", self.ask);
        Ok(())
    }

    fn check_booking(&self, booking: &Booking, hold: &Hold) -> Result<()> {
        ensure!(booking.id == hold.id, "hold {} became booking {}", hold.id, booking.id);
        let expected = (hold.property, hold.check_in, hold.check_out, self.guest.account.user);
        ensure!((booking.property, booking.check_in, booking.check_out, booking.guest) == expected, "held {hold:?}, booked {booking:?}");
        let total: i64 = booking.quote.lines.iter().map(|line| line.amount_minor).sum();
        ensure!(total == booking.quote.total_minor, "the total is not the sum of its lines: {:?}", booking.quote);
        Ok(())
    }

    fn read_refusal(&self, error: &WireError) -> Result<Lost> {
        let seq = match error.details.get("seq") {
            Some(Detail::Number(seq)) => u64::try_from(*seq).ok(),
            Some(Detail::Text(_)) | None => None,
        };
        let from = match error.details.get("from") {
            Some(Detail::Text(from)) => from.parse().ok(),
            Some(Detail::Number(_)) | None => None,
        };
        let seq = seq.with_context(|| format!("a refusal without details.seq: {error:?}"))?;
        let from = from.with_context(|| format!("a refusal without details.from: {error:?}"))?;
        Ok(Lost { guest: self.guest.number, property: self.ask.property, stay: self.stay(), seq, from })
    }
}

fn record(latencies: &crate::report::Latencies, reply: &Reply) {
    if !reply.repeated {
        latencies.record(reply.latency());
    }
}

/// The body, or whether the refusal just says that the lease is over, as it then must.
fn accepted<T: serde::de::DeserializeOwned>(what: &'static str, reply: &Reply, deadline: EpochMs) -> Result<T, Setback> {
    match &reply.outcome {
        Err(error) if matches!(error.code, ErrorCode::Expired | ErrorCode::InvalidState) && is_over(deadline) => Err(Setback::Lapsed),
        _ => Ok(reply.body().context(what)?),
    }
}

fn is_over(deadline: EpochMs) -> bool {
    deadline <= now_ms() + CLOCK_MARGIN_MS
}

fn ensure_same(what: &str, same: bool) -> Result<(), Setback> {
    if same { Ok(()) } else { Err(anyhow::anyhow!("another {what} came back").into()) }
}
