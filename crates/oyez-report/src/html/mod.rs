//! `report.html`: one offline page.
//!
//! ```text
//!  head, style, policy            first paint: plain HTML, nothing to unpack
//!  verdict, counts, failures
//!  the first runs and tests
//!  the script                     the only one that the policy lets run, by its hash
//!  chunks of parts, of the index  compressed; unpacked when a part is opened, when somebody searches
//!  the slowest, the directory     known only after the walk
//! ```
//!
//! A *part* is a piece of HTML that is shown at once: what hangs on a section, or a page of rows of its children. Parts
//! are numbered in the order in which they are written. A row is written when its section is left: everything below it
//! has its numbers by then, so a row names its parts itself and a section opens without any search, however large the
//! job. The *index* has one line for each section in the order of the walk: search and filter read it from its
//! beginning, a link to a section finds the way down with it.
//!
//! The page is the same in every browser that knows `DecompressionStream` (2023); without scripts the first screen is
//! still there.

mod ansi;
mod body;
mod failures;
mod first;
mod frames;
mod index;
mod markup;
mod pack;
mod row;

use std::collections::BTreeSet;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oyez_store::JobReader;
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::error::ReportError;
use crate::facts::Facts;
use crate::moment;
use crate::options::Options;
use crate::out::Out;
use crate::walk::{Node, Visitor};
use failures::Failures;
use frames::Frames;
use index::Index;
use pack::{Kind, Packer};

const STYLE: &str = include_str!("report.css");
/// One script, in pieces that each have one concern.
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("parts.js"),
    include_str!("tree.js"),
    include_str!("search.js"),
    include_str!("report.js")
);
const SLOWEST: usize = 10;

pub(crate) struct Html<'a> {
    out: Out<'a>,
    failures: Option<Failures>,
    packer: Packer,
    frames: Frames,
    index: Index,
    slowest: BTreeSet<(u64, std::cmp::Reverse<u64>, String, String)>,
    results: u64,
    job: u64,
}

impl<'a> Html<'a> {
    pub(crate) fn new(
        to: &'a mut dyn Write,
        reader: &dyn JobReader,
        facts: &Facts,
        options: &Options<'_>,
    ) -> Result<Self, ReportError> {
        Ok(Html {
            out: Out::new(to),
            failures: Some(Failures::load(reader, options)?),
            packer: Packer::new(),
            frames: Frames::default(),
            index: Index::default(),
            slowest: BTreeSet::new(),
            results: 0,
            job: facts.id.0,
        })
    }

    fn timed(&mut self, node: &Node<'_>) {
        self.results += 1;
        let Some(nanos) = node.row.duration().filter(|nanos| *nanos > 0) else { return };
        if self.slowest.len() == SLOWEST && self.slowest.first().is_some_and(|least| nanos <= least.0) {
            return;
        }
        let place = markup::path_text(node.path, &node.row.name);
        self.slowest.insert((nanos, std::cmp::Reverse(self.results), node.row.id.to_string(), place));
        if self.slowest.len() > SLOWEST {
            self.slowest.pop_first();
        }
    }

    fn slowest(&mut self) {
        let longest = self.slowest.last().map_or(0, |entry| entry.0);
        if self.results < 2 || longest == 0 {
            return;
        }
        let buf = &mut self.out.buf;
        buf.extend_from_slice(b"<section id=\"slowest\"><h2>Slowest</h2><ol>\n");
        for (nanos, _, id, place) in self.slowest.iter().rev() {
            buf.extend_from_slice(b"<li><a href=\"#");
            markup::escape(buf, id);
            buf.extend_from_slice(b"\">");
            markup::escape(buf, place);
            buf.extend_from_slice(b"</a><span class=\"t\">");
            markup::escape(buf, &moment::human(*nanos));
            let share = row::percent(*nanos, longest);
            buf.extend_from_slice(
                format!("</span><span class=\"g\"><i style=\"left:0;width:{share}%\"></i></span></li>\n")
                    .as_bytes(),
            );
        }
        buf.extend_from_slice(b"</ol></section>\n");
    }
}

/// A Content-Security-Policy source that lets exactly this text run.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

impl Visitor for Html<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
            source(SCRIPT),
            source(STYLE)
        );
        let failures = self.failures.take();
        let buf = &mut self.out.buf;
        first::head(buf, facts, &policy, STYLE);
        first::summary(buf, facts);
        if let Some(failures) = failures {
            failures.write(buf, facts);
        }
        first::said(buf, facts);
        first::tree(buf, facts);
        self.out.text("<script>");
        self.out.text(SCRIPT);
        self.out.text("</script>\n<div id=\"chunks\" hidden>\n");
        self.frames.open();
        if let Some(body) = body::of_job(facts) {
            self.frames.body(&mut self.packer, body);
        }
        // All that the first screen shows is out before the walk begins.
        self.out.hand_on()
    }

    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()> {
        self.index.add(node, &mut self.packer);
        self.frames.open();
        if let Some(body) = body::of(node, content, self.job) {
            self.frames.body(&mut self.packer, body);
        }
        if node.is_result() {
            self.timed(node);
        }
        self.packer.settle(&mut self.out)
    }

    fn leave(&mut self, node: &Node<'_>) -> io::Result<()> {
        self.frames.close(&mut self.packer, node);
        self.packer.settle(&mut self.out)
    }

    fn end(&mut self, facts: &Facts) -> io::Result<()> {
        let root = self.frames.finish(&mut self.packer);
        self.index.finish(&mut self.packer);
        self.packer.finish(&mut self.out)?;
        self.out.text("</div>\n");
        self.slowest();
        first::foot(&mut self.out.buf, facts);
        self.out.text("<script type=\"application/json\" id=\"dir\">");
        let directory = serde_json::json!({
            "parts": self.packer.first_parts(),
            "index": self.packer.count(Kind::Index),
            "sections": self.index.total(),
            "root": {"body": root.body, "pages": root.pages},
        });
        self.out.text(&directory.to_string());
        self.out.text("</script>\n</body>\n</html>\n");
        self.out.finish()
    }
}
