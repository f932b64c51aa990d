//! The flags about blobs, with what configurations say where they do not.
//!
//! A configuration alone moves no blob: a flag asks for it.

use cli_output::failure::wrong_usage;
use repo_core::Result;

use crate::blobs::{BackupArgs, CheckArgs, MoveArgs, RestoreArgs};
use crate::configured::{Configured, named};
use crate::place::PlaceArg;

impl MoveArgs {
    /// With the blob stores of the configurations of both sides, where blobs are asked for.
    ///
    /// # Errors
    /// `ConfigInvalid` when one of the two is named nowhere; those of the configurations.
    pub fn filled(
        &self,
        source: impl FnOnce() -> Configured,
        target: impl FnOnce() -> Configured,
    ) -> Result<Self> {
        let places = [&self.blobs_from, &self.blobs_to];
        if self.blobs.is_none() && places.iter().all(|places| places.is_empty()) {
            return Ok(self.clone());
        }
        let blobs_from = named(&self.blobs_from, source)?;
        let blobs_to = named(&self.blobs_to, target)?;
        Ok(Self {
            blobs_from: needed("migrate", "--blobs-from", blobs_from)?,
            blobs_to: needed("migrate", "--blobs-to", blobs_to)?,
            blobs: self.blobs,
        })
    }
}

impl CheckArgs {
    /// With the blob stores of the configurations of both sides, where blobs are to be compared
    /// and no flag says of which side.
    ///
    /// # Errors
    /// Those of the configurations.
    pub fn filled(
        &self,
        source: impl FnOnce() -> Configured,
        target: impl FnOnce() -> Configured,
    ) -> Result<Self> {
        let places = [&self.blobs_from, &self.blobs_to];
        if self.blobs.is_none() || places.iter().any(|places| !places.is_empty()) {
            return Ok(self.clone());
        }
        let (blobs_from, blobs_to) = (named(&[], source)?, named(&[], target)?);
        Ok(Self { blobs: self.blobs, blobs_from, blobs_to })
    }
}

impl BackupArgs {
    /// With the blob store of the configuration, where blobs are asked for.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is named nowhere; those of the configuration.
    pub fn filled(&self, configured: impl FnOnce() -> Configured) -> Result<Self> {
        if self.blobs.is_none() {
            return Ok(self.clone());
        }
        let blobs_from = named(&self.blobs_from, configured)?;
        let blobs_from = needed("back up", "--blobs-from", blobs_from)?;
        Ok(Self { blobs: self.blobs, blobs_from })
    }
}

impl RestoreArgs {
    /// With the blob store of the configuration, where blobs are asked for.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is named nowhere; those of the configuration.
    pub fn filled(&self, configured: impl FnOnce() -> Configured) -> Result<Self> {
        if self.blobs.is_none() {
            return Ok(self.clone());
        }
        let blobs_to = named(&self.blobs_to, configured)?;
        Ok(Self { blobs_to: needed("restore", "--blobs-to", blobs_to)?, blobs: self.blobs })
    }
}

/// Refuses blobs whose store is named nowhere.
fn needed(
    operation: &'static str,
    flag: &'static str,
    places: Vec<PlaceArg>,
) -> Result<Vec<PlaceArg>> {
    if !places.is_empty() {
        return Ok(places);
    }
    let why = "blobs are asked for, and their store is not named";
    Err(wrong_usage(operation, why).with("missing", flag).hint(format!(
        "name it with {flag} [NAME=]PLACE, or as `server.blobs` in the configuration that names \
         the store of the records"
    )))
}
