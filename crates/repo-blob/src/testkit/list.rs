//! The list of all behaviours, and the macro that makes tests of them.

/// Makes one test of each behaviour, in a module `$name`. `$place` is a closure that makes a
/// fresh [`BlobPlace`](crate::testkit::BlobPlace).
///
/// ```ignore
/// repo_blob::blob_conformance!(folder, || async { FolderPlace::new() });
/// ```
#[macro_export]
macro_rules! blob_conformance {
    ($name:ident, $place:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::blob_conformance_tests! { $place;
                writes: [
                    any_size_is_read_as_it_was_written,
                    a_key_is_written_once,
                    one_of_many_writes_a_key,
                    what_is_not_expected_leaves_nothing,
                    a_stream_that_fails_leaves_nothing,
                    a_dropped_call_leaves_nothing,
                    chunks_may_be_empty,
                ];
                reads: [
                    ranges_are_slices,
                    an_empty_blob_has_no_range,
                    a_missing_blob_is_not_found,
                    a_blob_is_removed_twice,
                    verify_finds_what_differs,
                    pages_of_a_list_are_complete,
                    every_handle_sees_the_same,
                ];
                sessions: [
                    parts_are_joined_by_their_numbers,
                    a_part_may_come_again,
                    a_bad_part_changes_nothing,
                    a_missing_part_is_named,
                    an_unexpected_whole_leaves_no_blob,
                    a_session_is_given_up_twice,
                    a_session_outlives_its_handle,
                    a_session_replaces_nothing,
                    a_part_may_be_empty,
                    a_part_has_a_limit,
                ];
            }
        }
    };
}

/// Makes the tests of [`blob_conformance!`]; not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! blob_conformance_tests {
    ($place:expr; $($file:ident: [$($behaviour:ident),* $(,)?];)*) => {
        $(
            mod $file {
                #[allow(unused_imports)]
                use super::*;
                $(
                    #[test]
                    fn $behaviour() {
                        $crate::testkit::run($place, $crate::testkit::$file::$behaviour);
                    }
                )*
            }
        )*
    };
}
