//! What test fetchers are told, and the document that the fetcher `URI` fetches.

use serde_json::value::RawValue;

use super::fields::{Level, Reader};
use super::raw::{Kind, kind};
use super::steps::{StepDescriptor, decode_steps};
use crate::diagnostic::{Path, Sink};
use crate::uri::Uri;

static URI: Level = Level { go: "FetchParameters", fields: &["TestName", "URI"] };
static DOCUMENT: Level = Level { go: "doc", fields: &["Steps"] };

/// The parameters of the fetcher `URI`.
#[derive(Debug, Default)]
pub(crate) struct UriParameters {
    pub(crate) test_name: String,
    /// Where the steps are; `None` where that is wrong, which is said.
    pub(crate) uri: Option<Uri>,
}

/// Reads them, in ConTest's order; `needs_name` for a test, not for a clean-up.
pub(crate) fn decode_uri(raw: &RawValue, own: &Path<'_>, needs_name: bool, sink: &mut Sink) -> UriParameters {
    let own = own.anew();
    let mut reader = Reader { sink };
    let object = reader.object(Some(raw), &URI, &own);
    let name_path = own.field("TestName");
    let test_name = reader.string(object.get("TestName"), &URI, &name_path);
    let uri_path = own.field("URI");
    let given = object.get("URI").filter(|raw| kind(raw) != Kind::Null);
    let text = given.map(|raw| reader.string(Some(raw), &URI, &uri_path));
    let is_readable = !sink.has_error_at(&own) && !sink.has_error_at(&name_path);
    if needs_name && test_name.is_empty() && is_readable {
        sink.error(&name_path, "test name cannot be empty for fetch parameters");
    }
    let uri = match text {
        _ if sink.has_error_at(&own) || sink.has_error_at(&uri_path) => None,
        None => {
            let example = "write \"URI\": \"https://lab/steps.json\", or the path of a file";
            sink.error(&uri_path, "file URI not specified in fetch parameters").hint(example);
            None
        }
        Some(text) => usable(&text).map_err(|why| sink.error(&uri_path, why)).ok(),
    };
    UriParameters { test_name, uri }
}

/// A URI that can be fetched.
fn usable(text: &str) -> Result<Uri, String> {
    let uri = Uri::parse(text)?;
    match (uri.scheme(), uri.host()) {
        ("http" | "https", _) | ("" | "file", "" | "localhost") => Ok(uri),
        ("" | "file", host) => Err(format!(
            "invalid host in URI: '{host}'. Only 'localhost' or empty string are supported for scheme file"
        )),
        (scheme, _) => Err(format!("unsupported scheme {scheme}")),
    }
}

/// Reads the document that a URI led to: `{"steps": [...]}`. Its steps are called `list` of the test at `test`, like
/// those of other fetchers; what is wrong with it as a whole stands at `own`.
pub(crate) fn decode_document(
    bytes: &[u8],
    own: &Path<'_>,
    test: &Path<'_>,
    list: &str,
    sink: &mut Sink,
) -> Option<Vec<Option<StepDescriptor>>> {
    sink.within("cannot decode JSON test description: ", |sink| {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned());
        let raw = text.and_then(|text| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            serde_json::from_str::<&RawValue>(text).map_err(|e| match e.is_eof() {
                true => "unexpected end of JSON input".to_owned(),
                false => e.to_string(),
            })
        });
        let raw = match raw {
            Ok(raw) => raw,
            Err(why) => {
                let hint = "it must hold {\"steps\": [...]}";
                let contest = format!("cannot decode JSON test description: {why}");
                sink.error_as(own, contest, &why).hint(hint);
                return None;
            }
        };
        let errors = sink.errors();
        let mut reader = Reader { sink };
        let anew = own.anew();
        let document = reader.object(Some(raw), &DOCUMENT, &anew);
        let test = test.anew();
        let steps = decode_steps(document.get("Steps"), &DOCUMENT, &test.field(list), &mut reader);
        (sink.errors() == errors).then_some(steps)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str, needs_name: bool) -> Vec<String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut sink = Sink::new();
        let found = decode_uri(raw, &Path::Root.field("P"), needs_name, &mut sink);
        assert_eq!(found.uri.is_none(), sink.errors() > 0 && !json.contains("/a"));
        sink.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_uri_is_checked_in_contests_words() {
        assert_eq!(said(r#"{"TestName":"T","URI":"/a"}"#, true), [""; 0]);
        assert_eq!(said(r#"{"uri":"HTTPS://h/a"}"#, false), [""; 0]);
        assert_eq!(
            said(r#"{"URI":"/a"}"#, true),
            ["error: P.TestName: test name cannot be empty for fetch parameters"]
        );
        assert!(said("{}", false)[0].starts_with("error: P.URI: file URI not specified in fetch parameters"));
        assert_eq!(said(r#"{"URI":"ftp://h/x"}"#, false), ["error: P.URI: unsupported scheme ftp"]);
        let host = "error: P.URI: invalid host in URI: 'h'. Only 'localhost' or empty string are supported for scheme file";
        assert_eq!(said(r#"{"URI":"file://h/x"}"#, false), [host]);
        assert!(said(r#"{"URI":5}"#, false)[0].contains("must be a string"));
    }

    #[test]
    fn a_document_is_its_steps_or_what_is_wrong_with_it() {
        let read = |bytes: &[u8]| {
            let (mut sink, test) = (Sink::new(), Path::Root.field("T"));
            let found = decode_document(bytes, &Path::Root.field("U"), &test, "Steps", &mut sink);
            (found.map(|steps| steps.len()), sink.finish())
        };
        let (steps, said) = read(b"{\"steps\": [{\"name\": \"echo\", \"label\": \"a\"}, null]}");
        assert_eq!((steps, said), (Some(2), vec![]));
        let (steps, said) = read(b"{\"steps\": ");
        assert_eq!(steps, None);
        assert_eq!(said[0].contest, "cannot decode JSON test description: unexpected end of JSON input");
        assert_eq!(said[0].message, said[0].contest);
        assert_eq!((read(b"\xff").0, read(b"[]").0, read(b"null").0), (None, None, Some(0)));
        let (_, said) = read(b"{\"steps\": [{\"name\": 5}]}");
        assert_eq!(said[0].path, "T.Steps[0].name");
    }
}
