//! Opening by settings that a program made.

use repo_core::ErrorKind;
use repo_core::strategy::OpenOptions;
use repo_dynamo::{DynamoSettings, DynamoStrategy};

#[tokio::test]
async fn settings_that_a_program_made_are_checked() {
    let good = DynamoSettings::default;
    for (settings, kind) in [
        (DynamoSettings { table_prefix: String::new(), ..good() }, ErrorKind::ConfigInvalid),
        (DynamoSettings { write_capacity: 0, ..good() }, ErrorKind::ConfigInvalid),
        (DynamoSettings { region: Some(String::new()), ..good() }, ErrorKind::ConfigInvalid),
        (DynamoSettings { enable_dax: true, ..good() }, ErrorKind::Unsupported),
    ] {
        let error = DynamoStrategy::open(settings, OpenOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}
