//! Distances on the earth, taken as a sphere, without trigonometry for each home.
//!
//! A place is kept as a point on the unit sphere. The straight line through the earth between two of them grows with the way
//! around it, so comparing squared chords compares distances: three multiplications instead of a haversine, and the same
//! answer. The index and the plain scan both use this.

use crate::domain::place::Location;

/// Mean radius of the earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A place on the unit sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    x: f64,
    y: f64,
    z: f64,
}

impl Point {
    pub(super) fn of(location: Location) -> Self {
        let (latitude, longitude) = (location.latitude().to_radians(), location.longitude().to_radians());
        Self { x: latitude.cos() * longitude.cos(), y: latitude.cos() * longitude.sin(), z: latitude.sin() }
    }

    /// How far apart two places are.
    pub(super) fn chord(self, other: Self) -> Chord {
        let (x, y, z) = (self.x - other.x, self.y - other.y, self.z - other.z);
        Chord(x * x + y * y + z * z)
    }
}

/// The square of the straight line between two points of the unit sphere: 0 to 4.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Chord(f64);

impl Chord {
    /// The chord under an arc of that many metres.
    pub(super) fn of_metres(metres: u32) -> Self {
        let half_line = (f64::from(metres) / EARTH_RADIUS_M / 2.0).min(std::f64::consts::FRAC_PI_2).sin();
        Self(4.0 * half_line * half_line)
    }

    /// The length of the arc over it, in whole metres.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to half the earth's circumference")]
    pub(super) fn metres(self) -> u32 {
        (2.0 * EARTH_RADIUS_M * (self.0.sqrt() / 2.0).min(1.0).asin()).round() as u32
    }

    /// A number that orders as the chord does: the bits of a float that is not negative.
    pub(super) const fn order(self) -> u64 {
        self.0.to_bits()
    }
}

/// Edge of a cell in millionths of a degree: 5.6 km from south to north.
const CELL_E6: i32 = 50_000;

/// Cells around the earth.
const AROUND: i32 = 360_000_000 / CELL_E6;

/// Cells from pole to pole; the north pole itself is one more.
const UPWARD: i32 = 180_000_000 / CELL_E6;

/// A square of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Cell(i32);

impl Cell {
    /// The one that contains a place.
    pub(super) const fn of(location: Location) -> Self {
        let row = (location.latitude_e6() + 90_000_000) / CELL_E6;
        let column = (location.longitude_e6() + 180_000_000) / CELL_E6;
        Self::at(row, column)
    }

    /// 180 degrees east and west are the same line.
    const fn at(row: i32, column: i32) -> Self {
        Self(row * AROUND + column.rem_euclid(AROUND))
    }

    /// Every cell that a circle touches, and perhaps some more; nothing if that is more than `most`.
    pub(super) fn around(centre: Location, radius_m: u32, most: usize) -> Option<Vec<Self>> {
        let angle = f64::from(radius_m) / EARTH_RADIUS_M;
        let reach = degrees_e6(angle);
        let (south, north) = (centre.latitude_e6() - reach, centre.latitude_e6() + reach);
        let sine = angle.sin() / centre.latitude().to_radians().cos();
        let contains_pole = south <= -90_000_000 || north >= 90_000_000 || !sine.is_finite() || sine >= 1.0;
        let row = |latitude_e6: i32| (latitude_e6.clamp(-90_000_000, 90_000_000) + 90_000_000) / CELL_E6;
        let rows = row(south)..=row(north).min(UPWARD);
        let columns = if contains_pole {
            0..=AROUND - 1
        } else {
            let side = degrees_e6(sine.asin());
            let column = |longitude_e6: i32| (longitude_e6 + 180_000_000).div_euclid(CELL_E6);
            let (west, east) = (column(centre.longitude_e6() - side), column(centre.longitude_e6() + side));
            west..=east.min(west + AROUND - 1)
        };
        let count = rows.clone().count().saturating_mul(columns.clone().count());
        (count <= most).then(|| rows.flat_map(|row| columns.clone().map(move |column| Self::at(row, column))).collect())
    }
}

/// An angle in millionths of a degree, rounded up, and a little more for what rounding takes away.
#[allow(clippy::cast_possible_truncation, reason = "at most 180 degrees")]
fn degrees_e6(radians: f64) -> i32 {
    (radians.min(std::f64::consts::PI).to_degrees() * 1e6).ceil() as i32 + 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(latitude: f64, longitude: f64) -> Location {
        Location::from_degrees(latitude, longitude).unwrap()
    }

    /// The textbook's formula (R. W. Sinnott, "Virtues of the Haversine", 1984).
    fn haversine_m(a: Location, b: Location) -> f64 {
        let (la, lb) = (a.latitude().to_radians(), b.latitude().to_radians());
        let (dlat, dlon) = ((lb - la) / 2.0, (b.longitude() - a.longitude()).to_radians() / 2.0);
        let h = dlat.sin().powi(2) + la.cos() * lb.cos() * dlon.sin().powi(2);
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }

    fn anywhere() -> impl Strategy<Value = Location> {
        (-90_000_000..=90_000_000, -180_000_000..=180_000_000)
            .prop_map(|(latitude, longitude)| Location::from_microdegrees(latitude, longitude).unwrap())
    }

    /// Often within a few cells of each other, also across poles and date line.
    fn pair() -> impl Strategy<Value = (Location, Location)> {
        let edge = prop_oneof![Just(90_000_000), Just(-90_000_000), Just(48_200_000), Just(0)];
        let line = prop_oneof![Just(180_000_000), Just(-180_000_000), Just(16_370_000)];
        let step = -200_000..=200_000;
        let close = (edge, line, step.clone(), step.clone(), step.clone(), step).prop_map(|(latitude, longitude, a, b, c, d)| {
            let wrapped = |longitude: i32| (longitude + 180_000_000).rem_euclid(360_000_000) - 180_000_000;
            let at = |a: i32, b: i32| {
                let latitude = (latitude + a).clamp(-90_000_000, 90_000_000);
                Location::from_microdegrees(latitude, wrapped(longitude + b)).unwrap()
            };
            (at(a, b), at(c, d))
        });
        prop_oneof![close, (anywhere(), anywhere())]
    }

    proptest! {
        #[test]
        fn a_distance_is_the_haversines((a, b) in pair()) {
            let (metres, expected) = (f64::from(Point::of(a).chord(Point::of(b)).metres()), haversine_m(a, b));
            // At the antipodes a nanometre of chord is a metre of arc.
            let slack = if expected > 20_000_000.0 { 60.0 } else { 0.6 };
            prop_assert!((metres - expected).abs() <= slack, "{metres} {expected}");
        }

        #[test]
        fn whatever_lies_in_a_circle_lies_in_its_cells((centre, home) in pair(), radius_m in 1u32..600_000) {
            if Point::of(centre).chord(Point::of(home)) <= Chord::of_metres(radius_m)
                && let Some(cells) = Cell::around(centre, radius_m, 100_000)
            {
                prop_assert!(cells.contains(&Cell::of(home)));
            }
        }
    }

    #[test]
    fn a_small_circle_has_few_cells_and_a_large_one_is_not_listed() {
        let vienna = place(48.2, 16.37);
        assert!(Cell::around(vienna, 5_000, 2_000).unwrap().len() <= 16);
        assert_eq!(Cell::around(vienna, 500_000, 2_000), None);
        let cells = Cell::around(place(0.0, 179.999), 20_000, 2_000).unwrap();
        assert!(cells.contains(&Cell::of(place(0.0, -179.99))), "across the date line");
    }
}
