//! Amazon's file of credentials: sections of names and values, one section a profile.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::fetch::read_file;

/// The longest file.
const LONGEST: u64 = 1 << 20;

/// Who we are.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    /// Nobody gets to see the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads a profile; without a name that of the environment or `default`, likewise for the file. Blocks.
    pub(super) fn read(file: &str, profile: &str) -> Result<Credentials, String> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let usual = || env("HOME").map(|home| format!("{home}/.aws/credentials"));
        let file = given(file).or_else(|| env("AWS_SHARED_CREDENTIALS_FILE")).or_else(usual);
        let file =
            PathBuf::from(file.ok_or("there is no file of credentials, and no HOME to look for one in")?);
        let profile = given(profile).or_else(|| env("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let bytes = read_file(&file, LONGEST)
            .map_err(|why| format!("SharedCredsLoad: failed to load shared credentials file: {why}"))?;
        let failed = |why: String| format!("SharedCredsAccess: {why} in {}", file.display());
        parse(&String::from_utf8_lossy(&bytes), &profile).map_err(failed)
    }
}

fn parse(text: &str, profile: &str) -> Result<Credentials, String> {
    let mut found: Option<HashMap<&str, &str>> = None;
    let mut is_ours = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            is_ours = name.trim().trim_start_matches("profile ").trim() == profile;
            if is_ours {
                found.get_or_insert_default();
            }
        } else if let (true, Some((name, value)), Some(found)) = (is_ours, line.split_once('='), &mut found) {
            found.insert(name.trim(), value.trim());
        }
    }
    let found = found.ok_or_else(|| format!("there is no profile {profile}"))?;
    let given =
        |name: &str| found.get(name).filter(|value| !value.is_empty()).map(|value| (*value).to_owned());
    let needed = |name: &str| given(name).ok_or_else(|| format!("the profile {profile} has no {name}"));
    Ok(Credentials {
        key_id: needed("aws_access_key_id")?,
        secret: needed("aws_secret_access_key")?,
        token: given("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_among_others() {
        let text = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=S/=\n\n[lab]\naws_access_key_id=B\n\
                    aws_secret_access_key = T\naws_session_token = U\n";
        let found = parse(text, "lab").unwrap();
        assert_eq!(
            (found.key_id.as_str(), found.secret.as_str(), found.token.as_deref()),
            ("B", "T", Some("U"))
        );
        let found = parse(text, "default").unwrap();
        assert_eq!((found.secret.as_str(), found.token), ("S/=", None));
        assert_eq!(parse(text, "none").unwrap_err(), "there is no profile none");
        let half = parse("[p]\naws_access_key_id=A\n", "p").unwrap_err();
        assert_eq!(half, "the profile p has no aws_secret_access_key");
        assert!(!format!("{:?}", parse(text, "lab").unwrap()).contains('T'));
    }
}
