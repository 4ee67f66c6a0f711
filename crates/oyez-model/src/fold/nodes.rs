//! Nodes in the live state: begin, hang on, end, roll up, leave.

use super::{Changes, Live, MAX_WAITING, OpenNode, Rows, Step};
use crate::event::Event;
use crate::ids::{EventSeq, ProducerId, SectionId, TestKey};
use crate::outcome::{Counts, Outcome};
use crate::row::{Flags, Hang, NodeKind, NodeRow, REASON_LEN, SEGMENT_LEN, Segment};
use crate::time::Time;

impl Step<'_> {
    /// A node begins, or is announced.
    pub(super) fn start(
        &mut self,
        number: u64,
        parent: SectionId,
        kind: NodeKind,
        fill: impl FnOnce(&mut NodeRow),
    ) {
        let id = SectionId::new(self.producer, number);
        if number == 0 {
            // The job's own number: nothing can be found below it again.
            self.live.tally.unplaced += 1;
            return;
        }
        if self.live.nodes.contains_key(&id) {
            return self.begin_announced(id, kind, fill);
        }
        if let Some(producer) = self.live.producers.get_mut(&self.producer) {
            let heard_of = number <= producer.max_node;
            producer.max_node = producer.max_node.max(number);
            if heard_of && let Some(row) = self.out.left(id, self.rows) {
                // Without its row, a fold from a checkpoint would take it for a new one.
                self.out.revived = true;
                if row.flags.has(Flags::ANNOUNCED) && self.live.bring(id, self.rows, self.out) {
                    self.begin_announced(id, kind, fill);
                    self.live.leave_if_done(id, self.out);
                }
                return;
            }
        }
        let mut row = NodeRow::new(id, parent, kind);
        row.start_seq = self.seq;
        fill(&mut row);
        let known = parent != id && self.live.bring(parent, self.rows, self.out);
        let circle = parent == id || known && self.live.waits_for(parent, id);
        self.live.nodes.insert(id, OpenNode { waiting: true, ..OpenNode::new(row) });
        if circle {
            self.live.orphan(id, self.out);
            self.live.leave_if_done(parent, self.out);
        } else if known {
            self.live.attach(id, parent, self.out);
        } else {
            self.live.wait_for(parent, id, self.out);
        }
        if self.live.waiting_count > 0
            && let Some(children) = self.live.waiting.remove(&id)
        {
            self.live.waiting_count -= children.len();
            for child in children {
                self.live.attach(child, id, self.out);
                self.live.leave_if_done(child, self.out);
            }
        }
        self.place_pending(id);
    }

    /// What was announced begins, even when somebody else ended it before; anything else that begins twice is heard
    /// once.
    fn begin_announced(&mut self, id: SectionId, kind: NodeKind, fill: impl FnOnce(&mut NodeRow)) {
        let Some(node) = self.live.nodes.get(&id) else { return };
        if !node.row.flags.has(Flags::ANNOUNCED) || node.row.kind != kind {
            return;
        }
        // It may begin as one that nobody counts: what it counted is taken back first.
        let (parent, outcome) = (node.row.parent, node.row.outcome);
        let counted = node.is_closed() && !node.waiting;
        if counted {
            self.live.count_child(id, parent, Some(outcome), None);
        }
        let Some(node) = self.live.nodes.get_mut(&id) else { return };
        node.row.flags.set(Flags::ANNOUNCED, false);
        fill(&mut node.row);
        node.row.start_seq = self.seq;
        if node.row.flags.has(Flags::NEVER_ENDED) && !node.row.flags.has(Flags::ANNOUNCED) {
            // The job had ended before: it did begin, and is not known to have ended.
            self.live.tally.never_started = self.live.tally.never_started.saturating_sub(1);
            self.live.tally.never_ended += 1;
        }
        if node.is_closed() && !node.row.is_excluded() {
            // What was announced had planned nothing yet.
            self.live.tally.miss(&node.row);
        }
        if counted {
            self.live.count_child(id, parent, None, Some(outcome));
        }
        self.live.set_key(id);
    }

    /// An event hangs on a node.
    pub(super) fn hang(&mut self, id: SectionId, event: &Event, is_log: bool) {
        self.try_hang(id, event, is_log);
    }

    /// The same; false when the node has not begun yet and the event waits for it.
    pub(super) fn try_hang(&mut self, id: SectionId, event: &Event, is_log: bool) -> bool {
        if !self.live.bring(id, self.rows, self.out) {
            self.keep_for(id, event);
            return false;
        }
        let Some(node) = self.live.nodes.get_mut(&id) else { return false };
        if node.row.hangs.last().is_none_or(|last| last.seq != self.seq) {
            node.row.hangs.push(Hang { seq: self.seq, is_log });
        }
        if node.row.hangs.len() == SEGMENT_LEN {
            self.out.segments.push(Segment::of_hangs(id, node.row.hang_segments, &node.row.hangs));
            node.row.hang_segments += 1;
            node.row.hangs.clear();
        }
        self.live.leave_if_done(id, self.out);
        true
    }

    pub(super) fn rename(&mut self, id: SectionId, name: &str) {
        if self.live.bring(id, self.rows, self.out) {
            if let Some(node) = self.live.nodes.get_mut(&id) {
                name.clone_into(&mut node.row.name);
            }
            if id == SectionId::ROOT {
                name.clone_into(&mut self.live.job.name);
                self.out.job = true;
            }
            self.live.set_key(id);
            self.live.leave_if_done(id, self.out);
        }
    }

    /// A node ends; without an outcome it keeps what its children rolled up.
    pub(super) fn stop(
        &mut self,
        event: &Event,
        id: SectionId,
        outcome: Option<Outcome>,
        reason: Option<&str>,
        rollup: bool,
        time: Time,
    ) {
        if id == SectionId::ROOT {
            return;
        }
        if !self.live.bring(id, self.rows, self.out) {
            return self.keep_for(id, event);
        }
        let Some(node) = self.live.nodes.get_mut(&id) else { return };
        let before = node.is_closed().then_some(node.row.outcome);
        self.live.tally.forgive(&mut node.row);
        node.row.stopped = Some(time);
        if !node.row.flags.has(Flags::REMOVED) {
            node.row.flags.set(Flags::NO_ROLLUP, !rollup);
        }
        if outcome.is_some() {
            node.rolled = outcome;
        }
        if node.row.kind == NodeKind::Section && outcome.is_some_and(Outcome::is_good) {
            // A target that ends well (one that is listed twice runs once) has nothing to wait for.
            self.live.tally.forget_missing_of(&mut node.row, before.is_some());
        }
        node.row.outcome = node.rolled;
        node.ended = true;
        if let Some(reason) = reason {
            node.row.reason = cut(reason);
        }
        if before.is_none() && !node.row.is_excluded() {
            self.live.tally.miss(&node.row);
        }
        let node = &self.live.nodes[&id];
        if !node.waiting {
            let (parent, now) = (node.row.parent, node.row.outcome);
            self.live.count_child(id, parent, before, Some(now));
            self.live.roll(id);
        }
        self.live.leave_if_done(id, self.out);
    }

    /// Another attempt follows: what this one counted is taken back.
    pub(super) fn retried(&mut self, id: SectionId) {
        if self.live.bring(id, self.rows, self.out)
            && let Some(node) = self.live.nodes.get_mut(&id)
            && node.row.kind == NodeKind::Test
            && !node.row.is_excluded()
        {
            if node.is_closed() {
                self.live.tally.forget_missing(&node.row);
            }
            node.row.flags.set(Flags::RETRIED, true);
            let (counts, parent, waiting) = (node.row.counts, node.row.parent, node.waiting);
            if !waiting {
                self.live.add_cases(parent, &Counts::default(), &counts);
            }
        }
    }

    /// No other attempt followed: what this one counted is counted again. Its outcome rolls up when it is said to end.
    pub(super) fn counts_after_all(&mut self, id: SectionId) {
        if self.live.bring(id, self.rows, self.out)
            && let Some(node) = self.live.nodes.get_mut(&id)
            && node.row.flags.has(Flags::RETRIED)
        {
            node.row.flags.set(Flags::RETRIED, false);
            if node.row.is_excluded() {
                return;
            }
            if node.is_closed() {
                self.live.tally.miss(&node.row);
            }
            let (counts, parent, waiting) = (node.row.counts, node.row.parent, node.waiting);
            if !waiting {
                self.live.add_cases(parent, &counts, &Counts::default());
            }
        }
    }

    /// A node is taken back: shown no more and counted no more. One that had ended keeps what it rolls up, one that
    /// was open never does.
    pub(super) fn remove(&mut self, event: &Event, id: SectionId) {
        if id == SectionId::ROOT {
            return;
        }
        if !self.live.bring(id, self.rows, self.out) {
            return self.keep_for(id, event);
        }
        self.live.uncount(id);
        let Some(node) = self.live.nodes.get_mut(&id) else { return };
        self.live.tally.forgive(&mut node.row);
        node.row.flags.set(Flags::REMOVED, true);
        if !node.ended {
            node.row.flags.set(Flags::NO_ROLLUP, true);
            node.row.outcome = node.rolled;
            node.row.stopped = Some(self.time);
            node.ended = true;
        }
        self.live.leave_if_done(id, self.out);
    }
}

fn cut(reason: &str) -> String {
    if reason.len() <= REASON_LEN {
        return reason.to_owned();
    }
    let mut end = REASON_LEN - '…'.len_utf8();
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &reason[..end])
}

impl Live {
    /// Makes sure that a node and all above it are in the live state; false when it has never been heard of.
    pub(super) fn bring(&mut self, id: SectionId, rows: &dyn Rows, out: &mut Changes) -> bool {
        if self.nodes.contains_key(&id) {
            return true;
        }
        // From the node up to the first that is here, then down again, so that each finds its parent.
        let mut path = Vec::new();
        let mut at = id;
        while !self.nodes.contains_key(&at) {
            match out.left(at, rows) {
                Some(row) if path.len() < 10_000 => {
                    at = row.parent;
                    path.push(row);
                }
                _ => return false,
            }
        }
        out.revived = true;
        for row in path.into_iter().rev() {
            if let Some(parent) = self.nodes.get_mut(&row.parent) {
                parent.open_children += 1;
            }
            let ended = row.stopped.is_some();
            let rolled = if ended { row.outcome } else { row.rolled };
            self.nodes.insert(row.id, OpenNode { rolled, ended, ..OpenNode::new(row) });
        }
        true
    }

    /// A child finds its parent: it stands among the children, counts and rolls up.
    pub(super) fn attach(&mut self, id: SectionId, parent: SectionId, out: &mut Changes) {
        let Some(child) = self.nodes.get_mut(&id) else { return };
        child.waiting = false;
        child.row.parent = parent;
        let (kind, ended, outcome) = (child.row.kind, child.ended, child.row.outcome);
        let (counts, excluded, cases) = (child.row.counts, child.row.is_excluded(), child.cases.take());
        // A test of a run is planned once, whatever its attempts; a clean-up is not planned.
        let planned_one =
            kind != NodeKind::Test || (child.row.attempt == 0 && !child.row.flags.has(Flags::CLEANUP));
        let Some(above) = self.nodes.get_mut(&parent) else { return };
        above.row.children.push(id);
        above.open_children += 1;
        if above.row.children.len() == SEGMENT_LEN {
            out.segments.push(Segment::of_children(parent, above.row.child_segments, &above.row.children));
            above.row.child_segments += 1;
            above.row.children.clear();
        }
        if planned_one {
            let late = above.is_closed() && !above.row.is_excluded() && above.row.missing() > 0;
            above.row.seen = above.row.seen.saturating_add(1);
            if late {
                self.tally.missing = self.tally.missing.saturating_sub(1);
            }
            if above.row.kind == NodeKind::Section {
                // A target's plan was one step; how many it visits is not planned.
                above.row.planned = None;
            }
        }
        self.set_key(id);
        match kind {
            NodeKind::Run | NodeKind::Test if !excluded => {
                self.add_cases(parent, &counts, &Counts::default())
            }
            _ => {}
        }
        if let Some(cases) = cases {
            self.add_cases(parent, &cases, &Counts::default());
        }
        if ended {
            self.count_child(id, parent, None, Some(outcome));
            self.roll(id);
        }
    }

    /// A child whose parent has not come waits; when too many do, it is placed below the job.
    pub(super) fn wait_for(&mut self, parent: SectionId, id: SectionId, out: &mut Changes) {
        if self.waiting_count >= MAX_WAITING {
            return self.orphan(id, out);
        }
        self.waiting.entry(parent).or_default().push(id);
        self.waiting_count += 1;
    }

    /// Whether a node hangs below one that waits for `parent`.
    fn waits_for(&self, id: SectionId, parent: SectionId) -> bool {
        let mut at = id;
        while self.waiting.contains_key(&parent) && at != SectionId::ROOT {
            match self.nodes.get(&at) {
                Some(node) if node.waiting => return node.row.parent == parent,
                Some(node) => at = node.row.parent,
                None => return false,
            }
        }
        false
    }

    /// A section of a test is a case: its key goes on from the test's, with the name that it has now. A test says all
    /// of its key itself.
    fn set_key(&mut self, id: SectionId) {
        if let Some(node) = self.nodes.get(&id)
            && node.row.kind == NodeKind::Section
            && !node.waiting
            && let Some(above) = self.nodes.get(&node.row.parent)
            && above.row.kind == NodeKind::Test
        {
            let key = TestKey::below(above.row.key, &node.row.name);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.row.key = key;
            }
        }
    }

    /// What a node counts for those above it is taken back.
    fn uncount(&mut self, id: SectionId) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.row.flags.has(Flags::REMOVED)) else {
            return;
        };
        let (parent, kind, counts) = (node.row.parent, node.row.kind, node.row.counts);
        let counted = !node.waiting && !node.row.is_excluded();
        if node.is_closed() && !node.row.is_excluded() {
            self.tally.forget_missing(&node.row);
        }
        if counted && node.is_closed() {
            let outcome = node.row.outcome;
            self.count_child(id, parent, Some(outcome), None);
        }
        if counted && matches!(kind, NodeKind::Run | NodeKind::Test) {
            self.add_cases(parent, &Counts::default(), &counts);
        }
    }

    fn orphan(&mut self, id: SectionId, out: &mut Changes) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.row.flags.set(Flags::ORPHAN, true);
            self.tally.orphans += 1;
            self.attach(id, SectionId::ROOT, out);
            self.leave_if_done(id, out);
        }
    }

    /// Counts the end of a section at its parent and, when it is a case, at the run and the job. Runs and the job
    /// count cases only, and nobody counts what was removed.
    pub(super) fn count_child(
        &mut self,
        id: SectionId,
        parent: SectionId,
        before: Option<Option<Outcome>>,
        now: Option<Option<Outcome>>,
    ) {
        let is_child = |n: &OpenNode| {
            let flags = n.row.flags;
            n.row.kind == NodeKind::Section && !flags.has(Flags::REMOVED) && !flags.has(Flags::ASIDE)
        };
        if before == now || !self.nodes.get(&id).is_some_and(is_child) {
            return;
        }
        let Some(above) = self.nodes.get_mut(&parent) else { return };
        if matches!(above.row.kind, NodeKind::Run | NodeKind::Job) {
            return;
        }
        let (mut less, mut more) = (Counts::default(), Counts::default());
        if let Some(before) = before {
            above.row.counts.take(before);
            less.add(before);
        }
        if let Some(now) = now {
            above.row.counts.add(now);
            more.add(now);
        }
        if above.row.kind == NodeKind::Test && !above.waiting && !above.row.is_excluded() {
            let up = above.row.parent;
            self.add_cases(up, &more, &less);
        }
    }

    /// Adds cases to a run and the job, or takes them away.
    pub(super) fn add_cases(&mut self, from: SectionId, more: &Counts, less: &Counts) {
        let mut at = from;
        // No way up is longer than there are nodes, not even in a damaged checkpoint.
        for _ in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(&at) else { return };
            let counts_cases = matches!(node.row.kind, NodeKind::Run | NodeKind::Job);
            let counts = match (counts_cases, node.waiting) {
                (true, _) => Some(&mut node.row.counts),
                (false, true) => Some(&mut **node.cases.get_or_insert_default()),
                (false, false) => None,
            };
            for (i, n) in counts.into_iter().flat_map(|counts| counts.0.iter_mut().enumerate()) {
                *n = n.saturating_add(more.0[i]).saturating_sub(less.0[i]);
            }
            if node.waiting || at == SectionId::ROOT || counts_cases && node.row.is_excluded() {
                return;
            }
            at = node.row.parent;
        }
    }

    /// The outcome of a node that has ended rolls up, and on through parents that have ended before it.
    pub(super) fn roll(&mut self, id: SectionId) {
        let mut at = id;
        while let Some(node) = self.nodes.get(&at) {
            let flags = node.row.flags;
            let excluded =
                flags.has(Flags::NO_ROLLUP) || flags.has(Flags::RETRIED) || flags.has(Flags::CLEANUP);
            let (Some(outcome), false, false) =
                (node.row.outcome, node.waiting || excluded, at == SectionId::ROOT)
            else {
                return;
            };
            let parent = node.row.parent;
            let Some(above) = self.nodes.get_mut(&parent) else { return };
            let rolled = above.rolled.map_or(outcome, |have| have.rollup(outcome));
            above.rolled = Some(rolled);
            let now = if above.ended { Some(rolled) } else { above.so_far() };
            if above.row.flags.has(Flags::NEVER_ENDED) {
                above.row.rolled = above.rolled;
            }
            if !above.is_closed() || above.row.outcome == now {
                return;
            }
            let before = std::mem::replace(&mut above.row.outcome, now);
            let (up, waiting) = (above.row.parent, above.waiting);
            if !waiting {
                self.count_child(parent, up, Some(before), Some(now));
            }
            at = parent;
        }
    }

    /// A node that has ended and has no open child leaves as a row, and so may its parent.
    pub(super) fn leave_if_done(&mut self, id: SectionId, out: &mut Changes) {
        let mut at = id;
        while at != SectionId::ROOT
            && self.nodes.get(&at).is_some_and(|n| n.ended && n.open_children == 0 && !n.waiting)
            && let Some(node) = self.nodes.remove(&at)
        {
            at = node.row.parent;
            out.nodes.push(node.row);
            if let Some(parent) = self.nodes.get_mut(&at) {
                parent.open_children = parent.open_children.saturating_sub(1);
            }
        }
    }

    /// The job has come to its end: what waits is placed below it, what is open becomes rows as it stands.
    pub(super) fn settle(&mut self, _: &dyn Rows, out: &mut Changes) {
        let mut waiting: Vec<SectionId> = self.waiting.drain().flat_map(|(_, ids)| ids).collect();
        self.waiting_count = 0;
        waiting.sort_unstable();
        for id in waiting {
            self.orphan(id, out);
        }
        self.tally.unplaced += self.pending_count as u64;
        self.pending.clear();
        self.pending_count = 0;
        let mut open: Vec<(EventSeq, SectionId)> = self
            .nodes
            .iter()
            .filter(|(id, _)| **id != SectionId::ROOT)
            .map(|(id, n)| (n.row.start_seq, *id))
            .collect();
        open.sort_unstable();
        // Children first, so that each finds its parent still here.
        for (_, id) in open.into_iter().rev() {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            if !node.ended && !node.row.flags.has(Flags::NEVER_ENDED) {
                node.row.flags.set(Flags::NEVER_ENDED, true);
                match node.row.flags.has(Flags::ANNOUNCED) {
                    true => self.tally.never_started += 1,
                    false => self.tally.never_ended += 1,
                }
                if !node.row.is_excluded() {
                    self.tally.miss(&node.row);
                }
                let parent = node.row.parent;
                node.row.outcome = node.so_far();
                node.row.rolled = node.rolled;
                let outcome = node.row.outcome;
                // A case that never ended is a case all the same.
                self.count_child(id, parent, None, Some(outcome));
                self.roll(id);
            }
        }
        let mut left: Vec<SectionId> =
            self.nodes.keys().copied().filter(|id| *id != SectionId::ROOT).collect();
        left.sort_unstable();
        for id in left {
            if let Some(node) = self.nodes.remove(&id) {
                out.nodes.push(node.row);
            }
        }
        if let Some(root) = self.nodes.get_mut(&SectionId::ROOT) {
            root.open_children = 0;
        }
    }

    /// The job's own row, written again after each late word.
    pub(super) fn close_root(&mut self, out: &mut Changes) {
        if let Some(root) = self.nodes.get_mut(&SectionId::ROOT) {
            root.row.stopped = self.job.ended;
            root.row.outcome = root.rolled;
            root.row.parent = SectionId::new(ProducerId(0), 0);
            out.nodes.push(root.row.clone());
        }
    }
}
