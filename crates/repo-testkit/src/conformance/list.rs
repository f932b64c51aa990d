//! The list of all behaviours, and the macros that make tests of them.

/// Makes one test of each behaviour of the contract, in a module `$name`.
///
/// `$place` is a closure that makes a fresh [`Place`](crate::Place):
///
/// ```ignore
/// repo_testkit::conformance!(json_split, || async { JsonPlace::split() });
/// ```
///
/// Attributes before the name go to the module.
#[macro_export]
macro_rules! conformance {
    ($(#[$attribute:meta])* $name:ident, $place:expr) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn conformance_place() -> $crate::conformance::Making {
                $crate::conformance::making($place)
            }

            $crate::conformance_behaviours! { [$crate::conformance_tests] }
        }
    };
}

/// Makes tests of some behaviours alone, for a store on which all of them would take too long
/// to be run with every change. They are named as in the list:
///
/// ```ignore
/// repo_testkit::conformance_part!(s3, || async { ObjectPlace::on_s3() }, {
///     commits_atomic: [one_failing_write_undoes_all];
///     reads: [acknowledged_writes_are_seen_at_once];
/// });
/// ```
///
/// [`conformance_on_request!`](crate::conformance_on_request!) makes the tests of all.
#[macro_export]
macro_rules! conformance_part {
    ($(#[$attribute:meta])* $name:ident, $place:expr, { $($behaviours:tt)* }) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn conformance_place() -> $crate::conformance::Making {
                $crate::conformance::making($place)
            }

            $crate::conformance_tests! { $($behaviours)* }
        }
    };
}

/// As [`conformance!`](crate::conformance!), and none of the tests is run unless ignored ones
/// are asked for.
#[macro_export]
macro_rules! conformance_on_request {
    ($(#[$attribute:meta])* $name:ident, $place:expr) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn conformance_place() -> $crate::conformance::Making {
                $crate::conformance::making($place)
            }

            $crate::conformance_behaviours! { [$crate::conformance_ignored_tests] }
        }
    };
}

/// Hands all behaviours to another macro; not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_behaviours {
    ([$($receiver:tt)*]) => {
        $($receiver)*! {
            aggregates: [
                everything_is_one_group,
                equal_values_are_one_group,
                in_an_indexed_text_field,
                in_indexed_fields_of_other_types,
                in_an_indexed_field_of_any_type,
                in_an_indexed_nested_field,
                several_fields_make_groups_together,
                only_matches_count,
                groups_have_a_limit,
                only_live_entities_count,
                many_entities_are_grouped,
                the_answer_says_who_grouped,
                an_unprepared_collection_has_no_groups,
                acknowledged_writes_are_grouped,
            ];
            aggregates_values: [
                sums_are_exact,
                sums_of_long_decimals_are_exact_in_groups,
                means_are_rounded_once,
                what_is_skipped_is_counted,
                extremes_go_by_the_order_of_values,
            ];
            apply: [
                the_answer_compares_with_what_is_stored,
                a_record_keeps_its_version_and_times,
                applied_records_are_found_by_queries,
                apply_is_idempotent,
                a_key_may_stand_several_times,
                apply_ignores_floors,
                apply_takes_any_number_of_records,
                many_at_once_are_compared_one_by_one,
                a_load_keeps_every_record_as_it_is,
                any_order_leads_to_the_same_state,
                apply_and_commit_go_on_from_each_other,
            ];
            changes: [
                nothing_is_captured_unless_it_is_asked_for,
                an_unprepared_store_captures_nothing,
                every_write_is_a_change,
                what_changes_nothing_is_no_change,
                a_key_applied_twice_has_two_changes,
                a_write_beside_a_check_is_the_only_change,
                a_change_of_an_older_version_carries_the_newer_record,
                a_purged_delete_is_still_a_change,
                a_key_that_begins_anew_is_the_later_change,
                a_new_collection_is_captured,
            ];
            changes_concurrency: [
                a_handle_that_was_open_before_is_captured,
                a_long_feed_is_read_whole,
                nothing_is_lost_while_many_write,
                capture_begins_while_many_write,
            ];
            changes_positions: [
                pages_leave_nothing_out,
                positions_outlive_the_handle,
                capture_begins_with_what_follows,
                capture_ends_with_its_last_holder,
                what_is_removed_expires,
                a_position_belongs_to_its_store,
                a_handle_for_reading_only_reads_no_feed,
                a_closed_handle_reads_no_feed,
            ];
            commits: [
                each_change_with_each_precondition,
            ];
            commits_atomic: [
                one_failing_write_undoes_all,
                every_failed_precondition_is_named,
                the_kind_follows_from_all_failures,
                a_key_twice_is_invalid,
                an_empty_commit_does_nothing,
                answers_stand_in_the_order_of_the_writes,
                checks_guard_the_writes_beside_them,
                a_commit_has_as_many_keys_as_the_store_says,
                a_commit_has_as_many_bytes_as_the_store_says,
                an_unprepared_collection_fails_the_whole_commit,
                many_entities_are_deleted_at_once,
                an_acknowledged_commit_is_there_without_a_close,
            ];
            concurrency: [
                one_writer_wins_each_round,
                one_of_many_creates,
                two_that_exclude_each_other_never_both_commit,
                no_version_falls_while_deletes_race_with_saves,
                racing_writes_count_without_gap,
                distinct_ids_do_not_disturb_each_other,
                nobody_sees_half_of_a_commit,
                a_dropped_commit_is_whole_or_not_there,
                overlapping_commits_do_not_block_each_other,
            ];
            consistency: [
                each_level_shows_what_the_handle_wrote,
                a_token_is_good_through_every_handle,
                a_token_of_another_store_is_refused,
                a_scope_gives_reads_its_level,
                a_token_needs_a_prepared_store,
            ];
            conveniences: [
                each_convenience_has_its_condition,
                a_repository_is_the_same_in_types,
                what_was_read_is_updated_over_its_version,
                a_query_built_in_rust_is_the_json_one,
                batches_are_written_whole,
                streams_go_over_all_pages,
                a_document_of_another_shape_is_an_error,
            ];
            document_rules: [
                each_rule_on_the_text_is_invalid_with_its_place,
                the_id_field_has_to_equal_the_id,
                an_indexed_field_holds_at_most_1000_bytes_of_text,
                the_size_limit_is_exact,
                nothing_is_written_when_one_document_is_invalid,
                nothing_is_applied_when_one_record_is_invalid,
            ];
            documents: [
                numbers_are_kept_exactly,
                strings_are_kept_exactly,
                long_texts_are_kept_in_fields_without_an_index,
                unusual_keys_are_kept,
                shapes_are_kept,
                thirty_one_levels_are_kept,
                a_document_may_hold_its_id_alone,
            ];
            equality: [
                stored_documents_are_compared_as_json,
                equal_documents_have_equal_digests,
                filters_compare_by_value,
                saving_an_equal_document_is_a_write,
            ];
            expiry_reads: [
                what_has_passed_is_absent_to_every_read,
                queries_mean_what_is_left,
                pages_go_on_while_time_passes,
                a_cursor_of_another_query_is_refused,
            ];
            expiry_sweeps: [
                the_sweeper_deletes_what_has_passed,
                a_sweep_can_be_bounded,
                what_is_written_meanwhile_stays,
                what_says_no_time_is_left_and_named,
                the_feed_shows_the_deletions,
                a_store_for_reading_is_not_swept,
            ];
            expiry_writes: [
                an_insert_finds_the_id_free,
                a_put_makes_a_new_entity,
                what_was_read_before_is_gone,
                a_check_of_absence_holds,
                a_refused_commit_writes_nothing,
                transactions_see_it_absent,
                what_is_no_time_is_refused,
                copies_are_taken_as_they_are,
            ];
            features: [
                what_is_not_offered_is_unsupported,
                an_index_is_used_where_there_is_one,
                limits_leave_room_to_work,
                a_location_names_the_store,
                a_store_in_order_is_healthy,
                a_deep_look_reads_every_record,
                errors_name_what_they_are_about,
            ];
            history: [
                what_is_replaced_is_kept,
                what_changes_nothing_replaces_nothing,
                a_key_applied_twice_keeps_both,
                documents_are_kept_to_the_byte,
                pages_of_several_ids_are_in_order,
                a_page_ends_with_the_oldest_that_is_asked_for,
                older_versions_outlive_files_and_handles,
                handles_opened_before_keep_too,
                writers_at_once_leave_no_gap,
            ];
            history_as_of: [
                as_of_is_what_reading_answered,
            ];
            history_state: [
                nothing_is_kept_unless_it_is_asked_for,
                each_collection_for_itself,
                history_that_ends_is_gone,
                its_beginning_never_falls,
                the_state_of_a_history_is_compared_and_set,
                tombstones_of_a_history_are_not_purged,
                it_may_begin_while_others_write,
                a_handle_for_reading_only_changes_no_history,
            ];
            history_attributions: [
                who_wrote_a_version_is_kept_with_it,
                a_commit_that_fails_attributes_nothing,
                without_a_history_nobody_is_named,
                attributions_are_added_and_forgotten,
            ];
            history_writes: [
                versions_are_added_and_compared,
                versions_are_cleared_and_removed,
                what_was_changed_outlives_files_and_handles,
                a_write_replaces_what_was_added,
                writes_out_of_bounds_are_refused,
            ];
            keys: [
                collection_names_follow_the_rule,
                any_name_can_be_a_collection,
                ids_follow_the_rule,
                unusual_ids_are_kept_apart,
                ids_may_have_255_characters,
                ids_are_ordered_by_their_utf8_bytes,
            ];
            lifecycle: [
                a_closed_handle_says_so,
                closing_one_handle_leaves_the_others,
                a_reopen_keeps_everything,
                each_opening_goes_on_from_the_last,
                dropping_a_handle_loses_nothing,
                a_checkpoint_changes_nothing,
                checkpoints_run_beside_writes,
            ];
            prepare: [
                an_unprepared_collection_is_not_found,
                a_store_without_collections_is_empty,
                prepare_may_be_repeated,
                what_is_checked_is_as_it_will_be_made,
                a_collection_given_twice_is_refused,
                what_the_check_refuses_prepare_refuses,
                an_index_is_added_to_a_filled_collection,
                what_is_loaded_before_its_indexes_is_found,
                prepared_is_prepared_for_every_handle,
                many_open_and_prepare_at_once,
                a_collection_has_the_id_field_of_its_schema,
                a_mistyped_collection_is_recognised,
            ];
            purge: [
                only_old_tombstones_go,
                the_floor_only_rises,
                a_purged_id_goes_on_above_its_last_version,
                an_unfinished_clean_up_lets_a_purge_be,
                an_unfinished_migration_refuses_a_purge,
                many_tombstones_are_purged,
            ];
            query_analysis: [
                the_counts_go_with_the_page,
                a_scan_looks_at_everything,
                an_index_looks_at_its_matches_alone,
                an_unprepared_collection_is_not_analyzed,
            ];
            query_cursors: [
                a_cursor_belongs_to_its_query,
                a_cursor_outlives_its_page,
                a_cursor_passes_as_text,
                garbage_is_no_cursor,
                a_forged_position_does_no_harm,
            ];
            query_logic: [
                filters_mean_what_the_contract_says,
                an_index_changes_no_answer,
                a_declared_type_changes_no_answer,
                strings_compare_by_their_utf8_bytes,
                text_operators_are_exact,
                what_is_no_filter_is_invalid,
                tombstones_are_neither_found_nor_counted,
                conditions_on_several_fields_are_joined,
            ];
            query_operators: [
                in_a_field_without_an_index,
                in_a_nested_field_without_an_index,
                in_an_indexed_field_of_any_type,
                in_an_indexed_text_field,
                in_an_indexed_number_field,
                in_an_indexed_integer_field,
                in_an_indexed_boolean_field,
                in_an_indexed_nested_field,
                in_the_first_field_of_an_index_on_two,
                in_a_declared_field_without_an_index,
            ];
            query_order: [
                values_of_all_types_stand_in_one_order,
                an_index_keeps_the_order,
                an_index_on_text_keeps_the_order,
                an_index_on_numbers_keeps_the_order,
                an_index_on_integers_keeps_the_order,
                an_index_on_booleans_keeps_the_order,
                an_index_on_a_nested_field_keeps_the_order,
                an_order_goes_with_any_filter,
                orders_and_limits_are_checked,
            ];
            query_paging: [
                pages_together_are_the_whole_answer,
                an_empty_answer_is_one_empty_page,
                pages_of_a_filter_are_complete,
                a_page_without_a_limit_holds_a_thousand,
                others_may_change_between_pages,
                a_page_goes_on_after_a_deleted_entity,
            ];
            read_only: [
                opening_makes_nothing,
                every_write_is_refused,
                every_read_answers,
                reading_prepares_nothing,
                a_selection_reads_what_it_names,
            ];
            reads: [
                get_many_answers_in_the_order_of_the_ids,
                get_many_takes_any_number_of_ids,
                get_shows_no_tombstones,
                acknowledged_writes_are_seen_at_once,
                strong_reads_see_every_acknowledged_write,
                eventual_reads_show_committed_entities,
                a_mark_of_the_state_tells_of_every_write,
            ];
            scan: [
                a_scan_yields_every_record_once,
                a_batch_is_no_larger_than_asked_for,
                segments_divide_the_collection,
                segments_are_stable,
                others_may_change_while_a_scan_runs,
                a_scan_goes_over_many_records,
                a_scan_may_be_given_up,
                a_record_that_cannot_be_read_ends_a_scan,
                a_record_that_is_set_aside_is_named_beside_the_others,
                a_record_is_named_where_all_are,
            ];
            store_record: [
                a_fresh_store_has_its_record,
                a_prepared_store_has_an_id,
                the_id_is_compared_and_set,
                one_of_many_gives_the_id,
                floors_rise_and_never_fall,
                a_floor_may_be_as_high_as_versions_go,
                the_unfinished_job_is_compared_and_set,
                each_kind_of_job_is_kept_as_it_is,
                one_of_many_begins_a_migration,
                a_migration_stops_no_writes,
            ];
            roles: [
                a_role_is_kept,
                a_step_is_checked,
                jobs_and_live_migrations_exclude_each_other,
                a_fenced_store_takes_no_writes,
                a_retired_store_names_its_successor,
                a_copy_takes_records_of_its_migration,
                consumers_belong_to_the_authority,
                a_fence_holds_against_writers,
                a_retired_store_is_emptied_for_its_migration,
                health_warns_of_a_store_that_takes_no_writes,
                health_warns_of_a_copy,
            ];
            scrubbing: [
                scrubbing_changes_nothing_that_is_read,
                a_handle_for_reading_only_scrubs_nothing,
            ];
            system_items: [
                an_item_is_compared_and_set,
                items_are_written_together,
                items_are_listed_in_order,
                one_of_many_changes_an_item,
                items_are_no_entities,
                items_out_of_bounds_are_refused,
            ];
            timestamps: [
                created_at_survives_updates,
                created_at_does_not_survive_a_delete,
                every_way_of_reading_gives_the_same_times,
                a_commit_has_one_time,
                a_clock_that_stands_stops_nothing,
                distant_times_are_kept,
            ];
            transaction_conditions: [
                a_required_condition_is_checked,
                a_required_key_may_be_read_and_written,
                a_required_condition_is_not_tried_again,
            ];
            transaction_locks: [
                a_locked_read_alone_is_checked,
                a_locked_read_sees_what_the_transaction_wrote,
                what_has_changed_cannot_be_locked,
                who_locks_decides_by_what_is_there,
            ];
            transactions: [
                a_transaction_reads_its_own_writes,
                a_transaction_reads_several_keys_at_once,
                a_commit_checks_everything_read,
                write_skew_is_refused,
                what_was_not_read_is_not_checked,
                what_is_assumed_absent_is_checked,
                dropping_a_transaction_rolls_it_back,
                conditions_hold_within_a_transaction,
                a_transaction_spans_collections,
                reading_alone_is_checked_too,
                an_error_of_the_closure_rolls_back,
                the_closure_may_ask_for_another_run,
                conflicts_are_retried,
                no_update_is_lost,
            ];
            versions: [
                the_first_version_is_one_and_each_write_adds_one,
                a_version_survives_delete_and_create,
                keys_count_for_themselves,
                what_writes_nothing_raises_no_version,
                new_ids_start_above_the_floor,
                the_last_version_is_the_end,
                a_version_never_falls,
            ];
        }
    };
}

/// Makes the tests of [`conformance!`]; not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($($file:ident: [$($behaviour:ident),* $(,)?];)*) => {
        $(
            mod $file {
                $(
                    #[test]
                    fn $behaviour() {
                        $crate::conformance::run(
                            super::conformance_place,
                            $crate::conformance::boxed::$file::$behaviour,
                        );
                    }
                )*
            }
        )*
    };
}

/// Makes the tests of [`conformance_on_request!`]; not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_ignored_tests {
    ($($file:ident: [$($behaviour:ident),* $(,)?];)*) => {
        $(
            mod $file {
                $(
                    #[test]
                    #[ignore = "it takes long; see scripts/full"]
                    fn $behaviour() {
                        $crate::conformance::run(
                            super::conformance_place,
                            $crate::conformance::boxed::$file::$behaviour,
                        );
                    }
                )*
            }
        )*
    };
}

/// Makes the functions of [`boxed`](super::boxed).
macro_rules! conformance_boxed {
    ($($file:ident: [$($behaviour:ident),* $(,)?];)*) => {
        $(
            #[allow(missing_docs, reason = "the function in the file of this name has them")]
            pub mod $file {
                $(
                    pub fn $behaviour(f: $crate::Fixture) -> super::Behaviour {
                        Box::pin($crate::conformance::$file::$behaviour(f))
                    }
                )*
            }
        )*
    };
}
pub(super) use conformance_boxed;
