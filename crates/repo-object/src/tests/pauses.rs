//! Handles that were stopped for long, while others wrote, made checkpoints and removed what
//! these knew.

use std::time::Duration;

use super::{Fixture, all, save, text};
use crate::checkpoint::{Why, make};
use crate::strategy::ObjectStrategy;

/// A store whose handles were all stopped for long, whenever they are asked for something.
fn stopped() -> Fixture {
    Fixture::new().without_grace().without_cache()
}

/// Others write so much that no frame is left that the handle would ask for.
async fn others_go_on(other: &ObjectStrategy, why: Why) {
    for n in 0..20 {
        save(other, &format!("m-{n}"), "by another").await;
    }
    make(other.store(), why).await.unwrap();
}

/// The frame that a stopped handle would ask for is gone. That is not the end of the log.
#[tokio::test]
async fn a_reader_that_was_stopped_sees_what_was_written_meanwhile() {
    for why in [Why::Asked, Why::Whole] {
        let fixture = stopped();
        let (early, other) = (fixture.prepared().await, fixture.open().await);
        save(&early, "mine", "1").await;
        others_go_on(&other, why).await;
        let position = early.store().state().position;
        let names = fixture.names("log").await;
        assert!(!names.contains(&crate::names::log(position + 1)), "{names:?}");
        assert_eq!(text(&early, "m-3").await.as_deref(), Some("by another"), "{why:?}");
        assert_eq!(all(&early).await, all(&other).await);
    }
}

/// The number that a stopped handle would take was used, and is free again. It takes the next
/// one that nobody had.
#[tokio::test]
async fn a_writer_that_was_stopped_writes_behind_the_others() {
    for why in [Why::Asked, Why::Whole] {
        let fixture = stopped();
        let (early, other) = (fixture.prepared().await, fixture.open().await);
        save(&early, "mine", "1").await;
        others_go_on(&other, why).await;
        assert_eq!(save(&early, "m-3", "mine").await, 2, "{why:?}");
        assert_eq!(text(&other, "m-3").await.as_deref(), Some("mine"));
        assert_eq!(all(&fixture.open().await).await, all(&other).await);
    }
}

/// Within the grace nothing is removed that a handle might take for the end: also one that
/// notices nothing finds each number taken.
#[tokio::test]
async fn within_the_grace_nothing_has_to_be_noticed() {
    let mut fixture = Fixture::new();
    fixture.limits.stale_after = Duration::MAX;
    let (early, other) = (fixture.prepared().await, fixture.open().await);
    save(&early, "mine", "1").await;
    others_go_on(&other, Why::Whole).await;
    assert_eq!(save(&early, "m-3", "mine").await, 2);
    assert_eq!(all(&early).await, all(&other).await);
}

/// A handle that reads for long, and whose position falls far behind the newest checkpoint,
/// takes the runs that it does not have, and not all that it has already.
#[tokio::test]
async fn a_handle_that_fell_behind_takes_what_it_lacks() {
    let fixture = stopped();
    let (early, other) = (fixture.prepared().await, fixture.open().await);
    make(other.store(), Why::Whole).await.unwrap();
    assert_eq!(all(&early).await.len(), 0);
    others_go_on(&other, Why::Asked).await;
    fixture.wire.asked();
    assert_eq!(text(&early, "m-3").await.as_deref(), Some("by another"));
    let whole = early.store().state().base.manifest.runs[0].id;
    let asked = fixture.wire.asked();
    let again = asked.iter().any(|(_, name)| *name == crate::names::index(whole, 0));
    assert!(!again, "{asked:?}");
}
