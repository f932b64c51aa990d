//! The way from one schema version to another.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::{Change, Upgrade, Upgrades};
use crate::{Document, Error, ErrorKind, FieldPath, Result};

/// The upgrades that lead from one version to another, in their order; none
/// where both are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradePath {
    from: u32,
    upgrades: Vec<Upgrade>,
    id_field: FieldPath,
}

impl Upgrades {
    /// The shortest way between two versions. Of several it is the one whose
    /// versions are lower where they first differ, so that it is always the
    /// same. `None` when there is no way; upgrades lead in their declared
    /// direction only.
    #[must_use]
    pub fn path(&self, from: u32, to: u32, id_field: &FieldPath) -> Option<UpgradePath> {
        // Upgrades are sorted, so versions are met in the order of the lowest
        // shortest way to them, and the first way that is found stays.
        let mut last: BTreeMap<u32, &Upgrade> = BTreeMap::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(version) = waiting.pop_front() {
            if version == to {
                break;
            }
            for upgrade in self.iter().filter(|upgrade| upgrade.from == version) {
                if upgrade.to != from && !last.contains_key(&upgrade.to) {
                    last.insert(upgrade.to, upgrade);
                    waiting.push_back(upgrade.to);
                }
            }
        }
        let mut upgrades = Vec::new();
        let mut version = to;
        while version != from {
            let upgrade = last.get(&version)?;
            upgrades.push((*upgrade).clone());
            version = upgrade.from;
        }
        upgrades.reverse();
        Some(UpgradePath { from, upgrades, id_field: id_field.clone() })
    }
}

impl UpgradePath {
    /// Whether it leads nowhere: both versions are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.upgrades.is_empty()
    }

    /// The versions on the way, the first and the last too.
    #[must_use]
    pub fn versions(&self) -> Vec<u32> {
        std::iter::once(self.from).chain(self.upgrades.iter().map(Upgrade::to)).collect()
    }

    /// The version that it starts from.
    #[must_use]
    pub fn from(&self) -> u32 {
        self.from
    }

    /// The version that it leads to.
    #[must_use]
    pub fn to(&self) -> u32 {
        self.upgrades.last().map_or(self.from, Upgrade::to)
    }

    /// The document of the last version that a document of the first becomes.
    ///
    /// # Errors
    /// `Invalid` when a step cannot be done, with the `upgrade` (`1→2`), the
    /// `rule` and, where one field is to blame, its `pointer` in the context;
    /// also when the outcome breaks a rule for documents, or has another id.
    pub fn apply(&self, document: &Document) -> Result<Document> {
        let mut document = document.clone();
        for upgrade in &self.upgrades {
            let named =
                |error: Error| error.with("upgrade", format!("{}→{}", upgrade.from, upgrade.to));
            let upgraded = upgrade.change.apply(&document).map_err(named)?;
            if upgraded.get(&self.id_field) != document.get(&self.id_field) {
                let why = "the upgrade changes the id field";
                return Err(named(
                    Error::new(ErrorKind::Invalid, "upgrade a document", why)
                        .with("pointer", self.id_field.to_pointer()),
                ));
            }
            document = upgraded;
        }
        Ok(document)
    }

    /// Distinguishes this way from one with other versions or other steps. What a
    /// function does is not part of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for upgrade in &self.upgrades {
            hasher.update(format!("{}>{}\n", upgrade.from, upgrade.to).as_bytes());
            match &upgrade.change {
                Change::Steps(steps) => steps.iter().for_each(|step| {
                    // A value cannot hold a line feed: it is canonical JSON.
                    hasher.update(format!("{step:?}\n").as_bytes());
                }),
                Change::Function(_) => {
                    hasher.update(b"a function\n");
                }
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// `1→2→3`
impl fmt::Display for UpgradePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        self.upgrades.iter().try_for_each(|upgrade| write!(f, "→{}", upgrade.to))
    }
}
