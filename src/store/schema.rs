//! Applying `schema.surql`, and the way from one version of it to the next.

use std::sync::LazyLock;
use std::time::Duration;

use surrealdb::types::{RecordId, SurrealValue, Value};

use super::database::{Database, MAX_TRIES, row, variables};
use super::error::StoreError;
use crate::clock::Clock;
use crate::digest::{hex, sha256};
use crate::entropy;

/// The version that `schema.surql` describes. A change of it that needs data rewritten raises this and adds a step to
/// [`MIGRATIONS`]; a change that does not (a new table, an optional field) needs neither, since the file is applied at every start.
const VERSION: i64 = 5;

/// Steps from version `index + 1` to the next: SurrealQL, run in one transaction before the schema is applied.
const MIGRATIONS: &[&str] = &[JOBS_OF_EVERY_KIND, ACCOUNTS_WITH_A_STATE, JOBS_WITH_THEIR_KEY, ERASED_WITHOUT_ADDRESSES];

/// 2: jobs are of every kind, and were refunds named by a UUID. The log of batches names keys and webhooks from here on; a sweep of its own
/// finds those from before. The fields are defined by the schema, later; until then the table takes any.
const JOBS_OF_EVERY_KIND: &str = "
    DEFINE TABLE OVERWRITE job SCHEMALESS;
    REMOVE FIELD IF EXISTS run_at ON job;
    LET $now = time::millis(time::now());
    LET $old = SELECT VALUE id FROM job;
    FOR $id IN $old {
        LET $payment = <string> record::id($id)[1];
        DELETE $id RETURN NONE;
        CREATE type::record('job', ['refund', $payment]) CONTENT {
            kind: 'refund', payload: '{\"payment\":\"' + $payment + '\"}', state: 'waiting', at: $now, due: $now,
            attempts: 0, version: $now, created_at: $now
        } RETURN NONE;
    };
    CREATE type::record('job', ['sweep', 'unnamed']) CONTENT {
        kind: 'sweep', payload: '{\"sweep\":\"unnamed\",\"since\":' + <string> $now + '}', state: 'waiting', at: $now, due: $now,
        attempts: 0, version: $now, created_at: $now
    } RETURN NONE";

/// 3: accounts have a state, roles and a version. Whoever has a home is a host.
const ACCOUNTS_WITH_A_STATE: &str = "
    DEFINE TABLE IF NOT EXISTS user SCHEMAFULL;
    DEFINE TABLE IF NOT EXISTS property SCHEMAFULL;
    DEFINE FIELD OVERWRITE about ON user TYPE option<string>;
    DEFINE FIELD OVERWRITE is_host ON user TYPE option<bool>;
    DEFINE FIELD OVERWRITE is_admin ON user TYPE option<bool>;
    DEFINE FIELD OVERWRITE state ON user TYPE option<string>;
    DEFINE FIELD OVERWRITE edition ON user TYPE option<int>;
    DEFINE FIELD OVERWRITE version ON user TYPE option<int>;
    LET $hosts = array::distinct(SELECT VALUE host FROM property);
    UPDATE user SET about = '', is_host = record::id(id) IN $hosts, is_admin = false, state = 'active', edition = 1, version = 1 RETURN NONE";

/// 4: jobs have their key as a field, for the index that their list is read by.
const JOBS_WITH_THEIR_KEY: &str = "
    DEFINE TABLE IF NOT EXISTS job SCHEMAFULL;
    DEFINE FIELD OVERWRITE key ON job TYPE option<string>;
    UPDATE job SET key = record::id(id)[1] RETURN NONE";

/// 5: the audit log keeps no address of who was erased. What is erased from here on is followed by a job.
const ERASED_WITHOUT_ADDRESSES: &str = "
    DEFINE TABLE IF NOT EXISTS audit SCHEMAFULL;
    DEFINE FIELD OVERWRITE address ON audit TYPE option<string>;
    LET $erased = SELECT VALUE record::id(id) FROM user WHERE state = 'erased';
    UPDATE audit SET address = NONE WHERE actor IN $erased OR (actor = NONE AND user IN $erased) RETURN NONE";

const SCHEMA: &str = include_str!("../../schema.surql");

/// Names this program's schema.
pub(super) fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| hex(&sha256(SCHEMA.as_bytes())));
    &DIGEST
}

/// Brings the database to this program's version and gives its epoch. Other nodes may start at the same moment, and of two that define the same
/// one loses, and tries again.
pub(super) async fn apply(database: &Database, clock: &dyn Clock) -> Result<String, StoreError> {
    let mut tries = 1;
    loop {
        match apply_once(database, clock).await {
            Err(StoreError::Unavailable(reason)) if tries < MAX_TRIES => {
                tracing::info!(reason, tries, "the schema could not be applied; trying again");
                tokio::time::sleep(Duration::from_millis(entropy::jitter(50 << tries))).await;
                tries += 1;
            }
            done => return done,
        }
    }
}

async fn apply_once(database: &Database, clock: &dyn Clock) -> Result<String, StoreError> {
    database
        .query_patiently(
            "DEFINE TABLE IF NOT EXISTS meta SCHEMAFULL; DEFINE FIELD IF NOT EXISTS value ON meta TYPE int | string",
            variables([]),
        )
        .await?
        .check()?;
    let found: Option<i64> = database.read("RETURN (SELECT VALUE value FROM ONLY meta:schema)", variables([])).await?;
    match found {
        Some(found) if found > VERSION => return Err(StoreError::Schema { found, known: VERSION }),
        Some(found) => migrate(database, found).await?,
        None => {}
    }
    if found != Some(VERSION) {
        tracing::info!(version = VERSION, "the database is new");
    }
    let digest = digest().to_owned();
    let applied: Option<String> = database.read("RETURN (SELECT VALUE value FROM ONLY meta:applied)", variables([])).await?;
    // Not again what is there already: other nodes are at work on it.
    if applied.as_ref() != Some(&digest) {
        define(database, clock, digest).await?;
    }
    let epoch: Option<String> = database.read("RETURN (SELECT VALUE value FROM ONLY meta:epoch)", variables([])).await?;
    epoch.ok_or_else(|| StoreError::Corrupt("meta:epoch is missing".to_owned()))
}

/// All of it or nothing, so that of two who do it at once the second finds it done.
async fn define(database: &Database, clock: &dyn Clock, digest: String) -> Result<(), StoreError> {
    let epoch = uuid::Uuid::from_bytes(entropy::fresh_id(clock.now())).to_string();
    let text = format!(
        "BEGIN; {SCHEMA}; INSERT IGNORE INTO meta $rows RETURN NONE; UPDATE meta:schema SET value = $version RETURN NONE; \
        UPDATE meta:applied SET value = $digest RETURN NONE; COMMIT"
    );
    let meta = |name: &str, value: Value| row([("id", RecordId::new("meta", name).into_value()), ("value", value)]);
    let rows = vec![meta("schema", VERSION.into_value()), meta("epoch", epoch.into_value()), meta("applied", digest.as_str().into_value())];
    let bound = variables([("rows", rows.into_value()), ("version", VERSION.into_value()), ("digest", digest.into_value())]);
    database.query_patiently(text, bound).await?.check()?;
    Ok(())
}

async fn migrate(database: &Database, found: i64) -> Result<(), StoreError> {
    let done = usize::try_from(found - 1).unwrap_or(0);
    for (index, step) in MIGRATIONS.iter().enumerate().skip(done) {
        tracing::info!(from = index + 1, to = index + 2, "migrating the database");
        // Another node may have been first since it was read which steps are missing.
        let text = format!(
            "BEGIN; IF (SELECT VALUE value FROM ONLY meta:schema) != {} {{ THROW 'latchkey:migrated' }}; {step}; \
            UPDATE meta:schema SET value = {}; COMMIT",
            index + 1,
            index + 2
        );
        database.query_patiently(text, variables([])).await?.check()?;
    }
    Ok(())
}
