//! Secrets: from the configuration, or made up once and kept in the data folder for its owner only.

pub(super) mod ring;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::durable::{OWNER_ONLY, write_whole};
use crate::entropy;

/// Shortest secret, in bytes: as long as the hash it keys (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// The configured secret, or the one in `data/name`, which is made if it is not there.
pub(super) fn secret(configured: Option<&str>, data: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    if let Some(secret) = configured {
        anyhow::ensure!(secret.len() >= MIN_BYTES, "a secret must be {MIN_BYTES} bytes or longer");
        return Ok(secret.as_bytes().to_vec());
    }
    let path = data.join(name);
    match std::fs::read(&path) {
        Ok(secret) if secret.len() >= MIN_BYTES => return Ok(secret),
        Ok(_) => anyhow::bail!("{} is not a secret of {MIN_BYTES} bytes: delete it to have a new one made", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let secret = entropy::secret()?;
    write_whole(&path, OWNER_ONLY, |file| file.write_all(&secret)).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let made = secret(None, dir.path(), "token.key").unwrap();
        assert_eq!(secret(None, dir.path(), "token.key").unwrap(), made);
        let mode = std::fs::metadata(dir.path().join("token.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(secret(None, dir.path(), "webhook.key").unwrap(), made);
        assert!(secret(Some("short"), dir.path(), "token.key").is_err());
        std::fs::write(dir.path().join("token.key"), b"cut").unwrap();
        assert!(secret(None, dir.path(), "token.key").is_err());
    }
}
