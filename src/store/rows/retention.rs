//! Records that have outlived their use, by their ids.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Uuid};

use super::{array_record, record};
use crate::domain::retention::{NodeId, Outlived};

/// A process's id as the database holds it.
pub(in crate::store) fn node_uuid(node: NodeId) -> Uuid {
    uuid::Uuid::from_bytes(node).into()
}

/// The record to delete; events go by range, and an address without its entry.
pub(in crate::store) fn outlived_record(outlived: &Outlived) -> Option<RecordId> {
    match outlived {
        Outlived::Hold(hold) => Some(record("hold", *hold)),
        Outlived::Family(session) => Some(record("family", *session)),
        Outlived::Revoked(session) => Some(record("revoked", *session)),
        Outlived::OneTime(hash) => Some(RecordId::new("one_time", hash.as_str())),
        Outlived::Key { scope, key } => Some(array_record("idempotency", [scope.as_str().into_value(), key.as_str().into_value()])),
        Outlived::Webhook(event_id) => Some(RecordId::new("webhook", event_id.as_str())),
        Outlived::Events { .. } | Outlived::Address(_) => None,
        Outlived::AuditEntry(entry) => Some(record("audit", *entry)),
        Outlived::Batch { node, number } => Some(array_record("commit", [node_uuid(*node).into_value(), number.into_value()])),
        Outlived::Node(node) => Some(RecordId::new("node", RecordIdKey::Uuid(node_uuid(*node)))),
    }
}
