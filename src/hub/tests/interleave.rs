//! P4 under random interleavings, seeded.

use super::*;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// P4 under random interleavings: reads that wait, publishes that are late, repeated, reordered or lost, subscribers that come
/// from snapshots of any age. Each must see `after + 1 ..= last`, once, in order.
#[tokio::test]
async fn whatever_the_interleaving_every_subscriber_sees_every_event_once_in_order() {
    for seed in 0..300 {
        interleave(seed).await;
    }
}

async fn interleave(seed: u64) {
    let mut dice = Dice(seed);
    let table = Arc::new(Table::default());
    let limits = HubLimits { ring_frames: 8, ring_bytes: 2048, ..LIMITS };
    let hub = Arc::new(Hub::new(Arc::<Table>::clone(&table), limits, Handle::current()));
    let gate = table.close_gate();
    let mut late: Vec<StoredEvent> = Vec::new();
    let mut committed = 0;
    let mut watchers = Vec::new();
    for step in 0..120 {
        match dice.below(10) {
            0..=3 => {
                late.extend(table.append_many(topic(1), 1 + dice.below(4)));
                committed = late[late.len() - 1].seq;
            }
            4..=5 if !late.is_empty() => {
                let count = usize::try_from(1 + dice.below(late.len() as u64)).unwrap();
                let mut batch: Vec<_> = late.drain(..count).collect();
                match dice.below(5) {
                    0 => batch.reverse(),
                    1 => drop(batch.pop()),
                    2 => batch.extend(batch.clone()),
                    _ => {}
                }
                hub.publish(&batch);
            }
            6 => {
                let after = committed - dice.below(committed + 1).min(dice.below(60));
                let (watcher, subscriber) = Watcher::new(step + 1);
                let attaching = tokio::spawn({
                    let hub = Arc::clone(&hub);
                    async move { hub.attach(topic(1), &subscriber, after, Standing::Public).await }
                });
                watchers.push((watcher, after, attaching));
            }
            7 => gate.add_permits(1),
            _ => tokio::task::yield_now().await,
        }
    }
    gate.add_permits(100_000);
    hub.publish(&late);
    let last = table.append(topic(1));
    hub.publish(std::slice::from_ref(&last));
    for (watcher, after, attaching) in watchers {
        attaching.await.unwrap().unwrap();
        eventually(|| watcher.seqs().last() == Some(&last.seq)).await;
        assert_eq!(watcher.seqs(), all(after + 1..=last.seq), "seed {seed}, subscriber {} after {after}", watcher.id);
    }
}
