//! What tells one store from another without a write, however it is named.

use std::collections::BTreeSet;

/// Facts of the system that keeps a store: the device and inode of its files,
/// the server and number of its database, the ids of its tables. What
/// [`physical_identity`](crate::strategy::StorageStrategy::physical_identity) answers.
///
/// ```
/// use repo_core::strategy::{PhysicalIdentity, Sameness};
///
/// let file = |inode| PhysicalIdentity::new("files").holds(inode).within("device 7");
/// assert_eq!(file("7:12").compare(&file("7:12")), Sameness::Same);
/// assert_eq!(file("7:12").compare(&file("7:13")), Sameness::Different);
/// let elsewhere = PhysicalIdentity::new("files").holds("8:13").within("device 8");
/// assert_eq!(file("7:12").compare(&elsewhere), Sameness::Undecided);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalIdentity {
    system: &'static str,
    held_by: BTreeSet<String>,
    within: Option<String>,
    apart: Option<String>,
    is_there: bool,
    replica: Option<String>,
}

/// Whether two handles are on one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Surely one store.
    Same,
    /// Surely two.
    Different,
    /// The facts do not say.
    Undecided,
}

impl PhysicalIdentity {
    /// A store of this kind of system, `files` or `dynamodb`, of which nothing
    /// more is known yet.
    #[must_use]
    pub fn new(system: &'static str) -> Self {
        Self {
            system,
            held_by: BTreeSet::new(),
            within: None,
            apart: None,
            is_there: true,
            replica: None,
        }
    }

    /// There is nothing yet in the place: no store that is somewhere is here.
    #[must_use]
    pub fn nothing(system: &'static str) -> Self {
        Self { is_there: false, ..Self::new(system) }
    }

    /// Adds what holds the store, or a part of it. Two stores that have one of
    /// these in common are one.
    #[must_use]
    pub fn holds(mut self, holder: impl Into<String>) -> Self {
        self.held_by.insert(holder.into());
        self
    }

    /// Names the realm in which each holder has one name only: two stores
    /// within it that have none in common are two.
    #[must_use]
    pub fn within(self, realm: impl Into<String>) -> Self {
        Self { within: Some(realm.into()), ..self }
    }

    /// Adds a fact that a store and its physical copies share: two stores that
    /// differ in it are two, and equal facts say nothing.
    #[must_use]
    pub fn apart_by(self, fact: impl Into<String>) -> Self {
        Self { apart: Some(fact.into()), ..self }
    }

    /// Says that what is deleted in another store vanishes here too, or the
    /// other way round: in words that end a sentence.
    #[must_use]
    pub fn replica(self, words: impl Into<String>) -> Self {
        Self { replica: Some(words.into()), ..self }
    }

    /// In what way the store is bound to another one; `None` when it is not.
    #[must_use]
    pub fn replicated(&self) -> Option<&str> {
        self.replica.as_deref()
    }

    /// Whether both describe one store.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Sameness {
        if self.system != other.system || !self.is_there || !other.is_there {
            return Sameness::Different;
        }
        if !self.held_by.is_disjoint(&other.held_by) {
            return Sameness::Same;
        }
        let both = |a: &Option<String>, b: &Option<String>| a.clone().zip(b.clone());
        let realm = both(&self.within, &other.within).is_some_and(|(a, b)| a == b);
        let apart = both(&self.apart, &other.apart).is_some_and(|(a, b)| a != b);
        let known = !self.held_by.is_empty() && !other.held_by.is_empty();
        if apart || (realm && known) { Sameness::Different } else { Sameness::Undecided }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(server: &str, cluster: Option<&str>, number: u32) -> PhysicalIdentity {
        let found =
            PhysicalIdentity::new("postgresql").holds(format!("{server}/{number}")).within(server);
        match cluster {
            Some(cluster) => found.apart_by(cluster),
            None => found,
        }
    }

    #[test]
    fn a_running_server_decides_and_a_copied_cluster_does_not() {
        let here = database("started 1", Some("c"), 5);
        for (other, expected) in [
            (database("started 1", Some("c"), 5), Sameness::Same),
            (database("started 1", None, 5), Sameness::Same),
            (database("started 1", Some("c"), 6), Sameness::Different),
            (database("started 2", Some("d"), 5), Sameness::Different),
            (database("started 2", Some("c"), 5), Sameness::Undecided),
            (database("started 2", None, 5), Sameness::Undecided),
            (PhysicalIdentity::new("files"), Sameness::Different),
            (PhysicalIdentity::nothing("postgresql"), Sameness::Different),
            (PhysicalIdentity::new("postgresql").within("started 1"), Sameness::Undecided),
        ] {
            assert_eq!(here.compare(&other), expected, "{other:?}");
            assert_eq!(other.compare(&here), expected, "{other:?}");
        }
    }
}
