//! A home that is let: what it is, where it stands in its life, and who may see it.

use latchkey_protocol::{Date, PhotoId, PropertyId, UserId};

use super::amenity::Amenities;
use super::booking::BookingTerms;
use super::error::Refusal;
use super::photo::{MAX_PHOTOS, Photo};
use super::place::{Country, Location};
use super::review::RatingSums;
use super::stay::Stay;
use super::terms::Terms;
use super::time::Timestamp;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// The headline of a home whose host was erased.
const ERASED_TITLE: &str = "Deleted home";

/// Where a home is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListingState {
    /// Being written; only its host sees it.
    Draft,
    /// For everybody.
    Published,
    /// Taken back; what is booked goes on living.
    Unlisted,
    /// Gone for everybody; kept for the bookings of the past.
    Deleted,
}

impl ListingState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Unlisted => "unlisted",
            Self::Deleted => "deleted",
        }
    }
}

/// What guests may and may not do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct HouseRules {
    /// In the host's words.
    pub text: String,
    /// Animals may come.
    pub pets_allowed: bool,
    /// Smoking is allowed inside.
    pub smoking_allowed: bool,
    /// Parties are allowed.
    pub parties_allowed: bool,
    /// Children may come.
    pub children_allowed: bool,
}

/// When guests come and go, in minutes of the local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Guests may arrive from then on.
    pub check_in_from: u16,
    /// Guests must arrive by then, if there is an end.
    pub check_in_until: Option<u16>,
    /// Guests must have left by then.
    pub check_out_until: u16,
}

impl Default for Hours {
    fn default() -> Self {
        Self { check_in_from: 15 * 60, check_in_until: None, check_out_until: 11 * 60 }
    }
}

/// What guests read about a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Headline.
    pub title: String,
    /// The whole story.
    pub text: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: Option<Country>,
    /// Street and number: for the host, and for guests whose booking is confirmed.
    pub address: Option<String>,
    /// Where it is; a home is not published without.
    pub location: Option<Location>,
    /// Rooms to sleep in.
    pub bedrooms: u16,
    /// Beds.
    pub beds: u16,
    /// Bathrooms.
    pub bathrooms: u16,
    /// What it offers.
    pub amenities: Amenities,
    /// What guests may do.
    pub house_rules: HouseRules,
    /// When they come and go.
    pub hours: Hours,
}

/// A listed home.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Its id.
    pub id: PropertyId,
    /// Who lets it.
    pub host: UserId,
    /// Where it is in its life.
    pub state: ListingState,
    /// Counts its changes, from 1.
    pub version: i64,
    /// What guests read.
    pub description: Description,
    /// On which terms it is let.
    pub terms: Terms,
    /// On which terms bookings are made from now on.
    pub booking_terms: BookingTerms,
    /// Pictures, in order.
    pub photos: Vec<Photo>,
    /// What its guests' reviews add up to. Changes with them, and with nothing that the host does.
    pub ratings: RatingSums,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Most homes of one host that are not deleted.
pub const MAX_HOMES: u64 = 500;

/// Whether a host who has so many homes may list another.
///
/// # Errors
/// `InvalidState` beyond [`MAX_HOMES`].
pub const fn may_list_another(homes: u64) -> Result<(), Refusal> {
    if homes >= MAX_HOMES {
        return Err(Refusal::InvalidState { state: "500_homes" });
    }
    Ok(())
}

impl Description {
    /// A headline and a city, and nothing else yet.
    #[must_use]
    pub fn new(title: String, city: String) -> Self {
        Self {
            title,
            text: String::new(),
            city,
            country: None,
            address: None,
            location: None,
            bedrooms: 1,
            beds: 1,
            bathrooms: 1,
            amenities: Amenities::default(),
            house_rules: HouseRules { children_allowed: true, ..HouseRules::default() },
            hours: Hours::default(),
        }
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        let check = |is_right, field, reason| if is_right { Ok(()) } else { Err(Refusal::Invalid { field, reason }) };
        let length = |text: &str| text.trim().chars().count();
        let is_minute = |minute: u16| minute < DAY_MINUTES;
        let hours = &self.hours;
        check((1..=120).contains(&length(&self.title)), "title", "1 to 120 characters")?;
        check(length(&self.text) <= 5_000, "description", "at most 5000 characters")?;
        check((1..=80).contains(&length(&self.city)), "city", "1 to 80 characters")?;
        check(self.address.as_ref().is_none_or(|text| (1..=200).contains(&length(text))), "address", "1 to 200 characters")?;
        for (field, count) in [("bedrooms", self.bedrooms), ("beds", self.beds), ("bathrooms", self.bathrooms)] {
            check(count <= 50, field, "0 to 50")?;
        }
        check(length(&self.house_rules.text) <= 2_000, "house_rules", "at most 2000 characters")?;
        check(is_minute(hours.check_in_from), "check_in_from_minute", "0 to 1439")?;
        let until = hours.check_in_until.is_none_or(|until| is_minute(until) && until > hours.check_in_from);
        check(until, "check_in_until_minute", "after check_in_from_minute, to 1439")?;
        check(is_minute(hours.check_out_until), "check_out_until_minute", "0 to 1439")
    }
}

impl Listing {
    /// A draft.
    #[must_use]
    pub const fn new(id: PropertyId, host: UserId, description: Description, terms: Terms, now: Timestamp) -> Self {
        let state = ListingState::Draft;
        Self {
            id,
            host,
            state,
            version: 1,
            description,
            terms,
            booking_terms: BookingTerms::DEFAULT,
            photos: Vec::new(),
            ratings: RatingSums::NONE,
            created_at: now,
            updated_at: now,
        }
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        self.description.validate()?;
        self.terms.validate()?;
        match self.state {
            ListingState::Published if self.description.location.is_none() => {
                Err(Refusal::Invalid { field: "location", reason: "a home is not published without" })
            }
            ListingState::Draft | ListingState::Published | ListingState::Unlisted | ListingState::Deleted => Ok(()),
        }
    }

    /// Whether `viewer`, or somebody unknown, may see it: everybody while it is published, its host until it is deleted.
    #[must_use]
    pub fn is_visible_to(&self, viewer: Option<UserId>) -> bool {
        match self.state {
            ListingState::Published => true,
            ListingState::Draft | ListingState::Unlisted => viewer == Some(self.host),
            ListingState::Deleted => false,
        }
    }

    /// The local date at `now`.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Date {
        self.terms.today(now)
    }

    /// Whether the rules allow such a stay, decided at `now`; whether the nights are free is the calendar's business.
    ///
    /// # Errors
    /// As [`Terms::accepts`].
    pub fn accepts(&self, stay: Stay, guests: u16, now: Timestamp) -> Result<(), Refusal> {
        self.terms.accepts(stay, guests, self.terms.today(now))
    }

    /// For everybody from now on.
    ///
    /// # Errors
    /// `InvalidState` unless it is a draft or unlisted; `Invalid` if something is missing.
    pub fn publish(self) -> Result<Self, Refusal> {
        match self.state {
            ListingState::Draft | ListingState::Unlisted => {
                let published = Self { state: ListingState::Published, ..self };
                published.validate().map(|()| published)
            }
            ListingState::Published | ListingState::Deleted => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// Taken back from everybody but its host.
    ///
    /// # Errors
    /// `InvalidState` unless it is published.
    pub fn unlist(self) -> Result<Self, Refusal> {
        match self.state {
            ListingState::Published => Ok(Self { state: ListingState::Unlisted, ..self }),
            ListingState::Draft | ListingState::Unlisted | ListingState::Deleted => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// Gone for everybody, with its pictures and its address.
    ///
    /// # Errors
    /// `InvalidState` if it is gone already.
    pub fn delete(self) -> Result<Self, Refusal> {
        match self.state {
            ListingState::Draft | ListingState::Published | ListingState::Unlisted => {
                let description = Description { address: None, ..self.description };
                Ok(Self { state: ListingState::Deleted, photos: Vec::new(), description, ..self })
            }
            ListingState::Deleted => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// Without anything that its host has written or shown, and gone for everybody; said again, it changes nothing.
    #[must_use]
    pub fn erase(self) -> Self {
        let house_rules = HouseRules { text: String::new(), ..self.description.house_rules };
        let description = Description {
            title: ERASED_TITLE.to_owned(),
            text: String::new(),
            address: None,
            location: None,
            house_rules,
            ..self.description
        };
        Self { state: ListingState::Deleted, photos: Vec::new(), description, ..self }
    }

    /// With one more picture, the last.
    ///
    /// # Errors
    /// `InvalidState` if there are [`MAX_PHOTOS`].
    pub fn add_photo(mut self, photo: Photo) -> Result<Self, Refusal> {
        if self.photos.len() >= MAX_PHOTOS {
            return Err(Refusal::InvalidState { state: "30_photos" });
        }
        self.photos.push(photo);
        Ok(self)
    }

    /// With its pictures in this order.
    ///
    /// # Errors
    /// `Invalid` unless each of its pictures is named once.
    pub fn order_photos(mut self, order: &[PhotoId]) -> Result<Self, Refusal> {
        let invalid = Refusal::Invalid { field: "photos", reason: "each of the home's photos once" };
        if order.len() != self.photos.len() {
            return Err(invalid);
        }
        let mut ordered = Vec::with_capacity(order.len());
        for id in order {
            let index = self.photos.iter().position(|photo| photo.id == *id).ok_or(invalid)?;
            ordered.push(self.photos.swap_remove(index));
        }
        Ok(Self { photos: ordered, ..self })
    }

    /// With another caption under a picture.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn caption_photo(mut self, id: PhotoId, caption: Option<String>) -> Result<Self, Refusal> {
        let photo = self.photos.iter_mut().find(|photo| photo.id == id).ok_or(Refusal::NotFound)?;
        photo.caption = caption;
        Ok(self)
    }

    /// Without a picture.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn remove_photo(mut self, id: PhotoId) -> Result<Self, Refusal> {
        let index = self.photos.iter().position(|photo| photo.id == id).ok_or(Refusal::NotFound)?;
        self.photos.remove(index);
        Ok(self)
    }
}
