//! `kill -9` of the real program at each step of upload, activation, deletion and sweep. After
//! each kill the next server finds nothing active without its bytes, and all that a client was
//! told; and when the sweeper has had its time, nothing else is left.
//!
//! The program stops at a step by `src/rehearsal.rs`, which no release has.

mod checks;
mod scene;
mod story;

use std::io::Write as _;

use repo_data::Step;
use repo_testkit::servers::unique_name;

use checks::{holds_in_the_end, holds_now};
use scene::{Scene, killed_meanwhile, swept};
use story::Story;

/// Hours that the clocks of the servers are ahead, one after another: first everything is
/// stored, then what is pending or deleted is due, then what was deleted once is due again.
const LIVES: [u32; 3] = [0, 200, 400];
/// Of the servers after a kill.
const AFTERWARDS: [u32; 3] = [600, 800, 1_000];

/// Kills a server the `nth` time that it comes to a step. Whether one came there.
fn kill_at(scene: &Scene, step: Step, nth: usize) -> bool {
    let stop = format!("{step:?}:{nth}");
    let mut items = Vec::new();
    let killed = LIVES.into_iter().find(|&ahead| {
        let server = scene.start(ahead, Some(&stop));
        killed_meanwhile(server, |client| match ahead {
            0 => {
                let part_bytes = scene.part_bytes();
                Story { client, items: &mut items, part_bytes }.tell()
            }
            _ => swept(client),
        })
    });
    let Some(ahead) = killed else { return false };
    scene.age_files();
    let server = scene.start(ahead, None);
    holds_now(scene, &server, &items, ahead > 0);
    drop(server);
    for ahead in AFTERWARDS {
        scene.sweep(ahead);
    }
    holds_in_the_end(scene, &scene.start(1_000, None), &items);
    let log = std::fs::read_to_string(scene.log()).unwrap();
    assert!(!log.contains(" ERROR ") && !log.contains("panicked"), "{log}");
    true
}

/// Each time that a server comes to each step, but `most` times at most.
fn kill_everywhere(most: usize, fresh: impl Fn() -> Option<Scene>) {
    for step in Step::ALL {
        for nth in 1..=most {
            let Some(scene) = fresh() else { return };
            // A failure is told with the step that it came after.
            let _ = writeln!(std::io::stdout(), "{step:?} {nth}");
            let killed = kill_at(&scene, *step, nth);
            assert!(killed || nth > 1, "no server ever came to {step:?}");
            if !killed {
                break;
            }
        }
    }
}

#[test]
fn a_server_that_is_killed_at_any_step_leaves_nothing_on_sqlite() {
    kill_everywhere(2, || Some(Scene::in_a_folder("sqlite:store.db")));
}

#[test]
fn a_server_that_is_killed_at_any_step_leaves_nothing_on_json_files() {
    kill_everywhere(2, || Some(Scene::in_a_folder("json:store")));
}

/// Where the environment names PostgreSQL and S3.
#[test]
fn a_server_that_is_killed_at_any_step_leaves_nothing_on_postgresql_and_s3() {
    let named = std::env::var_os("REPO_TEST_POSTGRES_URL").is_some();
    kill_everywhere(1, || named.then(|| Scene::in_s3("postgresql:///")).flatten());
}

/// Where the environment names DynamoDB and S3.
#[test]
fn a_server_that_is_killed_at_any_step_leaves_nothing_on_dynamodb_and_s3() {
    let named = std::env::var_os("REPO_TEST_DYNAMODB_URL").is_some();
    kill_everywhere(1, || {
        named.then(|| Scene::in_s3(&format!("dynamodb:{}", unique_name()))).flatten()
    });
}

/// What the tests above rest on: a wrong step is refused, and so is a wrong time.
#[test]
fn a_step_that_there_is_not_is_refused() {
    let place = crate::support::Place::new();
    for (variable, value) in
        [("REPO_REHEARSAL_STOP_AT", "Nowhere:1"), ("REPO_REHEARSAL_HOURS_AHEAD", "soon")]
    {
        let refused = place.command("--listen 127.0.0.1:0").env(variable, value).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(variable), "{said}");
    }
}
