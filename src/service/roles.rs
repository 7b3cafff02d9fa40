//! Who may do what by their role: asked by each service that serves hosts or admins alone, so every edge gets the same answer.
//!
//! Roles are read from the database whenever they matter, never from a token: one that was taken away is gone at once. An operation asks
//! once; no edge asks before it.

use std::sync::Arc;

use super::{Caller, ServiceError};
use crate::domain::account::{Account, AccountState};
use crate::store::Store;

/// What accounts may do.
pub struct Roles {
    store: Arc<Store>,
}

impl Roles {
    /// Of the accounts in this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Refuses whoever may not let homes.
    ///
    /// # Errors
    /// `Forbidden`; `Unavailable` if it cannot be read.
    pub async fn require_host(&self, caller: &Caller) -> Result<(), ServiceError> {
        self.is(caller, |account| account.is_host).await?.then_some(()).ok_or(ServiceError::Forbidden)
    }

    /// Refuses whoever may not look after the hub.
    ///
    /// # Errors
    /// As [`Self::require_host`].
    pub async fn require_admin(&self, caller: &Caller) -> Result<(), ServiceError> {
        self.is_admin(caller).await?.then_some(()).ok_or(ServiceError::Forbidden)
    }

    /// Whether the caller looks after the hub.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be read.
    pub async fn is_admin(&self, caller: &Caller) -> Result<bool, ServiceError> {
        self.is(caller, |account| account.is_admin).await
    }

    async fn is(&self, caller: &Caller, has_role: impl Fn(&Account) -> bool) -> Result<bool, ServiceError> {
        let account = self.store.account(caller.user).await?;
        Ok(account.is_some_and(|account| account.state == AccountState::Active && has_role(&account)))
    }
}
