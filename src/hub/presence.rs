//! What is true only now, and so has no number and is stored nowhere: how many people look at a home, and that somebody is writing.
//!
//! Viewers are told of by steps, so that ten thousand who come and go cost no frame for each, and nobody can be made out by the count. A
//! notice that would have to wait is not sent (P10): the count is told with the next round, a hint of writing not at all.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use latchkey_protocol::{Topic, server};

use super::feed::FeedState;
use super::frame::EventFrame;
use super::subscriber::{Standing, Viewer};
use super::{Hub, Inner};

/// What is told of within a power of ten.
const STEPS: [u32; 4] = [1, 2, 3, 5];

/// The homes whose viewers have changed since they were told of.
#[derive(Default)]
pub(super) struct Presence {
    changed: Mutex<BTreeSet<Topic>>,
}

impl Presence {
    /// Somebody has come or gone.
    pub(super) fn note(&self, topic: Topic) {
        if matches!(topic, Topic::Property(_)) {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(topic);
        }
    }

    fn take(&self) -> BTreeSet<Topic> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hub {
    /// Tells those who look at a home about how many they are, where that has changed. Called every few seconds.
    pub async fn tell_viewers(&self) {
        for topic in self.inner.presence.take() {
            if self.inner.tell_viewers(topic) {
                self.inner.presence.note(topic);
            }
            // A home may have thousands of watchers, and thousands of homes may have changed.
            tokio::task::yield_now().await;
        }
    }

    /// One of those who follow a topic is known by another name now.
    pub fn viewer_changed(&self, topic: Topic) {
        self.inner.presence.note(topic);
    }

    /// Gives a notice to those who follow a topic, but not to one viewer: whose notice it is.
    pub fn hint(&self, topic: Topic, notice: &EventFrame, but: Viewer) {
        let Some(feed) = self.inner.known(topic) else { return };
        for attachment in &feed.state().attached {
            if attachment.subscriber.viewer() != but {
                attachment.subscriber.hint(topic, notice);
            }
        }
    }
}

impl Inner {
    /// Says whether somebody is left who does not know.
    fn tell_viewers(&self, topic: Topic) -> bool {
        self.known(topic).is_some_and(|feed| feed.state().tell_viewers())
    }
}

impl FeedState {
    fn tell_viewers(&mut self) -> bool {
        let Topic::Property(property) = self.topic else { return false };
        let public = self.attached.iter().filter(|attachment| attachment.standing == Standing::Public);
        let mut viewers: Vec<Viewer> = public.map(|attachment| attachment.subscriber.viewer()).collect();
        viewers.sort_unstable();
        viewers.dedup();
        self.viewers = step(u32::try_from(viewers.len()).unwrap_or(u32::MAX), self.viewers);
        let (topic, now) = (self.topic, self.viewers);
        let mut notice = None;
        let mut is_somebody_left = false;
        for attachment in self.attached.iter_mut().filter(|attachment| attachment.viewers != now) {
            let notice = notice.get_or_insert_with(|| EventFrame::notice("presence", &server::Presence { property, viewers: now }));
            if attachment.subscriber.hint(topic, notice) {
                attachment.viewers = now;
            } else {
                is_somebody_left = true;
            }
        }
        is_somebody_left
    }
}

/// How many viewers one knows of who has not been told.
pub(super) const fn known_to(standing: Standing) -> u32 {
    match standing {
        Standing::Public => 1,
        Standing::Own => 0,
    }
}

/// The step that so many are told of as, if they were as many as `before` last: a few who go change nothing.
fn step(count: u32, before: u32) -> u32 {
    if count < before && u64::from(count) * 10 > u64::from(before) * 9 {
        return before;
    }
    let mut told = 0;
    let mut unit: u32 = 1;
    while unit <= count {
        let steps = STEPS.iter().filter_map(|step| step.checked_mul(unit));
        told = steps.take_while(|step| *step <= count).last().unwrap_or(told);
        let Some(next) = unit.checked_mul(10) else { break };
        unit = next;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_1_2_3_5_in_each_power_of_ten() {
        let told = [0, 1, 2, 3, 4, 5, 9, 10, 19, 20, 30, 49, 50, 99, 100, 299, 10_000, 4_294_967_295].map(|count| step(count, 0));
        assert_eq!(told, [0, 1, 2, 3, 3, 5, 5, 10, 10, 20, 30, 30, 50, 50, 100, 200, 10_000, 3_000_000_000]);
    }

    #[test]
    fn a_few_who_go_change_nothing_and_more_do() {
        assert_eq!([step(2, 3), step(9, 10), step(99, 100), step(91, 100), step(90, 100), step(100, 100)], [2, 5, 100, 100, 50, 100]);
    }
}
