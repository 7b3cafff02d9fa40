//! Demo data: hosts, guests and homes in three cities, made by the same services as everybody's.

use latchkey_protocol::rest::{CreateProperty, Login, Register};
use latchkey_protocol::view::{Coordinates, Season};
use latchkey_protocol::{Amenity, Date};

use crate::service::accounts::Origin;
use crate::service::{IdempotencyKey, ServiceError, Services};

/// The password of every demo account.
pub const PASSWORD: &str = "latchkey-demo";

/// A demo host and their homes.
struct Host {
    name: &'static str,
    city: &'static str,
    country: &'static str,
    time_zone: &'static str,
    currency: &'static str,
    homes: [Home; 2],
}

/// A demo home: prices in minor units, days in summer dearer by half.
struct Home {
    title: &'static str,
    at: (f64, f64),
    nightly_minor: i64,
    weekend_minor: i64,
    cleaning_fee_minor: i64,
    amenities: &'static [Amenity],
    min_nights: u16,
    preparation_days: u16,
}

const HOSTS: [Host; 3] = [
    Host {
        name: "helga",
        city: "Vienna",
        country: "AT",
        time_zone: "Europe/Vienna",
        currency: "EUR",
        homes: [
            Home {
                title: "Attic near the Naschmarkt",
                at: (48.1985, 16.3634),
                nightly_minor: 9_800,
                weekend_minor: 11_500,
                cleaning_fee_minor: 3_000,
                amenities: &[Amenity::Wifi, Amenity::Kitchen, Amenity::Heating, Amenity::Workspace, Amenity::Lift],
                min_nights: 1,
                preparation_days: 0,
            },
            Home {
                title: "Garden flat in Grinzing",
                at: (48.2560, 16.3430),
                nightly_minor: 14_500,
                weekend_minor: 16_500,
                cleaning_fee_minor: 4_500,
                amenities: &[Amenity::Wifi, Amenity::Kitchen, Amenity::Garden, Amenity::FreeParking, Amenity::Barbecue, Amenity::Cot],
                min_nights: 2,
                preparation_days: 1,
            },
        ],
    },
    Host {
        name: "hugo",
        city: "Lisbon",
        country: "PT",
        time_zone: "Europe/Lisbon",
        currency: "EUR",
        homes: [
            Home {
                title: "Tiled house in Alfama",
                at: (38.7117, -9.1300),
                nightly_minor: 8_200,
                weekend_minor: 9_900,
                cleaning_fee_minor: 2_500,
                amenities: &[Amenity::Wifi, Amenity::Kitchen, Amenity::AirConditioning, Amenity::Balcony, Amenity::SelfCheckIn],
                min_nights: 1,
                preparation_days: 0,
            },
            Home {
                title: "River view in Belém",
                at: (38.6970, -9.2060),
                nightly_minor: 11_900,
                weekend_minor: 13_900,
                cleaning_fee_minor: 3_500,
                amenities: &[Amenity::Wifi, Amenity::Washer, Amenity::Waterfront, Amenity::StepFree, Amenity::Pool],
                min_nights: 2,
                preparation_days: 1,
            },
        ],
    },
    Host {
        name: "hana",
        city: "Kyoto",
        country: "JP",
        time_zone: "Asia/Tokyo",
        currency: "JPY",
        homes: [
            Home {
                title: "Machiya in Gion",
                at: (35.0037, 135.7750),
                nightly_minor: 18_000,
                weekend_minor: 22_000,
                cleaning_fee_minor: 6_000,
                amenities: &[Amenity::Wifi, Amenity::Kitchen, Amenity::AirConditioning, Amenity::PrivateEntrance, Amenity::Essentials],
                min_nights: 1,
                preparation_days: 0,
            },
            Home {
                title: "Bamboo cottage in Arashiyama",
                at: (35.0170, 135.6720),
                nightly_minor: 24_000,
                weekend_minor: 28_000,
                cleaning_fee_minor: 8_000,
                amenities: &[Amenity::Wifi, Amenity::Garden, Amenity::HotTub, Amenity::FreeParking, Amenity::Fireplace],
                min_nights: 2,
                preparation_days: 1,
            },
        ],
    },
];

/// Demo guests.
const GUESTS: [&str; 4] = ["ada", "bob", "cleo", "dan"];

/// The address of a demo account.
fn email(name: &str) -> String {
    format!("{name}@demo.test")
}

/// Adds what is not there yet, and prints the accounts.
///
/// # Errors
/// If the database takes no writes.
pub async fn seed(services: &Services) -> Result<(), ServiceError> {
    let origin = Origin::default();
    for name in HOSTS.iter().map(|host| host.name).chain(GUESTS) {
        let ask = Register { email: email(name), password: PASSWORD.to_owned(), name: capitalised(name) };
        match services.accounts.register(ask, &origin).await {
            Ok(_) | Err(ServiceError::AlreadyRegistered) => {}
            Err(error) => return Err(error),
        }
    }
    println!("demo accounts, password {PASSWORD}");
    for host in HOSTS {
        let tokens = services.accounts.log_in(Login { email: email(host.name), password: PASSWORD.to_owned() }, &origin).await?;
        let caller = services.accounts.authenticate(&tokens.access_token)?;
        services.accounts.become_host(&caller, &origin).await?;
        println!("  host  {:<18} {}", email(host.name), host.city);
        for (number, home) in host.homes.iter().enumerate() {
            // The key makes it once, however often the demo is started.
            let key = IdempotencyKey::new(&format!("demo-{number}"))?;
            match services.listings.create(&caller, key, home.ask(&host)).await {
                Ok(property) => println!("        {}  {}", property.id, home.title),
                // Made by an earlier version, which said less about it.
                Err(ServiceError::KeyReused) => println!("        {}", home.title),
                Err(error) => return Err(error),
            }
        }
    }
    for name in GUESTS {
        println!("  guest {}", email(name));
    }
    Ok(())
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Home {
    fn ask(&self, host: &Host) -> CreateProperty {
        CreateProperty {
            description: format!("{}. Made up for the demo, like everybody who stays here.", self.title),
            country: Some(host.country.to_owned()),
            location: Some(Coordinates { latitude: self.at.0, longitude: self.at.1 }),
            amenities: self.amenities.to_vec(),
            house_rules: "Quiet after ten.".to_owned(),
            weekend_minor: Some(self.weekend_minor),
            weekly_discount_bp: 500,
            monthly_discount_bp: 2_000,
            cleaning_fee_minor: self.cleaning_fee_minor,
            included_guests: Some(2),
            extra_guest_minor: self.nightly_minor / 10,
            tax_bp: 320,
            min_nights: self.min_nights,
            max_nights: 28,
            preparation_days: self.preparation_days,
            seasons: summers(self.nightly_minor * 3 / 2),
            publish: true,
            ..CreateProperty::new(self.title, host.city, host.time_zone, 4, host.currency, self.nightly_minor)
        }
    }
}

/// July and August of the years to come.
fn summers(nightly_minor: i64) -> Vec<Season> {
    let day = |year, month| Date::from_year_month_day(year, month, 1).expect("every year has these days");
    let season = |year| Season {
        from: day(year, 7),
        to: day(year, 9),
        min_nights: None,
        max_nights: None,
        nightly_minor: Some(nightly_minor),
        weekend_minor: None,
    };
    (2027..=2030).map(season).collect()
}
