//! One commit in both stores, and how it may end.

use repo_across::{Across, Committed, MARKERS, WaitsFor};
use repo_core::{CollectionName, Consistency, Filter, Precondition, Result, Write};

use super::{Store, World, item, number, over, put};

/// The entities of one commit. The first store changes one, deletes one and makes one; the
/// second store changes one and makes one.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    name: String,
    /// What the second store's entity has to be for the commit.
    when: Precondition,
}

/// Which writes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Both,
    Neither,
    /// The first store's alone.
    Half,
}

impl Scene {
    /// The second store takes its writes.
    pub(crate) fn possible(name: impl Into<String>) -> Self {
        Self { name: name.into(), when: over(1) }
    }

    /// The second store refuses its writes.
    pub(crate) fn refused(name: impl Into<String>) -> Self {
        Self { name: name.into(), when: over(9) }
    }

    /// The second store takes its writes on another condition.
    pub(crate) fn when(self, when: Precondition) -> Self {
        Self { when, ..self }
    }

    pub(crate) fn id(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// Stores what is there before the commit.
    pub(crate) async fn set(&self, first: &Store, second: &Store) {
        let any = Precondition::Any;
        let there = vec![put(&self.id("changed"), 1, any), put(&self.id("deleted"), 1, any)];
        first.commit(there).await.unwrap();
        second.commit(vec![put(&self.id("changed"), 1, any)]).await.unwrap();
    }

    pub(crate) fn first(&self) -> Vec<Write> {
        vec![
            put(&self.id("changed"), 2, Precondition::Any),
            Write::delete(item(&self.id("deleted")), Precondition::Exists),
            put(&self.id("made"), 2, Precondition::Absent),
            Write::delete(item(&self.id("never")), Precondition::Any),
        ]
    }

    pub(crate) fn second(&self) -> Vec<Write> {
        let changed = put(&self.id("changed"), 2, self.when);
        vec![changed, put(&self.id("made"), 2, Precondition::Any)]
    }

    pub(crate) async fn commit(&self, across: &Across) -> Result<Committed> {
        across.commit(self.first(), self.second()).await
    }

    /// The same, in a world where it is set first.
    pub(crate) async fn run(&self, world: &World, across: &Across) -> Result<Committed> {
        self.set(&world.first, &world.second).await;
        self.commit(across).await
    }

    /// Expects that exactly these writes are there.
    pub(crate) async fn ends(&self, first: &Store, second: &Store, end: End) {
        let (one, two) = (end != End::Neither, end == End::Both);
        let changed = number(first, &self.id("changed")).await;
        let deleted = number(first, &self.id("deleted")).await;
        let made = number(first, &self.id("made")).await;
        let expected = if one { (Some(2), None, Some(2)) } else { (Some(1), Some(1), None) };
        assert_eq!((changed, deleted, made), expected, "{self:?} in the first store, {end:?}");
        let changed = number(second, &self.id("changed")).await;
        let made = number(second, &self.id("made")).await;
        let expected = if two { (Some(2), Some(2)) } else { (Some(1), None) };
        assert_eq!((changed, made), expected, "{self:?} in the second store, {end:?}");
    }

    pub(crate) async fn ends_in(&self, world: &World, end: End) {
        self.ends(&world.first, &world.second, end).await;
    }
}

pub(crate) async fn markers(store: &Store) -> u64 {
    let markers = CollectionName::new(MARKERS).unwrap();
    store.count(&markers, &Filter::default(), Consistency::Strong).await.unwrap()
}

/// Expects that nothing is left of any commit.
pub(crate) async fn nothing_is_left(across: &Across, second: &Store) {
    let left = across.list(None).await.unwrap();
    assert_eq!((left.intents, markers(second).await), (vec![], 0));
}

/// What stands in the way of the only commit that has not ended.
pub(crate) async fn stuck(across: &Across) -> (repo_across::IntentId, String) {
    let mut left = across.list(None).await.unwrap().intents;
    assert_eq!(left.len(), 1, "{left:?}");
    let status = left.remove(0);
    match status.waits_for {
        WaitsFor::Operator { why, .. } => (status.id, why),
        WaitsFor::Recovery => panic!("{status:?}"),
    }
}
