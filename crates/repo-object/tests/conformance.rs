//! The conformance suite: over objects in memory that change all the time, in a folder, and a part
//! of it on a server that speaks S3.
//!
//! On the server all of it takes minutes, since each operation is a request. What depends on the
//! server is in the part: creations on condition, lists, ranges, several handles, lost races.
//! `scripts/full objects` runs the rest there too, and the random histories in their long form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::num::NonZeroU32;

use common::ObjectPlace;
use repo_object::ObjectSettings;

/// A checkpoint after a few objects, and nothing in the cache: what is read is read from
/// objects, and they change all the time.
fn restless() -> ObjectSettings {
    let every = NonZeroU32::new(3).unwrap();
    ObjectSettings { checkpoint_every: every, cache_bytes: 0, ..ObjectSettings::default() }
}

repo_testkit::conformance!(folder, || async { ObjectPlace::in_folder() });
repo_testkit::conformance!(restless_memory, || async { ObjectPlace::in_memory(restless()) });
repo_testkit::conformance_on_request!(s3_in_full, || async { ObjectPlace::on_s3() });

repo_testkit::conformance_part!(s3, || async { ObjectPlace::on_s3() }, {
    aggregates: [acknowledged_writes_are_grouped];
    apply: [the_answer_compares_with_what_is_stored, apply_takes_any_number_of_records];
    changes_concurrency: [nothing_is_lost_while_many_write];
    changes_positions: [pages_leave_nothing_out, positions_outlive_the_handle];
    commits_atomic: [
        one_failing_write_undoes_all,
        a_commit_has_as_many_bytes_as_the_store_says,
        an_acknowledged_commit_is_there_without_a_close,
    ];
    concurrency: [one_writer_wins_each_round, one_of_many_creates];
    consistency: [
        each_level_shows_what_the_handle_wrote,
        a_token_is_good_through_every_handle,
        a_token_needs_a_prepared_store,
    ];
    document_rules: [the_size_limit_is_exact];
    documents: [strings_are_kept_exactly];
    features: [a_location_names_the_store, a_store_in_order_is_healthy];
    history: [older_versions_outlive_files_and_handles];
    keys: [any_name_can_be_a_collection, unusual_ids_are_kept_apart];
    lifecycle: [
        a_closed_handle_says_so,
        closing_one_handle_leaves_the_others,
        a_reopen_keeps_everything,
        each_opening_goes_on_from_the_last,
        dropping_a_handle_loses_nothing,
        a_checkpoint_changes_nothing,
        checkpoints_run_beside_writes,
    ];
    prepare: [prepared_is_prepared_for_every_handle, many_open_and_prepare_at_once];
    purge: [only_old_tombstones_go];
    query_paging: [pages_together_are_the_whole_answer];
    read_only: [opening_makes_nothing, every_write_is_refused, every_read_answers];
    reads: [
        acknowledged_writes_are_seen_at_once,
        strong_reads_see_every_acknowledged_write,
        a_mark_of_the_state_tells_of_every_write,
    ];
    roles: [a_fence_holds_against_writers];
    scan: [
        a_scan_yields_every_record_once,
        a_scan_goes_over_many_records,
        a_record_that_cannot_be_read_ends_a_scan,
    ];
    scrubbing: [scrubbing_changes_nothing_that_is_read];
    store_record: [one_of_many_gives_the_id];
    system_items: [one_of_many_changes_an_item];
    transactions: [write_skew_is_refused];
});

/// Each operation is a request or more.
fn most_on_s3() -> u64 {
    if std::env::var("REPO_TEST_S3").is_ok_and(|which| which == "all") { u64::MAX } else { 800 }
}

repo_testkit::differential!(memory_answers_as_the_reference_does, || async {
    ObjectPlace::in_memory(ObjectSettings::default())
});
repo_testkit::differential!(restless_memory_answers_as_the_reference_does, || async {
    ObjectPlace::in_memory(restless())
});
repo_testkit::differential!(
    s3_answers_as_the_reference_does,
    || async { ObjectPlace::on_s3() },
    most: most_on_s3()
);
