//! Options of payment providers. Secrets are in files, or in the environment; they are not shown.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The payment providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderName {
    /// In this process, with test methods; no money moves
    Sandbox,
    /// Stripe: see --stripe-secret-key-file and --stripe-webhook-secret-file
    Stripe,
}

/// Who moves the money.
#[derive(Debug, Clone, Args)]
pub struct PaymentArgs {
    /// Who moves the money; a data folder should stay with one, since payments are known only there
    #[arg(long = "payment-provider", env = "LATCHKEY_PAYMENT_PROVIDER", value_name = "NAME", default_value = "sandbox")]
    pub provider: ProviderName,

    /// Secret that the sandbox's webhooks are signed with [default: made up once, in the data folder]
    #[arg(long, env = "LATCHKEY_WEBHOOK_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub webhook_secret: Option<Secret>,

    /// Journal of the sandbox, which many nodes on one machine can share [default: one in the data folder]
    #[arg(long, env = "LATCHKEY_SANDBOX_JOURNAL", value_name = "FILE")]
    pub sandbox_journal: Option<PathBuf>,

    /// With Stripe.
    #[command(flatten)]
    pub stripe: StripeArgs,
}

/// How Stripe is asked.
#[derive(Debug, Clone, Args)]
pub struct StripeArgs {
    /// File with Stripe's secret key, or a restricted key that may write PaymentIntents, refunds and transfers
    #[arg(long = "stripe-secret-key-file", env = "LATCHKEY_STRIPE_SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,

    /// The key itself; rather by its environment variable than in a command that others can see
    #[arg(long = "stripe-secret-key", env = "LATCHKEY_STRIPE_SECRET_KEY", value_name = "TEXT", hide_env_values = true)]
    pub secret_key: Option<Secret>,

    /// File with the secret of the webhook endpoint whose address is /webhooks/payments/
    #[arg(long = "stripe-webhook-secret-file", env = "LATCHKEY_STRIPE_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub endpoint_secret_file: Option<PathBuf>,

    /// That secret itself
    #[arg(long = "stripe-webhook-secret", env = "LATCHKEY_STRIPE_WEBHOOK_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub endpoint_secret: Option<Secret>,

    /// File with hosts' connected accounts, a line for each: the host's id, a space, acct_…
    /// [default: none, payouts are listed in the data folder's payouts-by-hand.jsonl for whoever settles them]
    #[arg(long = "stripe-accounts-file", env = "LATCHKEY_STRIPE_ACCOUNTS_FILE", value_name = "FILE")]
    pub accounts_file: Option<PathBuf>,

    /// How long one request to Stripe may take, in milliseconds
    #[arg(long = "stripe-timeout-ms", env = "LATCHKEY_STRIPE_TIMEOUT_MS", value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=30_000))]
    pub timeout_ms: u32,

    /// Where Stripe's API is: https, or a stand-in on this machine
    #[arg(long = "stripe-api-base", env = "LATCHKEY_STRIPE_API_BASE", value_name = "URL", default_value = "https://api.stripe.com")]
    pub api_base: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret("sk_test_canary".to_owned())), "(secret)");
    }
}
