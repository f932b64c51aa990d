//! Upgrades: how the documents of one schema version become those of another.
//!
//! A schema file declares them as lists of steps (`x-repository.upgrades`); a
//! program may register functions. Between two versions the shortest way over
//! them is taken.

mod change;
mod parse;
mod path;
mod step;
#[cfg(test)]
mod tests;

pub(super) use parse::declared;
pub use path::UpgradePath;
pub use step::{ConvertTo, UpgradeStep};

use change::Change;
pub use change::UpgradeFunction;

use crate::{Error, ErrorKind, Result};

/// One upgrade: from one schema version to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgrade {
    from: u32,
    to: u32,
    change: Change,
}

impl Upgrade {
    /// An upgrade by steps, applied in their order.
    ///
    /// # Errors
    /// `ConfigInvalid` when a version is 0, or both are the same.
    pub fn by_steps(from: u32, to: u32, steps: Vec<UpgradeStep>) -> Result<Self> {
        Self::new(from, to, Change::Steps(steps.into()))
    }

    /// An upgrade by a function. The same document has to give the same answer
    /// each time: a run that was killed asks again.
    ///
    /// # Errors
    /// `ConfigInvalid` when a version is 0, or both are the same.
    pub fn by_function(from: u32, to: u32, function: UpgradeFunction) -> Result<Self> {
        Self::new(from, to, Change::Function(function))
    }

    fn new(from: u32, to: u32, change: Change) -> Result<Self> {
        if from == 0 || to == 0 {
            return Err(refuse("a schema version is 1 or more").with("from", from).with("to", to));
        }
        if from == to {
            return Err(refuse("an upgrade leads to another version").with("from", from));
        }
        Ok(Self { from, to, change })
    }

    /// The version that it starts from.
    #[must_use]
    pub fn from(&self) -> u32 {
        self.from
    }

    /// The version that it leads to.
    #[must_use]
    pub fn to(&self) -> u32 {
        self.to
    }
}

/// The upgrades of a collection, at most one between two versions in one
/// direction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upgrades(Vec<Upgrade>);

impl Upgrades {
    /// Adds an upgrade.
    ///
    /// # Errors
    /// `ConfigInvalid` when there is one between the same versions already.
    pub fn insert(&mut self, upgrade: Upgrade) -> Result<()> {
        let place = self.0.binary_search_by_key(&(upgrade.from, upgrade.to), |known| {
            // In this order the search for a path meets lower versions first.
            (known.from, known.to)
        });
        match place {
            Err(place) => {
                self.0.insert(place, upgrade);
                Ok(())
            }
            Ok(_) => Err(refuse("there are two upgrades between the same versions")
                .with("from", upgrade.from)
                .with("to", upgrade.to)),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by version.
    pub fn iter(&self) -> impl Iterator<Item = &Upgrade> {
        self.0.iter()
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the upgrades of a collection", why)
}
