//! The state of a store as one handle knows it: what the frames of the log, one after the
//! other, have made.

mod apply;
mod parts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use repo_core::strategy::{
    Capture, CollectionState, FeedState, RoleState, StateMark, StoreId, StoreRecord, SystemItemMap,
    TokenPosition, UnfinishedJob, never_prepared, not_prepared,
};
use repo_core::{CollectionName, Error, ErrorKind, Result, Token};

use self::parts::Parts;
use crate::documents::Wanted;
use crate::env::Env;
use crate::format::{ChangeOp, LAYOUT, Manifest};
use crate::hex::Hex16;
use crate::moment::Moment;
use crate::names;
use crate::slot::{Place, SourceKind};
use crate::table::Table;

/// Frames are numbered in one row for as long as there is the store.
const EPOCH: u64 = 0;

/// The state through a frame.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The last frame that is in it; 0 for none.
    pub(crate) position: u64,
    /// The commit of that frame, which the next one names.
    pub(crate) commit: Hex16,
    /// When no checkpoint held more than this state has. As long as that is not long ago, a
    /// frame behind it that is not there was never there: see `follow`.
    pub(crate) fresh: Moment,
    /// The newest checkpoint that is known.
    pub(crate) base: Base,
    /// The position at which a newer one was last looked for.
    pub(crate) sought: u64,
    /// The number and the bytes of the frames behind it.
    pub(crate) tail: VecDeque<(u64, u64)>,
    pub(crate) id: Option<StoreId>,
    pub(crate) role: RoleState,
    pub(crate) job: Option<UnfinishedJob>,
    pub(crate) capture: Capture,
    /// Up to which change the feed was removed.
    pub(crate) trimmed: u64,
    /// The number of the last change that was captured.
    pub(crate) head: u64,
    /// The captured changes behind the checkpoint.
    pub(crate) recent: VecDeque<ChangeOp>,
    pub(crate) items: SystemItemMap,
    /// Shared with a checkpoint that is being made of them.
    pub(crate) tables: BTreeMap<CollectionName, Arc<Table>>,
    /// Collections that are there and were not selected: nothing of them is known but the
    /// name.
    pub(crate) left_out: BTreeSet<CollectionName>,
    parts: Parts,
}

/// A checkpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base {
    /// 0 for none.
    pub(crate) number: u64,
    pub(crate) manifest: Arc<Manifest>,
}

impl State {
    /// Nothing, of which no checkpoint was there at a moment.
    pub(crate) fn new(fresh: Moment) -> Self {
        Self {
            position: 0,
            commit: Hex16::ZERO,
            fresh,
            base: Base::default(),
            sought: 0,
            tail: VecDeque::new(),
            id: None,
            role: RoleState::default(),
            job: None,
            capture: Capture::default(),
            trimmed: 0,
            head: 0,
            recent: VecDeque::new(),
            items: SystemItemMap::default(),
            tables: BTreeMap::new(),
            left_out: BTreeSet::new(),
            parts: Parts::default(),
        }
    }

    /// Whether there is a store at all.
    pub(crate) fn exists(&self) -> bool {
        self.position > 0
    }

    /// The collection of a name.
    ///
    /// # Errors
    /// `NotFound` for one that was never prepared; `Unsupported` for one that was not
    /// selected.
    pub(crate) fn table(
        &self,
        env: &Env,
        operation: &'static str,
        name: &CollectionName,
    ) -> Result<&Table> {
        self.tables.get(name).map(Arc::as_ref).ok_or_else(|| {
            if self.left_out.contains(name) {
                let why = "the store was opened without this collection";
                return Error::new(ErrorKind::Unsupported, operation, why)
                    .with("collection", name)
                    .with("store", &env.location)
                    .hint("open it with this collection among the selected ones");
            }
            let known = self.tables.keys().chain(&self.left_out);
            not_prepared(operation, name, &env.location, known)
        })
    }

    /// The collections that are there, those that were not selected too.
    pub(crate) fn names(&self) -> Vec<CollectionName> {
        let names: BTreeSet<_> = self.tables.keys().chain(&self.left_out).collect();
        names.into_iter().cloned().collect()
    }

    /// The store's own record.
    pub(crate) fn store_record(&self) -> StoreRecord {
        let state = |table: &Arc<Table>| CollectionState::new(table.schema_version, table.floor);
        let history = |(name, table): (&CollectionName, &Arc<Table>)| {
            table.history.as_ref().map(|history| (name.clone(), history.kept))
        };
        StoreRecord::new(LAYOUT)
            .with_id(self.id)
            .with_role(self.role.clone())
            .with_collections(
                self.tables.iter().map(|(name, table)| (name.clone(), state(table))).collect(),
            )
            .with_job(self.job.clone())
            .with_capture(self.capture.clone())
            .with_history(self.tables.iter().filter_map(history).collect())
    }

    /// Whether the handle may change what a live migration would not carry over.
    pub(crate) fn check_rebuild(&self, env: &Env, operation: &'static str) -> Result<()> {
        self.role.check_rebuild(operation, &env.location, env.options.works_for)
    }

    /// What the change feed holds.
    ///
    /// # Errors
    /// `NotFound` where there is no store.
    pub(crate) fn feed(&self, env: &Env, operation: &'static str) -> Result<FeedState> {
        let store = self.id.ok_or_else(|| never_prepared(operation, &env.location))?;
        Ok(FeedState {
            store,
            capture: self.capture.clone(),
            trimmed: vec![self.trimmed],
            head: vec![self.head],
        })
    }

    /// What distinguishes this state from all others of the store.
    pub(crate) fn mark(&self) -> StateMark {
        StateMark::new(self.position.to_string())
    }

    /// The token of this state; `None` where there is no store.
    pub(crate) fn token(&self) -> Option<Token> {
        let position = TokenPosition { epoch: EPOCH, at: self.position };
        self.id.map(|store| Token::at(store, position))
    }

    /// Whether everything is in this state that a token of the store names. Of a token without a
    /// position, and of one that counts otherwise, that is not known.
    pub(crate) fn has(&self, token: &Token) -> bool {
        self.id == Some(token.store())
            && token.position().is_some_and(|own| own.epoch == EPOCH && own.at <= self.position)
    }

    /// Bytes of the frames behind the checkpoint.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes that all of it takes in memory, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.tables.values().map(|table| table.bytes()).sum()
    }

    /// A document by the object that it is in.
    pub(crate) fn wanted(&self, place: Place) -> Wanted {
        let object = match place.source.kind() {
            SourceKind::Log(number) => Arc::from(names::log(number)),
            // A part that has no name is one that is not there.
            SourceKind::Part(part) => self.parts.name(part).unwrap_or_default(),
        };
        Wanted { object, place }
    }
}
