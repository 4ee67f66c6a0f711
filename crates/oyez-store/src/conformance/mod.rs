//! The rules that every store keeps, as tests that any form can be held against.
//!
//! A [`Form`] says how a store is opened; each rule is a function that takes one and panics where the rule is broken.
//! [`conformance_suite!`](crate::conformance_suite) makes one test of each:
//!
//! ```ignore
//! mod memory {
//!     oyez_store::conformance_suite!(super::InMemory::new);
//! }
//! ```
//!
//! | module | rules about |
//! |---|---|
//! | [`jobs`] | beginning, listing and finding jobs |
//! | [`append`] | order, numbers, repeats, gaps, limits |
//! | [`lease`] | leases, epochs, fencing |
//! | [`blob`] | content by its hash |
//! | [`read`] | what a reader sees: one moment, rows, segments, events across chunks |
//! | [`search`] | searching logs, tags |
//! | [`wait`] | waiting for events |
//! | [`crowd`] | many producers at once, dropped futures, fairness |
//!
//! [`events`] makes the events that the rules and other tests of stores speak of; a [`ledger`] holds the acks that a
//! producer was given against what is there after something went wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests: a panic is their report"
)]

pub mod append;
pub mod blob;
pub mod crowd;
pub mod events;
pub mod jobs;
pub mod lease;
pub mod ledger;
pub mod read;
pub mod search;
pub mod wait;

use std::sync::Arc;

use crate::api::Store;
use crate::clock::{Clock, ManualClock};
use oyez_model::Time;

/// A form of store, as the suite opens it.
pub trait Form: Send + Sync {
    /// Opens the form's one store. What was kept before is there again, unless [`Form::is_lasting`] says otherwise;
    /// the suite closes and drops a store before it opens it again.
    fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store>;

    /// Whether a store that is opened again has what it had.
    fn is_lasting(&self) -> bool;
}

/// A clock that stands at 2026-11-20T16:53:20Z.
#[must_use]
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Time(1_795_193_600_000_000_000), 7))
}

/// Runs a rule on a runtime with two threads, as a server would.
///
/// # Panics
/// Where the rule does, or when there can be no runtime.
pub fn run(rule: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(rule);
}

/// One test for each rule; takes a path to a function that makes a fresh [`Form`].
#[macro_export]
macro_rules! conformance_suite {
    ($make:path) => {
        $crate::conformance_suite! { $make =>
            jobs: a_job_is_found_by_its_number_its_uid_its_guid_and_as_the_latest,
            jobs: the_same_uid_again_is_a_success_with_the_first_number,
            jobs: a_job_begins_with_the_events_that_come_with_it,
            jobs: a_job_that_is_refused_leaves_no_trace,
            jobs: a_list_is_newest_first_and_all_filters_hold_at_once,
            jobs: a_list_follows_a_jobs_state,
            jobs: jobs_are_listed_by_their_server_and_their_numbers,
            jobs: a_guid_of_several_jobs_finds_them_newest_first,
            jobs: a_job_that_is_not_there_is_a_typed_error_everywhere,
            append: events_are_kept_in_order_under_rising_numbers,
            append: a_batch_sent_again_gets_its_first_ack,
            append: a_batch_that_overlaps_adds_only_what_is_new,
            append: a_gap_names_the_number_that_is_expected,
            append: each_producer_has_its_own_numbers,
            append: a_producer_that_left_goes_on_with_its_numbers,
            append: batches_and_events_beyond_the_limits_are_refused,
            append: late_events_are_kept_after_the_jobs_end,
            append: what_was_acked_is_there_after_opening_again,
            lease: a_lease_is_taken_renewed_and_given_back,
            lease: leases_are_taken_all_or_none,
            lease: a_lease_that_has_run_out_may_be_taken_and_its_epoch_rises,
            lease: only_the_owner_renews,
            lease: all_that_a_dead_owner_held_is_given_back_at_once,
            lease: a_former_owner_cannot_append_any_more,
            lease: a_jobs_first_owner_holds_its_lease,
            lease: epochs_rise_over_opening_again,
            lease: the_next_owner_of_a_job_inherits_its_targets,
            lease: held_targets_are_listed_by_their_ids,
            lease: what_people_do_to_targets_is_kept,
            blob: a_blob_comes_back_whatever_its_size,
            blob: a_blob_that_is_not_there_is_a_typed_error,
            blob: a_blob_is_there_after_opening_again,
            read: a_reader_stays_at_its_moment,
            read: a_node_with_a_thousand_children_is_read_in_pages,
            read: events_are_read_from_any_number_on,
            read: events_are_read_by_their_numbers,
            read: open_and_ended_nodes_are_read_alike,
            read: failures_are_the_deepest_ones_in_the_order_of_their_ids,
            read: an_ended_jobs_rows_stay_the_same_over_opening_again,
            search: lines_are_found_by_text_and_by_regular_expression,
            search: a_hit_names_its_job_section_and_target,
            search: logs_are_searched_by_job_tag_level_and_time,
            search: a_cursor_goes_on_where_the_page_before_ended,
            search: the_newest_line_of_a_running_job_is_found,
            search: log_that_is_not_text_is_searched_as_it_is_shown,
            search: tags_are_counted_and_found_by_pattern,
            wait: waiting_ends_with_the_next_commit,
            wait: waiting_for_what_is_there_ends_at_once,
            wait: waiting_ends_at_its_limit,
            wait: one_waits_again_and_again,
            crowd: sixteen_producers_at_once_are_kept_whole_and_in_order,
            crowd: a_dropped_append_is_told_by_sending_it_again,
            crowd: a_flooding_job_does_not_hold_up_another,
            crowd: jobs_are_created_at_once_without_double_numbers,
        }
    };
    ($make:path => $($module:ident: $rule:ident,)*) => {
        $(
            #[test]
            fn $rule() {
                let form = $make();
                $crate::conformance::run($crate::conformance::$module::$rule(&form));
            }
        )*
    };
}
