//! Hosts who go: erased, away, locked out, or no hosts any more. Nothing of theirs is on sale, nothing that they wrote is left of who was erased.

use http::{Method, StatusCode};
use latchkey::service::Caller;
use latchkey::service::ServiceError;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::{CreateBlock, SetRoles, WithPassword};
use latchkey_protocol::view::{Block, Me, Photo, Property};

use crate::properties::plain;
use crate::support::guest::PASSWORD;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::picture::png;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, eventually, fresh_key, nights, refused};

async fn leave(guest: &Guest, how: &str) -> Answer {
    guest.post(&format!("/users/me/{how}/"), &WithPassword { password: PASSWORD.to_owned() }).send().await
}

async fn suspend(root: &Guest, guest: &Guest) -> Answer {
    root.post(&format!("/admin/users/{}/suspend/", guest.user), &()).send().await
}

async fn set_host(root: &Guest, guest: &Guest, is_host: bool) -> Answer {
    let request = root.rest.request(Method::PUT, &format!("/admin/users/{}/roles/", guest.user));
    request.bearer(&root.tokens.access_token).json(&SetRoles { is_host, is_admin: false }).send().await
}

async fn publish(host: &Guest, home: &Property) -> Answer {
    plain(host, Method::POST, &format!("/properties/{}/publish/", home.id)).send().await
}

async fn is_on_sale(hub: &Hub, home: &Property) -> bool {
    hub.rest.get(&format!("/properties/{}/", home.id)).send().await.status == StatusCode::OK
}

/// A hold outlives its host's own unlisting, as it should; and was booked, paid and confirmed of a host who was not there any more.
#[tokio::test]
async fn a_hold_is_not_booked_of_a_host_who_is_gone() {
    let hub = Hub::start().await;
    let (root, ada) = (hub.admin("root").await, hub.guest("ada").await);
    for how in ["unlist", "erase", "deactivate", "suspend", "no host"] {
        let host = hub.guest(&how.replace(' ', "-")).await;
        let home = list_home(&host).await;
        let hold = ada.hold(&home, nights(0, 2)).await.unwrap();
        let gone = match how {
            "unlist" => plain(&host, Method::POST, &format!("/properties/{}/unlist/", home.id)).send().await,
            "suspend" => suspend(&root, &host).await,
            "no host" => set_host(&root, &host, false).await,
            _ => leave(&host, how).await,
        };
        assert!(gone.status.is_success(), "{how}: {}", gone.text());
        assert!(!is_on_sale(&hub, &home).await, "{how}");
        if how == "unlist" {
            ada.book(&hold).await.unwrap();
        } else {
            let error = refused(ada.book(&hold).await, ErrorCode::InvalidState);
            assert_eq!(error.details["state"], "released".into(), "{how}");
        }
    }
}

/// Homes went off sale first and the account was closed then: what was published in between stayed on sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_put_on_sale_by_who_is_gone_or_just_going() {
    let hub = Hub::start().await;
    let root = hub.admin("root").await;
    for (number, how) in ["erase", "deactivate", "suspend", "no host"].into_iter().enumerate() {
        let host = hub.guest(&format!("host-{number}")).await;
        let home = list_as(&host, &latchkey_protocol::rest::CreateProperty { publish: false, ..cottage() }).await;
        let caller = Caller {
            user: host.user,
            session: hub.services().accounts.authenticate(&host.tokens.access_token).unwrap().session,
            expires_at: i64::MAX,
        };
        let going = async {
            match how {
                "suspend" => suspend(&root, &host).await,
                "no host" => set_host(&root, &host, false).await,
                _ => leave(&host, how).await,
            }
        };
        let services = hub.services();
        let publishing = async {
            for _ in 0..5 {
                let _ = services.listings.publish(&caller, home.id).await;
                tokio::task::yield_now().await;
            }
        };
        let (gone, ()) = tokio::join!(going, publishing);
        assert!(gone.status.is_success(), "{how}: {}", gone.text());
        assert!(!is_on_sale(&hub, &home).await, "{how}");
        let refused = services.listings.publish(&caller, home.id).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Forbidden | ServiceError::NotFound(_)), "{how}: {refused:?}");
        let created = services.listings.create(&caller, latchkey::service::IdempotencyKey::new(&fresh_key()).unwrap(), cottage()).await;
        assert!(matches!(created, Err(ServiceError::Forbidden)), "{how}: {created:?}");
        assert!(!is_on_sale(&hub, &home).await, "{how}");
    }
}

#[tokio::test]
async fn who_is_no_host_any_more_has_nothing_on_sale_and_does_not_make_themselves_one() {
    let hub = Hub::start().await;
    let (root, helga) = (hub.admin("root").await, hub.guest("helga").await);
    let home = list_home(&helga).await;
    assert!(!set_host(&root, &helga, false).await.expect_json::<Me>(200).is_host);
    assert!(!is_on_sale(&hub, &home).await);
    publish(&helga, &home).await.expect_problem(403, ErrorCode::Forbidden);
    plain(&helga, Method::POST, "/users/me/host/").send().await.expect_problem(403, ErrorCode::Forbidden);
    assert!(set_host(&root, &helga, true).await.expect_json::<Me>(200).is_host);
    publish(&helga, &home).await.expect_json::<Property>(200);
    assert!(is_on_sale(&hub, &home).await);
}

/// The change that closes the account owes it: a crash before the homes were seen to skips nothing.
#[tokio::test]
async fn what_becomes_of_homes_is_owed_by_the_change_that_closes_the_account() {
    use latchkey::domain::job::{Job, JobId};
    use latchkey::domain::{Timestamp, Write};
    use latchkey::store::{ChangeSet, Lane};
    let hub = Hub::start().await;
    let (helga, olga) = (hub.guest("helga").await, hub.guest("olga").await);
    let (home, other) = (list_home(&helga).await, list_home(&olga).await);
    assert_eq!(leave(&helga, "deactivate").await.status, 204);
    // As after a crash: the account is closed, its home on sale. And somebody who came back before the job was run.
    let now = Timestamp::from_epoch_ms(hub.now());
    let jobs = [helga.user, olga.user].map(|host| Job::homes(host, now));
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let writes = jobs.into_iter().map(Write::AddJob).collect();
    hub.store().commit(ChangeSet { writes, ..ChangeSet::default() }, Lane::Normal).await.unwrap();
    for id in &ids {
        eventually("the job", || async { hub.store().job(id).await.unwrap().is_none().then_some(()) }).await;
    }
    assert_eq!((is_on_sale(&hub, &home).await, is_on_sale(&hub, &other).await), (false, true));
}

#[tokio::test]
async fn nothing_is_left_of_what_a_host_wrote_who_was_erased() {
    let hub = Hub::start().await;
    let helga = hub.guest("helga").await;
    let ask = latchkey_protocol::rest::CreateProperty {
        title: "canary title".to_owned(),
        description: "canary description".to_owned(),
        address: Some("canary street".to_owned()),
        house_rules: "canary rules".to_owned(),
        ..cottage()
    };
    let (home, removed) = (list_as(&helga, &ask).await, list_as(&helga, &ask).await);
    let note = CreateBlock { from: nights(0, 1).check_in, to: nights(0, 1).check_out, note: Some("canary note".to_owned()) };
    helga.post(&format!("/properties/{}/blocks/", home.id), &note).send().await.expect_json::<Block>(201);
    let upload = helga.rest.post(&format!("/properties/{}/photos/", home.id)).bearer(&helga.tokens.access_token).key(&fresh_key());
    let photo: Photo = upload.raw("image/png", png(400, 400, "")).send().await.expect_json(201);
    assert_eq!(plain(&helga, Method::DELETE, &format!("/properties/{}/", removed.id)).send().await.status, 204);
    assert_eq!(leave(&helga, "erase").await.status, 204);
    for id in [home.id, removed.id] {
        let left = hub.store().listing(id).await.unwrap().unwrap();
        assert!(!format!("{left:?}").contains("canary"), "{left:?}");
        assert_eq!((left.state.name(), left.photos.len(), left.description.location), ("deleted", 0, None));
        assert_eq!(hub.store().blocks_of(id).await.unwrap(), []);
        let version = left.version;
        hub.services().accounts.settle_homes(helga.user).await.unwrap();
        assert_eq!(hub.store().listing(id).await.unwrap().unwrap().version, version, "said again, it changes nothing");
    }
    hub.rest.get(&format!("/photos/{}/", photo.id)).send().await.expect_problem(404, ErrorCode::NotFound);
}
