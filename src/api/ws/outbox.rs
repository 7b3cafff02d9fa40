//! What waits to be written to one socket: frames in order, the first perhaps half written.
//!
//! Pure bookkeeping; `connection` does the IO. A frame that has begun must be finished whatever happens, or the client reads
//! the middle of it as a header: `drop_unstarted` keeps it.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes};

/// Most frames handed to one `writev`.
pub(super) const MAX_SLICES: usize = 64;
/// What a waiting frame takes beside its bytes: its place in the queue, and its buffer's own header.
const FRAME_OVERHEAD_BYTES: usize = 64;
/// A queue that once grew beyond this gives its memory back when it is empty again.
const KEPT_CAPACITY: usize = 8;

/// The memory a waiting frame counts for: a million empty frames are not nothing.
pub(super) fn weight(frame: &Bytes) -> usize {
    FRAME_OVERHEAD_BYTES + frame.len()
}

/// Frames to write.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Bytes>,
    /// Their weight.
    bytes: usize,
    /// Whether part of the first frame is written already.
    first_has_begun: bool,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes of memory that what waits is held in, as [`weight`] counts.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a frame.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += weight(&frame);
        self.frames.push_back(frame);
    }

    /// Appends the rest of a frame of which `written` bytes were written directly; the outbox must be empty.
    pub(super) fn push_rest(&mut self, mut frame: Bytes, written: usize) {
        debug_assert!(self.is_empty(), "a frame is written directly only when nothing waits");
        frame.advance(written);
        self.first_has_begun = written > 0;
        self.push(frame);
    }

    /// The next bytes to write, in at most [`MAX_SLICES`] pieces; says how many.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        count
    }

    /// Removes `written` bytes from the front.
    pub(super) fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.first_has_begun |= written > 0;
                return;
            }
            written -= first.len();
            self.bytes -= FRAME_OVERHEAD_BYTES;
            self.first_has_begun = false;
            self.frames.pop_front();
        }
        if self.frames.capacity() > KEPT_CAPACITY {
            self.frames = VecDeque::new();
        }
    }

    /// Takes the first frame away, for a connection whose frames are carried off whole.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= weight(&frame);
        Some(frame)
    }

    /// Drops every frame of which nothing is written yet, but for the last one if it is to be kept.
    pub(super) fn drop_unstarted(&mut self, keeps_last: bool) {
        let begun = usize::from(self.first_has_begun);
        let last = if keeps_last && self.frames.len() > begun { self.frames.pop_back() } else { None };
        self.frames.truncate(begun);
        self.frames.extend(last);
        self.bytes = self.frames.iter().map(weight).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in frames {
            outbox.push(Bytes::from_static(frame.as_bytes()));
        }
        outbox
    }

    fn contents(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn writes_of_any_size_take_exactly_what_was_written() {
        let whole = b"onetwothree";
        for first in 0..=whole.len() {
            for second in 0..=whole.len() - first {
                let mut outbox = outbox(&["one", "two", "three"]);
                outbox.advance(first);
                outbox.advance(second);
                assert_eq!(contents(&outbox), &whole[first + second..]);
                let frames_left = [3, 6, 11].into_iter().filter(|end| first + second < *end).count();
                assert_eq!(outbox.bytes(), whole.len() - first - second + frames_left * FRAME_OVERHEAD_BYTES);
                assert_eq!(outbox.is_empty(), first + second == whole.len());
            }
        }
    }

    #[test]
    fn a_frame_that_has_begun_outlives_the_others() {
        for (written, kept) in [(0, ""), (2, "e"), (3, ""), (4, "wo"), (6, "")] {
            let mut outbox = outbox(&["one", "two", "three"]);
            outbox.advance(written);
            outbox.drop_unstarted(false);
            assert_eq!(contents(&outbox), kept.as_bytes(), "{written}");
            assert_eq!(outbox.bytes(), kept.len() + usize::from(!kept.is_empty()) * FRAME_OVERHEAD_BYTES);
        }
    }

    #[test]
    fn the_last_frame_outlives_the_others_if_it_is_to_be_kept() {
        for (written, kept) in [(0, "three"), (2, "ethree"), (8, "ree"), (11, "")] {
            let mut outbox = outbox(&["one", "two", "three"]);
            outbox.advance(written);
            outbox.drop_unstarted(true);
            assert_eq!(contents(&outbox), kept.as_bytes(), "{written}");
        }
    }

    #[test]
    fn the_rest_of_a_direct_write_counts_as_begun_only_if_anything_was_written() {
        for (written, kept) in [(0, ""), (1, "ne")] {
            let mut outbox = Outbox::default();
            outbox.push_rest(Bytes::from_static(b"one"), written);
            outbox.push(Bytes::from_static(b"two"));
            outbox.drop_unstarted(false);
            assert_eq!(contents(&outbox), kept.as_bytes());
        }
    }
}
