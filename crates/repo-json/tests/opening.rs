//! Opening by settings that a program made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use repo_core::ErrorKind;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
use repo_json::{Filenames, JsonFactory, JsonSettings, JsonStrategy};
use repo_testkit::check_scratch_places;
use serde_json::json;

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

#[tokio::test]
async fn scratch_places_stand_beside_the_store_and_leave_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let settings = json!({
        "storage_type": "split_files", "base_path": folder.to_str().unwrap(),
        "backup_enabled": true, "backup_location": home.path().join("kept").to_str().unwrap(),
    });
    let place = JsonFactory.scratch(&settings).unwrap();
    assert_eq!(place.settings()["storage_type"], "split_files");
    assert_eq!(place.settings().get("backup_location"), None);
    JsonFactory.remove_scratch(&place).await.unwrap();
    check_scratch_places(&JsonFactory, &settings).await;
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
