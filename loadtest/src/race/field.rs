//! Before the start: users, homes and sockets of a race, and the first line of its record.

use std::sync::Arc;

use anyhow::{Context, Result};
use latchkey_protocol::{PropertyId, Topic};

use super::guest::Guest;
use super::inbox::Inbox;
use super::stand::{Stand, Watcher};
use super::{Course, RaceArgs};
use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::plan::{self, Round};
use crate::records::{Record, Run};
use crate::session::Session;

/// Everyone in place.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) properties: Vec<PropertyId>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) guests: Vec<Arc<Guest>>,
    pub(crate) watchers: Vec<Session>,
    pub(crate) stand: Arc<Stand>,
    pub(crate) host: Session,
    pub(crate) host_inbox: Arc<Inbox>,
}

impl Field {
    /// Registers everyone, lists the homes, opens and subscribes every socket.
    ///
    /// # Errors
    /// The hub refused something or could not be reached.
    pub(crate) async fn prepare(args: &RaceArgs, course: &Course) -> Result<Self> {
        let (guest_count, watcher_count) = (args.guests as usize, args.watchers.max(1) as usize);
        crowd::check_sockets(guest_count + watcher_count + 1)?;
        let rest = &course.link.rest;
        eprintln!("registering {guest_count} guests …");
        let accounts = crowd::register(rest, "race", &course.run, guest_count).await?;
        let needed = plan::properties_needed(args.rounds, args.nights);
        let (host, properties) = crowd::host(rest, "race", &course.run, needed).await?;
        let guests = accounts.iter().map(|account| account.credentials.clone()).collect();
        let run = Run { name: course.run.clone(), seed: course.seed, guests, properties: properties.clone() };
        course.recorder.note(Record::Run(run))?;

        eprintln!("opening {} sockets …", guest_count + watcher_count + 1);
        let stand = Stand::new(&course.breaks);
        let (topics, seats) = (&properties, &stand);
        let watchers = crowd::gather(watcher_count, SOCKETS_AT_ONCE, |number| async move {
            let session = Session::open(&course.link, None, Watcher::new(number, seats)).await?;
            for property in topics {
                session.subscribe(Topic::Property(*property)).await?;
            }
            Ok::<_, anyhow::Error>(session)
        });
        let watchers = watchers.await.context("opening the watchers' sockets")?;
        let host_inbox = Inbox::new("host".to_owned(), &course.breaks);
        let inbox = Topic::User(host.user);
        let host = Session::open(&course.link, Some(host), Arc::clone(&host_inbox) as _).await.context("opening the host's socket")?;
        host.subscribe(inbox).await?;
        let accounts = &accounts;
        let guests = crowd::gather(guest_count, SOCKETS_AT_ONCE, |number| {
            let account = Arc::clone(&accounts[number]);
            async move { Guest::connect(number, account, course).await.map(Arc::new) }
        });
        let guests = guests.await.context("opening the guests' sockets")?;
        let rounds = plan::rounds(args.rounds, args.nights, plan::today());
        Ok(Self { properties, rounds, guests, watchers, stand, host, host_inbox })
    }
}
