//! Photos: uploaded without what they tell, served for ever, ordered, removed, and swept when nothing names them.

use http::{Method, StatusCode};
use latchkey_protocol::rest::{CaptionPhoto, OrderPhotos};
use latchkey_protocol::view::{Photo, Property};
use latchkey_protocol::{ErrorCode, PhotoId};

use crate::properties::{change, plain};
use crate::support::hub::list_home;
use crate::support::picture::png;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, fresh_key};

const SECRET: &str = "GPS 48.2082N 16.3738E";

async fn upload(host: &Guest, home: &Property, kind: &str, bytes: Vec<u8>) -> Answer {
    let path = format!("/properties/{}/photos/", home.id);
    host.rest.post(&path).bearer(&host.tokens.access_token).key(&fresh_key()).raw(kind, bytes).send().await
}

async fn photo(host: &Guest, home: &Property, width: u32) -> Photo {
    upload(host, home, "image/png", png(width, 400, SECRET)).await.expect_json(201)
}

async fn home_of(guest: &Guest, home: &Property) -> Property {
    guest.get(&format!("/properties/{}/", home.id)).send().await.expect_json(200)
}

fn files(hub: &Hub) -> usize {
    std::fs::read_dir(hub.data().join("photos")).unwrap().count()
}

#[tokio::test]
async fn a_photo_is_served_to_anybody_without_what_it_told_and_may_be_kept_for_ever() {
    let mut hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let added = upload(&host, &home, "image/png", png(640, 400, SECRET)).await;
    let photo: Photo = added.expect_json(201);
    let path = format!("/photos/{}/", photo.id);
    assert_eq!(added.header("location"), Some(path.as_str()));
    assert_eq!((photo.width_px, photo.height_px, photo.media_type.as_str()), (640, 400, "image/png"));
    assert_eq!(home_of(&host, &home).await.photos, std::slice::from_ref(&photo));
    hub.restart().await;
    let served = hub.rest.get(&path).send().await;
    assert_eq!(served.status, StatusCode::OK);
    assert_eq!(served.body.len(), usize::try_from(photo.bytes).unwrap());
    assert!(!served.text().contains("GPS") && served.text().contains("pixels"));
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("etag", format!("\"{}\"", photo.id).as_str()),
    ] {
        assert_eq!(served.header(name), Some(value));
    }
    let known = hub.rest.get(&path).header(http::header::IF_NONE_MATCH, served.header("etag").unwrap()).send().await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    // Without a look at the file, which is elsewhere for this moment.
    let (file, away) = (hub.data().join("photos").join(photo.id.to_string()), hub.data().join("away"));
    std::fs::rename(&file, &away).unwrap();
    let known = hub.rest.get(&path).header(http::header::IF_NONE_MATCH, served.header("etag").unwrap()).send().await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    hub.rest.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    hub.rest.get(&format!("/photos/{}/", PhotoId::from_bytes([7; 16]))).send().await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn photos_are_put_in_order_captioned_and_removed_by_their_host() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let (first, second) = (photo(&host, &home, 400).await, photo(&host, &home, 500).await);
    let base = format!("/properties/{}/photos/", home.id);
    let order = OrderPhotos { photos: vec![second.id, first.id] };
    let path = format!("{base}order/");
    plain(&host, Method::PUT, &path).json(&order).send().await.expect_problem(428, ErrorCode::PreconditionRequired);
    change(&host, Method::PUT, &path, 1).json(&order).send().await.expect_problem(412, ErrorCode::PreconditionFailed);
    let changed: Property = change(&host, Method::PUT, &path, 3).json(&order).send().await.expect_json(200);
    assert_eq!(changed.photos.iter().map(|photo| photo.id).collect::<Vec<_>>(), [second.id, first.id]);
    let short = OrderPhotos { photos: vec![second.id] };
    let problem = change(&host, Method::PUT, &path, 4).json(&short).send().await.expect_problem(422, ErrorCode::Invalid);
    assert_eq!(problem.error.details["field"], "photos".into());

    let one = format!("{base}{}/", first.id);
    let caption = CaptionPhoto { caption: Some(" The kitchen ".to_owned()) };
    let changed: Property = change(&host, Method::PATCH, &one, 4).json(&caption).send().await.expect_json(200);
    assert_eq!(changed.photos[1].caption.as_deref(), Some("The kitchen"));
    for (method, path) in [(Method::PATCH, &one), (Method::DELETE, &one)] {
        change(&ada, method, path, 5).json(&caption).send().await.expect_problem(404, ErrorCode::NotFound);
    }
    assert_eq!(plain(&host, Method::DELETE, &one).send().await.status, 204);
    plain(&host, Method::DELETE, &one).send().await.expect_problem(404, ErrorCode::NotFound);
    hub.rest.get(&format!("/photos/{}/", first.id)).send().await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(home_of(&ada, &home).await.photos, [second]);
    assert_eq!(files(&hub), 1);
    assert_eq!(plain(&host, Method::DELETE, &format!("/properties/{}/", home.id)).send().await.status, 204);
    hub.rest.get(&format!("/photos/{}/", order.photos[0])).send().await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_file_that_is_no_picture_or_not_the_hosts_own_is_refused_and_leaves_nothing_behind() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let good = || png(400, 400, SECRET);
    upload(&host, &home, "image/gif", good()).await.expect_problem(415, ErrorCode::UnsupportedMediaType);
    for (kind, bytes) in
        [("image/jpeg", good()), ("image/png", b"<html>".to_vec()), ("image/png", vec![]), ("image/png", png(319, 400, ""))]
    {
        let problem = upload(&host, &home, kind, bytes).await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], "body".into());
    }
    upload(&host, &home, "image/png", vec![b'x'; 8 * 1024 * 1024 + 1]).await.expect_problem(413, ErrorCode::TooLarge);
    upload(&ada, &home, "image/png", good()).await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(files(&hub), 0);
    for width in 0..30 {
        photo(&host, &home, 400 + width).await;
    }
    let problem = upload(&host, &home, "image/png", good()).await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "30_photos".into());
    assert_eq!((files(&hub), home_of(&host, &home).await.photos.len()), (30, 30));
}

#[tokio::test]
async fn p7_an_upload_sent_twice_with_one_key_is_one_photo() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let (path, key) = (format!("/properties/{}/photos/", home.id), fresh_key());
    let send = |width| host.rest.post(&path).bearer(&host.tokens.access_token).key(&key).raw("image/png", png(width, 400, SECRET)).send();
    let (first, twin) = tokio::join!(send(400), send(400));
    let (first, twin): (Photo, Photo) = (first.expect_json(201), twin.expect_json(201));
    assert_eq!(first, twin);
    assert_eq!(send(400).await.expect_json::<Photo>(201), first);
    send(401).await.expect_problem(422, ErrorCode::KeyReused);
    assert_eq!((files(&hub), home_of(&host, &home).await.photos.len()), (1, 1));
    assert_eq!(plain(&host, Method::DELETE, &format!("{path}{}/", first.id)).send().await.status, 204);
    assert_eq!(send(400).await.expect_json::<Photo>(201), first, "the first answer, although the photo is no more");
    assert_eq!(home_of(&host, &home).await.photos.len(), 0);
}

#[tokio::test]
async fn files_that_nothing_names_are_swept_after_a_while_and_no_others() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let kept = photo(&host, &home, 400).await;
    // What a crash leaves behind: a file that was never named, and one that was never finished.
    let folder = hub.data().join("photos");
    let like = |last: &str| {
        let id = kept.id.to_string();
        format!("{}{last}", &id[..id.len() - 2])
    };
    std::fs::write(folder.join(like("00")), b"orphan").unwrap();
    std::fs::write(folder.join(format!("{}.part", like("01"))), b"half").unwrap();
    std::fs::write(folder.join("notes.txt"), b"not ours").unwrap();
    let sweep = || async { hub.services().photos.sweep().await.unwrap() };
    assert_eq!(sweep().await, 0, "they may be about to be named");
    hub.advance_s(2 * 3_600);
    assert_eq!(sweep().await, 2);
    assert_eq!(files(&hub), 2, "the photo and what is not ours");
    assert_eq!(hub.rest.get(&format!("/photos/{}/", kept.id)).send().await.status, StatusCode::OK);
}
