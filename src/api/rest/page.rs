//! Pages of a list: an opaque cursor, newest first.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::rest::{Page, PageQuery};

use super::Problem;

/// Things on a page if the client does not say.
const DEFAULT_LIMIT: u16 = 20;

/// Where a page begins and how long it is.
pub(super) struct Bounds<I> {
    pub(super) before: Option<I>,
    limit: u16,
}

impl<I: FromStr> Bounds<I> {
    pub(super) fn of(query: &PageQuery) -> Result<Self, Problem> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=100).contains(&limit) {
            return Err(Problem::invalid("limit", "1 to 100"));
        }
        let before = query.cursor.as_deref().map(decode).transpose()?;
        Ok(Self { before, limit })
    }

    /// One more than a page holds: whether there is another page is seen from it.
    pub(super) const fn fetch(&self) -> u16 {
        self.limit + 1
    }

    pub(super) fn page<T, D: Display>(&self, mut items: Vec<T>, id: impl Fn(&T) -> D) -> Page<T> {
        let has_more = items.len() > usize::from(self.limit);
        items.truncate(usize::from(self.limit));
        let next = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(id(last).to_string()));
        Page { items, next }
    }
}

fn decode<I: FromStr>(cursor: &str) -> Result<I, Problem> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Problem::invalid("cursor", "not a cursor of this list"))
}
