//! The engine's own items.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Bound;

use crate::Result;
use crate::strategy::{SystemCollection, SystemItem, SystemWrite};

#[derive(Debug, Default)]
pub(super) struct Items(BTreeMap<(SystemCollection, String), String>);

impl Items {
    pub(super) fn get(&self, collection: SystemCollection, key: &str) -> Option<String> {
        self.0.get(&(collection, key.to_owned())).cloned()
    }

    pub(super) fn list(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Vec<SystemItem> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((collection, after.to_owned())),
            _ => Bound::Included((collection, prefix.to_owned())),
        };
        self.0
            .range((from, Bound::Unbounded))
            .take_while(|((of, key), _)| *of == collection && key.starts_with(prefix))
            .take(most.get())
            .map(|((_, key), value)| SystemItem::new(key.clone(), value.clone()))
            .collect()
    }

    pub(super) fn write(&mut self, writes: Vec<SystemWrite>) -> Result<()> {
        SystemWrite::check_all(&writes)?;
        for write in &writes {
            let stored = self.0.get(&(write.collection, write.key.clone()));
            write.check_stored(stored.map(String::as_str))?;
        }
        for SystemWrite { collection, key, value, .. } in writes {
            match value {
                Some(value) => self.0.insert((collection, key), value),
                None => self.0.remove(&(collection, key)),
            };
        }
        Ok(())
    }
}
