//! `/auth/…`: registering, sessions, and what is done with a token from a mail.

use http::StatusCode;
use warp::reply::Reply as _;

use super::{Ask, Handled, created, nothing, ok};

pub(super) async fn register(ask: Ask) -> Handled {
    let me = ask.services.accounts.register(ask.json()?, &ask.origin()).await?;
    created(&format!("/users/{}/", me.id), &me)
}

pub(super) async fn log_in(ask: Ask) -> Handled {
    ok(&ask.services.accounts.log_in(ask.json()?, &ask.origin()).await?)
}

pub(super) async fn refresh(ask: Ask) -> Handled {
    ok(&ask.services.accounts.refresh(ask.json()?, &ask.origin()).await?)
}

pub(super) async fn log_out(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ask.services.accounts.end_session(&caller, caller.session, &ask.origin()).await?;
    nothing()
}

pub(super) async fn log_out_everywhere(ask: Ask) -> Handled {
    ask.services.accounts.log_out_everywhere(&ask.caller()?, &ask.origin()).await?;
    nothing()
}

pub(super) async fn verify_email(ask: Ask) -> Handled {
    ask.services.accounts.verify_email(ask.json()?, &ask.origin()).await?;
    nothing()
}

pub(super) async fn resend_verification(ask: Ask) -> Handled {
    ask.services.accounts.resend_verification(&ask.caller()?).await?;
    accepted()
}

pub(super) async fn forgot_password(ask: Ask) -> Handled {
    ask.services.accounts.forgot_password(&ask.json()?, &ask.origin()).await?;
    accepted()
}

pub(super) async fn reset_password(ask: Ask) -> Handled {
    ask.services.accounts.reset_password(ask.json()?, &ask.origin()).await?;
    nothing()
}

/// A mail is on its way, or there was nobody to send it to.
fn accepted() -> Handled {
    Ok(StatusCode::ACCEPTED.into_response())
}
