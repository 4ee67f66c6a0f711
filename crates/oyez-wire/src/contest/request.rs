//! Verbs and their fields: what is asked, or why it cannot be (specs/contest.md 2).

use oyez_model::JobState;

use super::form::Form;
use super::go::quote;

/// The bytes that a requestor's name may have.
pub const LONGEST_REQUESTOR: usize = 32;

/// What a method other than POST is answered, without JSON around it.
pub const ONLY_POST: &str = "Only POST requests are supported";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new job from a descriptor.
    Start {
        /// Who asks.
        requestor: String,
        /// The descriptor, JSON.
        descriptor: Vec<u8>,
    },
    /// Cancel a job.
    Stop {
        /// Who asks.
        requestor: String,
        /// Which.
        job: u64,
    },
    /// Where a job stands, with all that happened.
    Status {
        /// Who asks.
        requestor: String,
        /// Which.
        job: u64,
    },
    /// The same job again.
    Retry {
        /// Who asks.
        requestor: String,
        /// Which.
        job: u64,
    },
    /// The numbers of jobs.
    List {
        /// Who asks.
        requestor: String,
        /// In any of these states; empty: in any at all.
        states: Vec<JobState>,
        /// With all of these tags; not checked yet.
        tags: Vec<String>,
    },
    /// The version of the interface.
    Version,
}

/// Why a request cannot be taken: the text of the answer 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A path with its percent escapes taken back; those that are broken stay.
#[must_use]
pub fn path(escaped: &str) -> std::borrow::Cow<'_, str> {
    if !escaped.contains('%') {
        return escaped.into();
    }
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let [byte, after @ ..] = rest {
        let is_escape = |pair: &&[u8]| *byte == b'%' && pair.iter().all(u8::is_ascii_hexdigit);
        let pair = after.get(..2).filter(is_escape);
        let code = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned().into()
}

/// The verb in a path: what is left without the slashes at its start.
#[must_use]
pub fn verb(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// Reads what is asked, in ConTest's order of checks.
///
/// # Errors
/// The text that ConTest answers.
pub fn read(verb: &str, mut form: Form) -> Result<Request, Refused> {
    Ok(match verb {
        "start" => {
            let descriptor = form.take("jobDesc");
            if descriptor.is_empty() {
                return Err(Refused("Missing job description".to_owned()));
            }
            Request::Start { requestor: requestor(&form, "Start")?, descriptor }
        }
        "stop" => {
            let job = job_id(&form, "Stop")?;
            Request::Stop { requestor: requestor(&form, "Stop")?, job }
        }
        "status" => {
            let job = job_id(&form, "Status")?;
            Request::Status { requestor: requestor(&form, "Status")?, job }
        }
        "retry" => {
            let job = job_id(&form, "Retry")?;
            Request::Retry { requestor: requestor(&form, "Retry")?, job }
        }
        "list" => {
            let states = states(&form)?;
            let tags = list(form.get("tags"));
            Request::List { requestor: requestor(&form, "List")?, states, tags }
        }
        "version" => Request::Version,
        other => return Err(Refused(format!("unknown verb: {other}"))),
    })
}

fn requestor(form: &Form, verb: &str) -> Result<String, Refused> {
    let name = form.get("requestor");
    if name.is_empty() {
        return Err(Refused(format!("{verb} failed: requestor cannot be empty")));
    }
    if name.len() > LONGEST_REQUESTOR {
        let text = format!("{verb} failed: Requestor name is too long: {} > {LONGEST_REQUESTOR}", name.len());
        return Err(Refused(text));
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// As `strconv.ParseInt` reads it; a negative number becomes one near 2^64, as in ConTest.
fn job_id(form: &Form, verb: &str) -> Result<u64, Refused> {
    let text = form.get("jobID");
    if text.is_empty() {
        return Err(Refused(format!("{verb} failed: job ID cannot be empty")));
    }
    let digits = match text {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    let wrong =
        |why: &str| Refused(format!("{verb} failed: strconv.ParseInt: parsing {}: {why}", quote(text)));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong("invalid syntax"));
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.map(i64::cast_unsigned).ok_or_else(|| wrong("value out of range"))
}

/// The states of a list. ConTest reads up to the first that it does not know: when there is none before it, the text is
/// another one.
fn states(form: &Form) -> Result<Vec<JobState>, Refused> {
    const EMPTY: &str = "Invalid query: unable to apply field 0:storage.jobQueryFieldStates([]): \
                         field storage.jobQueryFieldStates has a zero value";
    let mut states = Vec::new();
    for name in list(form.get("states")) {
        match state(&name) {
            Some(state) => states.push(state),
            None if states.is_empty() => return Err(Refused(EMPTY.to_owned())),
            None => {
                let name = quote(name.as_bytes());
                return Err(Refused(format!("List failed: invalid job state {name}")));
            }
        }
    }
    Ok(states)
}

/// A state by the name of its event, to the letter.
fn state(name: &str) -> Option<JobState> {
    let bare = name.strip_prefix("JobState")?;
    let known = |state: &JobState| !matches!(state, JobState::Unknown | JobState::Queued);
    JobState::ALL.into_iter().filter(known).find(|state| state.as_str() == bare)
}

/// The items of a list with commas; an empty text has none.
fn list(text: &[u8]) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    String::from_utf8_lossy(text).split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(verb: &str, body: &str) -> Result<Request, String> {
        read(verb, Form::url_encoded(body.as_bytes())).map_err(|refused| refused.0)
    }

    #[test]
    fn what_the_real_client_sends_is_understood() {
        let requestor = "contestcli-http".to_owned();
        assert_eq!(
            read_text("stop", "jobID=5&requestor=contestcli-http"),
            Ok(Request::Stop { requestor: requestor.clone(), job: 5 })
        );
        assert_eq!(
            read_text(
                "list",
                "requestor=contestcli-http&states=JobStateStarted%2CJobStateFailed&tags=foo%2Cbar"
            ),
            Ok(Request::List {
                requestor,
                states: vec![JobState::Started, JobState::Failed],
                tags: vec!["foo".to_owned(), "bar".to_owned()]
            })
        );
        assert_eq!(read_text("version", ""), Ok(Request::Version));
    }

    #[test]
    fn a_list_of_states_stops_at_the_first_that_is_not_known() {
        let empty = "Invalid query: unable to apply field 0:storage.jobQueryFieldStates([]): field storage.jobQueryFieldStates has a zero value";
        for states in ["Foo", "Foo,JobStateFailed", "Started", "JobStateUnknown", "jobstatestarted"] {
            assert_eq!(read_text("list", &format!("requestor=me&states={states}")), Err(empty.to_owned()));
        }
        assert_eq!(
            read_text("list", "requestor=me&states=JobStateFailed,Foo"),
            Err("List failed: invalid job state \"Foo\"".to_owned())
        );
    }

    #[test]
    fn a_job_is_a_number_as_go_reads_it() {
        let status = |id: &str| read_text("status", &format!("requestor=me&jobID={id}"));
        let number = |job| Ok(Request::Status { requestor: "me".to_owned(), job });
        assert_eq!(status("17"), number(17));
        assert_eq!(status("%2B17"), number(17));
        assert_eq!(status("-1"), number(u64::MAX));
        let why = |why: &str| Err(format!("Status failed: strconv.ParseInt: parsing {why}"));
        assert_eq!(status("1_0"), why("\"1_0\": invalid syntax"));
        assert_eq!(status("-"), why("\"-\": invalid syntax"));
        assert_eq!(status("9223372036854775808"), why("\"9223372036854775808\": value out of range"));
    }

    #[test]
    fn the_number_is_looked_at_before_who_asks() {
        assert_eq!(read_text("stop", ""), Err("Stop failed: job ID cannot be empty".to_owned()));
        assert_eq!(read_text("retry", "jobID=1"), Err("Retry failed: requestor cannot be empty".to_owned()));
    }

    #[test]
    fn a_verb_is_the_path_without_its_first_slashes() {
        assert_eq!(path("/st%61rt%2f%zz%4"), "/start/%zz%4");
        assert_eq!(verb("//list"), "list");
        assert_eq!(read_text(verb("/base/list"), ""), Err("unknown verb: base/list".to_owned()));
    }
}
