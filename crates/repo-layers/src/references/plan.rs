//! What a commit needs beside its own writes.

use std::collections::{BTreeMap, BTreeSet};

use repo_core::{
    Change, CollectionName, EntityId, Error, FailedPrecondition, Key, Precondition, Result,
    Version, Write,
};

use super::marks;
use super::refusals::{Reference, dangling, no_id, not_with};
use super::rules::Rules;

/// A commit that writes references or deletes what may be referred to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What the commit has to find, and does not check by itself; with who refers to it.
    needed: BTreeMap<Key, Reference>,
    /// What of that the commit names already, by a check that was made one of existence.
    raised: BTreeSet<Key>,
    /// The marks of all that is referred to.
    watched: BTreeSet<Key>,
    /// What is deleted and may be referred to.
    removed: BTreeMap<CollectionName, Vec<EntityId>>,
    /// The marks of that.
    announced: BTreeSet<Key>,
    /// What the commit replaces or deletes: who of these referred to something before says
    /// nothing.
    rewritten: BTreeSet<Key>,
}

/// The versions of marks, as they were met or written.
pub(super) type Marks = BTreeMap<Key, Version>;

/// Why a commit did not go through.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller is told.
    Told(Error),
    /// Marks are others than was thought; with those that were met.
    Overtaken(Vec<(Key, Option<Version>)>),
}

impl Plan {
    /// What the writes need; `None` where they are to be handed on as they are. A condition
    /// that holds of anything becomes one of existence where a document of the same commit
    /// refers to its key.
    ///
    /// # Errors
    /// `Invalid` when a document cannot but refer to what is not there.
    pub(super) fn of(rules: &Rules, writes: &mut [Write]) -> Result<Option<Self>> {
        let concerned = |write: &Write| match write.change {
            Change::Put(_) => rules.referring(&write.key.collection).is_some(),
            Change::Delete => rules.is_target(&write.key.collection),
            Change::Check => false,
        };
        if !writes.iter().any(concerned) {
            return Ok(None);
        }
        let places: BTreeMap<Key, usize> =
            writes.iter().enumerate().map(|(at, write)| (write.key.clone(), at)).collect();
        if places.len() < writes.len() {
            // The store refuses a key that is named twice.
            return Ok(None);
        }
        let mut plan = Self::default();
        for (to, reference) in referred(rules, writes)? {
            plan.watched.insert(marks::key_of(&to)?);
            let own = match places.get(&to) {
                Some(at) => writes.get_mut(*at),
                None => None,
            };
            let is_named = own.is_some();
            if needs(&to, &reference, own)? {
                if is_named {
                    plan.raised.insert(to.clone());
                }
                plan.needed.insert(to, reference);
            }
        }
        for write in writes.iter() {
            if !matches!(write.change, Change::Check) {
                plan.rewritten.insert(write.key.clone());
            }
            if write.change == Change::Delete && rules.is_target(&write.key.collection) {
                let Key { collection, id } = write.key.clone();
                plan.announced.insert(marks::key_of(&write.key)?);
                plan.removed.entry(collection).or_default().push(id);
            }
        }
        // A mark that is written anyway is not watched as well.
        plan.watched.retain(|mark| !plan.announced.contains(mark));
        Ok(Some(plan))
    }

    pub(super) fn removed(&self) -> &BTreeMap<CollectionName, Vec<EntityId>> {
        &self.removed
    }

    pub(super) fn rewrites(&self, key: &Key) -> bool {
        self.rewritten.contains(key)
    }

    /// The commit that says what is about to be deleted, as far as no mark says so that was
    /// met; empty where that is nothing.
    ///
    /// # Errors
    /// None in practice: the documents are the engine's own.
    pub(super) fn announcement(&self, met: &Marks) -> Result<Vec<Write>> {
        let put =
            |mark: &Key| Ok(Write::put(mark.clone(), marks::document(mark)?, Precondition::Absent));
        self.announced.iter().filter(|mark| !met.contains_key(*mark)).map(put).collect()
    }

    /// The writes with all that they need. Marks that stand against what is written go, and
    /// where none was met there is none; those of what is deleted are as they were announced,
    /// and go as well.
    pub(super) fn complete(&self, writes: &[Write], met: &Marks, announced: &Marks) -> Vec<Write> {
        let mut all = writes.to_vec();
        let needed = self.needed.keys().filter(|key| !self.raised.contains(*key));
        all.extend(needed.map(|key| Write::check(key.clone(), Precondition::Exists)));
        all.extend(self.watched.iter().map(|mark| match met.get(mark) {
            Some(version) => Write::delete(mark.clone(), Precondition::Version(*version)),
            None => Write::check(mark.clone(), Precondition::Absent),
        }));
        all.extend(removals(announced));
        all
    }

    /// What an error of that commit means. What the caller asked for itself comes first.
    pub(super) fn judge(&self, error: Error, writes: &[Write]) -> Failure {
        let failed = error.failed_preconditions();
        let ours = |failure: &FailedPrecondition| {
            let key = &failure.key;
            self.needed.contains_key(key) || self.is_mark(key)
        };
        let theirs: Vec<FailedPrecondition> =
            failed.iter().filter(|failure| !ours(failure)).cloned().collect();
        if theirs.len() == failed.len() {
            // Also where no precondition failed at all.
            return Failure::Told(error);
        }
        if !theirs.is_empty() {
            let checks: BTreeSet<&Key> = writes
                .iter()
                .filter(|write| write.change == Change::Check)
                .map(|write| &write.key)
                .collect();
            let named = theirs.into_iter().map(|failure| {
                let is_check = checks.contains(&failure.key);
                (failure, is_check)
            });
            return Failure::Told(Error::preconditions("commit", named.collect()));
        }
        let missing = failed.iter().find_map(|failure| self.needed.get_key_value(&failure.key));
        if let Some((to, reference)) = missing {
            return Failure::Told(dangling(to, reference));
        }
        let met = failed.iter().map(|failure| (failure.key.clone(), failure.actual));
        Failure::Overtaken(met.collect())
    }

    fn is_mark(&self, key: &Key) -> bool {
        self.watched.contains(key) || self.announced.contains(key)
    }
}

/// Whether the existence of what is referred to is yet to be checked, given what the commit
/// itself does about it.
fn needs(to: &Key, reference: &Reference, own: Option<&mut Write>) -> Result<bool> {
    let Some(own) = own else { return Ok(true) };
    match (&own.change, own.precondition) {
        (Change::Put(_), _) | (Change::Check, Precondition::Exists | Precondition::Version(_)) => {
            Ok(false)
        }
        (Change::Check, Precondition::Any) => {
            own.precondition = Precondition::Exists;
            Ok(true)
        }
        (Change::Delete, _) | (Change::Check, Precondition::Absent) => Err(not_with(to, reference)),
    }
}

/// The writes that remove marks, as they were written or met.
pub(super) fn removals(marks: &Marks) -> impl Iterator<Item = Write> {
    marks.iter().map(|(mark, version)| Write::delete(mark.clone(), Precondition::Version(*version)))
}

/// All that the documents refer to, each with the first who does.
fn referred(rules: &Rules, writes: &[Write]) -> Result<BTreeMap<Key, Reference>> {
    let mut referred = BTreeMap::new();
    for write in writes {
        let Change::Put(document) = &write.change else { continue };
        let Some(schema) = rules.referring(&write.key.collection) else { continue };
        for (field, target) in &schema.references {
            for id in schema.referred_ids(field, document) {
                let reference = Reference { from: write.key.clone(), field: field.clone() };
                let Ok(to) = EntityId::new(&id) else {
                    return Err(no_id(target, &id, &reference));
                };
                referred.entry(Key::new(target.clone(), to)).or_insert(reference);
            }
        }
    }
    Ok(referred)
}
