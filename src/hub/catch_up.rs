//! The parts of a feed that wait: reading its head, filling its gaps, bringing a subscriber up to date.
//!
//! The feed's lock is not held across a read. A subscriber catches up from the table outside of it, page by page, and is attached by
//! `FeedState::join`, which gives it the last frames from the ring under the lock: neither gap nor overlap with live events.

use std::future::poll_fn;
use std::sync::Arc;

use latchkey_protocol::{Seq, Topic};
use tracing::{error, warn};

use super::feed::{Entry, Feed, Join};
use super::source::StoredEvent;
use super::subscriber::{Standing, Subscriber};
use super::{AttachError, Attached, Inner};

/// How often a gap is read in vain before the feed is given up: with the usual delays, after about two seconds.
const FILL_ATTEMPTS: u32 = 6;

/// A fill under way. One that ends without having ended (a panic) loses its feed, or its watchers would wait for ever.
struct Filling {
    inner: Arc<Inner>,
    feed: Arc<Feed>,
    is_done: bool,
}

impl Filling {
    async fn run(mut self) {
        self.inner.fill(&self.feed).await;
        self.is_done = true;
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.is_done {
            error!(topic = %self.feed.topic, "feed given up: reading its gap ended early");
            self.inner.lose(&self.feed);
        }
    }
}

impl Inner {
    /// Reads the head, once per feed. The feed is in the map already, so what is published meanwhile waits in it.
    pub(super) async fn load(self: &Arc<Self>, feed: &Arc<Feed>) -> Result<(), AttachError> {
        feed.loaded
            .get_or_try_init(|| async {
                let head = self.source.head(feed.topic).await?;
                if head == 0 && matches!(feed.topic, Topic::Property(_)) {
                    return Err(AttachError::Unknown);
                }
                let is_behind = feed.state().load(head);
                if is_behind {
                    self.start_fill(feed);
                }
                Ok(())
            })
            .await
            .copied()
    }

    /// Has the feed's gap read in a task of its own.
    pub(super) fn start_fill(self: &Arc<Self>, feed: &Arc<Feed>) {
        metrics::counter!("latchkey_hub_gaps_total").increment(1);
        let filling = Filling { inner: Arc::clone(self), feed: Arc::clone(feed), is_done: false };
        self.runtime.spawn(filling.run());
    }

    async fn fill(&self, feed: &Arc<Feed>) {
        let mut failures = 0;
        loop {
            if self.withholds(feed.topic) && feed.state().stand_still() {
                // Withheld meanwhile; it is taken up again when that is over.
                if self.withholds(feed.topic) || !feed.state().hear_of(0) {
                    return;
                }
            }
            let Some((from, to)) = feed.state().next_gap() else { return };
            let has_advanced = match self.source.range(feed.topic, from, to).await {
                // Reading may have taken long.
                Ok(_) if self.withholds(feed.topic) => continue,
                Ok(events) => feed.state().fill(encode(&events)),
                Err(error) => {
                    warn!(topic = %feed.topic, from, to, %error, "a gap could not be read");
                    false
                }
            };
            if has_advanced {
                failures = 0;
                continue;
            }
            failures += 1;
            if failures == FILL_ATTEMPTS {
                warn!(topic = %feed.topic, from, to, "feed given up: its gap stays unread");
                return self.lose(feed);
            }
            tokio::time::sleep(self.limits.first_retry_delay * 2_u32.pow(failures - 1)).await;
        }
    }

    /// Forgets a feed that cannot go on; the next one who asks starts a new one.
    fn lose(&self, feed: &Arc<Feed>) {
        let abandoned = feed.state().lose();
        self.forget(feed.topic, |known| Arc::ptr_eq(known, feed));
        for subscriber in abandoned {
            subscriber.lost(feed.topic);
        }
    }

    /// Delivers everything after `after` and attaches the subscriber.
    pub(super) async fn bring_up(
        self: &Arc<Self>,
        feed: &Arc<Feed>,
        subscriber: &Arc<dyn Subscriber>,
        mut after: Seq,
        standing: Standing,
    ) -> Result<Attached, AttachError> {
        loop {
            // Before a ring's worth as well as before a page: one who resumes many topics must not be closed for their sum.
            poll_fn(|cx| subscriber.poll_room(cx)).await;
            self.check_trust(feed.topic)?;
            let joined = feed.state().join(subscriber, after, standing);
            match joined {
                Join::Joined(head) => return Ok(Attached { head }),
                Join::Gone => return Err(AttachError::Gone),
                Join::Lost => return Err(AttachError::Lost),
                Join::Ahead => return self.join_ahead(feed, subscriber, after, standing).await,
                Join::Behind { head, .. } if head - after > self.limits.resume_events => return Err(AttachError::TooOld { after, head }),
                Join::Behind { from, to, head } => {
                    let page = feed.pages.page(self.source.as_ref(), feed.topic, from, to).await?;
                    let Some((frames, last)) = page.get().and_then(Option::as_ref).and_then(|page| page.since(from)) else {
                        // Retention has removed some of them.
                        return Err(AttachError::TooOld { after, head });
                    };
                    self.check_trust(feed.topic)?;
                    if !subscriber.deliver(feed.topic, frames) {
                        return Err(AttachError::Gone);
                    }
                    after = last;
                }
            }
        }
    }

    /// Attaches a subscriber that has seen more than the feed: its snapshot may have overtaken the publish, which is fine, or
    /// come from another history, which the source knows.
    async fn join_ahead(
        self: &Arc<Self>,
        feed: &Arc<Feed>,
        subscriber: &Arc<dyn Subscriber>,
        after: Seq,
        standing: Standing,
    ) -> Result<Attached, AttachError> {
        let head = self.source.head(feed.topic).await?;
        self.check_trust(feed.topic)?;
        if after > head {
            return Err(AttachError::AboveHead { after, head });
        }
        let (joined, is_behind) = {
            let mut state = feed.state();
            let is_behind = state.hear_of(head);
            (state.join_ahead(subscriber, after, standing), is_behind)
        };
        if is_behind {
            self.start_fill(feed);
        }
        match joined {
            Join::Joined(head) => Ok(Attached { head }),
            Join::Gone => Err(AttachError::Gone),
            Join::Lost => Err(AttachError::Lost),
            // The feed has moved on since, even past its ring: like anyone who is behind.
            Join::Behind { .. } | Join::Ahead => Box::pin(self.bring_up(feed, subscriber, after, standing)).await,
        }
    }
}

fn encode(events: &[StoredEvent]) -> Vec<(Seq, Entry)> {
    events.iter().map(|event| (event.seq, Entry::of(event))).collect()
}
