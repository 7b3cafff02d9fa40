//! Background work: what admins ask for.

use serde::{Deserialize, Serialize};

use crate::view::JobState;

/// Query of `GET /admin/jobs/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    /// Only jobs in this state.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<JobState>,
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}
