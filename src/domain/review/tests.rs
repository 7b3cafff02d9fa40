//! Every pair of state and command, and what stars add up to.

use super::*;

const COMPLETED: Timestamp = Timestamp::from_epoch_ms(1_790_000_000_000);
const UNTIL: Timestamp = COMPLETED.plus_ms(WRITING_MS);
const GUEST: UserId = UserId::from_bytes([1; 16]);
const HOST: UserId = UserId::from_bytes([2; 16]);
const STRANGER: UserId = UserId::from_bytes([3; 16]);

fn stars(overall: u8) -> StayRatings {
    StayRatings { overall, cleanliness: 5, accuracy: 4, check_in: 3, communication: 2, location: 1, value: 5 }
}

fn sealed() -> Review {
    Review {
        id: ReviewId::from_bytes([4; 16]),
        booking: BookingId::from_bytes([5; 16]),
        property: PropertyId::from_bytes([6; 16]),
        guest: GUEST,
        host: HOST,
        ratings: Ratings::Stay(stars(4)),
        text: "Quiet.".to_owned(),
        state: ReviewState::Sealed { until: UNTIL },
        reply: None,
        hidden: None,
        version: 1,
        created_at: COMPLETED,
    }
}

fn published() -> Review {
    sealed().publish(true, COMPLETED).unwrap()
}

#[test]
fn each_pair_of_state_and_command_leads_where_the_table_says_or_is_refused() {
    const OPEN: ReviewState = ReviewState::Open { until: UNTIL };
    const SEALED: ReviewState = ReviewState::Sealed { until: UNTIL };
    const PUBLISHED: ReviewState = ReviewState::Published { at: COMPLETED };
    let before = UNTIL.plus_ms(-1);
    let late = Refusal::Expired { expires_at: UNTIL };
    let early = Refusal::TooEarly { from: UNTIL };
    let state = |state| Refusal::InvalidState { state };
    // State, when, and what comes of: submitting, revising, publishing both, publishing one.
    let rows = [
        (OPEN, before, [Ok("sealed"), Err(state("open")), Err(state("open")), Err(state("open"))]),
        (OPEN, UNTIL, [Err(late), Err(state("open")), Err(state("open")), Err(state("open"))]),
        (SEALED, before, [Err(state("sealed")), Ok("sealed"), Ok("published"), Err(early)]),
        (SEALED, UNTIL, [Err(state("sealed")), Err(late), Ok("published"), Ok("published")]),
        (PUBLISHED, before, [Err(state("published")); 4]),
        (PUBLISHED, UNTIL, [Err(state("published")); 4]),
    ];
    for (state, now, expected) in rows {
        let found = [state.submit(now), state.revise(now), state.publish(true, now), state.publish(false, now)];
        assert_eq!(found.map(|after| after.map(ReviewState::name)), expected, "{state:?} at {now:?}");
    }
}

#[test]
fn a_reply_and_moderation_belong_to_what_is_published() {
    let now = COMPLETED.plus_ms(1);
    let state = |state| Some(Refusal::InvalidState { state });
    let replied = published().answer(HOST, "Thanks", now).unwrap();
    let hidden = published().hide(ModerationReason::Spam, now).unwrap();
    // What it is, and how it refuses: the host's reply, hiding, showing.
    let rows = [
        (sealed(), [Some(Refusal::NotFound), state("sealed"), state("sealed")]),
        (published(), [None, None, state("published")]),
        (replied, [state("replied"), None, state("published")]),
        (hidden, [Some(Refusal::NotFound), state("hidden"), None]),
    ];
    for (review, expected) in rows {
        let found = [
            review.clone().answer(HOST, "Thanks", now).err(),
            review.clone().hide(ModerationReason::Fake, now).err(),
            review.clone().show().err(),
        ];
        assert_eq!(found, expected, "{review:?}");
    }
}

#[test]
fn only_whom_it_is_about_replies_and_only_for_thirty_days() {
    let end = COMPLETED.plus_ms(REPLYING_MS);
    let by_host =
        Review { ratings: Ratings::Guest(GuestRatings { overall: 5, cleanliness: 5, communication: 5, house_rules: 5 }), ..published() };
    let rows = [
        (published(), HOST, end.plus_ms(-1), None),
        (published(), HOST, end, Some(Refusal::Expired { expires_at: end })),
        (published(), GUEST, COMPLETED, Some(Refusal::NotYours)),
        (published(), STRANGER, COMPLETED, Some(Refusal::NotYours)),
        (by_host.clone(), GUEST, COMPLETED, None),
        (by_host, HOST, COMPLETED, Some(Refusal::NotYours)),
    ];
    for (review, by, now, refusal) in rows {
        assert_eq!(review.answer(by, "Thanks", now).err(), refusal, "{by} at {now:?}");
    }
}

#[test]
fn a_review_is_its_authors_alone_until_it_is_published_and_while_it_is_hidden() {
    let hidden = published().hide(ModerationReason::Offensive, COMPLETED).unwrap();
    let shown = hidden.clone().show().unwrap();
    for (review, is_public) in [(sealed(), false), (published(), true), (hidden, false), (shown, true)] {
        assert!(review.is_visible_to(Some(GUEST)));
        for other in [None, Some(HOST), Some(STRANGER)] {
            assert_eq!(review.is_visible_to(other), is_public, "{review:?} {other:?}");
        }
        assert_eq!(review.counts(), is_public);
    }
}

#[test]
fn stars_are_one_to_five_and_each_side_gives_its_own() {
    let field = |checked: Result<(), Refusal>| match checked {
        Ok(()) => None,
        Err(Refusal::Invalid { field, .. }) => Some(field),
        Err(other) => panic!("{other:?}"),
    };
    let guest = Ratings::Guest(GuestRatings { overall: 5, cleanliness: 5, communication: 5, house_rules: 6 });
    assert_eq!(field(Ratings::Stay(stars(1)).validate()), None);
    assert_eq!(field(Ratings::Stay(stars(5)).validate()), None);
    assert_eq!(field(Ratings::Stay(stars(0)).validate()), Some("overall"));
    assert_eq!(field(Ratings::Stay(stars(6)).validate()), Some("overall"));
    assert_eq!(field(Ratings::Stay(StayRatings { value: 0, ..stars(5) }).validate()), Some("value"));
    assert_eq!(field(guest.validate()), Some("house_rules"));
    assert_eq!(field(Ratings::Stay(stars(5)).validate_by(Party::Host)), Some("ratings"));
    assert_eq!(field(guest.validate_by(Party::Guest)), Some("ratings"));
}

#[test]
fn a_text_has_a_character_and_at_most_as_many_as_it_may() {
    let long = "é".repeat(MAX_TEXT_CHARS);
    let revise = |text: &str| sealed().revise(Ratings::Stay(stars(5)), text, COMPLETED).map(|review| review.text.chars().count());
    assert_eq!(revise(&long), Ok(MAX_TEXT_CHARS));
    assert_eq!(revise("  x \n"), Ok(1));
    for text in [String::new(), " \n ".to_owned(), format!("{long}é")] {
        assert!(matches!(revise(&text), Err(Refusal::Invalid { field: "text", .. })), "{}", text.len());
    }
    let reply = "x".repeat(MAX_REPLY_CHARS + 1);
    assert!(matches!(published().answer(HOST, &reply, COMPLETED), Err(Refusal::Invalid { field: "text", .. })));
    assert!(published().answer(HOST, &reply[1..], COMPLETED).is_ok());
}

#[test]
fn an_erased_user_leaves_stars_and_no_words() {
    let review = published().answer(HOST, "Thanks", COMPLETED).unwrap();
    let without_guest = review.clone().without_words_of(GUEST).unwrap();
    assert_eq!((without_guest.text.as_str(), without_guest.reply.clone().unwrap().text.as_str()), ("", "Thanks"));
    let without_host = review.clone().without_words_of(HOST).unwrap();
    assert_eq!((without_host.text.as_str(), without_host.reply.unwrap().text.as_str()), ("Quiet.", ""));
    assert_eq!(without_guest.ratings, review.ratings);
    assert_eq!(without_guest.without_words_of(GUEST), None, "twice changes nothing");
    assert_eq!(review.without_words_of(STRANGER), None);
}

#[test]
fn averages_are_rounded_half_up_to_a_hundredth() {
    for (sum, count, expected) in [(0, 0, None), (5, 1, Some(500)), (14, 3, Some(467)), (13, 3, Some(433)), (801, 200, Some(401))] {
        assert_eq!(average_hundredths(sum, count), expected, "{sum} of {count}");
    }
    let sums = RatingSums::NONE.plus(&stars(5)).plus(&stars(4));
    assert_eq!(sums.averages_hundredths(), Some([450, 500, 400, 300, 200, 100, 500]));
    assert_eq!(sums.minus(&stars(5)).minus(&stars(4)), RatingSums::NONE);
    assert_eq!(RatingSums::NONE.averages_hundredths(), None);
}
