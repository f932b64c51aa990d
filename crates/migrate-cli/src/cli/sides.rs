//! The two stores of `migrate` and `verify`, and how they are named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use cli_archives::Configured;
use cli_output::failure::wrong_usage;
use repo_core::strategy::{LiveId, Sameness, StorageStrategy};
use repo_core::{CollectionName, Result, Schemas};
use repo_engine::config::Config;

use super::configuration::blobs;
use super::context::{Access, Chosen, Context};

const STORES: &str = "The two stores";

/// Flags that name the two stores.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SideArgs {
    /// The kind of the source [default: `storage.strategy`]
    #[arg(long, value_name = "TYPE", help_heading = STORES)]
    source_type: Option<String>,
    /// The kind of the target: json, sql, sqlite, dynamodb, object
    #[arg(long, value_name = "TYPE", help_heading = STORES)]
    target_type: Option<String>,
    /// The configuration with the settings of the source [default: --config]
    #[arg(long, value_name = "FILE", help_heading = STORES)]
    source_config: Option<PathBuf>,
    /// The configuration with the settings of the target [default: --config]
    #[arg(long, value_name = "FILE", help_heading = STORES)]
    target_config: Option<PathBuf>,
    /// The source itself: json:DIR, sqlite:FILE, postgresql://…, dynamodb:PREFIX,
    /// object:s3://BUCKET/PREFIX, or files:DIR of another program
    #[arg(long, value_name = "URL", help_heading = STORES)]
    #[arg(conflicts_with_all = ["source_type", "source_config"])]
    source: Option<String>,
    /// The target itself: json:DIR, sqlite:FILE, postgresql://…, dynamodb:PREFIX or
    /// object:s3://BUCKET/PREFIX
    #[arg(long, value_name = "URL", help_heading = STORES)]
    #[arg(conflicts_with_all = ["target_type", "target_config"])]
    target: Option<String>,
}

/// Two stores that are chosen and not yet opened, and what both share.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) source: Side,
    pub(crate) target: Side,
    /// The configuration of the run itself.
    pub(crate) config: Config,
    pub(crate) schemas: Arc<Schemas>,
}

/// One store and the configuration that it is opened with.
#[derive(Debug)]
pub(crate) struct Side {
    chosen: Chosen,
    config: Config,
    /// Whether the store is the one that the configuration itself is about.
    by_file: bool,
}

/// How one side is named.
struct Named<'a> {
    role: &'static str,
    kind: Option<&'a str>,
    file: Option<&'a Path>,
    url: Option<&'a str>,
}

impl SideArgs {
    /// Finds both stores and the configuration of the run: the one that is
    /// named, else the default file, else that of a side.
    pub(crate) fn choose(&self, context: &Context, operation: &'static str) -> Result<Sides> {
        if context.store.store.is_some() || context.store.strategy.is_some() {
            return Err(wrong_usage(operation, "--store and --strategy name one store, not two")
                .hint("name them by --source-type and --target-type, or --source and --target"));
        }
        let [source, target] = self.named();
        let own = context.file();
        let file = own.as_deref().or(source.file).or(target.file);
        let config = context.load(file, None)?;
        let schemas = context.schemas(&config)?;
        let source = source.choose(context, own.as_deref(), operation)?;
        let target = target.choose(context, own.as_deref(), operation)?;
        let sides = Sides { source, target, config, schemas };
        if sides.source.chosen.store.same_as(&sides.target.chosen.store) {
            return Err(same_store(operation));
        }
        Ok(sides)
    }

    /// Flags that name a target alone.
    pub(crate) fn target(
        target_type: Option<String>,
        target_config: Option<PathBuf>,
        target: Option<String>,
    ) -> Self {
        Self { target_type, target_config, target, ..Self::default() }
    }

    /// Finds the target: the one that is named as such, else the one store
    /// that the flags or the configuration name.
    pub(crate) fn choose_target(
        &self,
        context: &Context,
        operation: &'static str,
    ) -> Result<(Side, Arc<Schemas>)> {
        let [_, target] = self.named();
        if target.kind.is_none() && target.file.is_none() && target.url.is_none() {
            let (chosen, config) = context.choose()?;
            let schemas = context.schemas(&config)?;
            let by_file = context.store.store.is_none();
            return Ok((Side { chosen, config, by_file }, schemas));
        }
        let own = context.file();
        let config = context.load(own.as_deref().or(target.file), None)?;
        let schemas = context.schemas(&config)?;
        Ok((target.choose(context, own.as_deref(), operation)?, schemas))
    }

    fn named(&self) -> [Named<'_>; 2] {
        [
            Named {
                role: "source",
                kind: self.source_type.as_deref(),
                file: self.source_config.as_deref(),
                url: self.source.as_deref(),
            },
            Named {
                role: "target",
                kind: self.target_type.as_deref(),
                file: self.target_config.as_deref(),
                url: self.target.as_deref(),
            },
        ]
    }
}

fn same_store(operation: &'static str) -> repo_core::Error {
    wrong_usage(operation, "source and target are the same store")
        .hint("name another target: --target-type, --target-config or --target")
}

impl Named<'_> {
    fn choose(
        &self,
        context: &Context,
        own: Option<&Path>,
        operation: &'static str,
    ) -> Result<Side> {
        let named = |error: repo_core::Error| error.with("side", self.role);
        if let Some(url) = self.url {
            let chosen = context.by_url(url).map_err(named)?;
            return Ok(Side { chosen, config: context.load(own, None)?, by_file: false });
        }
        let found = match self.file.or(own) {
            Some(file) => Some(file.to_owned()),
            None => context.need_configuration()?,
        };
        let file = found.as_deref();
        // One configuration names one store: it is the source, unless the
        // target has a configuration of its own.
        let by_file = self.role == "source" || self.file.is_some();
        match self.kind {
            Some(kind) => {
                let config = context.load(file, None).map_err(named)?;
                let chosen = context.by_name(kind, &config).map_err(named)?;
                Ok(Side { chosen, config, by_file })
            }
            None if by_file => {
                let config = context.load_chosen(file).map_err(named)?;
                let chosen = context.by_name(&config.storage().strategy, &config).map_err(named)?;
                Ok(Side { chosen, config, by_file })
            }
            None => Err(wrong_usage(operation, "no target is named").hint(
                "name one: --target-type sql, --target-config FILE, or --target sqlite:FILE",
            )),
        }
    }
}

impl Side {
    /// Its blob store, where its own configuration names one.
    pub(crate) fn blobs(&self) -> Configured {
        if self.by_file { blobs(&self.config) } else { Ok(None) }
    }

    pub(crate) async fn open(
        &self,
        access: Access,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.chosen.open(access, &self.config, schemas).await
    }

    /// Opens it for writing, maybe to work for a live migration.
    pub(crate) async fn open_to_work_for(
        &self,
        live: Option<LiveId>,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let options = self.chosen.options(Access::Write, &self.config, schemas);
        self.chosen.store.open(options.with_works_for(live)).await
    }

    /// Opens it for reading, also where it is not there yet.
    pub(crate) async fn open_to_look(
        &self,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.chosen.open_to_look(&self.config, schemas).await
    }

    /// Opens it for reading, as a run that writes to it would find it.
    pub(crate) async fn open_as_target(
        &self,
        schemas: &Arc<Schemas>,
    ) -> Result<Arc<dyn StorageStrategy>> {
        self.chosen.open_as_target(&self.config, schemas).await
    }
}

/// Two open stores.
#[derive(Debug)]
pub(crate) struct OpenSides {
    pub(crate) source: Arc<dyn StorageStrategy>,
    pub(crate) target: Arc<dyn StorageStrategy>,
}

impl Sides {
    /// Reads these collections of the source only; `None` for all.
    pub(crate) fn source_only(mut self, names: Option<&[CollectionName]>) -> Self {
        self.source.chosen = self.source.chosen.only(names);
        self
    }

    /// Reads these collections of both stores only; `None` for all.
    pub(crate) fn both_only(mut self, names: Option<&[CollectionName]>) -> Self {
        self.target.chosen = self.target.chosen.only(names);
        self.source_only(names)
    }

    /// Opens the source for reading, maybe past what cannot be read, then the
    /// target.
    pub(crate) async fn open_from(
        &self,
        operation: &'static str,
        source: Access,
        target: impl AsyncFnOnce(&Side, &Arc<Schemas>) -> Result<Arc<dyn StorageStrategy>>,
    ) -> Result<OpenSides> {
        let named = |role| move |error: repo_core::Error| error.with("side", role);
        let source = self.source.open(source, &self.schemas).await.map_err(named("source"))?;
        let opened = async {
            self.check_other_store(&source, operation).await?;
            target(&self.target, &self.schemas).await.map_err(named("target"))
        };
        let target = or_close(&source, opened.await).await?;
        Ok(OpenSides { source, target })
    }

    /// Opens the source for writing, and the target for reading: what was
    /// verified is to be removed from the source.
    pub(crate) async fn open_to_clean_up(&self) -> Result<OpenSides> {
        let named = |role| move |error: repo_core::Error| error.with("side", role);
        let target =
            self.target.open(Access::Read, &self.schemas).await.map_err(named("target"))?;
        let source = self.source.open(Access::Write, &self.schemas).await.map_err(named("source"));
        let source = or_close(&target, source).await?;
        Ok(OpenSides { source, target })
    }

    /// Refuses a target that is the source under another name, before it is
    /// opened for writing: that alone may change files.
    async fn check_other_store(
        &self,
        source: &Arc<dyn StorageStrategy>,
        operation: &'static str,
    ) -> Result<()> {
        if !self.source.chosen.store.same_kind_as(&self.target.chosen.store) {
            return Ok(());
        }
        let target = self.target.open_to_look(&self.schemas).await;
        let target = target.map_err(|error| error.with("side", "target"))?;
        let same = same_evidence(source, &target).await;
        let location = target.location().to_owned();
        target.close().await?;
        if !same? {
            return Ok(());
        }
        let error = same_store(operation).with("store", source.location());
        Err(if location == source.location() { error } else { error.with("also_named", location) })
    }
}

/// The other store, or its error: then the one that is open is closed. Its own
/// error of closing would hide why the other one cannot be opened.
async fn or_close<T>(open: &Arc<dyn StorageStrategy>, other: Result<T>) -> Result<T> {
    if other.is_err() {
        let _ = open.close().await;
    }
    other
}

/// Whether both are surely one store.
async fn same_evidence(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
) -> Result<bool> {
    if source.location() == target.location() {
        return Ok(true);
    }
    let (ours, theirs) = (source.physical_identity().await?, target.physical_identity().await?);
    Ok(ours.zip(theirs).is_some_and(|(a, b)| a.compare(&b) == Sameness::Same))
}

impl OpenSides {
    /// Closes both, and reports the first error.
    pub(crate) async fn close(&self) -> Result<()> {
        let target = self.target.close().await;
        self.source.close().await?;
        target
    }
}
