//! What the commands do with blobs.

use std::sync::Arc;

use cli_output::failure::usage;
use repo_blob::{BlobOptions, Credentials};
use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_migrate::{
    Archive, BackupOptions, BlobBackup, BlobDepth, BlobMove, BlobPlaces, KeptBlobs,
    MigrationOptions, MigrationReport, Progress, RestoreOptions, VerifyOptions, VerifyReport,
    back_up, back_up_with_blobs, migrate, migrate_with_blobs, open_source, open_target, restore,
    restore_with_blobs, verify, verify_blobs,
};

use crate::blobs::{BackupArgs, CheckArgs, DepthArg, KeptArg, MoveArgs, RestoreArgs};
use crate::place::PlaceArg;

type Store = Arc<dyn StorageStrategy>;

impl MoveArgs {
    /// Migrates, with the blobs if they were named.
    ///
    /// # Errors
    /// Those of [`migrate`] and [`migrate_with_blobs`], and of opening the blob stores.
    pub async fn migrate(
        &self,
        (source, target): (&Store, &Store),
        (schemas, options): (&Schemas, &MigrationOptions),
        progress: &dyn Progress,
    ) -> Result<MigrationReport> {
        if self.blobs_from.is_empty() {
            return migrate(source, target, schemas, options, progress).await;
        }
        let from = sources(&self.blobs_from).await?;
        let to = targets(&self.blobs_to, !options.dry_run).await?;
        let depth = depth_of(self.blobs, options.verify);
        let blobs = BlobMove::new(from, to).with_depth(depth).with_workers(options.workers);
        let how = (schemas, options);
        migrate_with_blobs(source, target, how, &blobs, progress).await
    }
}

impl RestoreArgs {
    /// Restores, with the blobs if their stores were named.
    ///
    /// # Errors
    /// Those of [`restore`] and [`restore_with_blobs`], and of opening the blob stores.
    pub async fn restore(
        &self,
        archive: &Archive,
        target: &Store,
        (schemas, options): (&Schemas, &RestoreOptions),
        progress: &dyn Progress,
    ) -> Result<MigrationReport> {
        if self.blobs_to.is_empty() {
            return restore(archive, target, schemas, options, progress).await;
        }
        let to = targets(&self.blobs_to, !options.dry_run).await?;
        let depth = depth_of(self.blobs, options.verify);
        let blobs = BlobMove::new(BlobPlaces::default(), to).with_depth(depth);
        let blobs = blobs.with_workers(options.workers);
        restore_with_blobs(archive, target, (schemas, options), &blobs, progress).await
    }
}

impl BackupArgs {
    /// Backs up, with the blobs if they were asked for.
    ///
    /// # Errors
    /// Those of [`back_up`] and [`back_up_with_blobs`], and of opening the blob stores.
    pub async fn back_up(
        &self,
        store: &Store,
        schemas: &Schemas,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<Archive> {
        let Some(kept) = self.blobs else {
            return back_up(store, schemas, options, progress).await;
        };
        let kept = match kept {
            KeptArg::Contents => KeptBlobs::Contents,
            KeptArg::Digests => KeptBlobs::Digests,
        };
        let blobs = BlobBackup::new(sources(&self.blobs_from).await?, kept);
        back_up_with_blobs(store, schemas, options, &blobs, progress).await
    }
}

impl CheckArgs {
    /// Compares two stores, and the blobs of each side whose stores were named.
    ///
    /// # Errors
    /// Those of [`verify`] and [`verify_blobs`], and of opening the blob stores.
    pub async fn verify(
        &self,
        (source, target): (&Store, &Store),
        options: &VerifyOptions,
        progress: &dyn Progress,
    ) -> Result<VerifyReport> {
        let Some(depth) = self.blobs.map(BlobDepth::from) else {
            return verify(source, target, options, progress).await;
        };
        if self.blobs_from.is_empty() && self.blobs_to.is_empty() {
            let message = "blobs are to be compared, and no blob store is named";
            return Err(Error::new(ErrorKind::ConfigInvalid, "verify", message).hint(
                "name that of the source with --blobs-from, that of the target with --blobs-to, or \
                 both as `server.blobs` in their configurations",
            ));
        }
        let sides = [("source", source, &self.blobs_from), ("target", target, &self.blobs_to)];
        let mut opened = Vec::new();
        for (side, store, places) in sides {
            if !places.is_empty() {
                opened.push((side, store, sources(places).await?));
            }
        }
        let mut report = verify(source, target, options, progress).await?;
        for (side, store, places) in opened {
            let found = verify_blobs(store, side, &places, depth, progress).await?;
            report.equal &= found.is_equal();
            report.blobs.push(found);
        }
        Ok(report)
    }
}

fn depth_of(asked: Option<DepthArg>, verify: bool) -> Option<BlobDepth> {
    verify.then(|| asked.unwrap_or_default().into())
}

async fn sources(places: &[PlaceArg]) -> Result<BlobPlaces> {
    let mut opened = BlobPlaces::default();
    for place in places {
        let store = open_source(&place.location, &place.options()?).await;
        opened.add(place.name.as_deref(), store.map_err(of_source)?)?;
    }
    Ok(opened)
}

fn of_source(error: Error) -> Error {
    error.with("blobs", "source")
}

async fn targets(places: &[PlaceArg], may_write: bool) -> Result<BlobPlaces> {
    let mut opened = BlobPlaces::default();
    for place in places {
        let store = open_target(&place.location, &place.options()?, may_write).await;
        opened.add(place.name.as_deref(), store.map_err(|error| error.with("blobs", "target"))?)?;
    }
    Ok(opened)
}

impl PlaceArg {
    fn options(&self) -> Result<BlobOptions> {
        let endpoint = self.endpoint.as_ref().map(|text| text.parse()).transpose();
        Ok(BlobOptions {
            endpoint: endpoint.map_err(usage)?,
            region: self.region.clone(),
            virtual_hosted: self.virtual_hosted,
            allow_http: self.allow_http,
            credentials: self.credentials.as_deref().map(credentials).transpose()?,
            ..BlobOptions::default()
        })
    }
}

/// The access key in the variables `PREFIX_ACCESS_KEY_ID` and `PREFIX_SECRET_ACCESS_KEY`.
fn credentials(prefix: &str) -> Result<Credentials> {
    let variable = |name: &str| std::env::var(format!("{prefix}_{name}"));
    let needed = |name: &str| {
        variable(name).map_err(|_| {
            let message = "a variable with the access key is not set";
            Error::new(ErrorKind::ConfigInvalid, "open blobs", message)
                .with("variable", format!("{prefix}_{name}"))
                .hint("set it, or leave credentials= out to use the variables AWS_*")
        })
    };
    let given = Credentials::new(needed("ACCESS_KEY_ID")?, needed("SECRET_ACCESS_KEY")?);
    Ok(match variable("SESSION_TOKEN") {
        Ok(token) => given.with_session_token(token),
        Err(_) => given,
    })
}
