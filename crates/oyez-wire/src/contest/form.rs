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

    /// Reads a body that is urlencoded, all at once.
    #[must_use]
    pub fn url_encoded(body: &[u8]) -> Form {
        let mut reader = UrlEncoded::new(usize::MAX);
        // Nothing is longer than that.
        let _ = reader.push(body);
        reader.finish()
    }
}

/// The values of a form are longer together than they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form is too long: its fields have more than {0} bytes")]
pub struct TooLong(pub usize);

/// Reads a body that is urlencoded, as it comes: escapes are taken back on the way, fields that nobody asks for are not
/// kept. A pair that is wrong (`%zz`, a `;`) is left out, the others count.
#[derive(Debug)]
pub struct UrlEncoded {
    form: Form,
    most: usize,
    /// The bytes of all values so far.
    length: usize,
    name: Vec<u8>,
    value: Vec<u8>,
    part: Part,
    escape: Escape,
    is_wrong: bool,
}

/// Where in a pair the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Value,
    /// The value of a field that nobody asks for.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    First,
    Second(u8),
}

/// No field that is asked for has a name so long.
const LONGEST_NAME: usize = 16;

impl UrlEncoded {
    /// A reader that keeps at most so many bytes of values.
    #[must_use]
    pub fn new(most: usize) -> Self {
        UrlEncoded {
            form: Form::default(),
            most,
            length: 0,
            name: Vec::new(),
            value: Vec::new(),
            part: Part::Name,
            escape: Escape::None,
            is_wrong: false,
        }
    }

    /// More of the body.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for byte in bytes.iter().copied() {
            match (self.escape, byte) {
                (_, b'&') => {
                    self.end_pair();
                    continue;
                }
                (_, b';') => self.is_wrong = true,
                (Escape::None, b'%') => self.escape = Escape::First,
                (Escape::None, b'=') if self.part == Part::Name => {
                    let asked = FIELDS.iter().any(|field| field.as_bytes() == self.name);
                    self.part = if asked { Part::Value } else { Part::Other };
                }
                (Escape::None, b'+') => self.add(b' '),
                (Escape::None, byte) => self.add(byte),
                (Escape::First, byte) => match digit(byte) {
                    Some(high) => self.escape = Escape::Second(high),
                    None => self.is_wrong = true,
                },
                (Escape::Second(high), byte) => match digit(byte) {
                    Some(low) => {
                        self.escape = Escape::None;
                        self.add(high << 4 | low);
                    }
                    None => self.is_wrong = true,
                },
            }
            if self.length > self.most {
                return Err(TooLong(self.most));
            }
        }
        Ok(())
    }

    fn add(&mut self, byte: u8) {
        match self.part {
            Part::Name if self.name.len() <= LONGEST_NAME => self.name.push(byte),
            Part::Value if !self.is_wrong => {
                self.value.push(byte);
                self.length += 1;
            }
            _ => {}
        }
    }

    fn end_pair(&mut self) {
        let value = std::mem::take(&mut self.value);
        if self.part != Part::Other && !self.is_wrong && self.escape == Escape::None {
            self.form.add(&self.name, value);
        }
        self.name.clear();
        (self.part, self.escape, self.is_wrong) = (Part::Name, Escape::None, false);
    }

    /// The body is over.
    #[must_use]
    pub fn finish(mut self) -> Form {
        self.end_pair();
        self.form
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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

    #[test]
    fn more_than_may_be_kept_is_an_error_and_what_nobody_asks_for_is_not_kept() {
        let mut reader = UrlEncoded::new(10);
        assert_eq!(reader.push(b"other=0123456789012345&tags=0123456789"), Ok(()));
        assert_eq!(reader.push(b"%41"), Err(TooLong(10)));
    }

    proptest::proptest! {
        #[test]
        fn no_body_is_too_strange(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Form::url_encoded(&body);
        }

        #[test]
        fn a_body_in_pieces_reads_as_the_whole(
            body in "[a-z%&=;+0-9]{0,80}",
            cut in 0usize..80,
            field in proptest::sample::select(FIELDS.to_vec()),
        ) {
            let body = format!("{field}={body}&{body}");
            let (first, second) = body.as_bytes().split_at(cut.min(body.len()));
            let mut reader = UrlEncoded::new(1000);
            reader.push(first).unwrap();
            reader.push(second).unwrap();
            proptest::prop_assert_eq!(reader.finish(), Form::url_encoded(body.as_bytes()));
        }

        #[test]
        fn what_was_escaped_reads_back(value in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let escaped: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let form = Form::url_encoded(format!("a=1&jobDesc={escaped}").as_bytes());
            proptest::prop_assert_eq!(form.get("jobDesc"), &value[..]);
        }
    }
}
