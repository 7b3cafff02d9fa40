//! Watching searches: the future behind `search.watch`, and how a connection is told what a page has become.
//!
//! The reply goes out before anything about its watch. Updates are taken only while there is room, so a client that reads slowly is told less
//! often, and always the newest.

use std::sync::Arc;

use latchkey_protocol::client::WatchSearch;
use latchkey_protocol::server::SearchUpdate;

use super::connection::Connection;
use super::watch::{Outcome, Watch};
use crate::api::address::{Customer, Share};
use crate::service::search::{Watcher, Watching};

/// A search that a connection watches, until it is dropped.
pub(super) struct Watched {
    /// What it is called on this connection.
    pub(super) number: u32,
    _watching: Watching,
    /// Its place among those that its customer watches.
    _share: Option<Share<Customer>>,
}

impl Watch {
    /// `search.watch`: evaluate, reply, and from then on tell.
    pub(super) async fn search(self, number: u32, share: Option<Share<Customer>>, ask: WatchSearch) -> Outcome {
        let watcher: Arc<dyn Watcher> = Arc::<Connection>::clone(&self.connection);
        match self.edge.services.search.watch(ask, number, watcher).await {
            Ok((mut watching, watched)) => {
                self.room().await;
                self.connection.reply(self.id, &watched);
                watching.begin();
                Outcome { watching: Some(Watched { number, _watching: watching, _share: share }), ..Outcome::default() }
            }
            Err(error) => {
                self.connection.refuse(Some(self.id), error.into());
                Outcome::default()
            }
        }
    }
}

impl Watcher for Connection {
    fn has_room(&self) -> bool {
        Self::has_room(self)
    }

    fn tell(&self, update: &SearchUpdate) {
        self.notify("search", update);
    }
}
