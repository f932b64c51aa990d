//! The operations: each a method of [`StorageStrategy`] with its arguments.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    Applied, Changes as FoundChanges, FeedPosition, OlderThan, OlderVersion, OpenTransaction,
    PhysicalIdentity, Prepared, Purged, Record, RecordStream, Remnant, ScanOptions, StateMark,
    StorageStrategy, StoreRecord as OwnRecord, StoreUpdate, SystemCollection,
    SystemItem as FoundItem, SystemWrite, UnfinishedJob, VersionWrite,
};
use repo_core::{
    Aggregates, Aggregation, Attribution, CollectionName, CollectionSchema, Consistency, EntityId,
    Filter, Health as Found, HealthDepth, Page, Query as Asked, QueryAnalysis, Result, Timestamp,
    Token, Version, Write, Written,
};

use crate::{Operation, OperationKind};

/// An operation without arguments, or with those that are named. What else it
/// answers about itself stands in braces at the end.
macro_rules! operation {
    (
        $name:ident $(<$life:lifetime>)? { $($field:ident: $type:ty),* } -> $output:ty,
        $method:ident($($argument:expr),*) by $this:ident
        $(, { $($also:tt)* })?
    ) => {
        #[doc = concat!("A call of [`", stringify!($method), "`](StorageStrategy::", stringify!($method), ").")]
        #[derive(Debug, Clone)]
        #[allow(missing_docs, reason = "the fields are the method's arguments")]
        pub struct $name $(<$life>)? {
            $(pub $field: $type,)*
        }

        impl $(<$life>)? Operation for $name $(<$life>)? {
            type Output = $output;

            operation!(@kind $name $({ $($also)* })?);

            async fn run($this, inner: &dyn StorageStrategy) -> Result<$output> {
                inner.$method($($argument),*).await
            }
        }
    };
    (@kind $name:ident) => {
        fn kind(&self) -> OperationKind {
            OperationKind::$name
        }
    };
    (@kind $name:ident { of collection }) => {
        operation!(@kind $name);

        fn collection(&self) -> Option<&CollectionName> {
            Some(self.collection)
        }
    };
    (@kind $name:ident { $($own:tt)* }) => {
        $($own)*
    };
}

operation!(InventsVersions {} -> bool, invents_versions() by self);
operation!(PhysicalIdentityOf {} -> Option<PhysicalIdentity>, physical_identity() by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::PhysicalIdentity
    }
});
operation!(UnfinishedJobAfresh {} -> Option<UnfinishedJob>, unfinished_job_afresh() by self);
operation!(Prepare<'a> { schemas: &'a [CollectionSchema] } -> Vec<Prepared>,
    prepare(self.schemas) by self);
operation!(PrepareForLoad<'a> { schemas: &'a [CollectionSchema] } -> Vec<Prepared>,
    prepare_for_load(self.schemas) by self);
operation!(UpgradeLayout {} -> Option<u32>, upgrade_layout() by self);
operation!(CheckPrepare<'a> { schemas: &'a [CollectionSchema] } -> (),
    check_prepare(self.schemas) by self);
operation!(Collections {} -> Vec<CollectionName>, collections() by self);
operation!(GetMany<'a> { collection: &'a CollectionName, ids: &'a [EntityId] } -> Vec<Option<Record>>,
    get_many(self.collection, self.ids) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::GetMany
    }

    fn collection(&self) -> Option<&CollectionName> {
        Some(self.collection)
    }

    fn items(&self) -> Option<usize> {
        Some(self.ids.len())
    }
});
operation!(Query<'a> { collection: &'a CollectionName, query: &'a Asked } -> Page,
    query(self.collection, self.query) by self, { of collection });
operation!(Analyze<'a> { collection: &'a CollectionName, query: &'a Asked } -> QueryAnalysis,
    analyze(self.collection, self.query) by self, { of collection });
operation!(Count<'a> {
        collection: &'a CollectionName, filter: &'a Filter, consistency: Consistency
    } -> u64,
    count(self.collection, self.filter, self.consistency) by self, { of collection });
operation!(Aggregate<'a> {
        collection: &'a CollectionName, aggregation: &'a Aggregation
    } -> Aggregates,
    aggregate(self.collection, self.aggregation) by self, { of collection });
operation!(Scan<'a> { collection: &'a CollectionName, options: ScanOptions } -> RecordStream,
    scan(self.collection, self.options) by self, { of collection });
operation!(Commit { writes: Vec<Write> } -> Vec<Written>, commit(self.writes) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::Commit
    }

    fn collection(&self) -> Option<&CollectionName> {
        only(self.writes.iter().map(|write| &write.key.collection))
    }

    fn items(&self) -> Option<usize> {
        Some(self.writes.len())
    }
});
operation!(Apply { records: Vec<Record> } -> Vec<Applied>, apply(self.records) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::Apply
    }

    fn collection(&self) -> Option<&CollectionName> {
        only(self.records.iter().map(Record::collection))
    }

    fn items(&self) -> Option<usize> {
        Some(self.records.len())
    }
});
operation!(Purge<'a> { collection: &'a CollectionName, older_than: Timestamp } -> Purged,
    purge(self.collection, self.older_than) by self, { of collection });
operation!(StateMarkOf {} -> Option<StateMark>, state_mark() by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::StateMark
    }
});
operation!(OldestTransaction {} -> Option<OpenTransaction>, oldest_transaction() by self);
operation!(TokenOf {} -> Token, token() by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::Token
    }
});
operation!(StoreRecord {} -> OwnRecord, store_record() by self);
operation!(UpdateStoreRecord { update: StoreUpdate } -> OwnRecord,
    update_store_record(self.update) by self);
operation!(Checkpoint {} -> (), checkpoint() by self);
operation!(Health<'a> { depth: &'a HealthDepth } -> Found, health(self.depth) by self, {
    fn kind(&self) -> OperationKind {
        match self.depth {
            HealthDepth::Quick => OperationKind::Health,
            HealthDepth::Deep(_) => OperationKind::DeepHealth,
        }
    }
});
operation!(Close {} -> (), close() by self);
operation!(Changes<'a> { after: Option<&'a FeedPosition>, most: NonZeroUsize } -> FoundChanges,
    changes(self.after, self.most) by self);
operation!(Head {} -> FeedPosition, head() by self);
operation!(TrimChanges<'a> { through: &'a FeedPosition } -> (), trim_changes(self.through) by self);
operation!(SystemItem<'a> { collection: SystemCollection, key: &'a str } -> Option<String>,
    system_item(self.collection, self.key) by self);
operation!(SystemItems<'a> {
        collection: SystemCollection, prefix: &'a str, after: Option<&'a str>, most: NonZeroUsize
    } -> Vec<FoundItem>,
    system_items(self.collection, self.prefix, self.after, self.most) by self);
operation!(WriteSystemItems { writes: Vec<SystemWrite> } -> (),
    write_system_items(self.writes) by self);
operation!(OlderVersions<'a> {
        collection: &'a CollectionName, of: &'a [OlderThan], most: NonZeroUsize
    } -> Vec<OlderVersion>,
    older_versions(self.collection, self.of, self.most) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::OlderVersions
    }

    fn collection(&self) -> Option<&CollectionName> {
        Some(self.collection)
    }

    fn items(&self) -> Option<usize> {
        Some(self.of.len())
    }
});
operation!(WriteVersions<'a> { collection: &'a CollectionName, writes: Vec<VersionWrite> }
    -> Vec<Applied>,
    write_versions(self.collection, self.writes) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::WriteVersions
    }

    fn collection(&self) -> Option<&CollectionName> {
        Some(self.collection)
    }

    fn items(&self) -> Option<usize> {
        Some(self.writes.len())
    }
});
operation!(Attributions<'a> { collection: &'a CollectionName, of: &'a [(EntityId, Version)] }
    -> Vec<Option<Attribution>>,
    attributions(self.collection, self.of) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::Attributions
    }

    fn collection(&self) -> Option<&CollectionName> {
        Some(self.collection)
    }

    fn items(&self) -> Option<usize> {
        Some(self.of.len())
    }
});
operation!(Scrub<'a> { collection: &'a CollectionName, ids: &'a [EntityId] } -> Vec<Remnant>,
    scrub(self.collection, self.ids) by self, {
    fn kind(&self) -> OperationKind {
        OperationKind::Scrub
    }

    fn collection(&self) -> Option<&CollectionName> {
        Some(self.collection)
    }

    fn items(&self) -> Option<usize> {
        Some(self.ids.len())
    }
});

/// The collection that all are about.
fn only<'a>(
    mut collections: impl Iterator<Item = &'a CollectionName>,
) -> Option<&'a CollectionName> {
    let first = collections.next()?;
    collections.all(|other| other == first).then_some(first)
}
