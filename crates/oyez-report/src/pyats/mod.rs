//! The four files of pyATS's report server: `results.json`, `results.yaml`, `ResultsDetails.xml`, `ResultsSummary.xml`.
//!
//! All are written from a [`Tree`], piece by piece: beside the tree there is a buffer of fixed size, and what stands
//! open. They say what pyATS's own say, byte for byte where nothing forbids it (specs/pyats.md 4).
//!
//! Where pyATS gives up, a report is written all the same. JSON cannot say every value of Python; pyATS then leaves half
//! a file. Here:
//!
//! | Python | in `results.json` |
//! |---|---|
//! | `tuple`, `set`, `frozenset`, `deque`, a subclass of `list` | list |
//! | `AttrDict`, `OrderedDict`, any subclass of `dict` | object |
//! | `date`, `datetime` | its text: `"2026-11-20"`, `"2026-11-20 16:44:31.787016+00:00"` |
//! | `bytes`, `bytearray`, exceptions | the text of its `repr`: `"b'\\x00a'"` |
//! | a class | `"<class 'int'>"` |
//! | any other object | `{"repr": "Decimal('1.50')", "type": "<class 'decimal.Decimal'>"}`, as pyATS's YAML has it |
//! | a key that is no text, number, truth value or `None` | the text of its `repr` |
//! | a whole number of more digits than Python prints | its text in base 16 |
//!
//! YAML holds more; what it cannot hold is `{repr, type}` there, as with pyATS, and only names of classes are known, not
//! the classes: the type of a class that has a metaclass of its own is its plain text, a function is printed as a class.
//! What stands deeper than 130 levels is left out, with a remark where it would begin.
//! In XML, characters that it forbids become visible (`\x1b`, `\ufffe`) in every text, and a text that is none is
//! Python's `str` of it: there pyATS writes no file at all.

mod clock;
mod details;
mod journal;
mod json;
mod markup;
mod python;
mod summary;
mod yaml;

use std::borrow::Cow;
use std::io::{self, Write};

use oyez_model::Value;
use oyez_wire::pyats::tree::{Ix, Tree};

pub(crate) use journal::{tree_of, write};

/// How many objects may stand in one another, the suite included. Each says the ids of all above it, in YAML on lines of
/// their own that are indented by all above it: a tree of thousands of levels would fill a disk. pyATS itself ends at
/// some hundred.
const DEEPEST: usize = 130;

/// The remarks of an object; where its children are left out, with a word on that.
fn details(tree: &Tree, ix: Ix, depth: usize) -> Cow<'_, [Value]> {
    let node = tree.node(ix);
    if depth < DEEPEST || node.children.is_empty() {
        return Cow::Borrowed(&node.details);
    }
    let word = format!(
        "left out of this file, because they are nested too deep: sections below, {}",
        node.children.len()
    );
    Cow::Owned(node.details.iter().cloned().chain([Value::Text(word)]).collect())
}

/// Writes `results.json`.
///
/// # Errors
/// Those of the writer. A tree in which no suite was created gives a report without content.
pub fn json(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    json::write(tree, to)
}

/// Writes `results.yaml`.
///
/// # Errors
/// Those of the writer.
pub fn yaml(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    yaml::write(tree, to)
}

/// Writes `ResultsDetails.xml`.
///
/// # Errors
/// Those of the writer.
pub fn details_xml(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    details::write(tree, to)
}

/// Writes `ResultsSummary.xml`.
///
/// # Errors
/// Those of the writer.
pub fn summary_xml(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    summary::write(tree, to)
}
