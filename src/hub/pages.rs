//! Pages of the event table that several subscribers need: clients that were cut off together missed the same events, and share the reads.
//!
//! Pages begin at fixed places, so that clients who are at different ones share them too. A page is read once, by whoever needs it first, and kept until
//! the next sweep, beside a few others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_protocol::{Seq, Topic};
use tokio::sync::OnceCell;

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
    /// The last of these events that are there without a gap, up to `to`; nothing if that one is not.
    fn of(events: &[StoredEvent], to: Seq) -> Option<Self> {
        let newest_first = events.iter().rev().zip((1..=to).rev());
        let count = newest_first.take_while(|(event, seq)| event.seq == *seq).count();
        let kept = events.get(events.len() - count..).filter(|kept| !kept.is_empty())?;
        Some(Self { first: kept.first()?.seq, frames: kept.iter().map(EventFrame::of).collect() })
    }

    /// Those from `from` on, and the last one's number; nothing if `from` is not among them.
    pub(super) fn since(&self, from: Seq) -> Option<(&[EventFrame], Seq)> {
        let skipped = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let frames = self.frames.get(skipped..).filter(|frames| !frames.is_empty())?;
        Some((frames, self.first + self.frames.len() as u64 - 1))
    }
}

/// A page that is being read, or was: from and up to which event, and nothing where retention has removed all of it.
type Kept = (Seq, Seq, Arc<OnceCell<Option<Page>>>);

/// The pages read of one topic a moment ago.
#[derive(Default)]
pub(super) struct Pages(Mutex<VecDeque<Kept>>);

impl Pages {
    /// The page with event `from`, up to `to` at most. [`Page::since`] says what of it there is.
    pub(super) async fn page(
        &self,
        source: &dyn EventSource,
        topic: Topic,
        from: Seq,
        to: Seq,
    ) -> Result<Arc<OnceCell<Option<Page>>>, SourceError> {
        let first = from - (from - 1) % PAGE_EVENTS;
        let to = to.min(first + PAGE_EVENTS - 1);
        let page = self.kept(first, to);
        // Of several who need it one reads, the others wait; if that one fails or is gone, the next one reads.
        page.get_or_try_init(|| async { Ok::<_, SourceError>(Page::of(&source.range(topic, first, to).await?, to)) }).await?;
        Ok(page)
    }

    fn kept(&self, first: Seq, to: Seq) -> Arc<OnceCell<Option<Page>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., page)) = kept.iter().find(|(known_first, known_to, _)| (*known_first, *known_to) == (first, to)) {
            return Arc::clone(page);
        }
        let page = Arc::default();
        kept.truncate(KEPT - 1);
        kept.push_front((first, to, Arc::clone(&page)));
        page
    }

    /// Forgets all.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = VecDeque::new();
    }
}
