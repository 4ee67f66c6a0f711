//! One row of the tree: outcome, type, name, reason, how many below, time, bar.

use oyez_model::row::Flags;
use oyez_model::{NodeKind, NodeRow, Outcome};

use super::frames::Parts;
use super::markup::{escape, thousands};
use crate::facts::Window;
use crate::moment;
use crate::text::one_line;
use crate::walk::Node;

/// What a row shows of a name and of a reason; what is longer stands in full where the section is opened.
pub(super) const MAX_NAME: usize = 240;
pub(super) const MAX_REASON: usize = 200;

/// The letter of an outcome: class of a row, and the index's word.
pub(super) fn letter(row: &NodeRow) -> u8 {
    match row.outcome {
        _ if row.is_open() => b'r',
        None => b'n',
        Some(Outcome::Passed) => b'p',
        Some(Outcome::Passx) => b'x',
        Some(Outcome::Failed) => b'f',
        Some(Outcome::Errored) => b'e',
        Some(Outcome::Aborted) => b'a',
        Some(Outcome::Blocked) => b'b',
        Some(Outcome::Skipped) => b's',
    }
}

/// A row; without parts it is one of the first screen, which stands for itself until the script has read the page.
pub(super) fn render(out: &mut Vec<u8>, node: &Node<'_>, parts: Option<&Parts>) {
    let row = node.row;
    out.extend_from_slice(b"<div class=\"r o-");
    out.push(letter(row));
    if node.excluded {
        out.extend_from_slice(b" off");
    }
    out.extend_from_slice(b"\" data-l=");
    moment::push_number(out, u64::from(node.depth));
    out.extend_from_slice(b" data-i=");
    out.extend_from_slice(row.id.to_string().as_bytes());
    match parts {
        Some(parts) => {
            if let Some(body) = parts.body {
                out.extend_from_slice(b" data-b=");
                moment::push_number(out, u64::from(body));
            }
            if !parts.pages.is_empty() {
                out.extend_from_slice(b" data-k=");
                out.extend_from_slice(parts.pages.as_bytes());
            }
        }
        None => out.extend_from_slice(
            format!(" role=treeitem aria-level={0} style=\"--l:{0}\"", node.depth).as_bytes(),
        ),
    }
    out.extend_from_slice(b"><b></b><span class=m>");
    if !row.r#type.is_empty() {
        out.extend_from_slice(b"<i>");
        escape(out, &one_line(&row.r#type, 60));
        out.extend_from_slice(b"</i>");
    }
    name(out, row);
    words(out, node);
    if !row.reason.is_empty() {
        out.extend_from_slice(b"<em>");
        escape(out, &one_line(&row.reason, MAX_REASON));
        out.extend_from_slice(b"</em>");
    }
    out.extend_from_slice(b"</span>");
    below(out, row);
    if let Some(nanos) = row.duration() {
        out.extend_from_slice(b"<span class=t>");
        escape(out, &moment::human(nanos));
        out.extend_from_slice(b"</span>");
    }
    bar(out, row, node.window);
    out.extend_from_slice(b"</div>");
}

fn name(out: &mut Vec<u8>, row: &NodeRow) {
    let name = one_line(&row.name, MAX_NAME);
    out.extend_from_slice(b"<span>");
    if name.is_empty() {
        out.extend_from_slice(b"(without a name)");
    } else {
        escape(out, &name);
    }
    out.extend_from_slice(b"</span>");
}

/// What is special about it.
fn words(out: &mut Vec<u8>, node: &Node<'_>) {
    let row = node.row;
    let flags = row.flags;
    let attempt;
    let mut words: Vec<&str> = Vec::new();
    if row.kind == NodeKind::Test && (row.attempt > 0 || flags.has(Flags::RETRIED)) {
        attempt = format!("attempt {}", row.attempt + 1);
        words.push(&attempt);
    }
    let known = [
        (Flags::RETRIED, "retried"),
        (Flags::CLEANUP, "clean-up"),
        (Flags::ORPHAN, "lost its parent"),
        (Flags::NEVER_ENDED, if flags.has(Flags::ANNOUNCED) { "never started" } else { "never ended" }),
    ];
    words.extend(known.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, word)| *word));
    for word in words {
        out.extend_from_slice(b"<u>");
        escape(out, word);
        out.extend_from_slice(b"</u>");
    }
}

/// How many children, how many of them a person must look at.
fn below(out: &mut Vec<u8>, row: &NodeRow) {
    let total = match row.kind {
        NodeKind::Run | NodeKind::Job => row.counts.total(),
        NodeKind::Test | NodeKind::Section => row.child_count(),
    };
    if total == 0 {
        return;
    }
    out.extend_from_slice(b"<span class=c>");
    if row.counts.bad() > 0 {
        out.extend_from_slice(b"<s>");
        escape(out, &thousands(row.counts.bad()));
        out.extend_from_slice(b"</s>/");
    }
    escape(out, &thousands(total));
    out.extend_from_slice(b"</span>");
}

/// Where in its run it was, and how long.
fn bar(out: &mut Vec<u8>, row: &NodeRow, window: Window) {
    let Some(start) = row.started else { return };
    let whole = window.end.since(window.start);
    if whole == 0 {
        return;
    }
    let end = row.stopped.unwrap_or(window.end);
    // The last moments of a run stay visible: a bar has a width of its own.
    let left = percent(start.since(window.start).min(whole / 1000 * 977), whole);
    let width = percent(end.since(start).min(whole), whole);
    out.extend_from_slice(b"<span class=g><i style=\"left:");
    out.extend_from_slice(left.as_bytes());
    out.extend_from_slice(b"%;width:");
    out.extend_from_slice(width.as_bytes());
    out.extend_from_slice(b"%\"></i></span>");
}

/// A share in percent with at most one digit after the point.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1000 / u128::from(whole.max(1));
    match (thousandths / 10, thousandths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}
