//! Closed lists of words that are the same on the wire, in the domain and in the database.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that is not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a word of this list")
    }
}

impl std::error::Error for UnknownWord {}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl $name {
            /// Every word, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The word as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($text => Ok(Self::$word),)*
                    _ => Err(UnknownWord),
                }
            }
        }
    };
}

words! {
    /// What a home offers. New words are added at the end: the database stores words, memory a bit for each.
    Amenity {
        /// Wireless internet.
        Wifi = "wifi",
        /// A kitchen to cook in.
        Kitchen = "kitchen",
        /// A washing machine.
        Washer = "washer",
        /// A tumble dryer.
        Dryer = "dryer",
        /// Cooling.
        AirConditioning = "air_conditioning",
        /// Heating.
        Heating = "heating",
        /// A desk and a chair to work at.
        Workspace = "workspace",
        /// A television.
        Tv = "tv",
        /// A hair dryer.
        HairDryer = "hair_dryer",
        /// An iron and a board.
        Iron = "iron",
        /// Towels, bed linen, soap and toilet paper.
        Essentials = "essentials",
        /// A dishwasher.
        Dishwasher = "dishwasher",
        /// A coffee maker.
        CoffeeMaker = "coffee_maker",
        /// A parking place that costs nothing more.
        FreeParking = "free_parking",
        /// A charger for an electric car.
        EvCharger = "ev_charger",
        /// A swimming pool.
        Pool = "pool",
        /// A hot tub.
        HotTub = "hot_tub",
        /// A sauna.
        Sauna = "sauna",
        /// Something to exercise with.
        Gym = "gym",
        /// A garden.
        Garden = "garden",
        /// A balcony or terrace.
        Balcony = "balcony",
        /// A barbecue.
        Barbecue = "barbecue",
        /// A fireplace or stove.
        Fireplace = "fireplace",
        /// A cot for a small child.
        Cot = "cot",
        /// A high chair for a small child.
        HighChair = "high_chair",
        /// A lift to its floor.
        Lift = "lift",
        /// No step on the way in or inside.
        StepFree = "step_free",
        /// An entrance of its own.
        PrivateEntrance = "private_entrance",
        /// Guests let themselves in.
        SelfCheckIn = "self_check_in",
        /// A smoke alarm.
        SmokeAlarm = "smoke_alarm",
        /// A carbon monoxide alarm.
        CarbonMonoxideAlarm = "carbon_monoxide_alarm",
        /// A first-aid kit.
        FirstAidKit = "first_aid_kit",
        /// By the sea or a lake.
        Waterfront = "waterfront",
    }
}

words! {
    /// A day of the week.
    Weekday {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

words! {
    /// What a guest gets back who calls a confirmed booking off; listing-local times.
    CancellationPolicy {
        /// Everything until 24 hours before check-in.
        Flexible = "flexible",
        /// Everything until 5 days before check-in.
        Moderate = "moderate",
        /// Everything until 14 days before check-in, half of the nights until 7 days before.
        Limited = "limited",
        /// Everything until 30 days before check-in, half of the nights until 7 days before.
        Firm = "firm",
        /// Half of the nights until 7 days before check-in.
        Strict = "strict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_is_written_as_serde_writes_it() {
        for word in Amenity::ALL {
            assert_eq!(word.as_str().parse(), Ok(*word));
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{}\"", word.as_str()));
        }
        for day in Weekday::ALL {
            assert_eq!(day.as_str().parse(), Ok(*day));
            assert_eq!(serde_json::to_string(day).unwrap(), format!("\"{}\"", day.as_str()));
        }
        for policy in CancellationPolicy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(*policy));
        }
        assert_eq!("wi-fi".parse::<Amenity>(), Err(UnknownWord));
    }

    #[test]
    fn each_amenity_has_a_bit_of_a_word_of_64() {
        assert!(Amenity::ALL.len() <= 64);
        for (index, word) in Amenity::ALL.iter().enumerate() {
            assert_eq!(*word as usize, index, "a bit's number is the word's place in the list");
        }
    }
}
