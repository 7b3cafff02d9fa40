//! Records that have outlived their use, by their ids.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Uuid};

use super::{array_record, notification_record, record};
use crate::domain::retention::{NodeId, Outlived};

/// A process's id as the database holds it.
pub(in crate::store) fn node_uuid(node: NodeId) -> Uuid {
    uuid::Uuid::from_bytes(node).into()
}

/// `idempotency:[scope, key]`.
pub(in crate::store) fn key_record(scope: &str, key: &str) -> RecordId {
    array_record("idempotency", [scope.into_value(), key.into_value()])
}

/// The record to delete, whatever it is by now; events go by range, keys by their age, an address without its entry, and
/// processes are only marked.
pub(in crate::store) fn outlived_record(outlived: &Outlived) -> Option<RecordId> {
    match outlived {
        Outlived::Hold(hold) => Some(record("hold", *hold)),
        Outlived::Family(session) => Some(record("family", *session)),
        Outlived::Revoked(session) => Some(record("revoked", *session)),
        Outlived::OneTime(hash) => Some(RecordId::new("one_time", hash.as_str())),
        Outlived::Webhook(event_id) => Some(RecordId::new("webhook", event_id.as_str())),
        Outlived::AuditEntry(entry) => Some(record("audit", *entry)),
        Outlived::Events { .. } | Outlived::Address(_) | Outlived::Key { .. } | Outlived::Unseen => None,
        Outlived::Batch { node, number } => Some(array_record("commit", [node_uuid(*node).into_value(), number.into_value()])),
        Outlived::Notification(user, id) => Some(notification_record(*user, *id)),
        Outlived::Node(node) => Some(RecordId::new("node", RecordIdKey::Uuid(node_uuid(*node)))),
    }
}
