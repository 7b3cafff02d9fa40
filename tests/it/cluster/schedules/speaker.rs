//! Somebody who says a command until it is answered for good, at one node after another.

use std::time::Duration;

use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::Problem;
use serde::Serialize;

use super::super::follower::Nodes;
use crate::support::rest::Answer;
use crate::support::{Dates, Rest, Seed, fresh_key, nights};

/// Nights that everybody wants.
const NIGHTS: i32 = 10;
/// How long an answer is waited for before the command is said again, perhaps elsewhere.
const IMPATIENCE: Duration = Duration::from_secs(8);

pub(super) struct Speaker {
    pub(super) token: String,
    pub(super) nodes: Nodes,
    pub(super) seed: Seed,
}

impl Speaker {
    pub(super) fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.seed.below(i32::try_from(count).unwrap())).unwrap()
    }

    /// Some of the nights that everybody wants.
    pub(super) fn dates(&mut self) -> Dates {
        nights(self.seed.below(NIGHTS), 1 + self.seed.below(3))
    }

    /// Says a command with one key, to one node after another, until it is answered for good (P7).
    pub(super) async fn say(&mut self, path: &str, body: &impl Serialize) -> Answer {
        let key = fresh_key();
        for _ in 0..200 {
            let at = self.nodes.lock().unwrap().clone();
            let rest = Rest::at(at[self.pick(at.len())]);
            let sent = rest.post(path).bearer(&self.token).key(&key).json(body).try_send();
            match tokio::time::timeout(IMPATIENCE, sent).await {
                Ok(Ok(answer)) if answer.status.is_success() || !is_passing(&answer) => return answer,
                Ok(Ok(_) | Err(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(_) => {}
            }
        }
        panic!("{path} was never answered");
    }
}

/// Whether it may be otherwise in a moment: busy, unavailable, or nobody knows.
fn is_passing(answer: &Answer) -> bool {
    let code = serde_json::from_slice::<Problem>(&answer.body).map(|problem| problem.error.code);
    matches!(code, Ok(ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Internal) | Err(_))
}
