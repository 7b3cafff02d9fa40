//! The authorisation matrix (P8): for every operation of the REST interface, what each kind of caller gets.
//!
//! `table.rs` has the rows; each cell asks a live hub, with things made afresh for it. An operation without a row, and a row without an
//! operation, is a failure.

mod table;
mod world;

use std::collections::BTreeSet;

use http::Method;
use latchkey::api::problem;
use latchkey::api::rest::{Operation, operations};

use self::table::ROWS;
use self::world::World;
use crate::support::{Hub, fresh_key};

/// Who asks. The columns of the table, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nobody: no token.
    Anonymous,
    /// The guest whose hold, booking, payment or session it is about.
    Guest,
    /// Another guest.
    OtherGuest,
    /// The host of the home it is about.
    Host,
    /// The host of another home.
    OtherHost,
    /// An administrator.
    Admin,
    /// The guest, with the token of a session that has ended.
    Revoked,
}

const ROLES: [Role; 7] = [Role::Anonymous, Role::Guest, Role::OtherGuest, Role::Host, Role::OtherHost, Role::Admin, Role::Revoked];

/// What a request to an operation consists of, besides what its shape requires.
#[derive(Debug, Default)]
struct Call {
    path: Vec<String>,
    query: String,
    body: Option<serde_json::Value>,
    bytes: Option<(&'static str, Vec<u8>)>,
    /// Asked with this token instead of the role's: what ends sessions or accounts is tried on somebody who is not needed again.
    token: Option<String>,
}

impl Call {
    fn to() -> Self {
        Self::default()
    }

    /// The next name in the operation's path.
    fn part(mut self, part: impl ToString) -> Self {
        self.path.push(part.to_string());
        self
    }

    fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Some(body);
        self
    }

    fn token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    fn bytes(mut self, kind: &'static str, bytes: Vec<u8>) -> Self {
        self.bytes = Some((kind, bytes));
        self
    }
}

fn path_of(operation: &Operation, call: &Call) -> String {
    let mut parts = call.path.iter();
    let filled = operation.path.split_inclusive('/').map(|part| {
        if part.starts_with('{') { format!("{}/", parts.next().expect("a part for each name in the path")) } else { part.to_owned() }
    });
    let path: String = filled.collect();
    assert!(parts.next().is_none(), "{}: more parts than names", operation.id);
    if call.query.is_empty() { path } else { format!("{path}?{}", call.query) }
}

async fn ask(world: &World, operation: &Operation, role: Role, call: Call) -> u16 {
    let mut request = world.hub.rest.request(operation.method.clone(), &path_of(operation, &call));
    if let Some(token) = call.token.clone().or_else(|| world.token(role)) {
        request = request.bearer(&token);
    }
    if operation.is_keyed {
        request = request.key(&fresh_key());
    }
    if operation.is_conditional {
        request = request.header(http::header::IF_MATCH, "*");
    }
    if let Some(body) = &call.body {
        request = request.json(body);
    }
    if let Some((kind, bytes)) = call.bytes {
        request = request.raw(kind, bytes);
    }
    let answer = request.send().await;
    assert!(operation.method != Method::GET || answer.status != http::StatusCode::NO_CONTENT, "{}", operation.id);
    let has_place = answer.headers.contains_key(http::header::LOCATION);
    assert_eq!(has_place, answer.status == http::StatusCode::CREATED, "{}: what was made is somewhere", operation.id);
    answer.status.as_u16()
}

fn is_documented(operation: &Operation, status: u16) -> bool {
    let refusals = operation.errors().into_iter().map(|code| problem::status(code).as_u16());
    refusals.chain([operation.status.as_u16()]).any(|documented| documented == status)
}

#[test]
fn p8_every_operation_has_its_row_and_every_row_its_operation() {
    let operations: BTreeSet<&str> = operations().iter().map(|operation| operation.id).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(
        operations.difference(&rows).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "operations without a row in tests/it/matrix/table.rs"
    );
    assert_eq!(rows.difference(&operations).collect::<Vec<_>>(), Vec::<&&str>::new(), "rows without an operation");
    assert_eq!(rows.len(), ROWS.len(), "a row twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_each_kind_of_caller_gets_what_the_matrix_says() {
    let hub =
        Hub::with("--max-active-holds 10000 --requests-per-user 1000000 --requests-per-address 1000000 --auth-per-minute 100000").await;
    let world = World::of(hub).await;
    let operations = operations();
    let mut faults = Vec::new();
    for row in ROWS {
        let Some(operation) = operations.iter().find(|operation| operation.id == row.id) else { continue };
        for (role, expected) in ROLES.into_iter().zip(row.statuses) {
            let call = (row.call)(&world, role).await;
            let status = ask(&world, operation, role, call).await;
            if !is_documented(operation, status) {
                faults.push(format!("{} as {role:?}: {status} is not in the document", row.id));
            }
            if status != expected {
                faults.push(format!("{} as {role:?}: {status} instead of {expected}", row.id));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
