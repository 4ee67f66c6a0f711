//! The fields of a request's body, as Go's `PostFormValue` finds them: the first of a name counts, the URL's query does
//! not, and what cannot be read is left out rather than refused.

/// What kind of body a request has, by its `Content-Type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `multipart/form-data`.
    Multipart,
    /// Anything else, or nothing: there are no fields in it.
    Other,
}

impl Kind {
    /// By the header's value.
    #[must_use]
    pub fn of(content_type: Option<&str>) -> Kind {
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Kind::UrlEncoded
        } else if media.eq_ignore_ascii_case("multipart/form-data") {
            Kind::Multipart
        } else {
            Kind::Other
        }
    }
}

/// The fields that ConTest's verbs ask for; others are passed over as they are read.
pub const FIELDS: [&str; 5] = ["requestor", "jobID", "jobDesc", "states", "tags"];

/// The fields of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    values: [Option<Vec<u8>>; FIELDS.len()],
}

impl Form {
    /// The first value of this name; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &[u8] {
        let at = FIELDS.iter().position(|field| *field == name);
        at.and_then(|at| self.values[at].as_deref()).unwrap_or_default()
    }

    /// Takes the first value of this name out.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Vec<u8> {
        let at = FIELDS.iter().position(|field| *field == name);
        at.and_then(|at| self.values[at].take()).unwrap_or_default()
    }

    /// Adds a field, unless it is there already or nobody asks for it.
    pub fn add(&mut self, name: &[u8], value: Vec<u8>) {
        if let Some(at) = FIELDS.iter().position(|field| field.as_bytes() == name) {
            self.values[at].get_or_insert(value);
        }
    }

    /// Reads a body that is urlencoded. A pair that is wrong (`%zz`, a `;`) is left out, the others count.
    #[must_use]
    pub fn url_encoded(body: &[u8]) -> Form {
        let mut form = Form::default();
        for pair in body.split(|byte| *byte == b'&') {
            if pair.is_empty() || pair.contains(&b';') {
                continue;
            }
            let middle = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = (&pair[..middle], pair.get(middle + 1..).unwrap_or_default());
            if let (Some(name), Some(value)) = (unescaped(name), unescaped(value)) {
                form.add(&name, value);
            }
        }
        form
    }
}

/// Takes `%41` and `+` back; `None` when an escape is broken.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] == b'+' {
            out.push(b' ');
            rest = &rest[at + 1..];
        } else {
            let (high, low) = (hex(rest.get(at + 1)?)?, hex(rest.get(at + 2)?)?);
            out.push(high << 4 | low);
            rest = &rest[at + 3..];
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_counts() {
        let form = Form::url_encoded(b"requestor=me&requestor=you&jobID=5&other=x");
        assert_eq!((form.get("requestor"), form.get("jobID")), (&b"me"[..], &b"5"[..]));
        assert_eq!((form.get("other"), form.get("tags")), (&b""[..], &b""[..]));
    }

    #[test]
    fn the_bytes_of_the_real_client_are_read() {
        let form = Form::url_encoded(
            b"requestor=contestcli-http&states=JobStateStarted%2CJobStateFailed&tags=foo%2Cbar",
        );
        assert_eq!(form.get("requestor"), b"contestcli-http");
        assert_eq!(form.get("states"), b"JobStateStarted,JobStateFailed");
        assert_eq!(form.get("tags"), b"foo,bar");
    }

    #[test]
    fn a_broken_pair_is_left_out_and_the_others_count() {
        let form = Form::url_encoded(b"jobID=%zz&requestor=a+b%2b&tags=a;b&states=%4&&=&jobDesc");
        assert_eq!(form.get("requestor"), b"a b+");
        for name in ["jobID", "tags", "states", "jobDesc"] {
            assert_eq!(form.get(name), b"", "{name}");
        }
    }

    #[test]
    fn a_kind_is_told_by_its_media_type_alone() {
        assert_eq!(Kind::of(Some("Application/X-WWW-Form-Urlencoded; charset=utf-8")), Kind::UrlEncoded);
        assert_eq!(Kind::of(Some("multipart/form-data; boundary=x")), Kind::Multipart);
        assert_eq!(Kind::of(Some("application/json")), Kind::Other);
        assert_eq!(Kind::of(None), Kind::Other);
    }

    proptest::proptest! {
        #[test]
        fn no_body_is_too_strange(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Form::url_encoded(&body);
        }

        #[test]
        fn what_was_escaped_reads_back(value in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let escaped: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let form = Form::url_encoded(format!("a=1&jobDesc={escaped}").as_bytes());
            proptest::prop_assert_eq!(form.get("jobDesc"), &value[..]);
        }
    }
}
