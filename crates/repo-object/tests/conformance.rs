//! The conformance suite over objects in memory, in a folder, and on a server that speaks S3.
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

repo_testkit::conformance!(memory, || async { ObjectPlace::in_memory(ObjectSettings::default()) });
repo_testkit::conformance!(restless_memory, || async { ObjectPlace::in_memory(restless()) });
repo_testkit::conformance!(folder, || async { ObjectPlace::in_folder() });
repo_testkit::conformance!(s3, || async { ObjectPlace::on_s3() });

repo_testkit::differential!(memory_answers_as_the_reference_does, || async {
    ObjectPlace::in_memory(ObjectSettings::default())
});
repo_testkit::differential!(restless_memory_answers_as_the_reference_does, || async {
    ObjectPlace::in_memory(restless())
});
repo_testkit::differential!(s3_answers_as_the_reference_does, || async { ObjectPlace::on_s3() });
