//! The protocol of blobs and records: whatever step a crash comes at, nothing active lacks its
//! bytes, and nothing is left when the sweeper has had its time.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::invariants::{holds_in_the_end, holds_now};
use crate::common::{Place, clock, story};
use repo_core::ErrorKind;
use repo_data::{DataOptions, Hooks, Step, collections};
use repo_engine::Store;
use repo_testkit::Process;
use tempfile::TempDir;

/// Tells the story until the `nth` time that it comes to `step`. Whether it came there.
async fn crash(place: &Place, step: Step, nth: usize) -> bool {
    let seen = AtomicUsize::new(0);
    let stops = move |at: Step| at == step && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth;
    let service = place.stopping(stops).await;
    match story::tell(&service, &place.clock).await {
        Ok(()) => false,
        Err(error) if error.kind() == ErrorKind::Closed => true,
        Err(error) => panic!("{step:?} {nth}: {error:?}"),
    }
}

/// Each time that the story comes to each step, but `most` times at most.
async fn crash_everywhere(fresh: impl AsyncFn() -> Place, most: usize) {
    for step in Step::ALL {
        for nth in 1..=most {
            let place = fresh().await;
            let crashed = crash(&place, *step, nth).await;
            assert!(crashed || nth > 1, "the story never comes to {step:?}");
            holds_in_the_end(&place).await;
            if !crashed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_nothing_in_memory() {
    crash_everywhere(Place::memory, 4).await;
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_nothing_on_sqlite() {
    crash_everywhere(Place::sqlite, 2).await;
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_nothing_on_json_files() {
    crash_everywhere(Place::json, 2).await;
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_nothing_on_postgresql() {
    if std::env::var_os("REPO_TEST_POSTGRES_URL").is_some() {
        crash_everywhere(Place::postgres, 1).await;
    }
}

/// The client of DynamoDB takes its server and its access key from the environment: so the test
/// runs in a process that has them.
#[test]
fn a_crash_at_any_step_leaves_nothing_on_dynamodb() {
    let Ok(server) = std::env::var("REPO_TEST_DYNAMODB_URL") else { return };
    let key = repo_testkit::servers::new_access_key();
    let status = this("protocol::on_dynamodb_of_the_environment")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ENDPOINT_URL_DYNAMODB", server)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", &key)
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test above"]
async fn on_dynamodb_of_the_environment() {
    if std::env::var("AWS_ENDPOINT_URL_DYNAMODB").is_ok() {
        let fresh =
            async || Place::at(&format!("dynamodb:{}", repo_testkit::servers::unique_name())).await;
        crash_everywhere(fresh, 1).await;
    }
}

fn this(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]);
    command
}

/// The URL of the store of a place of processes.
fn url_in(kind: &str, folder: &TempDir) -> String {
    let name = if kind == "sqlite" { "m.db" } else { "records" };
    format!("{kind}:{}", folder.path().join(name).display())
}

/// Kills a process that tells the story, at each step.
async fn kill_everywhere(kind: &str) {
    for step in Step::ALL {
        let folder = TempDir::new().unwrap();
        let mut child = Process::start(
            this("protocol::tells_the_story_until_it_is_killed")
                .env("REPO_DATA_URL", url_in(kind, &folder))
                .env("REPO_DATA_FOLDER", folder.path())
                .env("REPO_DATA_STEP", format!("{step:?}"))
                .stdout(Stdio::piped()),
        );
        let told = std::io::BufReader::new(child.stdout());
        let reached = std::io::BufRead::lines(told).any(|line| line.unwrap().contains("reached"));
        assert!(reached, "the process never came to {step:?}");
        child.kill();
        let url = url_in(kind, &folder);
        let place = Place::with(folder, &url).await;
        // Its clock went on while the story was told.
        place.clock.advance(9 * crate::common::DAY);
        holds_now(&place.open().await).await;
        holds_in_the_end(&place).await;
    }
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_step_leaves_nothing_on_sqlite() {
    kill_everywhere("sqlite").await;
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_step_leaves_nothing_on_json_files() {
    kill_everywhere("json").await;
}

#[tokio::test]
#[ignore = "a process of the tests above"]
async fn tells_the_story_until_it_is_killed() {
    let told = |name: &str| std::env::var(name).ok();
    let (Some(url), Some(folder), Some(step)) =
        (told("REPO_DATA_URL"), told("REPO_DATA_FOLDER"), told("REPO_DATA_STEP"))
    else {
        return;
    };
    let step = Step::named(&step).unwrap();
    let hooks = Hooks::new(move |at| {
        if at == step {
            println!("\nreached");
            // Until the parent has seen it.
            loop {
                std::thread::park();
            }
        }
        false
    });
    let store = Store::open(url).schemas(collections::schemas().unwrap()).await.unwrap();
    let clock = clock();
    let folder = std::path::Path::new(&folder);
    let options = DataOptions { hooks, ..crate::common::options(folder, Arc::clone(&clock)) };
    let service = crate::common::open(store, &folder.join("blobs"), options).await;
    story::tell(&service, &clock).await.unwrap();
}
