//! `/admin/jobs/…`: background work, for admins.

use latchkey_protocol::rest::{JobsQuery, PageQuery};
use latchkey_protocol::view::Job;

use super::page::Bounds;
use super::{Ask, Handled, Problem, nothing, ok};
use crate::service::jobs::JobId;

pub(super) async fn list(ask: Ask) -> Handled {
    let JobsQuery { state, cursor, limit } = ask.query()?;
    let bounds = Bounds::<JobId>::of(&PageQuery { cursor, limit })?;
    let jobs = ask.services.jobs.list(&ask.caller()?, state, bounds.before.as_ref(), bounds.fetch()).await?;
    ok(&bounds.page(jobs, name_of))
}

pub(super) async fn retry(ask: Ask) -> Handled {
    ok(&ask.services.jobs.retry(&ask.caller()?, &named(&ask)?).await?)
}

pub(super) async fn discard(ask: Ask) -> Handled {
    ask.services.jobs.discard(&ask.caller()?, &named(&ask)?).await?;
    nothing()
}

/// Where the next page begins.
fn name_of(job: &Job) -> String {
    format!("{}/{}", job.kind, job.key)
}

fn named(ask: &Ask) -> Result<JobId, Problem> {
    Ok(JobId { work: ask.path("kind")?, key: ask.path("key")? })
}
