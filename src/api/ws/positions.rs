//! Where an event stream is in each of its topics, as one opaque text: the `id:` of its events, which comes back as `Last-Event-ID`.
//!
//! It names the history, what topics it is about, and a number for each of them in their order: short enough for a header field, and
//! worthless for any other list of topics.

use std::fmt::Write as _;

use latchkey_protocol::{Seq, Topic};

use crate::digest::{hex, sha256};

/// A stream's topics and what was told of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Positions {
    /// The history and the topics, as the id has them.
    prefix: String,
    /// In order; nothing yet of those whose snapshot is still to come.
    topics: Vec<(Topic, Option<Seq>)>,
}

impl Positions {
    /// Of these topics in this history, where an earlier stream was when its last event had this id. An id that does not belong here counts for nothing.
    pub(super) fn new(epoch: &str, mut topics: Vec<Topic>, last_id: Option<&str>) -> Self {
        topics.sort_unstable();
        topics.dedup();
        let names: Vec<String> = topics.iter().map(Topic::to_string).collect();
        let prefix = format!("{epoch}.{}.", hex(&sha256(names.join(" ").as_bytes())[..6]));
        let known = last_id.and_then(|id| numbers(id.strip_prefix(&prefix)?, topics.len()));
        let known = known.unwrap_or_else(|| vec![None; topics.len()]);
        Self { prefix, topics: topics.into_iter().zip(known).collect() }
    }

    /// Each topic, and up to where it is known.
    pub(super) fn all(&self) -> &[(Topic, Option<Seq>)] {
        &self.topics
    }

    /// Notes what a topic's next frame tells; the id of that frame.
    pub(super) fn advance(&mut self, topic: Topic, seq: Seq) -> String {
        if let Some((_, known)) = self.topics.iter_mut().find(|(known, _)| *known == topic) {
            *known = Some(seq);
        }
        let mut id = self.prefix.clone();
        for (at, (_, seq)) in self.topics.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let written = match seq {
                Some(seq) => write!(id, "{comma}{seq}"),
                None => write!(id, "{comma}-"),
            };
            debug_assert!(written.is_ok(), "a String takes every write");
        }
        id
    }
}

/// As many numbers as there are topics.
fn numbers(text: &str, count: usize) -> Option<Vec<Option<Seq>>> {
    let number = |word: &str| if word == "-" { Some(None) } else { word.parse().ok().map(Some) };
    let numbers: Vec<Option<Seq>> = text.split(',').map(number).collect::<Option<_>>()?;
    (numbers.len() == count).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::PropertyId;

    use super::*;

    fn topic(number: u8) -> Topic {
        Topic::Property(PropertyId::from_bytes([number; 16]))
    }

    #[test]
    fn an_id_brings_each_topic_back_to_where_it_was_however_they_are_listed() {
        let mut first = Positions::new("e", vec![topic(2), topic(1), topic(2)], None);
        assert_eq!(first.all(), [(topic(1), None), (topic(2), None)]);
        let half = first.advance(topic(2), 7);
        assert_eq!(Positions::new("e", vec![topic(1), topic(2)], Some(&half)).all(), [(topic(1), None), (topic(2), Some(7))]);
        let whole = first.advance(topic(1), 9_007_199_254_740_991);
        assert_eq!(Positions::new("e", vec![topic(2), topic(1)], Some(&whole)), first);
        let many = Positions::new("01234567", (0..16).map(topic).collect(), None);
        let id = (0..16).fold(many, |mut many, number| {
            many.advance(topic(number), 9_007_199_254_740_991);
            many
        });
        assert!(id.clone().advance(topic(0), 9_007_199_254_740_991).len() < 300);
    }

    #[test]
    fn an_id_of_another_history_of_other_topics_or_of_nobody_counts_for_nothing() {
        let id = Positions::new("e", vec![topic(1)], None).advance(topic(1), 7);
        for (epoch, topics, id) in [
            ("f", vec![topic(1)], id.clone()),
            ("e", vec![topic(2)], id.clone()),
            ("e", vec![topic(1), topic(2)], id.clone()),
            ("e", vec![topic(1)], format!("{id},8")),
            ("e", vec![topic(1)], format!("{id}x")),
            ("e", vec![topic(1)], "7".to_owned()),
            ("e", vec![topic(1)], String::new()),
        ] {
            let positions = Positions::new(epoch, topics, Some(&id));
            assert!(positions.all().iter().all(|(_, known)| known.is_none()), "{id}: {positions:?}");
        }
    }
}
