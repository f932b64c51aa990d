//! Opening by settings that a program made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use repo_core::ErrorKind;
use repo_core::strategy::OpenOptions;
use repo_json::{Filenames, JsonSettings, JsonStrategy};

#[tokio::test]
async fn settings_that_a_program_made_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let good = JsonSettings { base_path: folder.path().join("a"), ..JsonSettings::default() };
    let outside = Filenames { single_file: "../a.json".to_owned(), ..Filenames::default() };
    for (settings, kind) in [
        (JsonSettings { filenames: outside, ..good.clone() }, ErrorKind::ConfigInvalid),
        (JsonSettings { base_path: "".into(), ..good.clone() }, ErrorKind::ConfigInvalid),
    ] {
        let error = JsonStrategy::open(settings, OpenOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    JsonStrategy::open(good, OpenOptions::default()).await.unwrap();
}
