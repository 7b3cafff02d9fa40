//! Payouts: transfers to hosts' connected accounts, or a list for whoever settles by hand.
//!
//! Which account is a host's is configuration: the hub does not take hosts through Stripe's onboarding. Transfers of a booking are a
//! `transfer_group`, each with the number of its movement, so that a movement is found again after Stripe has forgotten its key.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use latchkey_protocol::{BookingId, UserId};
use serde::{Deserialize, Serialize};

use super::amounts::{currency, from_stripe, to_stripe};
use super::client::{Client, Keep};
use super::objects::{List, Metadata, Reversal, Transfer};
use crate::domain::Money;
use crate::provider::{PayOut, ProviderError};

/// The metadata that says which movement of a booking a transfer or reversal is.
const REVISION: &str = "revision";

/// The most that Stripe lists at once; a booking has a few.
const MOST: usize = 100;

/// How hosts are paid.
pub enum Payouts {
    /// To connected accounts.
    Accounts {
        /// A line for each: the host's id, space, `acct_…`. It is read for each payout, so it may be changed while the hub runs.
        file: PathBuf,
        /// For what is to be taken back and was never transferred, since it was paid by hand.
        rest: HandList,
    },
    /// By hand, from a list.
    ByHand(HandList),
}

impl Payouts {
    pub(super) async fn pay_out(&self, client: &Client, pay_out: PayOut) -> Result<(), ProviderError> {
        match self {
            Self::ByHand(list) => list.add(pay_out),
            Self::Accounts { rest, .. } if pay_out.amount.minor < 0 => match take_back(client, pay_out).await? {
                0 => Ok(()),
                left_minor => rest.add(PayOut { amount: Money { minor: -left_minor, ..pay_out.amount }, ..pay_out }),
            },
            Self::Accounts { file, .. } => transfer(client, pay_out, &account_of(file, pay_out.host)?).await,
        }
    }
}

fn account_of(file: &Path, host: UserId) -> Result<String, ProviderError> {
    let text = std::fs::read_to_string(file).map_err(|error| ProviderError::Unreachable(format!("the file of accounts: {error}")))?;
    let host = host.to_string();
    let account = text.lines().filter_map(|line| line.split_once(' ')).find(|(id, _)| *id == host).map(|(_, account)| account.trim());
    account.map(str::to_owned).ok_or_else(|| ProviderError::Refused(format!("host {host} has no connected account")))
}

async fn transfers(client: &Client, booking: BookingId) -> Result<Vec<Transfer>, ProviderError> {
    let query = vec![("transfer_group", booking.to_string()), ("limit", MOST.to_string())];
    whole(client.get("/v1/transfers", &query).await?)
}

fn whole<T>(list: List<T>) -> Result<Vec<T>, ProviderError> {
    // Deciding on a part of them could pay twice.
    if list.has_more { Err(ProviderError::Refused(format!("more than {MOST} movements of one booking"))) } else { Ok(list.data) }
}

fn is_of(metadata: &Metadata, revision: u32) -> bool {
    metadata.0.get(REVISION).is_some_and(|text| *text == revision.to_string())
}

async fn transfer(client: &Client, PayOut { booking, revision, amount, .. }: PayOut, account: &str) -> Result<(), ProviderError> {
    if transfers(client, booking).await?.iter().any(|transfer| is_of(&transfer.metadata, revision)) {
        return Ok(());
    }
    let form = vec![
        ("amount", to_stripe(amount).to_string()),
        ("currency", currency(amount)),
        ("destination", account.to_owned()),
        ("transfer_group", booking.to_string()),
        ("metadata[booking]", booking.to_string()),
        ("metadata[revision]", revision.to_string()),
    ];
    let _: Transfer = client.post_once("/v1/transfers", &form, &format!("tr_{booking}_{revision}"), Keep::Successes).await?;
    Ok(())
}

/// Takes money back from the transfers of a booking, the newest first. Gives how much they fall short, in minor units: the same each time,
/// since no transfer is made before this movement is.
async fn take_back(client: &Client, PayOut { booking, revision, amount, .. }: PayOut) -> Result<i64, ProviderError> {
    let mut left = to_stripe(amount).saturating_neg();
    let transfers = transfers(client, booking).await?;
    let mut reversible = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        let query = vec![("limit", MOST.to_string())];
        let reversals: Vec<Reversal> = whole(client.get(&format!("/v1/transfers/{}/reversals", transfer.id), &query).await?)?;
        let done: i64 = reversals.iter().filter(|reversal| is_of(&reversal.metadata, revision)).map(|reversal| reversal.amount).sum();
        left -= done;
        // What this movement has taken from it before was all that it could.
        reversible.push((transfer.id, if done > 0 { 0 } else { transfer.amount - transfer.amount_reversed }));
    }
    for (transfer, there) in reversible {
        let minor = left.min(there);
        if minor <= 0 {
            continue;
        }
        let form =
            vec![("amount", minor.to_string()), ("metadata[booking]", booking.to_string()), ("metadata[revision]", revision.to_string())];
        let path = format!("/v1/transfers/{transfer}/reversals");
        let _: Reversal = client.post_once(&path, &form, &format!("trr_{booking}_{revision}_{transfer}"), Keep::Successes).await?;
        left -= minor;
    }
    Ok(from_stripe(left, &currency(amount)))
}

/// A line of the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    booking: BookingId,
    revision: u32,
    host: UserId,
    /// In minor units; negative: the host owes it.
    amount_minor: i64,
    currency: String,
}

/// The list of payouts that somebody settles by hand: one JSON object a line, each movement once.
pub struct HandList(Mutex<Listed>);

struct Listed {
    file: std::fs::File,
    movements: HashSet<(BookingId, u32)>,
}

impl HandList {
    /// Opens or begins the list.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let text = std::io::read_to_string(&file)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // A crash cut the last line: that movement was not acknowledged, and comes again on a line of its own.
            file.write_all(b"\n")?;
        }
        // A line that is synced is of no use in a file that a power cut takes back.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()?;
        let movements = text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(|line: Line| (line.booking, line.revision));
        Ok(Self(Mutex::new(Listed { movements: movements.collect(), file })))
    }

    fn add(&self, pay_out: PayOut) -> Result<(), ProviderError> {
        self.write(pay_out).map_err(|error| ProviderError::Unreachable(format!("the list of payouts: {error}")))
    }

    fn write(&self, PayOut { booking, host, revision, amount }: PayOut) -> std::io::Result<()> {
        // A panic while it was locked leaves it as it was.
        let mut listed = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if listed.movements.contains(&(booking, revision)) {
            return Ok(());
        }
        let line = Line { booking, revision, host, amount_minor: amount.minor, currency: amount.currency.to_string() };
        let line = serde_json::to_string(&line)? + "\n";
        listed.file.write_all(line.as_bytes())?;
        listed.file.sync_all()?;
        listed.movements.insert((booking, revision));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payout_by_hand_is_listed_once_also_after_a_crash_that_cut_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("payouts.jsonl");
        let pay_out = |revision, minor| PayOut {
            booking: BookingId::from_bytes([1; 16]),
            host: UserId::from_bytes([2; 16]),
            revision,
            amount: Money { minor, currency: "EUR".parse().unwrap() },
        };
        let list = HandList::open(&path).unwrap();
        for _ in 0..2 {
            list.add(pay_out(1, 20_000)).unwrap();
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"booking\"")).unwrap();
        let again = HandList::open(&path).unwrap();
        again.add(pay_out(1, 20_000)).unwrap();
        again.add(pay_out(2, -5_000)).unwrap();
        let lines: Vec<Line> = std::fs::read_to_string(&path).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(lines.iter().map(|line| (line.revision, line.amount_minor)).collect::<Vec<_>>(), [(1, 20_000), (2, -5_000)]);
    }

    #[test]
    fn a_host_without_an_account_is_not_paid_to_somebody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("accounts");
        let (host, other) = (UserId::from_bytes([2; 16]), UserId::from_bytes([3; 16]));
        assert!(matches!(account_of(&file, host), Err(ProviderError::Unreachable(_))));
        std::fs::write(&file, format!("{host} acct_1\n")).unwrap();
        assert_eq!(account_of(&file, host), Ok("acct_1".to_owned()));
        assert!(matches!(account_of(&file, other), Err(ProviderError::Refused(_))));
    }
}
