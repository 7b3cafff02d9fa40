//! Reading notifications, and choosing which one wants.

use serde::{Deserialize, Serialize};

use crate::id::NotificationId;
use crate::view::Preference;

/// Query of `GET /notifications/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct NotificationsQuery {
    /// Whether only those that are not read are wanted; all, if left out.
    #[serde(default)]
    pub unread: bool,
    /// `next` of the page before; opaque.
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}

/// `POST /notifications/read/`: either `up_to` or `notifications`; answered by [`crate::view::UnreadCount`]. What is read already, or is
/// not the caller's, is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadNotifications {
    /// This one and all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<NotificationId>,
    /// These: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 100))]
    pub notifications: Option<Vec<NotificationId>>,
}

/// `PUT /notifications/preferences/`; answered by [`crate::view::Preferences`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetPreferences {
    /// Each kind at most once; one that is not here is as it is for somebody who never chose.
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub items: Vec<Preference>,
}
