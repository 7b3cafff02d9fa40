//! Demo data: hosts, guests and homes in three cities, made by the same services as everybody's.

use latchkey_protocol::rest::{CreateProperty, Login, Register};
use latchkey_protocol::view::Coordinates;

use crate::service::accounts::Origin;
use crate::service::{IdempotencyKey, ServiceError, Services};

/// The password of every demo account.
pub const PASSWORD: &str = "latchkey-demo";

/// A demo host and their homes, each as title, nightly and cleaning price in minor units.
struct Host {
    name: &'static str,
    city: &'static str,
    time_zone: &'static str,
    currency: &'static str,
    homes: [(&'static str, i64, i64); 2],
}

const HOSTS: [Host; 3] = [
    Host {
        name: "helga",
        city: "Vienna",
        time_zone: "Europe/Vienna",
        currency: "EUR",
        homes: [("Attic near the Naschmarkt", 9_800, 3_000), ("Garden flat in Grinzing", 14_500, 4_500)],
    },
    Host {
        name: "hugo",
        city: "Lisbon",
        time_zone: "Europe/Lisbon",
        currency: "EUR",
        homes: [("Tiled house in Alfama", 8_200, 2_500), ("River view in Belém", 11_900, 3_500)],
    },
    Host {
        name: "hana",
        city: "Kyoto",
        time_zone: "Asia/Tokyo",
        currency: "JPY",
        homes: [("Machiya in Gion", 18_000, 6_000), ("Bamboo cottage in Arashiyama", 24_000, 8_000)],
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
    for Host { name, city, time_zone, currency, homes } in HOSTS {
        let tokens = services.accounts.log_in(Login { email: email(name), password: PASSWORD.to_owned() }, &origin).await?;
        let caller = services.accounts.authenticate(&tokens.access_token)?;
        services.accounts.become_host(&caller, &origin).await?;
        println!("  host  {:<18} {city}", email(name));
        for (number, (title, nightly_minor, cleaning_fee_minor)) in homes.into_iter().enumerate() {
            // The key makes it once, however often the demo is started.
            let key = IdempotencyKey::new(&format!("demo-{number}"))?;
            let ask = CreateProperty {
                location: Some(Coordinates { latitude: 48.2, longitude: 16.37 }),
                cleaning_fee_minor,
                max_nights: 28,
                publish: true,
                ..CreateProperty::new(title, city, time_zone, 4, currency, nightly_minor)
            };
            let property = services.listings.create(&caller, key, ask).await?;
            println!("        {}  {title}", property.id);
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
