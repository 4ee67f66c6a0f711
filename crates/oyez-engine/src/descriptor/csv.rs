//! The parameters of the target manager `CSVFileTargetManager` (specs/contest.md 4).

use serde_json::value::RawValue;

use super::fields::{Level, Reader};
use super::raw::{Kind, kind};
use crate::diagnostic::{Path, Sink};
use crate::uri::Uri;

static ACQUIRE: Level = Level {
    go: "AcquireParameters",
    fields: &["FileURI", "MinNumberDevices", "MaxNumberDevices", "HostPrefixes", "Shuffle"],
};

/// What the target manager is told.
#[derive(Debug)]
pub(crate) struct CsvParameters {
    pub(crate) file: Uri,
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) prefixes: Vec<String>,
    pub(crate) shuffle: bool,
}

/// Reads them, in ConTest's order; `None` where the file is wrong, which is said.
pub(crate) fn decode_csv(raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> Option<CsvParameters> {
    let own = path.anew();
    let mut reader = Reader { sink };
    let object = reader.object(Some(raw), &ACQUIRE, &own);
    let number = |name: &str, reader: &mut Reader<'_>| {
        let limit = ("uint32", u64::from(u32::MAX));
        let number = reader.unsigned(object.get(name), limit, &ACQUIRE, &own.field(name));
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let least = number("MinNumberDevices", &mut reader);
    let most = number("MaxNumberDevices", &mut reader);
    let shuffle = reader.bool(object.get("Shuffle"), &ACQUIRE, &own.field("Shuffle"));
    let prefixes = decode_prefixes(object.get("HostPrefixes"), &own.field("HostPrefixes"), &mut reader);
    let file_path = own.field("FileURI");
    let given = object.get("FileURI").filter(|raw| kind(raw) != Kind::Null);
    let text = given.map(|raw| reader.string(Some(raw), &ACQUIRE, &file_path));
    if sink.has_error_at(&own) || sink.has_error_at(&file_path) {
        return None;
    }
    let Some(text) = text else {
        let hint = "write \"FileURI\": \"/path/to/hosts.csv\"";
        sink.error(&file_path, "file URI not specified in acquire parameters").hint(hint);
        return None;
    };
    let file = usable(&text).map_err(|why| sink.error(&file_path, why)).ok()?;
    let most_path = own.field("MaxNumberDevices");
    if most == 0 {
        let hint = "write how many targets there may be at most";
        sink.warning(&most_path, "no target is taken at all when it is 0, or is not given").hint(hint);
    } else if most < least {
        sink.warning(
            &most_path,
            format!("it is less than MinNumberDevices ({least}), so the test cannot start"),
        );
    }
    Some(CsvParameters { file, least, most, prefixes, shuffle })
}

fn decode_prefixes(raw: Option<&RawValue>, path: &Path<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let items = reader.items(raw, &ACQUIRE, "[]string", path);
    let mut prefixes = Vec::with_capacity(items.len());
    for (i, raw) in items.into_iter().enumerate() {
        let path = path.item(i);
        let text = reader.string(Some(raw), &ACQUIRE, &path);
        let text = text.trim();
        if text.is_empty() && !reader.sink.has_error_at(&path) {
            reader.sink.error(&path, "Host prefix cannot be empty string if specified");
        }
        prefixes.push(text.to_owned());
    }
    prefixes
}

/// A file of this machine.
fn usable(text: &str) -> Result<Uri, String> {
    let uri = Uri::parse(text)?;
    match (uri.scheme(), uri.host()) {
        ("" | "file", "" | "localhost") => Ok(uri),
        ("" | "file", host) => {
            Err(format!("unsupported host '{host}', only 'localhost' or empty string are accepted"))
        }
        (scheme, _) => {
            Err(format!("unsupported scheme: '{scheme}', only 'file' or empty string are accepted"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<CsvParameters>, Vec<String>) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut sink = Sink::new();
        let found = decode_csv(raw, &Path::Root.field("P"), &mut sink);
        (found, sink.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn parameters_are_read() {
        let json = r#"{"FileURI":"file:///hosts.csv","MinNumberDevices":2,"MaxNumberDevices":4,"HostPrefixes":[" web "],"Shuffle":true}"#;
        let (found, said) = read(json);
        let found = found.unwrap();
        assert_eq!(said, [""; 0]);
        assert_eq!(found.file.file(), std::path::Path::new("/hosts.csv"));
        assert_eq!((found.least, found.most, found.shuffle), (2, 4, true));
        assert_eq!(found.prefixes, ["web"]);
    }

    #[test]
    fn what_is_wrong_is_said_in_contests_words() {
        let said = |json: &str| read(json).1;
        assert!(said("{}")[0].starts_with("error: P.FileURI: file URI not specified in acquire parameters"));
        assert_eq!(
            said(r#"{"FileURI":"http://h/x","HostPrefixes":[" "]}"#),
            [
                "error: P.HostPrefixes[0]: Host prefix cannot be empty string if specified",
                "error: P.FileURI: unsupported scheme: 'http', only 'file' or empty string are accepted",
            ]
        );
        assert_eq!(
            said(r#"{"FileURI":"file://h/x"}"#),
            ["error: P.FileURI: unsupported host 'h', only 'localhost' or empty string are accepted"]
        );
        assert!(
            said(r#"{"FileURI":"/x"}"#)[0].starts_with("warning: P.MaxNumberDevices: no target is taken")
        );
        let few = r#"{"FileURI":"/x","MinNumberDevices":2,"MaxNumberDevices":1}"#;
        assert!(said(few)[0].contains("less than MinNumberDevices (2)"));
        assert!(said(r#"{"FileURI":5,"MinNumberDevices":-1}"#).len() == 2);
    }
}
