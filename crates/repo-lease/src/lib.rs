//! Leases in a store: one holder at a time, or several that share one, over all processes
//! that use the store, and on every strategy.
//!
//! - **A holder that is late is refused.** A lease has a token, and the store itself checks it
//!   in the commit of what the lease protects. A process that was stopped, or cut off, while
//!   another one took its lease over can write nothing any more: its commit is a `Conflict`.
//!   No clock is involved.
//! - **A holder that is gone is replaced.** Who waits takes a lease over that was not renewed
//!   for its time, as seen by the clock of the one who waits. Clocks are not compared.
//! - **Renewals disturb nobody.** They change neither the token nor what commits check.
//! - **Nothing but records.** A lease is made of records and `commit`, so it is as durable and
//!   as strict as they are, goes along when the store moves, and needs no server.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use repo_core::strategy::{OpenOptions, StorageStrategy as _};
//! use repo_core::{CollectionSchema, Document, ErrorKind, Key, MemoryStrategy};
//! use repo_core::{Precondition, Write};
//! use repo_lease::{LeaseScope, LeaseTtl, Leases};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! # store.prepare(&[CollectionSchema::undeclared("reports".parse()?)]).await?;
//! let leases = Leases::new(store.clone());
//! leases.prepare().await?;
//! let (scope, ttl) = (LeaseScope::new("nightly")?, LeaseTtl::new(Duration::from_secs(10))?);
//!
//! let lease = leases.acquire(&scope, ttl).await?;
//! let renewing = lease.keep_alive();
//! let busy = Leases::new(store.clone()).try_acquire(&scope, ttl).await;
//! assert_eq!(busy.map(drop).unwrap_err().kind(), ErrorKind::Locked);
//!
//! // Work, and then write what it gave, if the lease still holds.
//! let key = Key::new("reports".parse()?, "2026-03-01".parse()?);
//! let report = Document::parse(r#"{"id": "2026-03-01", "machines": 12}"#)?;
//! lease.commit(vec![Write::put(key, report, Precondition::Any)]).await?;
//! drop(renewing);
//!
//! // What a holder sends after its lease is gone is refused, by whatever way it was lost.
//! let late = lease.guard();
//! lease.release().await?;
//! assert_eq!(store.commit(vec![late]).await.unwrap_err().kind(), ErrorKind::Conflict);
//! # Ok(())
//! # }
//! ```
//!
//! What protects one entity within one transaction needs no lease: a transaction checks all
//! that it read. Where others have to wait in place of running again, there is
//! [`Leases::execute_with_lock`]. The guide on leases compares them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod acquire;
mod clock;
mod holder;
mod holding;
mod keep_alive;
mod keys;
mod lease;
mod leases;
mod locked;
mod mode;
mod observed;
mod pauses;
mod plan;
mod refusals;
mod scope;
mod slot;
mod state;
mod status;
mod stored;
mod ttl;

pub use clock::{ManualMonotonicClock, MonotonicClock, SystemMonotonicClock};
pub use holder::{HolderName, LeaseHolder};
pub use keep_alive::KeepAlive;
pub use keys::{LEASE_STATE, LEASES, schemas};
pub use lease::Lease;
pub use leases::Leases;
pub use mode::LeaseMode;
pub use scope::LeaseScope;
pub use slot::MAX_SHARED_HOLDERS;
pub use status::{LeasePage, LeaseStatus};
pub use ttl::LeaseTtl;

/// Compiles the examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/leases.md")]
struct LeasesGuide;
