//! A program that uses the store, and follows it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use repo_core::strategy::{Record, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, Precondition, Schemas,
    Write,
};
use repo_engine::Store;

use crate::logs::{Acknowledged, Log, Logs};

/// Keys that all writers share.
const SHARED: usize = 40;
/// Between two commits of a process, on average.
const PAUSE_MS: u64 = 25;
/// The same where a side is DynamoDB: on the test server a record is some requests.
const PAUSE_OF_DYNAMODB_MS: u64 = 100;

/// Writes until it is killed.
pub(crate) async fn write([source, target]: [String; 2], logs: &Logs) {
    let schemas: Schemas = [CollectionSchema::undeclared(items())].into_iter().collect();
    let mut log = logs.own();
    let store = loop {
        // It may be fenced at the moment, and its mover killed.
        match Store::open(&source).route(&target).schemas(schemas.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log.failed("Open", &error.to_string());
            }
            opened => break opened.unwrap(),
        }
    };
    let mut writer = Writer { log, seen: BTreeMap::new() };
    let is_slow = [&source, &target].into_iter().any(|url| url.starts_with("dynamodb:"));
    let pause = if is_slow { PAUSE_OF_DYNAMODB_MS } else { PAUSE_MS };
    loop {
        writer.one(store.strategy().as_ref()).await;
        // So that whoever follows on the same machine keeps up.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..2 * pause))).await;
    }
}

pub(crate) fn items() -> CollectionName {
    CollectionName::new("items").unwrap()
}

struct Writer {
    log: Log,
    /// The highest version of each id that this process was acknowledged or has read.
    seen: BTreeMap<EntityId, u64>,
}

impl Writer {
    /// A commit of one to three writes over what was read before.
    async fn one(&mut self, store: &dyn StorageStrategy) {
        let ids: BTreeSet<usize> =
            (0..fastrand::usize(1..4)).map(|_| fastrand::usize(..SHARED)).collect();
        let mut ids: Vec<EntityId> =
            ids.into_iter().map(|n| EntityId::new(&format!("k{n:02}")).unwrap()).collect();
        if fastrand::u8(..4) == 0 {
            ids.push(EntityId::new(&format!("n{:016x}", fastrand::u64(..))).unwrap());
        }
        let begun = Instant::now();
        let read = match store.get_many(&items(), &ids).await {
            Ok(read) => read,
            Err(error) => return self.failed(&error),
        };
        let mut writes = Vec::new();
        let mut contents = Vec::new();
        for (id, record) in ids.iter().zip(&read) {
            self.check(id, record.as_ref());
            let (write, content) = next(id, record.as_ref());
            writes.push(write);
            contents.push(content);
        }
        match store.commit(writes).await {
            Ok(written) => {
                let acknowledged: Vec<Acknowledged> = ids
                    .iter()
                    .zip(written.iter().zip(contents))
                    .filter_map(|(id, (written, content))| {
                        let version = written.version()?.get();
                        self.seen.insert(id.clone(), version);
                        Some(Acknowledged { id: id.to_string(), version, content })
                    })
                    .collect();
                self.log.acknowledged(&acknowledged, begun.elapsed());
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Whether a read is at least as new as what was seen before.
    fn check(&mut self, id: &EntityId, record: Option<&Record>) {
        let read = record.map(|record| record.version().get());
        let seen = self.seen.entry(id.clone()).or_default();
        if read.unwrap_or_default() < *seen {
            self.log.stale(id.as_str(), read, *seen);
        }
        *seen = (*seen).max(read.unwrap_or_default());
    }

    fn failed(&mut self, error: &repo_core::Error) {
        use ErrorKind::{AlreadyExists, Conflict, NotFound, OutcomeUnknown, Unavailable};
        let kind = error.kind();
        // Another writer was quicker.
        if [AlreadyExists, Conflict, NotFound].contains(&kind) {
            return;
        }
        self.log.failed(&format!("{kind:?}"), &error.to_string());
        assert!([OutcomeUnknown, Unavailable].contains(&kind), "{error:?}");
    }
}

/// The next write of a key, and what it puts there.
fn next(id: &EntityId, record: Option<&Record>) -> (Write, Option<u64>) {
    let key = Key::new(items(), id.clone());
    let live = record.filter(|record| record.is_live());
    let precondition = match live {
        _ if fastrand::u8(..8) == 0 => Precondition::Any,
        Some(record) => Precondition::Version(record.version()),
        None => Precondition::Absent,
    };
    if live.is_some() && fastrand::u8(..8) == 0 {
        return (Write::delete(key, precondition), None);
    }
    let content = u64::from(fastrand::u32(..));
    let text = format!(r#"{{"id":"{id}","n":{content}}}"#);
    (Write::put(key, Document::parse(&text).unwrap(), precondition), Some(content))
}
