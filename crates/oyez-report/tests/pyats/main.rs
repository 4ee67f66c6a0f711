//! pyATS's files, held against those that pyATS's own server wrote.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

mod any;
mod golden;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
mod values;

use oyez_model::ProducerId;
use oyez_wire::pyats::import::{self, Format};
use oyez_wire::pyats::tree::Tree;

/// The tree that made a results file.
fn imported(text: &[u8], format: Format) -> Tree {
    let mut tree = Tree::new();
    import::read(text, format, 1, &mut |time, body| tree.apply_body(ProducerId(1), time, &body)).unwrap();
    tree
}

type Write = fn(&Tree, &mut dyn std::io::Write) -> std::io::Result<()>;

fn written(tree: &Tree, write: Write) -> String {
    let mut out = Vec::new();
    write(tree, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Equal, or the first line that is not.
#[track_caller]
fn assert_same(what: &str, expected: &str, actual: &str) {
    if expected == actual {
        return;
    }
    let at = expected.bytes().zip(actual.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let bytes = text.as_bytes();
        let part = &bytes[at.saturating_sub(300).min(bytes.len())..(at + 200).min(bytes.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    panic!(
        "{what} differs at byte {at}:\n--- expected\n{}\n--- written\n{}",
        around(expected),
        around(actual)
    );
}
