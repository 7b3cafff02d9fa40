//! Random command sequences, with the invariants checked after every step against what the database would hold.

mod step;
mod stored;

use latchkey_protocol::CancellationPolicy;
use proptest::prelude::*;

use self::step::{World, step};
use super::*;
use crate::domain::booking::BookingTerms;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn p1_p4_p6_p9_hold_after_every_step_of_any_history(
        is_instant in any::<bool>(),
        policy in prop::sample::select(CancellationPolicy::ALL),
        steps in prop::collection::vec(step(), 1..160),
    ) {
        let mut listing = listing();
        listing.booking_terms = BookingTerms { policy, is_instant };
        listing.terms.rates.service_fee_bp = 1_000;
        listing.terms.rates.tax_bp = 550;
        listing.terms.rates.extra_guest_minor = 1_111;
        let mut world = World::new(Calendar::restore(listing, Leases::default(), 1, vec![], vec![]));
        for (number, step) in steps.into_iter().enumerate() {
            world.take(number, step);
            for run in world.calendar.taken(Date::MIN, Date::MAX) {
                prop_assert!(run.state != NightState::Free);
            }
        }
        world.run_out();
        world.stored.check_closed();
    }
}
