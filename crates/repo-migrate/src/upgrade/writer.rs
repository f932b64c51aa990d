//! Writing upgraded documents, batch after batch in the order of the archive.
//!
//! Before a batch is sent, the mark says which lines it is, and that those
//! before are done. So at any moment at most one batch is in doubt, and
//! [`judge`] tells whether it was written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use repo_core::strategy::Record;
use repo_core::{
    CollectionSchema, Document, Entity, EntityId, Error, ErrorKind, Precondition, Result,
    UpgradePath, Write,
};
use repo_layers::DocumentValidator;

use crate::archive::Archive;
use crate::check::reason::{breaks, rule_of};
use crate::job::in_place::{Aside, InPlace};
use crate::job::lease::Lease;
use crate::progress::Progress;
use crate::report::Listed;
use crate::store_reference::{StoreReference, blocking};
use crate::upgrade::UpgradeOptions;
use crate::upgrade::judge::{Verdict, Witness, judge};

use crate::upgrade::report::Counts;
use crate::upgrade::rest::Rest;

/// How often a batch is read again because somebody else writes to it.
const ATTEMPTS: usize = 16;
/// Most entities that the mark names of those that were left: a store's record
/// is small (DynamoDB: 400 KB, and an id may take 1 KB).
const MAX_KEPT: usize = 100;

/// What batches are written with.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) side: &'a StoreReference,
    pub(crate) schema: &'a CollectionSchema,
    pub(crate) path: &'a Arc<UpgradePath>,
    pub(crate) validator: &'a Arc<DocumentValidator>,
    pub(crate) archive: &'a Archive,
    pub(crate) lease: &'a Lease,
    pub(crate) options: &'a UpgradeOptions,
    pub(crate) progress: &'a dyn Progress,
}

/// Writes what is not done yet.
pub(crate) struct Writer<'a> {
    with: With<'a>,
    mark: Mutex<InPlace>,
}

/// One entity of a batch.
struct Member {
    archived: Entity,
    upgraded: Document,
}

/// What is to be written for a batch, given what the store holds.
#[derive(Default)]
struct Settled {
    writes: Vec<Write>,
    aside: Vec<Aside>,
}

impl<'a> Writer<'a> {
    /// A writer that resumes where the mark stands.
    pub(crate) async fn new(with: With<'a>) -> Result<Self> {
        let lost =
            || Error::new(ErrorKind::Corrupt, "upgrade", "the mark of the upgrade is missing");
        let mark = with.lease.checkpoint().await.in_place.ok_or_else(lost)?;
        Ok(Self { with, mark: Mutex::new(mark) })
    }

    /// Writes all that is not done yet. False when the run was asked to end
    /// before.
    pub(crate) async fn all(&self) -> Result<bool> {
        let InPlace { done, in_flight, aside, .. } = self.mark().clone();
        let With { archive, options, side, .. } = self.with;
        let batch_size = options.batch_size;
        let mut rest = Rest::after(done, archive, &options.collection, batch_size)?;
        if in_flight > 0 {
            let batch = rest.take(in_flight).await?;
            let back = self.redo(batch, &aside).await?;
            rest.put_back(back.unwrap_or_default());
        }
        let finished = loop {
            if self.with.progress.stopped().now_or_never().is_some() {
                break false;
            }
            let batch = rest.next(side.capabilities(), batch_size).await?;
            if batch.is_empty() {
                break true;
            }
            self.announce(batch.len() as u64, &[]).await?;
            rest.put_back(self.write(batch).await?);
        };
        self.announce(0, &[]).await?;
        Ok(finished)
    }

    /// The mark as it is to be stored next.
    fn mark(&self) -> MutexGuard<'_, InPlace> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores which lines may be written next, and with it that those before
    /// are done.
    async fn announce(&self, lines: u64, aside: &[Aside]) -> Result<()> {
        let mark = {
            let mut mark = self.mark();
            (mark.in_flight, mark.aside) = (lines, aside.to_vec());
            mark.clone()
        };
        self.with.lease.save(|checkpoint| checkpoint.in_place = Some(mark)).await
    }

    /// Counts the batch that was announced as done. The next announcement
    /// stores it; until then the batch counts as in doubt, and can be judged.
    fn done(&self, batch: &[Record], upgraded: usize, aside: Vec<Aside>) {
        let records = batch.len() as u64;
        self.with.progress.advance(&self.with.options.collection, records);
        let gone = aside.iter().filter(|one| one.left.is_none()).count() as u64;
        let tombstones = batch.iter().filter(|record| !record.is_live()).count() as u64;
        let upgraded = upgraded as u64;
        let mut mark = self.mark();
        mark.done += records;
        mark.counts.add(&Counts { records, tombstones, upgraded, gone });
        for Aside { id, left } in aside {
            left.into_iter().for_each(|why| keep(&mut mark.left, format!("{id} ({why})")));
        }
    }

    /// Writes a batch that was announced. Gives back what is left of it when
    /// it is too large for one commit.
    async fn write(&self, mut batch: Vec<Record>) -> Result<Vec<Record>> {
        let Err(error) = self.write_whole(&batch).await else { return Ok(Vec::new()) };
        match error.kind() {
            ErrorKind::LimitExceeded if batch.len() > 1 => {
                let back = batch.split_off(batch.len() / 2);
                self.announce(batch.len() as u64, &[]).await?;
                let more = Box::pin(self.write(batch)).await?;
                Ok(more.into_iter().chain(back).collect())
            }
            ErrorKind::OutcomeUnknown => {
                let aside = self.mark().aside.clone();
                match self.redo(batch, &aside).await? {
                    None => Ok(Vec::new()),
                    Some(_) => Err(error),
                }
            }
            _ => Err(error),
        }
    }

    async fn write_whole(&self, batch: &[Record]) -> Result<()> {
        let (members, left) = self.upgraded(batch).await?;
        let writes: Vec<Write> =
            members.iter().map(|one| put(&one.archived, one.upgraded.clone())).collect();
        match self.commit(writes).await {
            Err(error) if is_changed(&error) => self.settle(batch, &members, left).await,
            Err(error) => Err(error),
            Ok(()) => {
                self.done(batch, members.len(), left);
                Ok(())
            }
        }
    }

    /// Settles a batch of which it is not known whether it was written; gives
    /// it back when it was not. What was set aside tells nothing.
    async fn redo(&self, batch: Vec<Record>, aside: &[Aside]) -> Result<Option<Vec<Record>>> {
        let (mut members, mut left) = self.upgraded(&batch).await?;
        members.retain(|member| !aside.iter().any(|one| one.id == member.archived.id));
        let stored = self.stored(&members).await?;
        let witnesses = members.iter().zip(&stored).map(|(member, stored)| Witness {
            archived: &member.archived,
            upgraded: &member.upgraded,
            stored: stored.as_ref(),
        });
        left.retain(|own| !aside.iter().any(|one| one.id == own.id));
        let mut aside = [aside, &left].concat();
        let upgraded = match judge(witnesses) {
            Verdict::NotWritten => return Ok(Some(batch)),
            Verdict::Written => members.len(),
            Verdict::Unknown => {
                let why = "changed meanwhile: it is unknown whether it was upgraded";
                let left = Some(why.to_owned());
                let unknown = members.into_iter().map(|one| one.archived.id);
                aside.extend(unknown.map(|id| Aside { id, left: left.clone() }));
                0
            }
        };
        self.done(&batch, upgraded, aside);
        Ok(None)
    }

    /// Writes a batch of which nothing is written, given what the store holds
    /// now.
    async fn settle(&self, batch: &[Record], members: &[Member], left: Vec<Aside>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let stored = self.stored(members).await?;
            let Settled { writes, mut aside } = self.settled(members, stored).await?;
            aside.extend(left.iter().cloned());
            // What is not in the commit has to be known also after a kill.
            self.announce(batch.len() as u64, &aside).await?;
            let upgraded = writes.len();
            match self.commit(writes).await {
                Err(error) if is_changed(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.done(batch, upgraded, aside);
                    return Ok(());
                }
            }
        }
        let why = "entities are changed again and again while they are upgraded";
        Err(self
            .with
            .side
            .err(Error::new(ErrorKind::Unavailable, "upgrade", why))
            .with("collection", &self.with.options.collection)
            .hint("stop what writes to the collection, and give the same command again"))
    }

    async fn settled(&self, members: &[Member], stored: Vec<Option<Record>>) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut changed = Vec::new();
        for (member, stored) in members.iter().zip(stored) {
            let witness = Witness {
                archived: &member.archived,
                upgraded: &member.upgraded,
                stored: stored.as_ref(),
            };
            if witness.is_upgraded() {
                // Nothing of this batch is written: somebody else did it.
                settled.leave(&member.archived, "somebody else wrote the same document");
                continue;
            }
            match stored {
                Some(Record::Live(entity)) if entity.version == member.archived.version => {
                    settled.writes.push(put(&entity, member.upgraded.clone()));
                }
                Some(Record::Live(entity)) if entity.created_at == member.archived.created_at => {
                    changed.push(entity);
                }
                // One that was created anew is named at the end.
                Some(_) | None => {
                    settled.aside.push(Aside { id: member.archived.id.clone(), left: None });
                }
            }
        }
        let checks = self.checks();
        let upgraded = blocking(move || {
            Ok(changed
                .into_iter()
                .map(|entity| (checks.upgrade(&entity), entity))
                .collect::<Vec<_>>())
        });
        for (upgraded, entity) in upgraded.await? {
            match upgraded {
                Ok(document) => settled.writes.push(put(&entity, document)),
                Err(rule) => settled.leave(&entity, &format!("changed meanwhile: {rule}")),
            }
        }
        Ok(settled)
    }

    /// Commits, and waits while the store refuses for now.
    async fn commit(&self, writes: Vec<Write>) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            match self.with.side.commit(writes.clone()).await {
                Err(error)
                    if error.kind() == ErrorKind::Unavailable
                        && begun.elapsed() < self.with.options.patience
                        && self.with.progress.stopped().now_or_never().is_none() =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                answered => return answered.map(drop),
            }
        }
    }

    async fn stored(&self, members: &[Member]) -> Result<Vec<Option<Record>>> {
        let ids: Vec<EntityId> = members.iter().map(|one| one.archived.id.clone()).collect();
        self.with.side.get_many(&self.with.options.collection, &ids).await
    }

    /// The live entities of a batch, upgraded as they were archived. All could
    /// be when they were checked; what was changed between that and the archive
    /// may not: it is left.
    async fn upgraded(&self, batch: &[Record]) -> Result<(Vec<Member>, Vec<Aside>)> {
        let live: Vec<Entity> = batch.iter().cloned().filter_map(Record::into_live).collect();
        let checks = self.checks();
        blocking(move || {
            let (mut members, mut left) = (Vec::with_capacity(live.len()), Vec::new());
            for archived in live {
                match checks.upgrade(&archived) {
                    Ok(upgraded) => members.push(Member { archived, upgraded }),
                    Err(rule) => left.push(Aside { id: archived.id, left: Some(rule) }),
                }
            }
            Ok((members, left))
        })
        .await
    }

    fn checks(&self) -> Checks {
        Checks {
            schema: self.with.schema.clone(),
            path: Arc::clone(self.with.path),
            validator: Arc::clone(self.with.validator),
            max_entity_bytes: self.with.side.capabilities().max_entity_bytes,
        }
    }
}

impl Settled {
    fn leave(&mut self, entity: &Entity, why: &str) {
        self.aside.push(Aside { id: entity.id.clone(), left: Some(why.to_owned()) });
    }
}

/// What documents are upgraded and checked with.
struct Checks {
    schema: CollectionSchema,
    path: Arc<UpgradePath>,
    validator: Arc<DocumentValidator>,
    max_entity_bytes: usize,
}

impl Checks {
    /// The upgraded document, or the rule that is in the way.
    fn upgrade(&self, entity: &Entity) -> Result<Document, String> {
        let document = self.path.apply(&entity.document).map_err(|error| rule_of(&error))?;
        let upgraded = Entity { document, ..entity.clone() };
        if let Some(rule) = breaks(&self.schema, &upgraded, self.max_entity_bytes) {
            return Err(rule);
        }
        self.validator.check(&upgraded.document).map_err(|error| rule_of(&error))?;
        Ok(upgraded.document)
    }
}

/// Whether a commit met something else than it expected; nothing was written.
fn is_changed(error: &Error) -> bool {
    !error.failed_preconditions().is_empty()
}

/// Writes the upgraded document over the version that it was made of.
fn put(entity: &Entity, upgraded: Document) -> Write {
    Write::put(entity.key(), upgraded, Precondition::Version(entity.version))
}

/// Counts one that was left, and names it while the mark has room.
fn keep(left: &mut Listed, one: String) {
    left.count += 1;
    if left.first.len() < MAX_KEPT {
        left.first.push(one);
    }
}
