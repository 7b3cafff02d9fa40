//! Homes as rows: everything reads back, and what an earlier version stored is read as it was meant.

use surrealdb::types::SurrealValue as _;

use super::*;
use crate::domain::block::Block;
use crate::domain::listing::{Hours, HouseRules, ListingState};
use crate::domain::photo::{ImageKind, Photo};
use crate::domain::terms::{Season, Seasons};
use crate::domain::{Amenity, Claim, PhotoId, Weekday};
use crate::store::database::variables;
use crate::store::rows::StoredId as _;

/// A home with something in every field.
fn full(number: u16) -> Listing {
    let mut home = listing(number);
    let about = &mut home.description;
    (about.text, about.country, about.address) = ("Long".to_owned(), Some("AT".parse().unwrap()), Some("Gasse 1".to_owned()));
    (about.bedrooms, about.beds, about.bathrooms) = (2, 3, 0);
    about.amenities = [Amenity::Wifi, Amenity::Waterfront].into_iter().collect();
    about.house_rules =
        HouseRules { text: "Quiet".to_owned(), pets_allowed: true, smoking_allowed: false, parties_allowed: true, children_allowed: false };
    about.hours = Hours { check_in_from: 1, check_in_until: Some(1_439), check_out_until: 0 };
    let rates = &mut home.terms.rates;
    (rates.weekend_minor, rates.weekly_discount_bp, rates.monthly_discount_bp) = (Some(12_000), 100, 200);
    (rates.cleaning_fee_minor, rates.included_guests, rates.extra_guest_minor, rates.tax_bp, rates.service_fee_bp) = (5, 2, 300, 400, 500);
    let rules = &mut home.terms.rules;
    (rules.min_nights, rules.advance_notice_days, rules.booking_window_days, rules.preparation_days) = (2, 1, 300, 3);
    rules.check_in_days = [Weekday::Saturday].into_iter().collect();
    rules.check_out_days = [Weekday::Saturday, Weekday::Sunday].into_iter().collect();
    let today = home.today(now());
    let season = |from: i32, nightly_minor, min_nights| Season {
        from: today.saturating_add(from),
        to: today.saturating_add(from + 9),
        min_nights,
        max_nights: None,
        nightly_minor,
        weekend_minor: None,
    };
    home.terms.seasons = Seasons::new(vec![season(20, Some(9), None), season(0, None, Some(4))]).unwrap();
    let id = PhotoId::from_bytes(id(number));
    let caption = Some("View".to_owned());
    home.photos = vec![Photo { id, kind: ImageKind::Webp, width_px: 400, height_px: 500, bytes: 600, caption, created_at: now() }];
    home
}

#[tokio::test]
async fn a_home_with_something_in_every_field_reads_back_and_is_replaced_whole() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let home = full(1);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.listing(home.id).await.unwrap(), Some(home.clone()), "{engine}");
        let changed = Listing { state: ListingState::Unlisted, version: 2, created_at: home.created_at, ..listing(1) };
        let set = ChangeSet {
            writes: vec![Write::SetListing(Box::new(changed.clone())), Write::AddPhoto(home.photos[0].id, home.id)],
            events: vec![event(Topic::Property(home.id), Some(2))],
            ..ChangeSet::default()
        };
        bench.store.commit(set, Lane::Normal).await.unwrap();
        assert_eq!(bench.store.listing(home.id).await.unwrap(), Some(changed), "{engine}");
        assert_eq!(bench.store.listings_page(home.host, None, 9).await.unwrap().len(), 1);
        assert!(bench.store.listings_page(home.host, Some(home.id), 9).await.unwrap().is_empty());
        assert!(bench.store.published_ids().await.unwrap().is_empty());
        let asked = [home.photos[0].id, PhotoId::from_bytes(id(77))];
        assert_eq!(bench.store.photos_named(&asked).await.unwrap(), [home.photos[0].id]);
    }
}

#[tokio::test]
async fn a_home_of_an_earlier_version_is_published_and_can_be_changed() {
    let bench = bench("surrealkv").await;
    let home = listing(1);
    let text = "INSERT INTO property { id: $id, host: $host, title: 'Cottage', city: 'Vienna', time_zone: 'Europe/Vienna', max_guests: 4, \
                currency: 'EUR', nightly_minor: 10000, cleaning_fee_minor: 700, min_nights: 2, max_nights: 30, created_at: 5 } RETURN NONE; \
                INSERT INTO event { id: [$topic, 1], kind: 'property.listed', at: 5, data: '{}' } RETURN NONE";
    let row = variables([
        ("id", home.id.to_uuid().into_value()),
        ("host", home.host.to_uuid().into_value()),
        ("topic", Topic::Property(home.id).to_string().into_value()),
    ]);
    bench.store.database().query(text, row).await.unwrap().check().unwrap();
    let old = bench.store.listing(home.id).await.unwrap().unwrap();
    assert_eq!((old.state, old.version, old.updated_at), (ListingState::Published, 1, Timestamp::from_epoch_ms(5)));
    assert_eq!((old.terms.rates.cleaning_fee_minor, old.terms.rules.min_nights, old.terms.rates.included_guests), (700, 2, 4));
    assert_eq!(bench.store.published_ids().await.unwrap(), [home.id]);
    assert_eq!(bench.store.listings_page(home.host, None, 9).await.unwrap(), std::slice::from_ref(&old));
    let state = bench.store.calendar(home.id, Date::MIN, Date::MAX).await.unwrap().unwrap();
    let calendar = Calendar::restore(state.listing, Leases::default(), state.seq, state.nights, state.claims);
    let decision = calendar.unlist(home.host, now()).unwrap();
    let set = ChangeSet { writes: decision.changes.writes, events: vec![event(Topic::Property(home.id), Some(2))], ..ChangeSet::default() };
    bench.store.commit(set, Lane::Normal).await.unwrap();
    let read = bench.store.listing(home.id).await.unwrap().unwrap();
    assert_eq!(read, Listing { state: ListingState::Unlisted, version: 2, updated_at: read.updated_at, ..old });
}

#[tokio::test]
async fn a_block_reads_back_with_the_calendar_it_takes_nights_of() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let home = listing(1);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        let calendar = Calendar::restore(home.clone(), Leases::default(), 1, vec![], vec![]);
        let today = home.today(now());
        let claim = ClaimId::from_bytes(id(50));
        let ask = crate::domain::calendar::BlockNights { claim, from: today, to: today.saturating_add(3), note: Some("roof") };
        let decision = calendar.block(home.host, &ask, now()).unwrap();
        let block: Block = decision.outcome;
        let set =
            ChangeSet { writes: decision.changes.writes, events: vec![event(Topic::Property(home.id), Some(2))], ..ChangeSet::default() };
        bench.store.commit(set, Lane::Normal).await.unwrap();
        let state = bench.store.calendar(home.id, Date::MIN, Date::MAX).await.unwrap().unwrap();
        assert_eq!(state.claims, [Claim::Blocked(Box::new(block))], "{engine}");
        assert_eq!(state.nights.len(), 3);
    }
}
