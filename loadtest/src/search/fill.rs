//! A market as a hub's data folder: what the search of a large hub reads when it starts, written in minutes instead of booked in hours.
//!
//! Each home is one change set that goes through the hub's own committer: the listing, its taken nights, its blocks, and an event for each. What
//! neither search nor start reads is left out: accounts, bookings and payments. To such a hub the stays are those of the past, whose
//! nights stay taken.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use latchkey::clock::SystemClock;
use latchkey::domain::block::Block;
use latchkey::domain::calendar::NightRun;
use latchkey::domain::change::{Night, TopicEvent};
use latchkey::domain::event::{Event, NightState};
use latchkey::domain::{ClaimId, Seq, Timestamp, Topic, Write};
use latchkey::search::Home;
use latchkey::service::wire;
use latchkey::store::{ChangeSet, DatabaseConfig, EventSink, Lane, MemoryCaps, Store, StoredEvent};

use super::world::Market;
use crate::report::Report;

/// Homes on their way at once: enough for the committer to fill its batches.
const AT_ONCE: usize = 32;

/// Progress is told whenever so many homes are on disk.
const TELL_EVERY: u32 = 10_000;

/// Free bytes that must be left on the disk.
const MIN_FREE_BYTES: u64 = 1 << 30;

/// There is nobody to push to.
struct Nobody;

impl EventSink for Nobody {
    fn publish(&self, _: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Fills a folder that is not there yet.
///
/// # Errors
/// There is something at this path, or it cannot be written.
pub(super) async fn run(folder: &Path, market: Market) -> Result<Report> {
    ensure!(!folder.exists(), "{} exists; name a new folder", folder.display());
    let config = DatabaseConfig {
        url: format!("surrealkv://{}", folder.join("database").display()),
        name: "main".to_owned(),
        credentials: None,
        caps: MemoryCaps::default(),
        min_free_bytes: MIN_FREE_BYTES,
    };
    let store = Store::open(&config, Arc::new(SystemClock), Arc::new(Nobody)).await.context("opening the database")?;
    let (begun, store_ref) = (Instant::now(), &store);
    let (mut homes, mut records) = (0, 0);
    let mut written = stream::iter(market.homes())
        .map(|home| async move {
            let set = change_set(&home)?;
            let records = set.writes.len() + set.events.len();
            store_ref.commit(set, Lane::Normal).await.context("writing a home")?;
            anyhow::Ok(records)
        })
        .buffer_unordered(AT_ONCE);
    while let Some(count) = written.try_next().await? {
        homes += 1;
        records += count;
        if homes % TELL_EVERY == 0 {
            eprintln!("{homes} of {} homes on disk after {} s", market.homes, begun.elapsed().as_secs());
        }
    }
    drop(written);
    store.close().await;
    let mut report = Report::new("search --fill");
    report.fact("homes", homes).fact("records", records).fact("seconds", begun.elapsed().as_secs());
    report.fact("ask with", format!("--seed {} --homes {} --day {}", market.seed, market.homes, market.day));
    Ok(report)
}

fn change_set(home: &Home) -> Result<ChangeSet> {
    let (property, at) = (home.listing.id, home.listing.created_at);
    let mut set = ChangeSet { writes: vec![Write::AddListing(Box::new(home.listing.clone()))], ..ChangeSet::default() };
    append(&mut set, home, 1, Event::PropertyListed { property });
    for (seq, run) in (2..).zip(&home.taken) {
        take(&mut set, home, seq, *run, at)?;
    }
    Ok(set)
}

/// The nights of a run with their owner, and the event that took them.
fn take(set: &mut ChangeSet, home: &Home, seq: Seq, run: NightRun, at: Timestamp) -> Result<()> {
    let property = home.listing.id;
    let claim = claim(home, seq);
    // No hold lives as long as a folder: what is held in the market is booked here. The search makes no difference between the two.
    let state = if run.state == NightState::Blocked { NightState::Blocked } else { NightState::Booked };
    let nights = (0..run.to.days_since(run.from)).map(|day| run.from.saturating_add(day));
    set.writes.extend(nights.map(|date| Write::TakeNight(Night { property, date, claim, seq })));
    if state == NightState::Blocked {
        set.writes.push(Write::AddBlock(Block::new(claim, property, (run.from, run.to), None, at)?));
    }
    append(set, home, seq, Event::AvailabilityChanged { from: run.from, to: run.to, state });
    Ok(())
}

fn append(set: &mut ChangeSet, home: &Home, seq: Seq, event: Event) {
    let topic = Topic::Property(home.listing.id);
    set.events.push(wire::new_event(&TopicEvent { topic, seq: Some(seq), at: home.listing.created_at, event }));
}

/// One claim for each event of a home: unlike those of others, since homes differ in their first eight bytes.
fn claim(home: &Home, seq: Seq) -> ClaimId {
    let mut bytes = *home.listing.id.as_bytes();
    bytes[8..].copy_from_slice(&seq.to_be_bytes());
    ClaimId::from_bytes(bytes)
}
