//! What one host may have: homes, and bytes of photos.

use jiff::tz::TimeZone;
use latchkey::domain::listing::{Description, MAX_HOMES};
use latchkey::domain::photo::{ImageKind, MAX_HOST_BYTES};
use latchkey::domain::pricing::Rates;
use latchkey::domain::{Listing, Photo, PropertyId, Terms, Timestamp, Write};
use latchkey::store::{ChangeSet, Lane};
use latchkey_protocol::view::Property;
use latchkey_protocol::{ErrorCode, PhotoId};

use super::support::hub::{cottage, list_home};
use super::support::picture::png;
use super::support::rest::Answer;
use super::support::{Guest, Hub, fresh_key};

/// Homes of a change set, which may be of some hundreds of records.
const AT_ONCE: usize = 100;

/// A draft that is stored behind the hub's back.
fn draft(number: u16, host: &Guest) -> Listing {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, Rates::nightly(10_000));
    let description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
    Listing::new(PropertyId::from_bytes(id), host.user, description, terms, Timestamp::from_epoch_ms(0))
}

async fn store(hub: &Hub, homes: &[Listing]) {
    for homes in homes.chunks(AT_ONCE) {
        let writes = homes.iter().map(|home| Write::AddListing(Box::new(home.clone()))).collect();
        hub.store().commit(ChangeSet { writes, ..ChangeSet::default() }, Lane::Normal).await.unwrap();
    }
}

async fn create(host: &Guest) -> Answer {
    host.post("/properties/", &cottage()).send().await
}

#[tokio::test]
async fn p10_a_host_has_five_hundred_homes_and_may_list_another_when_one_is_removed() {
    let hub = Hub::start().await;
    let (host, other) = (hub.guest("helga").await, hub.guest("otto").await);
    host.become_host().await;
    let key = fresh_key();
    let list = async || host.rest.post("/properties/").bearer(&host.tokens.access_token).key(&key).json(&cottage()).send().await;
    let first: Property = list().await.expect_json(201);
    let others: Vec<Listing> = (2..=u16::try_from(MAX_HOMES).unwrap()).map(|number| draft(number, &host)).collect();
    store(&hub, &others).await;
    let problem = create(&host).await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "500_homes".into());
    assert_eq!(list().await.expect_json::<Property>(201).id, first.id, "said again, it is the first answer");
    list_home(&other).await;
    let gone = host.rest.request(http::Method::DELETE, &format!("/properties/{}/", first.id)).bearer(&host.tokens.access_token);
    assert_eq!(gone.send().await.status, 204);
    create(&host).await.expect_json::<Property>(201);
}

#[tokio::test]
async fn p10_photos_of_a_host_have_two_gibibytes_together() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let path = format!("/properties/{}/photos/", home.id);
    let upload =
        async || host.rest.post(&path).bearer(&host.tokens.access_token).key(&fresh_key()).raw("image/png", png(640, 400, "")).send().await;
    let photo = |number: u8, bytes: u64| Photo {
        id: PhotoId::from_bytes([number; 16]),
        kind: ImageKind::Png,
        width_px: 640,
        height_px: 400,
        bytes: u32::try_from(bytes).unwrap(),
        caption: None,
        created_at: Timestamp::from_epoch_ms(0),
    };
    let rich = |number: u16, bytes: u64| Listing { photos: vec![photo(1, bytes / 2), photo(2, bytes - bytes / 2)], ..draft(number, &host) };
    store(&hub, &[rich(1, MAX_HOST_BYTES / 2), rich(2, MAX_HOST_BYTES / 4)]).await;
    assert_eq!(upload().await.status, 201);
    store(&hub, &[rich(3, MAX_HOST_BYTES / 4)]).await;
    let problem = upload().await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "2_gib_of_photos".into());
}
