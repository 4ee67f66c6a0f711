//! Formats of other systems.

use std::io::BufReader;

use oyez_model::{JobId, SectionRef, Time};
use oyez_wire::contest::form::{Form, UrlEncoded};
use oyez_wire::contest::request::{self, Request};
use oyez_wire::contest::{go, reply, shape};
use oyez_wire::formats::junit::{Limits, Reader, Tests};
use oyez_wire::formats::ocp;

use crate::model::Folder;

/// A JUnit file, from its bytes to the rows of a job. Small limits, so that small inputs reach them.
pub fn junit(bytes: &[u8]) {
    let (first, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let limits = if first & 1 == 0 { Limits { text: 64, ..Limits::default() } } else { Limits::default() };
    // Pieces of any size must read the same: a token may stand across any border.
    let source = BufReader::with_capacity(usize::from(first >> 1) + 1, bytes);
    let mut reader = Reader::with_limits(source, limits);
    let mut tests = Tests::new(SectionRef::own(1), 1, Time(1_700_000_000_000_000_000));
    let mut folder = Folder::new();
    for item in reader.by_ref() {
        match item {
            Ok(item) => tests.item(item, &mut |body| folder.say(body)),
            Err(error) => {
                let _ = error.to_string();
            }
        }
    }
    let _ = (reader.notes(), reader.position());
    let unfinished = reader.unfinished().cloned();
    tests.end(unfinished, &mut |body| folder.say(body));
    folder.finish();
}

/// The output of an OCP diagnostic, from its bytes to the rows of a job.
pub fn ocp(bytes: &[u8]) {
    let (first, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    // Pieces of any size must read the same.
    let read = |size: usize| {
        let (mut reader, mut items) = (ocp::Reader::new(), Vec::new());
        bytes.chunks(size).for_each(|piece| reader.push(piece, &mut |item| items.push(item)));
        reader.end(&mut |item| items.push(item));
        items
    };
    let items = read(usize::from(*first) + 1);
    assert_eq!(items, read(bytes.len().max(1)));
    let here = SectionRef::own(1);
    let mut run = if first % 2 == 0 { ocp::Run::new(here) } else { ocp::Run::of_tests(here, here, 1) };
    let (mut folder, mut nodes) = (Folder::new(), 1);
    for item in items {
        let mut node = || {
            nodes += 1;
            nodes
        };
        run.item(item, &mut node, &mut |body| folder.say(body));
    }
    let _ = run.unfinished();
    run.end();
    folder.finish();
}

/// A request of ConTest's client: its path, its form, and what is answered; and an extended descriptor, as it was stored.
pub fn contest(bytes: &[u8]) {
    let (first, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (path, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let mut reader = UrlEncoded::new(1 << 16);
    let is_read = body.chunks(usize::from(*first) + 1).all(|piece| reader.push(piece).is_ok());
    let form = reader.finish();
    // Pieces of any size must read the same.
    assert!(!is_read || form == Form::url_encoded(body));
    let path = String::from_utf8_lossy(path);
    let path = request::path(&path);
    let reply = match request::read(request::verb(&path), form) {
        Ok(Request::Start { descriptor, .. }) => {
            let _ = shape::tests(&String::from_utf8_lossy(&descriptor));
            reply::answer("s", &reply::Data::Start(JobId(1)), None)
        }
        Ok(Request::List { tags, .. }) => reply::answer("s", &reply::Data::List(None), Some(&tags.join(","))),
        Ok(request) => reply::answer(&format!("{request:?}"), &reply::Data::Stop, None),
        Err(refused) => reply::refusal(&refused.to_string()),
    };
    assert!(serde_json::from_slice::<serde_json::Value>(&reply).is_ok());
    // Whatever stands in a payload, the reply as a whole is JSON.
    let mut payload = Vec::new();
    go::raw(&mut payload, &String::from_utf8_lossy(body));
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_ok());
}
