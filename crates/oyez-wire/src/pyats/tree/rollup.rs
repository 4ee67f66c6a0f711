//! Results, counters and health on their way up.

use oyez_model::{Outcome, Value};

use super::{Counter, Ix, Kind, Tree, Verdict};

impl Tree {
    /// Sets a node's result; suites and tasks above see it at once, sections only when it rolls up.
    pub(super) fn set_result(&mut self, ix: Ix, result: Option<Verdict>) {
        let before = self.outcome(ix);
        let node = self.node_mut(ix);
        match (&mut node.totals, node.kind) {
            (Some(totals), Kind::Suite | Kind::Task) => totals.said = result,
            _ => node.result = result,
        }
        self.changed(ix, before);
    }

    pub(super) fn outcome(&self, ix: Ix) -> Option<Outcome> {
        let node = self.node(ix);
        match (&node.totals, node.kind) {
            (Some(_), Kind::Suite | Kind::Task) => node.verdict().map(|v| v.outcome),
            _ => node.result.as_ref().map(|v| v.outcome),
        }
    }

    /// A child's result is another one now: a suite's or task's is that of its children.
    fn changed(&mut self, ix: Ix, before: Option<Outcome>) {
        let now = self.outcome(ix);
        let counts = !self.node(ix).removed && self.node(ix).rolled_up;
        if before != now && counts {
            self.recount(ix, before, now);
        }
    }

    fn recount(&mut self, ix: Ix, before: Option<Outcome>, now: Option<Outcome>) {
        let Some(parent) = self.node(ix).parent else { return };
        if !matches!(self.node(parent).kind, Kind::Suite | Kind::Task) {
            return;
        }
        let parents_before = self.outcome(parent);
        if let Some(totals) = &mut self.node_mut(parent).totals {
            if let Some(before) = before {
                let n = &mut totals.results[before.index()];
                *n = n.saturating_sub(1);
            }
            if let Some(now) = now {
                totals.results[now.index()] += 1;
            }
        }
        self.changed(parent, parents_before);
    }

    /// Takes a node's result out of what its parent counts.
    pub(super) fn forget_result(&mut self, ix: Ix) {
        let before = self.outcome(ix);
        self.recount(ix, before, None);
    }

    /// What a section that stops does to those above it: its result and its health reach every section and the plugin
    /// above, whatever they come to themselves later. One that is not rolled up, or has no result, leaves its own health
    /// as it was, too (recorded case `rollup_off`).
    pub(super) fn roll_up(&mut self, ix: Ix) {
        let (Some(parent), Some(outcome)) = (self.node(ix).parent, self.outcome(ix)) else { return };
        if self.node(parent).kind == Kind::Plugin
            && let Some(totals) = &mut self.node_mut(parent).totals
        {
            totals.summary.get_or_insert_default().add(outcome);
        }
        let mut above = Some(parent);
        while let Some(at) = above.filter(|at| matches!(self.node(*at).kind, Kind::Section | Kind::Plugin)) {
            let rolled = self.node(at).result.as_ref().map_or(outcome, |old| old.outcome.rollup(outcome));
            self.set_result(at, Some(Verdict::of(rolled)));
            above = self.node(at).parent;
        }
        self.roll_up_health(ix, parent);
    }

    fn roll_up_health(&mut self, ix: Ix, parent: Ix) {
        let mut depth = self.depth(ix);
        if self.node(parent).kind == Kind::Suite || depth < 2 && self.node(parent).kind != Kind::Plugin {
            return;
        }
        let health = self.node(ix).health.as_ref().map_or(Outcome::Passed, |h| h.outcome);
        let counter = self.node(ix).health_counts();
        self.node_mut(parent).health_counter.get_or_insert_default().merge(&counter);
        // The uppermost section takes it only when it was said or rolled up, not when it is assumed.
        let had = self.node(ix).health.is_some();
        if !had {
            self.node_mut(ix).health = Some(Verdict::of(Outcome::Passed));
        }
        let mut above = Some(parent);
        while let Some(at) = above.filter(|at| matches!(self.node(*at).kind, Kind::Section | Kind::Plugin)) {
            if depth < 3 && !had {
                return;
            }
            let node = self.node_mut(at);
            let rolled = node.health.as_ref().map_or(health, |h| h.outcome.rollup(health));
            node.health = Some(Verdict::of(rolled));
            above = node.parent;
            depth = depth.saturating_sub(1);
        }
    }

    /// Counts what a task's children came to.
    pub(super) fn sum_task(&mut self, task: Ix) {
        let mut summary = Counter::default();
        let mut plugins = Counter::default();
        let mut health: Option<(Outcome, Counter)> = None;
        for &child in &self.node(task).children {
            let node = self.node(child);
            match node.kind {
                Kind::Plugin => {
                    match (node.totals.as_ref().and_then(|t| t.summary.as_ref()), &node.result) {
                        (Some(of), _) => plugins.merge(of),
                        // One without sections of its own counts itself.
                        (None, Some(result)) if node.rolled_up => plugins.add(result.outcome),
                        _ => {}
                    }
                }
                _ => {
                    if let Some(result) = node.result.as_ref().filter(|_| node.rolled_up) {
                        summary.add(result.outcome);
                    }
                    if let Some(own) = &node.health {
                        let (outcome, counter) = health.get_or_insert((own.outcome, Counter::default()));
                        *outcome = outcome.rollup(own.outcome);
                        counter.merge(&node.health_counts());
                    }
                }
            }
        }
        plugins.summed = false;
        self.take_sums(task, summary, plugins, health);
    }

    /// Adds up what the suite's tasks and plugins came to.
    pub(super) fn sum_suite(&mut self, suite: Ix) {
        let mut summary = Counter::default();
        let mut plugins = Counter::default();
        let mut health: Option<(Outcome, Counter)> = None;
        for &child in &self.node(suite).children {
            let node = self.node(child);
            let own = node.totals.as_ref().and_then(|t| t.summary);
            match (node.kind, own) {
                (Kind::Plugin, Some(own)) => plugins.merge(&own),
                (Kind::Task, Some(own)) => summary.merge(&own),
                _ => {}
            }
            if let Some(own) = &node.health {
                let (outcome, counter) = health.get_or_insert((own.outcome, Counter::default()));
                *outcome = outcome.rollup(own.outcome);
                counter.merge(&node.health_counts());
            }
        }
        summary.summed = false;
        plugins.summed = false;
        let announced = match self.node(suite).said("totaltasks") {
            Some(Value::Int(n)) => *n as f64,
            Some(Value::Float(n)) => *n,
            _ => 0.0,
        };
        if announced > 0.0 {
            let of_tasks = |child: &&Ix| self.node(**child).kind == Kind::Task;
            let there = self.node(suite).children.iter().filter(of_tasks).count();
            summary.scale = there as f64 / announced;
        }
        self.take_sums(suite, summary, plugins, health);
    }

    fn take_sums(&mut self, ix: Ix, summary: Counter, plugins: Counter, health: Option<(Outcome, Counter)>) {
        let node = self.node_mut(ix);
        if let Some(totals) = &mut node.totals {
            totals.summary = Some(summary);
            totals.pluginsummary = plugins;
        }
        // What a client said of a task's health goes before that of its children; counts are always theirs.
        if let Some((outcome, _)) = &health
            && (node.health.is_none() || node.kind == Kind::Suite)
        {
            node.health = Some(Verdict::of(*outcome));
        }
        node.health_counter = health.map(|(_, counter)| Box::new(counter));
    }
}
