//! Formats of other systems.

use std::io::BufReader;

use oyez_model::{SectionRef, Time};
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
    let mut run = ocp::Run::new(SectionRef::own(1));
    let (mut folder, mut nodes) = (Folder::new(), 1);
    for item in items {
        let mut node = || {
            nodes += 1;
            nodes
        };
        run.item(item, &mut node, &mut |body| folder.say(body));
    }
    run.end();
    folder.finish();
}
