//! Stars, and what many of them come to.

use crate::domain::booking::Party;
use crate::domain::error::Refusal;

/// Stars a guest gives a stay, 1 to 5 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StayRatings {
    /// Altogether.
    pub overall: u8,
    /// How clean it was.
    pub cleanliness: u8,
    /// Whether it was as described.
    pub accuracy: u8,
    /// How easy it was to arrive.
    pub check_in: u8,
    /// How the host answered.
    pub communication: u8,
    /// Where it is.
    pub location: u8,
    /// Whether it was worth its price.
    pub value: u8,
}

/// Stars a host gives a guest, 1 to 5 each. What a home is rated for besides, no guest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestRatings {
    /// Altogether.
    pub overall: u8,
    /// How the home was left.
    pub cleanliness: u8,
    /// How the guest answered.
    pub communication: u8,
    /// Whether they kept to the house rules.
    pub house_rules: u8,
}

/// The stars of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratings {
    /// A guest's.
    Stay(StayRatings),
    /// A host's.
    Guest(GuestRatings),
}

impl Ratings {
    /// Whose they are.
    #[must_use]
    pub const fn by(&self) -> Party {
        match self {
            Self::Stay(_) => Party::Guest,
            Self::Guest(_) => Party::Host,
        }
    }

    /// The stars altogether.
    #[must_use]
    pub const fn overall(&self) -> u8 {
        match self {
            Self::Stay(stay) => stay.overall,
            Self::Guest(guest) => guest.overall,
        }
    }

    /// Checks each one's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        let fault = match self {
            Self::Stay(stay) => stay.named().into_iter().find(is_out_of_range),
            Self::Guest(guest) => guest.named().into_iter().find(is_out_of_range),
        };
        fault.map_or(Ok(()), |(field, _)| Err(Refusal::Invalid { field, reason: "1 to 5" }))
    }

    /// Checks each one's range, and that they are that side's to give.
    ///
    /// # Errors
    /// `Invalid` with the field at fault.
    pub fn validate_by(&self, side: Party) -> Result<(), Refusal> {
        match (self, side) {
            (Self::Stay(_), Party::Guest) | (Self::Guest(_), Party::Host) => self.validate(),
            (Self::Guest(_), Party::Guest) => Err(Refusal::Invalid { field: "ratings", reason: "a guest rates the stay" }),
            (Self::Stay(_), Party::Host) => Err(Refusal::Invalid { field: "ratings", reason: "a host rates the guest" }),
        }
    }
}

const fn is_out_of_range((_, stars): &(&'static str, u8)) -> bool {
    !matches!(*stars, 1..=5)
}

impl StayRatings {
    /// Each with its name on the wire, in the order in which they are stored and summed.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u8); 7] {
        [
            ("overall", self.overall),
            ("cleanliness", self.cleanliness),
            ("accuracy", self.accuracy),
            ("check_in", self.check_in),
            ("communication", self.communication),
            ("location", self.location),
            ("value", self.value),
        ]
    }
}

impl GuestRatings {
    /// Each with its name on the wire, in the order in which they are stored.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u8); 4] {
        [
            ("overall", self.overall),
            ("cleanliness", self.cleanliness),
            ("communication", self.communication),
            ("house_rules", self.house_rules),
        ]
    }
}

/// What the reviews of a home that count add up to: kept as sums, so that adding one and taking it back is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingSums {
    /// How many there are.
    pub count: u32,
    /// The stars of all of them, in the order of [`StayRatings::named`].
    pub stars: [u32; 7],
}

impl RatingSums {
    /// Of a home that nobody has reviewed.
    pub const NONE: Self = Self { count: 0, stars: [0; 7] };

    /// With one more.
    #[must_use]
    pub fn plus(mut self, ratings: &StayRatings) -> Self {
        self.count += 1;
        for (sum, (_, stars)) in self.stars.iter_mut().zip(ratings.named()) {
            *sum += u32::from(stars);
        }
        self
    }

    /// Without one that was counted.
    #[must_use]
    pub fn minus(mut self, ratings: &StayRatings) -> Self {
        self.count -= 1;
        for (sum, (_, stars)) in self.stars.iter_mut().zip(ratings.named()) {
            *sum -= u32::from(stars);
        }
        self
    }

    /// The averages in hundredths of a star, in the order of [`StayRatings::named`]; none if nothing counts.
    #[must_use]
    pub fn averages_hundredths(&self) -> Option<[u16; 7]> {
        let mut averages = [0; 7];
        for (average, sum) in averages.iter_mut().zip(self.stars) {
            *average = average_hundredths(sum.into(), self.count.into())?;
        }
        Some(averages)
    }

    /// The average altogether in hundredths of a star; none if nothing counts.
    #[must_use]
    pub fn overall_hundredths(&self) -> Option<u16> {
        average_hundredths(self.stars[0].into(), self.count.into())
    }
}

/// `sum` stars of `count` reviews as an average in hundredths, rounded half up; none of none.
#[must_use]
pub fn average_hundredths(sum: u64, count: u64) -> Option<u16> {
    let doubled = sum.checked_mul(200)?.checked_add(count)?;
    u16::try_from(doubled.checked_div(count.checked_mul(2)?)?).ok()
}
