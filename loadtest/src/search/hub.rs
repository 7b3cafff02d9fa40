//! The same questions over HTTP, to a hub on a folder with the same homes.
//!
//! Requests are bounded in number and each is timed from its first byte to the last of the answer, which is then compared with what the
//! index in this process says.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use latchkey::domain::{PropertyId, Stay};
use latchkey::search::{Circle, Hit, Index, Sort};
use latchkey_protocol::rest::{FindProperties, FoundProperty, Page, SearchSort};
use latchkey_protocol::{Date, ErrorCode};

use super::{PAGE, Question, now};
use crate::invariants::Breaks;
use crate::report::Latencies;
use crate::rest::{Call, Rest, RestError};
use crate::target::Target;

/// How long the hub may still be reading its homes.
const PATIENCE: Duration = Duration::from_mins(10);

/// A hub to be asked.
pub(super) struct Asker {
    rest: Rest,
    at_once: usize,
}

/// What both say of a result: which home, how far, for which dates and for how much.
type Told = (PropertyId, Option<u32>, Option<(Date, Date, i64)>);

impl Asker {
    pub(super) fn new(target: Target, at_once: u8) -> Self {
        Self { rest: Rest::new(target, PATIENCE), at_once: usize::from(at_once) }
    }

    /// Waits until the hub answers searches: its index may still be filling.
    pub(super) async fn wait_until_ready(&self) -> Result<()> {
        let any: Result<Page<FoundProperty>, _> = self.rest.send(Call::get("/properties/?limit=1".to_owned())).await;
        any.map(drop).context("the hub answers no search")
    }

    /// Asks them all and compares the answers.
    ///
    /// # Errors
    /// The hub refused, limited us or went away.
    pub(super) async fn measure(&self, shape: &str, questions: &[Question], index: &Index, breaks: &mut Breaks) -> Result<Latencies> {
        let latencies = Latencies::default();
        let timed = |question| {
            let latencies = &latencies;
            async move {
                let begun = Instant::now();
                let page = self.ask(question).await;
                latencies.record(begun.elapsed());
                page
            }
        };
        // Compared afterwards, so that this process is not busy while the hub is.
        let pages: Vec<_> = stream::iter(questions).map(timed).buffered(self.at_once).try_collect().await?;
        for (question, page) in questions.iter().zip(pages) {
            // A date may have changed somewhere in between: once more, at once.
            if !is_answer(question, &page, index) && !is_answer(question, &self.ask(question).await?, index) {
                breaks.add(&format!("{shape}: the hub and the index differ for {:?}", question.query));
            }
        }
        Ok(latencies)
    }

    async fn ask(&self, question: &Question) -> Result<Page<FoundProperty>> {
        let query = serde_urlencoded::to_string(find(question)).context("a query as text")?;
        let answer = self.rest.send(Call::get(format!("/properties/?{query}")).once()).await;
        answer.map_err(|error: RestError| match error.code() {
            Some(ErrorCode::RateLimited) => anyhow!("rate_limited: start the hub with a larger LATCHKEY_REQUESTS_PER_ADDRESS"),
            _ => error.into(),
        })
    }
}

/// Whether the page is what the index says now.
fn is_answer(question: &Question, page: &Page<FoundProperty>, index: &Index) -> bool {
    let mut expected: Vec<Told> = question.answer(index, now()).iter().map(of_hit).collect();
    let has_more = expected.len() == PAGE;
    expected.truncate(PAGE - 1);
    page.next.is_some() == has_more && page.items.iter().map(of_item).eq(expected)
}

fn of_hit(hit: &Hit) -> Told {
    let offer = |(stay, total_minor): (Stay, i64)| (stay.check_in(), stay.check_out(), total_minor);
    (hit.listing.id, hit.distance_m, hit.offer.map(offer))
}

fn of_item(item: &FoundProperty) -> Told {
    let offer = item.check_in.zip(item.check_out).zip(item.total_minor);
    (item.id, item.distance_m, offer.map(|((check_in, check_out), total_minor)| (check_in, check_out, total_minor)))
}

/// The question as a client writes it.
fn find(question: &Question) -> FindProperties {
    let query = &question.query;
    let near = |Circle { centre, .. }: Circle| format!("{:.6},{:.6}", centre.latitude(), centre.longitude());
    let amenities: Vec<&str> = query.amenities.iter().map(latchkey_protocol::Amenity::as_str).collect();
    FindProperties {
        near: query.near.map(near),
        radius_km: query.near.map(|circle| f64::from(circle.radius_m) / 1_000.0),
        check_in: query.dates.map(|dates| dates.stay.check_in()),
        check_out: query.dates.map(|dates| dates.stay.check_out()),
        flexible: query.dates.map(|dates| dates.flexible),
        guests: Some(query.guests),
        max_total_minor: query.max_total_minor,
        currency: query.currency.map(|currency| currency.code().to_owned()),
        amenities: (!amenities.is_empty()).then(|| amenities.join(",")),
        sort: Some(match query.sort {
            Sort::Newest => SearchSort::Newest,
            Sort::Distance => SearchSort::Distance,
            Sort::Price => SearchSort::Price,
            Sort::Rating => SearchSort::Rating,
        }),
        cursor: question.after.map(|cursor| cursor.encode(query.fingerprint())),
        limit: None,
    }
}
