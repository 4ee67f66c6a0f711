//! Tag rules, ConTest's own (specs/contest.md 1.8; `golden/contest/http-examples/start-badtag.txt`).

use thiserror::Error;

/// Tags with this prefix are set by the server only.
pub const INTERNAL_TAG_PREFIX: &str = "_";

/// Why a tag, or a list of tags, is refused; the text is ConTest's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TagError {
    /// Not of the form `[a-zA-Z0-9_-]+`.
    #[error("\"{0}\" is not a valid tag")]
    Invalid(String),
    /// Internal, and the caller may not set internal tags.
    #[error("\"{0}\" is an internal tag and is not allowed")]
    Internal(String),
    /// Twice in one list.
    #[error("duplicate tag \"{0}\"")]
    Duplicate(String),
}

/// Whether only the server may set this tag.
#[must_use]
pub fn is_internal_tag(tag: &str) -> bool {
    tag.starts_with(INTERNAL_TAG_PREFIX)
}

/// Checks the form of one tag: `[a-zA-Z0-9_-]+`, internal only when allowed.
///
/// # Errors
/// [`TagError::Invalid`] or [`TagError::Internal`].
pub fn is_valid_tag(tag: &str, allow_internal: bool) -> Result<(), TagError> {
    let form = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if tag.is_empty() || !tag.bytes().all(form) {
        return Err(TagError::Invalid(tag.to_owned()));
    }
    if !allow_internal && is_internal_tag(tag) {
        return Err(TagError::Internal(tag.to_owned()));
    }
    Ok(())
}

/// Checks each tag of a list and that none stands there twice; the first wrong one is named.
///
/// # Errors
/// The [`TagError`] of the first tag that is wrong.
pub fn check_tags<T: AsRef<str>>(tags: &[T], allow_internal: bool) -> Result<(), TagError> {
    let mut seen = std::collections::HashSet::with_capacity(tags.len());
    for tag in tags {
        let tag = tag.as_ref();
        is_valid_tag(tag, allow_internal)?;
        if !seen.insert(tag) {
            return Err(TagError::Duplicate(tag.to_owned()));
        }
    }
    Ok(())
}

/// Adds each of `more` that is not in `tags` yet, in order.
pub fn add_tags<T: AsRef<str>>(tags: &mut Vec<String>, more: &[T]) {
    for tag in more {
        if !tags.iter().any(|have| have == tag.as_ref()) {
            tags.push(tag.as_ref().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tags_are_refused_in_contests_words() {
        let text = |tags: &[&str]| check_tags(tags, false).unwrap_err().to_string();
        assert_eq!(text(&["a bad one"]), "\"a bad one\" is not a valid tag");
        assert_eq!(text(&["_a"]), "\"_a\" is an internal tag and is not allowed");
        assert_eq!(text(&["q", "q"]), "duplicate tag \"q\"");
        assert_eq!(text(&[""]), "\"\" is not a valid tag");
        assert!(check_tags(&["_a", "A-1_b"], true).is_ok());
    }

    #[test]
    fn adding_keeps_what_is_there_once() {
        let mut tags = vec!["a".to_owned()];
        add_tags(&mut tags, &["b", "a", "b"]);
        assert_eq!(tags, ["a", "b"]);
    }
}
