//! Records that ride on versions: what was decided on an old one is refused, also within one batch; and pages of what was written.

use super::*;
use crate::domain::account::{Account, AccountWrite, Admins, AuditEntry, AuditKind, LoginRecord, OneTime, Purpose, RefreshFamily};
use crate::entropy::fresh_id;
use latchkey_protocol::{AuditId, SessionId};

fn family(number: u16) -> RefreshFamily {
    RefreshFamily {
        session: SessionId::from_bytes(id(number)),
        user: UserId::from_bytes(id(1)),
        current: "a".to_owned(),
        previous: None,
        rotated_at: now(),
        expires_at: now(),
        user_agent: Some("curl/8".to_owned()),
        version: 1,
    }
}

fn set(writes: impl IntoIterator<Item = AccountWrite>) -> ChangeSet {
    ChangeSet { writes: writes.into_iter().map(Write::Account).collect(), ..ChangeSet::default() }
}

async fn commit(bench: &Bench, writes: impl IntoIterator<Item = AccountWrite>) -> Result<(), CommitError> {
    bench.store.commit(set(writes), Lane::Normal).await
}

const STALE: Result<(), CommitError> = Err(CommitError::Contended(Contended::State));

#[tokio::test]
async fn a_family_replaced_on_an_old_version_is_refused() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let family = family(1);
        commit(&bench, [AccountWrite::AddFamily(family.clone())]).await.unwrap();
        let next = RefreshFamily { current: "b".to_owned(), previous: Some("a".to_owned()), version: 2, ..family.clone() };
        commit(&bench, [AccountWrite::SetFamily(next.clone())]).await.unwrap();
        assert_eq!(bench.store.family(family.session).await.unwrap(), Some(next.clone()));
        assert_eq!(commit(&bench, [AccountWrite::SetFamily(next)]).await, STALE, "{engine}");
    }
}

/// The checks of a batch come before its writes: without care both of two twins pass, and the first one's token is lost.
#[tokio::test]
async fn of_two_replacements_of_one_version_in_one_batch_one_is_refused() {
    let bench = bench("mem").await;
    commit(&bench, [AccountWrite::AddFamily(family(1))]).await.unwrap();
    let next = |current: &str| RefreshFamily { current: current.to_owned(), version: 2, ..family(1) };
    // Polled in order without a pause in between, so that the committer finds them together, many times.
    for round in 0..20_i64 {
        let base = RefreshFamily { version: round + 1, ..next("base") };
        let twin = |name: &str| RefreshFamily { current: name.to_owned(), version: base.version + 1, ..base.clone() };
        let answers = futures_util::future::join_all(
            ["a", "b", "c"].map(|name| bench.store.commit(set([AccountWrite::SetFamily(twin(name))]), Lane::Normal)),
        )
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let winner = answers.iter().position(Result::is_ok).unwrap();
        assert_eq!(bench.store.family(base.session).await.unwrap().unwrap().current, ["a", "b", "c"][winner]);
    }
}

#[tokio::test]
async fn a_session_that_ended_is_gone_and_ends_once() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let user = UserId::from_bytes(id(1));
        let account = Account::register(user, "ada@example.test".to_owned(), "Ada", now()).unwrap();
        commit(&bench, [AccountWrite::Add(account), AccountWrite::AddFamily(family(1)), AccountWrite::AddFamily(family(2))]).await.unwrap();
        let end = |version| commit(&bench, [AccountWrite::EndFamily { session: family(1).session, version }]);
        assert_eq!(end(2).await, STALE, "{engine}: it was decided on another version");
        end(1).await.unwrap();
        assert_eq!(end(1).await, STALE, "{engine}");
        assert_eq!(bench.store.family(family(1).session).await.unwrap(), None, "{engine}");
        // An earlier version kept those that had ended.
        let text = "UPDATE family SET ended = true";
        bench.store.database().query(text, surrealdb::types::Variables::new()).await.unwrap().check().unwrap();
        assert_eq!(bench.store.family(family(2).session).await.unwrap(), None, "{engine}");
        assert_eq!(bench.store.person(user).await.unwrap().unwrap().sessions, [], "{engine}");
    }
}

#[tokio::test]
async fn p10_a_change_set_of_too_many_records_is_refused_before_it_holds_up_others() {
    let bench = bench("mem").await;
    let families = |count: usize| (0..count).map(|_| AccountWrite::AddFamily(family(1)));
    assert!(matches!(commit(&bench, families(10_001)).await, Err(CommitError::Refused(_))));
}

#[tokio::test]
async fn a_login_is_replaced_and_moved_only_together_with_its_account() {
    let bench = bench("mem").await;
    let (user, email) = (UserId::from_bytes(id(1)), "ada@example.test".to_owned());
    let account = Account::register(user, email.clone(), "Ada", now()).unwrap();
    let login = LoginRecord { email: email.clone(), user, password_hash: "one".to_owned() };
    let token = OneTime { hash: "h".to_owned(), user, purpose: Purpose::VerifyEmail, binding: "b".to_owned(), expires_at: now() };
    let writes = [AccountWrite::Add(account.clone()), AccountWrite::AddLogin(login.clone()), AccountWrite::AddOneTime(token.clone())];
    commit(&bench, writes).await.unwrap();
    assert_eq!(bench.store.account(user).await.unwrap(), Some(account.clone()));
    assert_eq!(bench.store.login(&email).await.unwrap(), Some(login.clone()));
    assert_eq!(bench.store.one_time("h").await.unwrap(), Some(token));

    let unguarded = [
        AccountWrite::SetLogin(login.clone()),
        AccountWrite::EndLogin { email: email.clone() },
        AccountWrite::EndOneTime { hash: "h".to_owned() },
    ];
    for write in unguarded {
        assert!(matches!(commit(&bench, [write]).await, Err(CommitError::Refused(_))));
    }
    let moved = account.verify_email(now()).change_email("b@example.test".to_owned(), now()).unwrap();
    let moved = Account { version: 2, ..moved };
    let to = LoginRecord { email: "b@example.test".to_owned(), ..login };
    let change = || {
        [
            AccountWrite::Set(moved.clone()),
            AccountWrite::EndLogin { email: email.clone() },
            AccountWrite::AddLogin(to.clone()),
            AccountWrite::EndOneTime { hash: "h".to_owned() },
        ]
    };
    commit(&bench, change()).await.unwrap();
    assert_eq!(bench.store.account(user).await.unwrap(), Some(moved.clone()));
    assert_eq!((bench.store.login(&email).await.unwrap(), bench.store.login("b@example.test").await.unwrap()), (None, Some(to.clone())));
    assert_eq!(bench.store.one_time("h").await.unwrap(), None);
    assert!(commit(&bench, change()).await.is_err());
}

#[tokio::test]
async fn the_list_of_admins_is_there_from_the_start_and_is_changed_by_one_at_a_time() {
    let bench = bench("mem").await;
    let user = UserId::from_bytes(id(1));
    let account = Account::register(user, "ada@example.test".to_owned(), "Ada", now()).unwrap();
    commit(&bench, [AccountWrite::Add(account.clone()), AccountWrite::AddFamily(family(1))]).await.unwrap();
    let person = bench.store.person(user).await.unwrap().unwrap();
    assert_eq!((person.account, person.login, person.sessions.len()), (account, None, 1));
    let none = person.admins;
    let (one, other) = (none.with(UserId::from_bytes(id(1)), true).unwrap(), none.with(UserId::from_bytes(id(2)), true).unwrap());
    commit(&bench, [AccountWrite::SetAdmins(one.clone())]).await.unwrap();
    assert_eq!(commit(&bench, [AccountWrite::SetAdmins(other)]).await, STALE);
    assert_eq!(bench.store.person(user).await.unwrap().unwrap().admins, one);
    assert_eq!(one, Admins { users: vec![UserId::from_bytes(id(1))], version: 2 });
}

#[tokio::test]
async fn pages_of_users_and_of_the_audit_log_are_newest_first_however_old_the_records() {
    let bench = bench("mem").await;
    let ages_ms = [0, 1, 59_000, 61_000, 3_600_000, 86_400_000, 90 * 86_400_000, 20 * 365 * 86_400_000_i64];
    let (mut users, base) = (vec![], now());
    for (number, age) in ages_ms.into_iter().enumerate() {
        let at = base.plus_ms(-age);
        let user = UserId::from_bytes(fresh_id(at.epoch_ms()));
        users.push(user);
        let account = Account::register(user, format!("{number}@example.test"), "Ada", at).unwrap();
        let entry = AuditEntry {
            id: AuditId::from_bytes(*user.as_bytes()),
            at,
            kind: AuditKind::Registered,
            user: if number.is_multiple_of(2) { users[0] } else { user },
            actor: Some(user),
            session: None,
            address: Some("10.0.0.1".to_owned()),
        };
        commit(&bench, [AccountWrite::Add(account), AccountWrite::AddAudit(entry)]).await.unwrap();
    }
    let mut found = vec![];
    loop {
        let page = bench.store.accounts(found.last().copied(), 3, now()).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|account| account.user));
    }
    assert_eq!(found, users);
    let all = bench.store.audit(None, None, 100, now()).await.unwrap();
    assert_eq!(
        all.iter().map(|entry| *entry.id.as_bytes()).collect::<Vec<_>>(),
        users.iter().map(|user| *user.as_bytes()).collect::<Vec<_>>()
    );
    let first = bench.store.audit(Some(users[0]), None, 2, now()).await.unwrap();
    let rest = bench.store.audit(Some(users[0]), Some(first[1].id), 100, now()).await.unwrap();
    let of_one: Vec<_> = first.iter().chain(&rest).map(|entry| *entry.id.as_bytes()).collect();
    assert_eq!(of_one, [0, 2, 4, 6].map(|number: usize| *users[number].as_bytes()));
}

#[tokio::test]
async fn accounts_of_an_older_version_are_active_and_those_with_a_home_are_hosts() {
    use surrealdb::types::Variables;
    const OF_VERSION_2: &str = "
        DEFINE TABLE meta SCHEMAFULL; DEFINE FIELD value ON meta TYPE int | string;
        CREATE meta:schema SET value = 2; CREATE meta:epoch SET value = 'then';
        DEFINE TABLE user SCHEMAFULL; DEFINE FIELD email ON user TYPE string; DEFINE FIELD name ON user TYPE string;
        DEFINE FIELD created_at ON user TYPE int READONLY;
        DEFINE TABLE login SCHEMAFULL; DEFINE FIELD user ON login TYPE uuid; DEFINE FIELD password_hash ON login TYPE string;
        DEFINE TABLE property SCHEMAFULL; DEFINE FIELD host ON property TYPE uuid READONLY;
        CREATE user:u'07070707-0707-0707-0707-070707070001' SET email = 'ada@example.test', name = 'Ada', created_at = 5;
        CREATE user:u'07070707-0707-0707-0707-070707070002' SET email = 'bob@example.test', name = 'Bob', created_at = 6;
        CREATE type::record('login', 'bob@example.test') SET user = u'07070707-0707-0707-0707-070707070002', password_hash = 'x';
        CREATE property:one SET host = u'07070707-0707-0707-0707-070707070002'";
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&config(engine, &dir)).await.unwrap());
        database.query(OF_VERSION_2, Variables::new()).await.unwrap().check().unwrap();
        let open = || Store::on(Arc::clone(&database), Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default());
        let store = open().await.unwrap();
        let person = async |number: u16| store.person(UserId::from_bytes(id(number))).await.unwrap().unwrap();
        let (ada, bob) = (person(1).await.account, person(2).await);
        let expected = Account::register(ada.user, "ada@example.test".to_owned(), "Ada", Timestamp::from_epoch_ms(5)).unwrap();
        assert_eq!(ada, expected, "{engine}");
        assert!(bob.account.is_host && bob.login.is_some_and(|login| login.user == bob.account.user), "{engine}");
        let touched = ChangeSet { writes: vec![Write::Account(AccountWrite::Set(ada.touched()))], ..ChangeSet::default() };
        store.commit(touched, Lane::Normal).await.unwrap();
        // Once only.
        assert_eq!(open().await.unwrap().account(UserId::from_bytes(id(1))).await.unwrap().unwrap().version, 2, "{engine}");
    }
}

#[tokio::test]
async fn addresses_of_those_who_were_erased_before_are_gone_after_the_migration() {
    let bench = bench("surrealkv").await;
    let entry = |number: u16, user: u16, actor: Option<u16>| AuditEntry {
        id: AuditId::from_bytes(id(number)),
        at: now(),
        kind: AuditKind::LoggedIn,
        user: UserId::from_bytes(id(user)),
        actor: actor.map(|actor| UserId::from_bytes(id(actor))),
        session: None,
        address: Some("192.0.2.1".to_owned()),
    };
    let person = |number: u16| Account::register(UserId::from_bytes(id(number)), format!("{number}@example.test"), "Ada", now()).unwrap();
    let writes = [
        AccountWrite::Add(person(1).erase().unwrap()),
        AccountWrite::Add(person(2)),
        AccountWrite::AddAudit(entry(11, 1, Some(1))),
        AccountWrite::AddAudit(entry(12, 1, None)),
        AccountWrite::AddAudit(entry(13, 1, Some(2))),
        AccountWrite::AddAudit(entry(14, 2, Some(1))),
        AccountWrite::AddAudit(entry(15, 2, None)),
    ];
    let set = ChangeSet { writes: writes.map(Write::Account).into(), ..ChangeSet::default() };
    bench.store.commit(set, Lane::Normal).await.unwrap();
    let database = Arc::clone(bench.store.database());
    let of_version_4 = "DEFINE FIELD OVERWRITE address ON audit TYPE option<string> READONLY; UPDATE meta:schema SET value = 4";
    database.query(of_version_4, surrealdb::types::Variables::new()).await.unwrap().check().unwrap();
    let store = Store::on(database, Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default()).await.unwrap();
    let mut entries = Vec::new();
    for user in [1, 2] {
        entries.extend(store.audit(Some(UserId::from_bytes(id(user))), None, 9, now()).await.unwrap());
    }
    let kept: Vec<AuditId> = entries.iter().filter(|entry| entry.address.is_some()).map(|entry| entry.id).collect();
    assert_eq!(entries.len(), 5);
    assert_eq!(kept, [13, 15].map(|number| AuditId::from_bytes(id(number))), "those of others");
}
