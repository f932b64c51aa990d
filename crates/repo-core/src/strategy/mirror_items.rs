//! Making the engine's own items of one store those of another.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::Result;
use crate::strategy::{StorageStrategy, SystemCollection, SystemItem, SystemWrite};

/// Items that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(199);

/// Makes the items of a collection of the engine's own whose keys begin with `prefix` the same
/// in `to` as they are in `from`; how many had to be written. Reads both sides once, in
/// bounded memory, and writes only what differs. Safe to repeat.
///
/// # Errors
/// Those of the stores; `Locked` when somebody else changes the items of `to` meanwhile.
pub async fn mirror_system_items(
    from: &dyn StorageStrategy,
    to: &dyn StorageStrategy,
    collection: SystemCollection,
    prefix: &str,
) -> Result<u64> {
    let side = |store| Side { store, collection, prefix, page: VecDeque::new(), rest: Rest::All };
    let (mut ours, mut theirs) = (side(from), side(to));
    let (mut writes, mut written) = (Vec::new(), 0);
    loop {
        let (mine, other) = (ours.front().await?, theirs.front().await?);
        let (wanted, there) = match (mine, other) {
            (None, None) => break,
            (Some(mine), Some(other)) => (mine.key <= other.key, other.key <= mine.key),
            (mine, other) => (mine.is_some(), other.is_some()),
        };
        let wanted = if wanted { ours.page.pop_front() } else { None };
        let there = if there { theirs.page.pop_front() } else { None };
        let Some(key) = wanted.as_ref().or(there.as_ref()).map(|item| item.key.clone()) else {
            break;
        };
        let (wanted, there) = (wanted.map(|item| item.value), there.map(|item| item.value));
        if wanted == there {
            continue;
        }
        writes.push(SystemWrite::new(collection, key, there, wanted));
        written += 1;
        if writes.len() == SystemWrite::MAX_AT_ONCE {
            to.write_system_items(std::mem::take(&mut writes)).await?;
        }
    }
    if !writes.is_empty() {
        to.write_system_items(writes).await?;
    }
    Ok(written)
}

/// The items of one store, by key.
struct Side<'a> {
    store: &'a dyn StorageStrategy,
    collection: SystemCollection,
    prefix: &'a str,
    page: VecDeque<SystemItem>,
    rest: Rest,
}

/// What is still to be read.
enum Rest {
    All,
    After(String),
    Nothing,
}

impl Side<'_> {
    /// The next item, which stays there.
    async fn front(&mut self) -> Result<Option<&SystemItem>> {
        if self.page.is_empty() {
            let after = match &self.rest {
                Rest::All => None,
                Rest::After(key) => Some(key.as_str()),
                Rest::Nothing => return Ok(None),
            };
            let found =
                self.store.system_items(self.collection, self.prefix, after, AT_ONCE).await?;
            self.rest = match found.last() {
                Some(last) if found.len() == AT_ONCE.get() => Rest::After(last.key.clone()),
                _ => Rest::Nothing,
            };
            self.page = found.into();
        }
        Ok(self.page.front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStrategy;
    use crate::strategy::OpenOptions;

    async fn store(items: impl Iterator<Item = (String, &str)>) -> MemoryStrategy {
        let store = MemoryStrategy::new(OpenOptions::default());
        store.prepare(&[]).await.unwrap();
        for (key, value) in items {
            let write = SystemWrite::new(SystemCollection::Tags, key, None, Some(value.to_owned()));
            store.write_system_items(vec![write]).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn items_are_added_changed_and_removed_over_pages() {
        let key = |n: u32| format!("a/{n:04}");
        let from = store((0..450).map(|n| (key(n), "1")).chain([("b/1".to_owned(), "x")])).await;
        let changed = (100..300).map(|n| (key(n), if n % 2 == 0 { "1" } else { "2" }));
        let more = (440..700).map(|n| (key(n), "1"));
        let to = store(changed.chain(more).chain([("b/2".to_owned(), "y")])).await;
        let mirror =
            async || mirror_system_items(&from, &to, SystemCollection::Tags, "a/").await.unwrap();
        // 100 and 140 are missing, 100 differ, 250 are there and should not be.
        assert_eq!(mirror().await, 100 + 140 + 100 + 250);
        assert_eq!(mirror().await, 0);
        let all = NonZeroUsize::new(1_000).unwrap();
        let items = async |store: &MemoryStrategy| {
            store.system_items(SystemCollection::Tags, "", None, all).await.unwrap()
        };
        let (ours, mut theirs) = (items(&from).await, items(&to).await);
        assert_eq!(theirs.pop().map(|item| item.key), Some("b/2".to_owned()));
        assert_eq!(ours[..450], theirs);
    }
}
