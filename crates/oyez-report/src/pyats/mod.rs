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

use std::io::{self, Write};

use oyez_wire::pyats::tree::Tree;

pub(crate) use journal::{tree_of, write};

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
