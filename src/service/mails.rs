//! Mails: a letter is given to whoever sends it, under a name and a date that stay the same however often its job is run.

use std::sync::Arc;

use super::ServiceError;
use crate::clock::Clock;
use crate::domain::job::{Failure, Job};
use crate::domain::mail::Letter;
use crate::provider::mail::{Envelope, MailError, Mailer};

/// Sends letters.
pub struct Mails {
    mailer: Arc<dyn Mailer>,
    clock: Arc<dyn Clock>,
}

/// How long letters are kept that were sent as files: they hold names, addresses, tokens.
const KEPT_MS: i64 = 7 * 86_400_000;

impl Mails {
    /// By this mailer.
    #[must_use]
    pub fn new(mailer: Arc<dyn Mailer>, clock: Arc<dyn Clock>) -> Self {
        Self { mailer, clock }
    }

    /// Sends the letter that a job owes. Run again after a crash it is sent twice, with one Message-ID; as a file it is written twice, and is
    /// one file.
    ///
    /// # Errors
    /// What failed, and whether trying again can help.
    pub async fn send(&self, job: &Job, letter: Letter) -> Result<(), Failure> {
        let envelope = Envelope { letter, message: job.id.key.clone(), at: job.created_at.epoch_ms() };
        self.mailer.send(envelope).await.map_err(|error| match error {
            MailError::Temporary(reason) => Failure { reason, is_permanent: false },
            MailError::Permanent(reason) => Failure { reason, is_permanent: true },
        })
    }

    /// Removes letters that were sent as files a week ago; gives how many.
    ///
    /// # Errors
    /// What failed; what was removed until then stays so.
    pub async fn sweep(&self) -> Result<usize, ServiceError> {
        self.mailer.forget_before(self.clock.now() - KEPT_MS).await.map_err(|error| ServiceError::Unavailable(error.to_string()))
    }
}

/// What an error of a service means for a job: it is tried again.
impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let reason = match error {
            ServiceError::Provider(error) => error.to_string(),
            // The code: an error's text may hold what a person wrote.
            other => other.to_wire().code.as_str().to_owned(),
        };
        Self { reason, is_permanent: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ProviderError;

    #[test]
    fn a_job_keeps_why_the_payment_provider_refused_and_of_other_errors_the_code() {
        let reason = |error| Failure::from(error).reason;
        let refused = ProviderError::Refused("invalid_request_error balance_insufficient (request req_1)".to_owned());
        let expected = "payment provider refuses: invalid_request_error balance_insufficient (request req_1)";
        assert_eq!(reason(ServiceError::Provider(refused)), expected);
        assert_eq!(reason(ServiceError::Unavailable("canary".to_owned())), "unavailable");
    }
}
