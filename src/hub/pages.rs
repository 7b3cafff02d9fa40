//! Pages of the event table that several subscribers need: clients that were cut off together missed the same events, and share the reads.
//!
//! One read of a topic at a time; whoever waits for it finds what it brought. A page is kept until the next sweep, beside a few others.

use std::collections::VecDeque;
use std::sync::Arc;

use latchkey_protocol::{Seq, Topic};
use tokio::sync::Mutex;

use super::frame::EventFrame;
use super::source::{EventSource, PAGE_EVENTS, SourceError, StoredEvent};

/// Pages kept for each topic: those who come back are not all at the same place.
const KEPT: usize = 4;

/// Events as they are pushed, without a gap.
pub(super) struct Page {
    first: Seq,
    frames: Vec<EventFrame>,
}

impl Page {
    /// Those from `from` on, and the last one's number; nothing if `from` is not among them.
    pub(super) fn since(&self, from: Seq) -> Option<(&[EventFrame], Seq)> {
        let skipped = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let frames = self.frames.get(skipped..).filter(|frames| !frames.is_empty())?;
        Some((frames, self.first + self.frames.len() as u64 - 1))
    }
}

/// The pages read of one topic a moment ago.
#[derive(Default)]
pub(super) struct Pages(Mutex<VecDeque<Arc<Page>>>);

impl Pages {
    /// The page that goes furthest of those with event `from`; read up to `to` if there is none. Nothing, if retention has removed
    /// some of its events.
    pub(super) async fn page(&self, source: &dyn EventSource, topic: Topic, from: Seq, to: Seq) -> Result<Option<Arc<Page>>, SourceError> {
        let mut kept = self.0.lock().await;
        let reaching = kept.iter().filter_map(|page| Some((page.since(from)?.1, page)));
        if let Some((_, page)) = reaching.max_by_key(|(last, _)| *last) {
            return Ok(Some(Arc::clone(page)));
        }
        let events = source.range(topic, from, to).await?;
        if !is_complete(&events, from, to) {
            return Ok(None);
        }
        let page = Arc::new(Page { first: from, frames: events.iter().map(EventFrame::of).collect() });
        kept.truncate(KEPT - 1);
        kept.push_front(Arc::clone(&page));
        Ok(Some(page))
    }

    /// Forgets all, unless one is being read.
    pub(super) fn forget(&self) {
        if let Ok(mut kept) = self.0.try_lock() {
            *kept = VecDeque::new();
        }
    }
}

fn is_complete(events: &[StoredEvent], from: Seq, to: Seq) -> bool {
    debug_assert!(to - from < PAGE_EVENTS, "ranges are pages");
    events.len() as u64 == to - from + 1 && events.iter().zip(from..).all(|(event, seq)| event.seq == seq)
}
