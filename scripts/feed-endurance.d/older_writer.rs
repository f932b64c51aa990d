//! Makes a store by a program of an older layout, and writes to it until it is killed:
//! `older_writer URL LOGS`. It is compiled with the sources of that program, and keeps
//! its handle open while a newer program upgrades the store and captures its changes.
//!
//! It ends when a store refuses a program of its layout, and then notes why in
//! `LOGS/refused.older`. With `OLDER_GOES_ON` in its environment it writes on after whatever
//! the store refuses, as a program does that knows nothing of a move. Each version that is
//! acknowledged is noted in `LOGS/oracle.older` if its commit began after `LOGS/subscribed`
//! was there, else in `LOGS/early.older`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions as FileOptions};
use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, ErrorKind, Key, Precondition, Write,
};
use repo_engine::{Chosen, registry};

const WRITERS: usize = 2;
/// As many as those of the newer programs, so that they meet.
const KEYS: u64 = 40;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (url, logs) = (arguments.next().unwrap(), PathBuf::from(arguments.next().unwrap()));
    let chosen = Chosen::by_url(&registry(), &url).unwrap();
    let store = chosen.open(OpenOptions::default()).await.unwrap();
    let items = CollectionName::new("items").unwrap();
    store.prepare(&[CollectionSchema::undeclared(items.clone())]).await.unwrap();
    let writers = (0..WRITERS).map(|_| write(Arc::clone(&store), items.clone(), logs.clone()));
    futures::future::join_all(writers).await;
}

async fn write(store: Arc<dyn StorageStrategy>, items: CollectionName, logs: PathBuf) {
    let (mut early, mut oracle) =
        (append(&logs.join("early.older")), append(&logs.join("oracle.older")));
    let random = RandomState::new();
    let goes_on = std::env::var_os("OLDER_GOES_ON").is_some();
    for turn in 0_u64.. {
        let number = random.hash_one(turn);
        let id = EntityId::new(&format!("k{:02}", number % KEYS)).unwrap();
        let key = Key::new(items.clone(), id);
        let write = if number % 7 == 0 {
            Write::delete(key.clone(), Precondition::Any)
        } else {
            let text = format!(r#"{{"id":"{}","n":{turn}}}"#, key.id);
            Write::put(key.clone(), Document::parse(&text).unwrap(), Precondition::Any)
        };
        let counts = logs.join("subscribed").exists();
        match store.commit(vec![write]).await {
            Ok(written) => {
                let Some(version) = written[0].version() else { continue };
                let log = if counts { &mut oracle } else { &mut early };
                log.write_all(format!("{} {version}\n", key.id).as_bytes()).unwrap();
            }
            Err(error) if is_harmless(error.kind()) => {}
            Err(_) if goes_on => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return std::fs::write(logs.join("refused.older"), error.to_string()).unwrap();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Nothing was acknowledged.
fn is_harmless(kind: ErrorKind) -> bool {
    [ErrorKind::NotFound, ErrorKind::Unavailable, ErrorKind::OutcomeUnknown].contains(&kind)
}

fn append(path: &Path) -> File {
    FileOptions::new().create(true).append(true).open(path).unwrap()
}
