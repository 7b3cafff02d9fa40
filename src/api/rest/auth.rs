//! `/auth/…` and `/users/me/`.

use http::StatusCode;

use super::{Ask, Handled, json, ok};

pub(super) async fn register(ask: Ask) -> Handled {
    let me = ask.services.accounts.register(ask.json()?).await?;
    json(StatusCode::CREATED, &me)
}

pub(super) async fn log_in(ask: Ask) -> Handled {
    ok(&ask.services.accounts.log_in(ask.json()?, ask.customer()).await?)
}

pub(super) async fn refresh(ask: Ask) -> Handled {
    ok(&ask.services.accounts.refresh(ask.json()?).await?)
}

pub(super) async fn me(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.accounts.me(&caller).await?)
}
