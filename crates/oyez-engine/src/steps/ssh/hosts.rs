//! Which keys a host is known by: OpenSSH's files of known hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), with hashed
//! names, patterns and revoked keys. Certificates of hosts are not among what is understood.

use std::path::PathBuf;

use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{Algorithm, HashAlg, PublicKey, parse_public_key_base64};

use crate::fetch::read_file;

/// The longest file that is read.
const LONGEST: u64 = 16 << 20;

/// The keys of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    /// As it stands in the files: `[host]:2222` when the port is not 22.
    name: String,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

/// The user's own file, and the system's.
pub(super) fn usual_files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let own = home.map(|home| PathBuf::from(home).join(".ssh/known_hosts"));
    own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
}

impl KnownHosts {
    /// Reads the files; one that is not there knows nobody, unless it must be there.
    pub(super) fn read(
        files: &[PathBuf],
        host: &str,
        port: u16,
        must_exist: bool,
    ) -> Result<KnownHosts, String> {
        let host = host.to_ascii_lowercase();
        let name = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        let mut known = KnownHosts { name, ..KnownHosts::default() };
        for file in files {
            if !must_exist && !file.exists() {
                continue;
            }
            let bytes = read_file(file, LONGEST).map_err(|why| format!("cannot read known hosts: {why}"))?;
            for line in String::from_utf8_lossy(&bytes).lines() {
                known.line(line);
            }
            // Names that are hashed, which only a hash of ours can find.
            let hashed = known_host_keys_path(&host, port, file);
            known.keys.extend(hashed.into_iter().flatten().map(|(_, key)| key));
        }
        Ok(known)
    }

    /// A line with names in plain text: `[@MARKER] NAMES TYPE KEY`.
    fn line(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        let (Some(names), Some(_), Some(key)) = (words.next(), words.next(), words.next()) else { return };
        if names.starts_with(['#', '|']) || !self.is_named(names) {
            return;
        }
        let Ok(key) = parse_public_key_base64(key) else { return };
        match marker {
            None => self.keys.push(key),
            Some("@revoked") => self.revoked.push(key),
            Some(_) => {}
        }
    }

    fn is_named(&self, names: &str) -> bool {
        let mut found = false;
        for pattern in names.split(',') {
            match pattern.strip_prefix('!') {
                Some(pattern) if fits(&pattern.to_ascii_lowercase(), &self.name) => return false,
                Some(_) => {}
                None => found |= fits(&pattern.to_ascii_lowercase(), &self.name),
            }
        }
        found
    }

    /// Whether a key of this algorithm is known.
    pub(super) fn has(&self, algorithm: &Algorithm) -> bool {
        // An RSA key is one key, whatever it signs with.
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        self.keys
            .iter()
            .any(|key| key.algorithm() == *algorithm || (is_rsa(&key.algorithm()) && is_rsa(algorithm)))
    }

    /// Whether this is a key of the host; if not, why, and what to do.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), String> {
        let same = |known: &PublicKey| known.key_data() == key.key_data();
        let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        if self.revoked.iter().any(same) {
            return Err(format!("the key of {} ({shown}) is revoked", self.name));
        }
        if self.keys.iter().any(same) {
            return Ok(());
        }
        match self.keys.is_empty() {
            true => Err(format!(
                "host key verification failed: {} is not known by any key ({shown}); add it to known_hosts \
                 (ssh-keyscan), or set check_host_key to false",
                self.name
            )),
            false => Err(format!(
                "host key verification failed: {} is known by another key than {shown}: it may be another machine; \
                 if not, take the old key out of known_hosts",
                self.name
            )),
        }
    }
}

/// OpenSSH's patterns: `*` is any text, `?` any letter.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                // The last star takes one letter more.
                Some((at, taken)) => {
                    *taken += 1;
                    (p, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH+T1GJFV5tV1oMyq4iYW64D3xEpytIX0Ru3QQMoUCO9";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMXQA1H9hrq4Nmm0auRbnJXxlA8Ok+V+aZVJvK+GnxWs";

    fn key(line: &str) -> PublicKey {
        parse_public_key_base64(line.split(' ').nth(1).unwrap()).unwrap()
    }

    fn known(text: &str, host: &str, port: u16) -> KnownHosts {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, text).unwrap();
        KnownHosts::read(&[file], host, port, true).unwrap()
    }

    #[test]
    fn a_host_is_known_by_its_name_its_port_or_a_pattern() {
        for (names, host, port) in [
            ("h", "h", 22),
            ("g,H", "h", 22),
            ("[h]:2222", "h", 2222),
            ("*.lab", "a.b.lab", 22),
            ("10.0.0.?", "10.0.0.7", 22),
            ("[::1]:2222", "::1", 2222),
        ] {
            let known = known(&format!("# x\n\n{names} {A} comment\n"), host, port);
            assert_eq!(known.check(&key(A)), Ok(()), "{names}");
            assert!(known.has(&Algorithm::Ed25519) && !known.has(&Algorithm::Rsa { hash: None }));
        }
        for (names, host, port) in [("h", "h", 2222), ("*.lab,!b.lab", "b.lab", 22), ("hh", "h", 22)] {
            let why = known(&format!("{names} {A}\n"), host, port).check(&key(A)).unwrap_err();
            assert!(why.contains("is not known by any key"), "{names}: {why}");
        }
    }

    #[test]
    fn a_name_that_is_hashed_is_found() {
        // As `ssh-keygen -H` wrote it.
        let text = format!("|1|MZij/KcpCGBELhVCPLC7P1u7a3k=|2EXQvR7+dzlBW8ULYGLfDATvNVI= {A}\n");
        assert_eq!(known(&text, "example.com", 22).check(&key(A)), Ok(()));
        assert!(known(&text, "example.org", 22).check(&key(A)).is_err());
    }

    #[test]
    fn another_key_and_a_revoked_one_are_refused() {
        let other = known(&format!("h {A}\n"), "h", 22).check(&key(B)).unwrap_err();
        assert!(other.contains("h is known by another key than ssh-ed25519 SHA256:"), "{other}");
        assert_eq!(known(&format!("h {A}\nh {B}\n"), "h", 22).check(&key(B)), Ok(()));
        let revoked = known(&format!("h {A}\n@revoked * {A}\n"), "h", 22).check(&key(A)).unwrap_err();
        assert!(revoked.contains("is revoked"), "{revoked}");
        assert!(known(&format!("@cert-authority * {A}\n"), "h", 22).check(&key(A)).is_err());
    }

    #[test]
    fn only_a_file_that_was_asked_for_must_be_there() {
        let missing = [PathBuf::from("/no/such/file")];
        assert!(KnownHosts::read(&missing, "h", 22, false).is_ok());
        assert!(KnownHosts::read(&missing, "h", 22, true).unwrap_err().contains("no such file"));
    }
}
