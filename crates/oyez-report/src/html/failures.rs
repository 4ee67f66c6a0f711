//! The failures that the page begins with: where, why, and the last lines of the log.
//!
//! They come from the store's own list of sections that a person must look at, not from the walk: they stand before
//! everything that the walk writes. What is part of a retried attempt or a clean-up is left out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use oyez_model::{EventBody, NodeKind, NodeRow, SectionId};
use oyez_store::JobReader;

use super::ansi::{self, Style};
use super::markup::{escape, path_text, tagged, thousands};
use super::row::letter;
use crate::case::{outcome_word, value_text};
use crate::content::{Content, LogPiece};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::moment;
use crate::options::Options;
use crate::text::{clip, last_lines};

/// How many show their log at once.
const OPEN: usize = 3;
/// How many have it at hand; the rest only says where and why.
const WITH_LOG: usize = 10;
const LOG_LINES: usize = 12;
const LOG_BYTES: usize = 4 << 10;
const MAX_REASON: usize = 1200;
/// How many rows are asked for at most to find enough that count.
const MOST_ROWS: usize = 20_000;

struct Failure {
    row: NodeRow,
    place: String,
    log: Vec<LogPiece>,
    detail: String,
}

pub(super) struct Failures {
    list: Vec<Failure>,
    /// There are more than are listed.
    more: bool,
}

/// A node above a failure.
struct Above {
    parent: SectionId,
    name: String,
    excluded: bool,
}

impl Failures {
    pub(super) fn load(reader: &dyn JobReader, options: &Options<'_>) -> Result<Failures, ReportError> {
        let wanted = options.max_failures;
        let mut above = HashMap::new();
        let mut ask = wanted + 1;
        loop {
            let rows = reader.failures(ask)?;
            let all = rows.len() < ask;
            let mut list = Vec::new();
            for row in rows {
                let Some(place) = place(reader, &row, &mut above)? else { continue };
                if list.len() == wanted {
                    return Ok(Failures { list: Self::read(reader, list)?, more: true });
                }
                list.push((row, place));
            }
            if all || ask >= MOST_ROWS {
                return Ok(Failures { list: Self::read(reader, list)?, more: !all });
            }
            ask = (ask * 4).min(MOST_ROWS);
        }
    }

    fn read(reader: &dyn JobReader, rows: Vec<(NodeRow, String)>) -> Result<Vec<Failure>, ReportError> {
        let mut out = Vec::with_capacity(rows.len());
        for (row, place) in rows {
            let mut failure = Failure { row, place, log: Vec::new(), detail: String::new() };
            if out.len() < WITH_LOG {
                let content = Content::load(reader, &failure.row, 2 * LOG_BYTES)?;
                let detail = content.items.iter().find_map(|item| match &item.body {
                    EventBody::SectionDetail(b) => Some(value_text(&b.detail)),
                    _ => None,
                });
                failure.detail = detail.map(|text| clip(&text, LOG_BYTES).to_owned()).unwrap_or_default();
                failure.log = end_of(content.log);
            }
            out.push(failure);
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, facts: &Facts) {
        if self.list.is_empty() {
            return;
        }
        let bad = facts.results.bad();
        out.extend_from_slice(b"<section id=\"failures\"><h2>Failures");
        if bad > 0 {
            tagged(out, "span", "n", &thousands(bad));
        }
        out.extend_from_slice(b"</h2>\n");
        for (at, failure) in self.list.iter().enumerate() {
            if at == WITH_LOG {
                out.extend_from_slice(b"<details class=\"rest\"><summary>");
                let rest = thousands((self.list.len() - WITH_LOG) as u64);
                escape(out, &format!("{rest} more"));
                out.extend_from_slice(b"</summary>\n");
            }
            card(out, failure, at < OPEN);
        }
        if self.list.len() > WITH_LOG {
            out.extend_from_slice(b"</details>\n");
        }
        if self.more {
            out.extend_from_slice(
                b"<p class=\"cut\">There are more: the filters above list all of them.</p>\n",
            );
        }
        out.extend_from_slice(b"</section>\n");
    }
}

/// The way down to a section, unless it or something above it does not count.
fn place(
    reader: &dyn JobReader,
    row: &NodeRow,
    known: &mut HashMap<SectionId, Above>,
) -> Result<Option<String>, ReportError> {
    let mut path = Vec::new();
    let mut at = row.parent;
    // The tree has no circles, but a damaged store may.
    for _ in 0..100_000 {
        if at == SectionId::ROOT {
            break;
        }
        let above = match known.entry(at) {
            Entry::Occupied(here) => here.into_mut(),
            Entry::Vacant(free) => {
                let Some(found) = reader.nodes(&[at])?.pop() else { break };
                let name = crate::text::one_line_or(&found.name, 200, "(without a name)");
                free.insert(Above { parent: found.parent, name, excluded: found.is_excluded() })
            }
        };
        if above.excluded {
            return Ok(None);
        }
        path.push(above.name.clone());
        at = above.parent;
    }
    path.reverse();
    Ok(Some(path_text(&path, &row.name)))
}

/// The last pieces of a log, some lines' worth.
fn end_of(log: Vec<LogPiece>) -> Vec<LogPiece> {
    let (mut lines, mut bytes) = (0, 0);
    let mut taken: Vec<LogPiece> = Vec::new();
    for mut piece in log.into_iter().rev() {
        if lines >= LOG_LINES || bytes >= LOG_BYTES {
            break;
        }
        if piece.bytes.len() > LOG_BYTES {
            piece.bytes.drain(..piece.bytes.len() - LOG_BYTES);
        }
        if let Ok(text) = std::str::from_utf8(&piece.bytes) {
            piece.bytes = last_lines(text, LOG_LINES - lines).as_bytes().to_vec();
        }
        lines += 1 + piece.bytes.iter().filter(|b| **b == b'\n').count();
        bytes += piece.bytes.len();
        taken.push(piece);
    }
    taken.reverse();
    taken
}

fn card(out: &mut Vec<u8>, failure: &Failure, open: bool) {
    let row = &failure.row;
    out.extend_from_slice(b"<article class=\"card o-");
    out.push(letter(row));
    out.extend_from_slice(b"\"><h3><a href=\"#");
    escape(out, &row.id.to_string());
    out.extend_from_slice(b"\">");
    escape(out, &failure.place);
    out.extend_from_slice(b"</a></h3><p class=\"facts\">");
    escape(out, outcome_word(row.outcome));
    let kind = if row.kind == NodeKind::Test { "test" } else { row.r#type.as_str() };
    if !kind.is_empty() {
        out.extend_from_slice(" · ".as_bytes());
        escape(out, kind);
    }
    if let Some(nanos) = row.duration() {
        out.extend_from_slice(" · ".as_bytes());
        escape(out, &moment::human(nanos));
    }
    out.extend_from_slice(b"</p>");
    if !row.reason.is_empty() {
        tagged(out, "pre", "why", clip(&row.reason, MAX_REASON));
    }
    if !failure.log.is_empty() || !failure.detail.is_empty() {
        let open: &[u8] = if open { b"<details open>" } else { b"<details>" };
        out.extend_from_slice(open);
        said(out, failure);
        out.extend_from_slice(b"</details>");
    }
    out.extend_from_slice(b"</article>\n");
}

/// The end of the log; without a log, the first detail.
fn said(out: &mut Vec<u8>, failure: &Failure) {
    if failure.log.is_empty() {
        out.extend_from_slice(b"<summary>What it said</summary>");
        return tagged(out, "pre", "", last_lines(&failure.detail, 2 * LOG_LINES));
    }
    out.extend_from_slice(b"<summary>The end of its log</summary><div class=log>");
    let mut style = Style::default();
    for piece in &failure.log {
        let is_error = piece.stream == oyez_model::event::Stream::Stderr;
        let class = if is_error { "<div class=e><span>" } else { "<div><span>" };
        out.extend_from_slice(class.as_bytes());
        ansi::render(out, piece.bytes.strip_suffix(b"\n").unwrap_or(&piece.bytes), &mut style);
        out.extend_from_slice(b"</span></div>");
    }
    out.extend_from_slice(b"</div>");
}
