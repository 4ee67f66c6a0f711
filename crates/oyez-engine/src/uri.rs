//! URIs as ConTest's plugins read them: with the rules of Go's `url.Parse`, by which a plain path is a URI as well.

use std::fmt;
use std::path::PathBuf;

/// A URI, taken apart as far as our plugins look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    text: String,
    scheme: String,
    host: String,
    path: Vec<u8>,
}

impl Uri {
    /// Reads one.
    ///
    /// # Errors
    /// Go's text: `parse "%zz": invalid URL escape "%zz"`.
    pub fn parse(text: &str) -> Result<Uri, String> {
        take_apart(text).map_err(|why| format!("parse {text:?}: {why}"))
    }

    /// Its scheme in lower case; empty for a plain path.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands before its path: host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its path without escapes, as a file's name. A relative one is relative to where this process runs.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        use std::os::unix::ffi::OsStringExt as _;
        PathBuf::from(std::ffi::OsString::from_vec(self.path.clone()))
    }
}

impl fmt::Display for Uri {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn take_apart(text: &str) -> Result<Uri, String> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let whole = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = scheme(whole)?;
    let rest = rest.split('?').next().unwrap_or_default();
    let uri = |host: &str, path| Uri {
        text: text.to_owned(),
        scheme: scheme.to_ascii_lowercase(),
        host: host.to_owned(),
        path,
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            // `file:name` has no path, but something opaque.
            return Ok(uri("", Vec::new()));
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let has_authority = rest.starts_with("//") && (!scheme.is_empty() || !rest.starts_with("///"));
    let (host, path) = match rest.strip_prefix("//").filter(|_| has_authority) {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let host = host.rsplit('@').next().unwrap_or_default();
    Ok(uri(host, without_escapes(path)?))
}

/// The scheme, and what follows it. What cannot be a scheme is a path.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn without_escapes(path: &str) -> Result<Vec<u8>, String> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let code = bytes.get(at + 1..at + 3).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok().filter(|_| !code.starts_with('+'))) {
            Some(byte) => out.push(byte),
            None => {
                let shown = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]);
                return Err(format!("invalid URL escape {shown:?}"));
            }
        }
        at += 3;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (String, String, String) {
        let uri = Uri::parse(text).unwrap();
        (uri.scheme().to_owned(), uri.host().to_owned(), uri.file().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_uri_is_taken_apart_as_go_does_it() {
        let triple = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parts("/a/b%20c.json"), triple("", "", "/a/b c.json"));
        assert_eq!(parts("steps.json"), triple("", "", "steps.json"));
        assert_eq!(parts(""), triple("", "", ""));
        assert_eq!(parts("FILE:///a?x#y"), triple("file", "", "/a"));
        assert_eq!(parts("file://localhost/a"), triple("file", "localhost", "/a"));
        assert_eq!(parts("file:a"), triple("file", "", ""));
        assert_eq!(parts("///a"), triple("", "", "///a"));
        assert_eq!(parts("//h/a"), triple("", "h", "/a"));
        assert_eq!(parts("http://me:pw@h:8080/a?b=c"), triple("http", "h:8080", "/a"));
        assert!(Uri::parse("-x:y/z").is_err());
    }

    #[test]
    fn what_go_refuses_is_refused_with_its_text() {
        let refused = |text: &str| Uri::parse(text).unwrap_err();
        assert_eq!(refused("a%zz"), "parse \"a%zz\": invalid URL escape \"%zz\"");
        assert_eq!(refused("a%"), "parse \"a%\": invalid URL escape \"%\"");
        assert_eq!(refused(":a"), "parse \":a\": missing protocol scheme");
        assert_eq!(refused("1a:b"), "parse \"1a:b\": first path segment in URL cannot contain colon");
        assert!(refused("a\nb").ends_with("net/url: invalid control character in URL"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|[a-z:/%@#?0-9]{0,20}") {
            let _either = Uri::parse(&text);
        }
    }
}
