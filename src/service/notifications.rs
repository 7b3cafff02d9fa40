//! Notifications: which of those that a decision makes reach whom, and reading them.
//!
//! [`Notifications::change_set`] is where a decision becomes a change set: what a user has muted is left out there, and mails that they want are owed there.
//! What a mail says, and whether it is still wanted, is looked at again when it is sent (`accounts/letters.rs`).

use std::sync::Arc;

use latchkey_protocol::rest::{ReadNotifications, SetPreferences};
use latchkey_protocol::{NotificationId, Topic, UserId, view};

use super::cache::Cache;
use super::{Caller, Expected, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::mail::Mail;
use crate::domain::notification::Channels;
use crate::domain::{Changes, Event, Job, NotificationWrite, Preferences, Refusal, Timestamp, TopicEvent, Write};
use crate::store::{ChangeSet, CommitError, Idempotency, Lane, Store, StoreError};

/// Users whose preferences are kept in memory.
const CACHED_PREFERENCES: u64 = 10_000;

/// Notifications that are marked as read in one change set.
const READ_AT_ONCE: u16 = 500;

/// Notifications that can be named in one request.
const MAX_NAMED: usize = 100;

/// Change sets of one request: what is left then is read by the next one.
const MAX_STEPS: u32 = 100;

/// Notifications.
pub struct Notifications {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    preferences: Cache<UserId, Preferences>,
}

impl Notifications {
    /// In this store.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, preferences: Cache::new("preferences", CACHED_PREFERENCES) }
    }

    /// Another node has changed what a user wants to be told of.
    pub fn preferences_changed_elsewhere(&self, user: UserId) {
        self.preferences.forget(user);
    }

    /// What is committed of a decision: everything, with notifications and mails as those want them whom they are for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn change_set(&self, changes: &Changes, idempotency: Option<Idempotency>) -> Result<ChangeSet, StoreError> {
        let mut muted: Vec<(UserId, NotificationId)> = Vec::new();
        let mut writes = Vec::with_capacity(changes.writes.len());
        for write in &changes.writes {
            if let Write::Notification(NotificationWrite::Add(new)) = write {
                let channels = self.preferences_of(new.user).await?.channels(new.kind);
                if channels.email {
                    let mail = Mail::Notification { user: new.user, kind: new.kind, booking: new.booking };
                    writes.push(Write::AddJob(Job::mail(mail, *new.id.as_bytes(), new.created_at)));
                }
                if !channels.in_app {
                    muted.push((new.user, new.id));
                    continue;
                }
            }
            writes.push(write.clone());
        }
        let is_muted = |event: &&TopicEvent| match (&event.event, event.topic) {
            (Event::NotificationCreated { notification, .. }, Topic::User(user)) => muted.contains(&(user, *notification)),
            _ => false,
        };
        let events = changes.events.iter().filter(|event| !is_muted(event)).map(wire::new_event).collect();
        Ok(ChangeSet { writes, events, deadline: changes.deadline, idempotency })
    }

    /// The caller's notifications, newest first, older than `before`; all, or those that are not read.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(
        &self,
        caller: &Caller,
        before: Option<NotificationId>,
        unread_only: bool,
        limit: u16,
    ) -> Result<Vec<view::Notification>, ServiceError> {
        let found = self.store.notifications(caller.user, before, unread_only, limit, self.now()).await?;
        Ok(found.iter().map(wire::notification).collect())
    }

    /// How many of the caller's notifications are not read.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn unread_count(&self, caller: &Caller) -> Result<view::UnreadCount, ServiceError> {
        Ok(view::UnreadCount { unread: self.store.unread_count(caller.user).await? })
    }

    /// Marks notifications of the caller as read: one and all before it, or those that are named.
    ///
    /// # Errors
    /// `Invalid`, `Busy`.
    pub async fn mark_read(&self, caller: &Caller, ask: &ReadNotifications) -> Result<view::UnreadCount, ServiceError> {
        match (ask.up_to, &ask.notifications) {
            (Some(up_to), None) => self.mark_read_up_to(caller.user, up_to).await?,
            (None, Some(named)) => {
                if !(1..=MAX_NAMED).contains(&named.len()) {
                    return Err(Refusal::Invalid { field: "notifications", reason: "1 to 100" }.into());
                }
                let unread = self.store.unread_of(caller.user, named).await?;
                self.commit_read(caller.user, unread.clone(), Event::NotificationRead { up_to: None, notifications: unread }).await?;
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Refusal::Invalid { field: "up_to", reason: "either up_to or notifications" }.into());
            }
        }
        self.unread_count(caller).await
    }

    async fn mark_read_up_to(&self, user: UserId, up_to: NotificationId) -> Result<(), ServiceError> {
        let mut before = after(up_to);
        for _ in 0..MAX_STEPS {
            let found = self.store.notifications(user, before, true, READ_AT_ONCE, self.now()).await?;
            let ids: Vec<NotificationId> = found.iter().map(|notification| notification.id).collect();
            let is_last = ids.len() < usize::from(READ_AT_ONCE);
            before = ids.last().copied();
            self.commit_read(user, ids, Event::NotificationRead { up_to: Some(up_to), notifications: Vec::new() }).await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn commit_read(&self, user: UserId, notifications: Vec<NotificationId>, event: Event) -> Result<(), CommitError> {
        if notifications.is_empty() {
            return Ok(());
        }
        let at = self.now();
        let event = TopicEvent { topic: Topic::User(user), seq: None, at, event };
        let writes = vec![Write::Notification(NotificationWrite::Read { user, notifications, at })];
        let set = ChangeSet { writes, events: vec![wire::new_event(&event)], ..ChangeSet::default() };
        self.store.commit(set, Lane::Normal).await
    }

    /// Of what the caller wants to be notified.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn preferences(&self, caller: &Caller) -> Result<view::Preferences, ServiceError> {
        Ok(wire::preferences(&self.stored_preferences(caller.user).await?))
    }

    /// Chooses of what the caller wants to be notified.
    ///
    /// # Errors
    /// `Stale` if it was changed since; `Invalid`, `Busy`.
    pub async fn set_preferences(
        &self,
        caller: &Caller,
        expected: &Expected,
        ask: &SetPreferences,
    ) -> Result<view::Preferences, ServiceError> {
        let choices = ask.items.iter().map(|item| (item.kind, Channels { in_app: item.in_app, email: item.email }));
        let stored = self.stored_preferences(caller.user).await?;
        let version = stored.version;
        let preferences = stored.choose(choices)?;
        expected.check(version)?;
        let set = ChangeSet { writes: vec![preferences.write()], ..ChangeSet::default() };
        let committed = self.store.commit(set, Lane::Normal).await;
        self.preferences.forget(caller.user);
        match committed {
            Ok(()) => Ok(wire::preferences(&preferences)),
            // Whoever says "whatever is there" may say it again.
            Err(CommitError::Contended(_)) if *expected == Expected::Any => Err(ServiceError::Busy),
            Err(CommitError::Contended(_)) => Err(ServiceError::Stale),
            Err(error) => Err(error.into()),
        }
    }

    async fn stored_preferences(&self, user: UserId) -> Result<Preferences, StoreError> {
        Ok(self.store.preferences(user).await?.unwrap_or_else(|| Preferences::unchosen(user)))
    }

    async fn preferences_of(&self, user: UserId) -> Result<Preferences, StoreError> {
        let load = async {
            // A change of them that may be committed yet would be overlooked.
            self.store.outcomes_known().await;
            self.stored_preferences(user).await.map(Some)
        };
        Ok(self.preferences.get_or_load(user, load).await?.unwrap_or_else(|| Preferences::unchosen(user)))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}

/// The id after this one, or none if it is the greatest: what is older than it includes this one.
fn after(id: NotificationId) -> Option<NotificationId> {
    u128::from_be_bytes(*id.as_bytes()).checked_add(1).map(|next| NotificationId::from_bytes(next.to_be_bytes()))
}
