//! Which payment provider the configuration names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::keys;
use crate::clock::Clock;
use crate::config::{DataArgs, PaymentArgs, ProviderName, Secret, StripeArgs};
use crate::provider::PaymentProvider;
use crate::provider::sandbox::{Journal, Sandbox};
use crate::provider::stripe::{ApiKey, HandList, Payouts, Settings, Stripe};
use crate::provider::webhook::WebhookSecret;

/// The provider, and the sandbox if it is that: it calls back from within this process.
pub(super) struct Chosen {
    pub(super) provider: Arc<dyn PaymentProvider>,
    pub(super) sandbox: Option<Arc<Sandbox>>,
}

/// Opens the provider that is configured.
pub(super) fn provider(args: &PaymentArgs, data: &DataArgs, clock: &Arc<dyn Clock>) -> anyhow::Result<Chosen> {
    match args.provider {
        ProviderName::Sandbox => {
            let configured = args.webhook_secret.as_ref().map(|secret| secret.0.as_str());
            let secret = WebhookSecret::new(&keys::secret(configured, &data.folder, "webhook.key")?);
            let journal = match &args.sandbox_journal {
                Some(shared) => Journal::Shared(shared.clone()),
                None => Journal::Own(data.folder.join("sandbox-provider.jsonl")),
            };
            let sandbox = Sandbox::open(&journal, Arc::clone(clock), secret).context("cannot open the sandbox provider's journal")?;
            Ok(Chosen { provider: Arc::clone(&sandbox) as _, sandbox: Some(sandbox) })
        }
        ProviderName::Stripe => Ok(Chosen { provider: Arc::new(stripe(&args.stripe, data, clock)?), sandbox: None }),
    }
}

fn stripe(args: &StripeArgs, data: &DataArgs, clock: &Arc<dyn Clock>) -> anyhow::Result<Stripe> {
    let key = secret("--stripe-secret-key-file", args.secret_key_file.as_deref(), args.secret_key.as_ref())?;
    let endpoint_secret = secret("--stripe-webhook-secret-file", args.endpoint_secret_file.as_deref(), args.endpoint_secret.as_ref())?;
    anyhow::ensure!(is_safe(&args.api_base), "--stripe-api-base: the key is sent over https only, or to this machine");
    let by_hand = HandList::open(&data.folder.join("payouts-by-hand.jsonl")).context("cannot open the list of payouts")?;
    let payouts = match &args.accounts_file {
        Some(file) => Payouts::Accounts { file: file.clone(), rest: by_hand },
        None => Payouts::ByHand(by_hand),
    };
    let settings = Settings {
        api_base: args.api_base.clone(),
        key: ApiKey::new(&key).context("--stripe-secret-key-file: this is no secret key")?,
        webhook_secret: WebhookSecret::new(endpoint_secret.as_bytes()),
        timeout: Duration::from_millis(u64::from(args.timeout_ms)),
        payouts,
    };
    Stripe::new(settings, Arc::clone(clock)).map_err(anyhow::Error::msg).context("cannot set up TLS for Stripe")
}

/// A secret from its file, or as it is.
fn secret(name: &str, file: Option<&Path>, text: Option<&Secret>) -> anyhow::Result<String> {
    let text = match (file, text) {
        (Some(_), Some(_)) => anyhow::bail!("{name}, or the secret itself, but not both"),
        (Some(file), None) => std::fs::read_to_string(file).with_context(|| format!("{name}: cannot read {}", file.display()))?,
        (None, Some(Secret(text))) => text.clone(),
        (None, None) => anyhow::bail!("{name} is needed with --payment-provider stripe"),
    };
    anyhow::ensure!(!text.trim().is_empty(), "{name}: it is empty");
    Ok(text.trim().to_owned())
}

fn is_safe(base: &str) -> bool {
    let Ok(uri) = base.parse::<http::Uri>() else { return false };
    let is_local = uri.host().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_nowhere_unencrypted_but_to_this_machine() {
        for base in ["https://api.stripe.com", "http://127.0.0.1:80", "http://localhost:12111", "http://[::1]:1"] {
            assert!(is_safe(base), "{base}");
        }
        for base in ["", "api.stripe.com", "http://api.stripe.com", "http://127.0.0.1.example.test", "ftp://localhost", "http://10.0.0.1"] {
            assert!(!is_safe(base), "{base}");
        }
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let given = Secret("sk_test_1".to_owned());
        assert!(secret("--key", Some(&file), None).is_err(), "it is not there");
        std::fs::write(&file, "sk_test_2\n").unwrap();
        assert_eq!(secret("--key", Some(&file), None).unwrap(), "sk_test_2");
        assert_eq!(secret("--key", None, Some(&given)).unwrap(), "sk_test_1");
        assert!(secret("--key", Some(&file), Some(&given)).is_err());
        assert!(secret("--key", None, Some(&Secret(" \n".to_owned()))).is_err());
        assert!(secret("--key", None, None).is_err());
    }
}
