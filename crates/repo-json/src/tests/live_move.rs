//! A live migration from one folder of JSON files to another, whose processes can be stopped
//! within a checkpoint.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use repo_core::strategy::{LiveId, OpenOptions, Route, StorageStrategy, StorageStrategyExt as _};
use repo_core::{ErrorKind, Precondition, Result, Write};
use repo_layers::{Inner, Layer, Operation, OperationClass};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, LivePlace, LiveStores, SwitchOptions};
use repo_routed::{RoutedStrategy, Routes, RoutingOptions};
use serde_json::{Value as Json, json};

use super::{all, document, key, schemas};
use crate::config::JsonSettings;
use crate::env::Env;
use crate::hooks::{Hooks, Step};
use crate::strategy::JsonStrategy;

/// What a process says when it has come to the step at which it is to be killed.
pub(super) const AT_THE_STEP: &str = "at the step";
/// Records that are there before the move.
const OLD: usize = 40;

/// Stops the process at a step of the nth checkpoint that keeps its journal.
pub(super) fn stopping_at(step: Step, nth: usize) -> Hooks {
    let kept = AtomicUsize::new(0);
    let at = move |now: Step| -> std::io::Result<()> {
        if now == Step::Kept {
            kept.fetch_add(1, Ordering::SeqCst);
        }
        if now == step && kept.load(Ordering::SeqCst) == nth {
            let mut out = std::io::stdout();
            out.write_all(format!("\n{AT_THE_STEP}\n").as_bytes())?;
            out.flush()?;
            loop {
                std::thread::park();
            }
        }
        Ok(())
    };
    Hooks { at: Some(Arc::new(at)), ..Hooks::default() }
}

/// Writes a checkpoint after every write.
#[derive(Debug, Clone, Copy)]
struct Checkpointing;

impl Layer for Checkpointing {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let writes = operation.kind().class() == OperationClass::Write;
        let done = operation.run(&**inner).await?;
        if writes {
            inner.checkpoint().await?;
        }
        Ok(done)
    }
}

/// Where a store is, and where a process that works on it is killed.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    pub(super) hooks: Option<Hooks>,
}

impl Place {
    async fn open_json(&self, works_for: Option<LiveId>) -> Result<JsonStrategy> {
        let settings = JsonSettings::read(&json!({ "base_path": self.path }))?;
        let options =
            OpenOptions::default().with_schemas(Arc::new(schemas())).with_works_for(works_for);
        let env = Env::new(settings, options, self.hooks.clone().unwrap_or_default());
        tokio::task::spawn_blocking(move || JsonStrategy::open_here(env)).await.unwrap()
    }
}

#[async_trait]
impl LivePlace for Place {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Inner> {
        let store: Inner = Arc::new(self.open_json(works_for).await?);
        Ok(if self.hooks.is_some() { Checkpointing.around(store) } else { store })
    }
}

#[async_trait]
impl Routes for Place {
    async fn open(&self, route: &Route) -> Result<Option<Inner>> {
        let store = LivePlace::open(self, None).await?;
        Ok((store.store_record().await?.id == Some(route.store)).then_some(store))
    }
}

/// Two folders, one of which moves to the other.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) folder: PathBuf,
    pub(super) source: Place,
    pub(super) target: Place,
}

impl Move {
    pub(super) fn at(folder: &Path) -> Self {
        let place = |name| Place { path: folder.join(name), hooks: None };
        Self { folder: folder.to_owned(), source: place("source"), target: place("target") }
    }

    pub(super) async fn new(folder: &Path) -> Self {
        let this = Self::at(folder);
        let store = this.source.open_json(None).await.unwrap();
        store.prepare(&schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
        let put = |n: usize| {
            let id = old(n);
            Write::put(key("machines", &id), document(&id, 0), Precondition::Absent)
        };
        store.commit((0..OLD).map(put).collect()).await.unwrap();
        store.close().await.unwrap();
        this
    }

    fn stores(&self) -> LiveStores<'_> {
        LiveStores { source: &self.source, target: &self.target }
    }

    pub(super) async fn start(&self) -> Result<()> {
        let mut options = LiveOptions::default();
        options.batch_size = NonZeroUsize::new(15).unwrap();
        options.poll = Duration::from_millis(10);
        live::start(self.stores(), &schemas(), &options, &Silent).await
    }

    pub(super) async fn until(&self, phase: LivePhase) {
        let mut seen = None;
        for _ in 0..600 {
            match live::status(self.stores()).await {
                Ok(status) if status.phase == phase => return,
                Ok(status) => seen = Some(format!("{status:?}")),
                Err(error) => seen = Some(error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {phase:?}: {seen:?}");
    }

    /// Starts it, and leaves it when both stores are equal.
    pub(super) async fn start_until_ready(&self) {
        tokio::select! {
            ended = self.start() => panic!("{ended:?}"),
            () = self.until(LivePhase::Ready) => {}
        }
    }

    /// Gives the authority to the target, or back to the source. The command is typed again where
    /// the machine is so slow that the pause would become too long.
    pub(super) async fn hand_over(&self, to_target: bool) {
        let mut tries = 0..5;
        loop {
            let options = SwitchOptions::default();
            let done = match to_target {
                true => live::switch(self.stores(), options).await,
                false => live::back(self.stores(), options).await,
            };
            match done {
                Err(error) if error.kind() == ErrorKind::Unavailable && tries.next().is_some() => {}
                done => {
                    let report = done.unwrap();
                    assert!(report.switched && report.differences == 0, "{report:?}");
                    return;
                }
            }
        }
    }

    /// The source as a program has it that follows its store.
    pub(super) async fn routed(&self) -> RoutedStrategy {
        let configured = LivePlace::open(&self.source, None).await.unwrap();
        let (routes, options) = (self.target.clone(), RoutingOptions::default());
        RoutedStrategy::open(configured, routes, options).await.unwrap()
    }

    /// Ends the move, and looks at what was acknowledged: the last version of each record, with
    /// what was written.
    pub(super) async fn finish(&self, acknowledged: &BTreeMap<String, (u64, u64)>) {
        let found = live::verify(self.stores(), &LiveOptions::default(), &Silent).await.unwrap();
        assert_eq!((found.finished, found.differences), (true, 0), "{found:?}");
        live::finish(self.stores()).await.unwrap();
        let mut expected: BTreeMap<String, (u64, Option<Json>)> = (0..OLD)
            .map(|n| (old(n), (1, 0)))
            .chain(acknowledged.iter().map(|(id, written)| (id.clone(), *written)))
            .map(|(id, (version, n))| {
                let document = document(&id, n).deserialize().unwrap();
                (key("machines", &id).to_string(), (version, Some(document)))
            })
            .collect();
        let (source, target) = (self.source.open_json(None), self.target.open_json(None));
        let (source, target) = (source.await.unwrap(), target.await.unwrap());
        assert_eq!(all(&target).await, expected);
        let late = source.save(key("machines", "late"), document("late", 1)).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Locked);
        target.save(key("machines", "after"), document("after", 1)).await.unwrap();
        target.close().await.unwrap();
        let after = document("after", 1).deserialize().unwrap();
        expected.insert(key("machines", "after").to_string(), (1, Some(after)));
        assert_eq!(all(&self.target.open_json(None).await.unwrap()).await, expected);
    }
}

fn old(n: usize) -> String {
    format!("old-{n:02}")
}
