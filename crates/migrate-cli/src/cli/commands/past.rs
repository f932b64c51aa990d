//! `--quarantine` of commands that read one store: continuing past records that
//! cannot be read.

use std::path::Path;

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::remedies::hint_of;
use repo_core::{Error, ErrorKind, Result};

use crate::cli::context::{Access, Context};
use repo_migrate::Quarantine;

/// The file, if one was named.
pub(super) async fn file(place: Option<&Path>) -> Result<Option<Quarantine>> {
    match place {
        Some(place) => Quarantine::at(place).await.map(Some),
        None => Ok(None),
    }
}

/// How the store is opened.
pub(super) fn access(aside: &Option<Quarantine>) -> Access {
    if aside.is_some() { Access::ReadWhatCan } else { Access::Read }
}

/// Names the option in the error about a stored record, where nothing else is
/// known to help.
pub(super) fn hint(error: Error) -> Error {
    let about_one = ["key", "id", "row"].iter().any(|name| error.context_value(name).is_some());
    if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) || !about_one {
        return error;
    }
    let before = hint_of(&error).map(|hint| format!("{hint}; or ")).unwrap_or_default();
    error.hint(format!("{before}continue past it with --quarantine FILE"))
}

/// Brings the file to disk, says where it is, and how the command ended.
pub(super) async fn finish(context: &Context, aside: Option<Quarantine>) -> Outcome<Ending> {
    let Some(aside) = aside else { return Ok(Ending::Done) };
    let entries = aside.entries();
    let Some(file) = aside.finish().await? else { return Ok(Ending::Done) };
    context.output.warning(&format!(
        "{entries} records cannot be read and were left out; they are in {}",
        file.display()
    ));
    Ok(Ending::Partly)
}
