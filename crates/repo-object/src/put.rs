//! Adding a frame to the log.
//!
//! A frame is an object that is created under the next number, on condition that there is
//! none: of all who try, one does. Whoever does not know whether it was he creates the same
//! object again, and then looks whose it is.

use bytes::Bytes;
use repo_core::{Error, ErrorKind, Result};

use crate::errors;
use crate::format::{HEAD, Kind, kind_of};
use crate::hex::Hex16;
use crate::names;
use crate::objects::{Creation, wait};
use crate::store::Store;

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is in the log, durably.
    Done,
    /// Another one has its number.
    Taken,
}

impl Store {
    /// Adds a frame to the log.
    ///
    /// # Errors
    /// What hinders it; nothing was added then. `OutcomeUnknown`: it may have been.
    pub(crate) async fn put(&self, number: u64, commit: Hex16, bytes: Bytes) -> Result<Put> {
        let name = names::log(number);
        let (mut unknown, mut busy) = (None::<Error>, None);
        for pause in self.env.objects.tries() {
            wait(pause).await;
            match self.env.objects.create(&name, bytes.clone()).await {
                Creation::Created => return self.proved(number, Put::Done).await,
                Creation::Taken => match self.owner(&name).await {
                    Ok(Some(owner)) if owner == commit => {
                        self.env.objects.sync_log().await.map_err(unsure)?;
                        return self.proved(number, Put::Done).await;
                    }
                    Ok(Some(_)) => return Ok(Put::Taken),
                    // Whoever was about to create it has given it up, or it is gone.
                    Ok(None) if unknown.is_none() => return Ok(Put::Taken),
                    Ok(None) => {}
                    Err(error) => unknown = Some(vaguer(unknown, error)),
                },
                Creation::Refused(error) if unknown.is_none() => return Err(error),
                Creation::Busy(error) if unknown.is_none() => busy = Some(error),
                Creation::Refused(error) | Creation::Busy(error) | Creation::Unknown(error) => {
                    unknown = Some(vaguer(unknown, error));
                }
            }
        }
        if let (Some(error), None) = (busy, &unknown) {
            return Err(error);
        }
        self.unresolved(&name, number, commit, unknown).await
    }

    /// Whose frame stands under a name; `None` where there is none.
    async fn owner(&self, name: &str) -> Result<Option<Hex16>> {
        let head = self.env.objects.read_range(name, 0..HEAD).await?;
        let Some(head) = head else { return Ok(None) };
        let kind = kind_of(&head);
        match kind.map_err(|why| errors::unreadable(&self.env.location, name, why))? {
            Kind::Log { commit, .. } => Ok(Some(commit)),
            _ => Err(errors::misplaced(&self.env.location, name, "it is no frame of the log")),
        }
    }

    /// A frame that was added counts, unless its number was used before and removed: that is
    /// possible only for who was stopped for long.
    async fn proved(&self, number: u64, put: Put) -> Result<Put> {
        if !self.is_stale() {
            return Ok(put);
        }
        match self.relocate().await {
            Ok(_) if self.state().base.manifest.through < number => Ok(put),
            _ => Err(errors::late(&self.env.location, &names::log(number))),
        }
    }

    /// After the last try. In a folder what is not there will not come any more, unless a
    /// request was given up before the disk had answered it.
    async fn unresolved(
        &self,
        name: &str,
        number: u64,
        commit: Hex16,
        unknown: Option<Error>,
    ) -> Result<Put> {
        match self.owner(name).await {
            Ok(Some(owner)) if owner == commit => {
                self.env.objects.sync_log().await.map_err(unsure)?;
                self.proved(number, Put::Done).await
            }
            Ok(Some(_)) => Ok(Put::Taken),
            Ok(None) => {
                let in_folder = self.env.objects.folder().is_some();
                let never = || errors::unanswered("commit", &self.env.location);
                let error = unknown.unwrap_or_else(never);
                let is_known = in_folder && error.kind() != ErrorKind::OutcomeUnknown;
                Err(if is_known { error } else { unsure(error) })
            }
            Err(error) => Err(unsure(error)),
        }
    }
}

/// Of two errors of one frame the one that says less of what became of it.
fn vaguer(known: Option<Error>, next: Error) -> Error {
    known.filter(|known| known.kind() == ErrorKind::OutcomeUnknown).unwrap_or(next)
}

/// The error of a frame of which nobody knows whether it is in the log.
fn unsure(error: Error) -> Error {
    let why = "it is not known whether the commit is in the log";
    let mut unsure = Error::new(ErrorKind::OutcomeUnknown, "commit", why)
        .with("reason", error.message())
        .hint("read before writing again");
    for (name, value) in error.context() {
        unsure = unsure.with(name, value);
    }
    unsure.caused_by(error)
}
