//! What the hub acknowledged to us, as JSON lines: the clients' own memory, kept outside the hub.
//!
//! A line is written when its acknowledgement arrives and flushed at once, so whatever happens to the hub afterwards (P2),
//! the file says what it promised. The first line names the run and its invented users; another process can log in as them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use latchkey_protocol::{ClaimId, Date, EpochMs, PropertyId, Seq};
use serde::{Deserialize, Serialize};

use crate::account::Credentials;
use crate::plan::Stay;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first line.
    Run(Run),
    /// A hold was acknowledged.
    Hold { guest: usize, hold: ClaimId, property: PropertyId, check_in: Date, check_out: Date, expires_at: EpochMs, seq: Seq },
    /// Its booking was acknowledged.
    Booking { booking: ClaimId, expires_at: Option<EpochMs> },
    /// The guest's inbox said that it is confirmed.
    Confirmed { booking: ClaimId },
}

/// Which run, and who took part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its name.
    pub(crate) name: String,
    /// Its seed.
    pub(crate) seed: u64,
    /// Guests by number.
    pub(crate) guests: Vec<Credentials>,
    /// Its homes.
    pub(crate) properties: Vec<PropertyId>,
}

/// A claim as far as the hub acknowledged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Whose, by number.
    pub(crate) guest: usize,
    /// On which home.
    pub(crate) property: PropertyId,
    /// Which nights.
    pub(crate) stay: Stay,
    /// When the claim ends by itself, unless it is confirmed.
    pub(crate) expires_at: EpochMs,
    /// Whether its booking was acknowledged.
    pub(crate) booked: bool,
    /// Whether it was seen confirmed.
    pub(crate) confirmed: bool,
}

impl Claim {
    /// Whether the claim owns its nights at `now`, by what the hub acknowledged.
    pub(crate) const fn is_live(&self, now: EpochMs) -> bool {
        self.confirmed || now < self.expires_at
    }
}

/// All records of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// The first line.
    pub(crate) run: Run,
    /// Claims by id.
    pub(crate) claims: BTreeMap<ClaimId, Claim>,
}

impl History {
    /// Reads a file; `None` if there is none, or nothing in it.
    ///
    /// # Errors
    /// A line that is no record. Only the last one may be torn: we may have been killed while writing it.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let lines = BufReader::new(file).split(b'\n').collect::<Result<Vec<_>, _>>().context("reading records")?;
        Self::from_lines(&lines)
    }

    fn from_lines(lines: &[Vec<u8>]) -> Result<Option<Self>> {
        let mut history = Self::default();
        for (index, line) in lines.iter().enumerate() {
            match serde_json::from_slice::<Record>(line) {
                Ok(record) => history.apply(record).with_context(|| format!("line {}", index + 1))?,
                Err(_) if index + 1 == lines.len() => {}
                Err(error) => bail!("line {} is no record: {error}", index + 1),
            }
        }
        Ok((!history.run.guests.is_empty()).then_some(history))
    }

    /// Adds one record.
    ///
    /// # Errors
    /// A booking without its hold.
    fn apply(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Run(run) => self.run = run,
            Record::Hold { guest, hold, property, check_in, check_out, expires_at, seq: _ } => {
                let stay = Stay { check_in, check_out };
                self.claims.insert(hold, Claim { guest, property, stay, expires_at, booked: false, confirmed: false });
            }
            Record::Booking { booking, expires_at } => {
                let claim = self.claim(booking)?;
                claim.booked = true;
                claim.expires_at = expires_at.unwrap_or(claim.expires_at);
            }
            Record::Confirmed { booking } => self.claim(booking)?.confirmed = true,
        }
        Ok(())
    }

    fn claim(&mut self, id: ClaimId) -> Result<&mut Claim> {
        self.claims.get_mut(&id).with_context(|| format!("booking {id} without its hold"))
    }

    /// Nights that two acknowledged claims own at `now`.
    pub(crate) fn nights_owned_twice(&self, now: EpochMs) -> Vec<String> {
        let mut owners = HashMap::new();
        let mut broken = Vec::new();
        for (id, claim) in self.claims.iter().filter(|(_, claim)| claim.is_live(now)) {
            for night in claim.stay.nights() {
                if let Some(other) = owners.insert((claim.property, night), id) {
                    broken.push(format!("{night} is acknowledged to {other} and to {id}"));
                }
            }
        }
        broken
    }
}

/// Collects records while a run goes on.
#[derive(Debug)]
pub(crate) struct Recorder {
    history: Mutex<History>,
    file: Option<Mutex<File>>,
}

impl Recorder {
    /// Records in memory and, if there is a path, in that file.
    ///
    /// # Errors
    /// The file cannot be created.
    pub(crate) fn create(path: Option<&Path>) -> Result<Self> {
        let create = |path: &Path| File::create(path).with_context(|| format!("creating {}", path.display()));
        Ok(Self { history: Mutex::default(), file: path.map(create).transpose()?.map(Mutex::new) })
    }

    /// Writes one record down.
    ///
    /// # Errors
    /// The file cannot be written, or a booking has no hold.
    pub(crate) fn note(&self, record: Record) -> Result<()> {
        if let Some(file) = &self.file {
            let mut line = serde_json::to_vec(&record).context("writing a record")?;
            line.push(b'\n');
            // One write per line: a kill tears at most the last one.
            file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).context("writing a record")?;
        }
        self.history.lock().unwrap_or_else(PoisonError::into_inner).apply(record)
    }

    /// Everything written down so far.
    pub(crate) fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i32) -> Date {
        Date::from_epoch_day(number).unwrap()
    }

    fn run() -> Record {
        let guests = vec![Credentials::invent("race", "r", "0")];
        Record::Run(Run { name: "r".to_owned(), seed: 1, guests, properties: vec![PropertyId::from_bytes([1; 16])] })
    }

    fn hold(number: u8, from: i32, to: i32) -> Record {
        let (hold, property) = (ClaimId::from_bytes([number; 16]), PropertyId::from_bytes([1; 16]));
        Record::Hold { guest: 0, hold, property, check_in: day(from), check_out: day(to), expires_at: 1_000, seq: 2 }
    }

    fn lines(records: &[Record]) -> Vec<Vec<u8>> {
        records.iter().map(|record| serde_json::to_vec(record).unwrap()).collect()
    }

    #[test]
    fn a_history_reads_back_what_a_run_wrote() {
        let booking = ClaimId::from_bytes([1; 16]);
        let records = [run(), hold(1, 5, 7), Record::Booking { booking, expires_at: Some(2_000) }, Record::Confirmed { booking }];
        let history = History::from_lines(&lines(&records)).unwrap().unwrap();
        let claim = &history.claims[&booking];
        assert!(claim.booked && claim.confirmed && claim.expires_at == 2_000);
        assert_eq!(history.run.guests.len(), 1);
    }

    #[test]
    fn a_torn_last_line_is_ignored_and_any_other_refused() {
        let mut torn = lines(&[run(), hold(1, 5, 7), hold(2, 8, 9)]);
        torn[2].truncate(20);
        assert_eq!(History::from_lines(&torn).unwrap().unwrap().claims.len(), 1);
        torn.swap(1, 2);
        assert!(History::from_lines(&torn).is_err());
    }

    #[test]
    fn a_file_without_a_run_is_no_history() {
        assert!(History::from_lines(&[]).unwrap().is_none());
        assert!(History::from_lines(&[Vec::new()]).unwrap().is_none());
    }

    #[test]
    fn a_night_with_two_live_claims_is_noticed_until_one_has_lapsed() {
        let booking = ClaimId::from_bytes([1; 16]);
        let records = [run(), hold(1, 5, 7), hold(2, 6, 8), Record::Booking { booking, expires_at: None }, Record::Confirmed { booking }];
        let history = History::from_lines(&lines(&records)).unwrap().unwrap();
        assert_eq!(history.nights_owned_twice(999).len(), 1);
        assert!(history.nights_owned_twice(1_000).is_empty());
    }

    #[test]
    fn a_recorder_flushes_every_line() {
        let path = std::env::temp_dir().join(format!("loadtest-records-{}", std::process::id()));
        let recorder = Recorder::create(Some(&path)).unwrap();
        recorder.note(run()).unwrap();
        recorder.note(hold(1, 5, 7)).unwrap();
        let read = History::read(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.claims, recorder.history().claims);
        assert!(History::read(&path).unwrap().is_none());
    }
}
