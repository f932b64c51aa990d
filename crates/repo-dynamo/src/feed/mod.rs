//! The change feed: what is captured beside each write, and how it gets an order.
//!
//! While capture is on, a write is one transaction of the record and an *inbox* item
//! that names the key, the version, and the version that was there before. A reader
//! moves inbox items into *blocks*, each a run of changes with places, before it
//! reads. Both lie in the table `PREFIX__changes`:
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `GENERATION.SHARD` | `b` and the last place | a block |
//! | | `h` | the head: the last place that was given |
//! | | `i`, a digest of the key, the version | an inbox item |
//! | `items.COLLECTION` | its key | one of the engine's own items |
//!
//! A shard is in this order, so one query reads what follows a place, the head, and what is still
//! to be moved. Nothing of one generation is ever read in another, so what a late
//! request leaves behind is never delivered.
//!
//! **Nothing is lost.** A handle learns of the capture within a lease, and who
//! switches it on waits longer than that. A write that was acknowledged by an older
//! record than that looks again before it is acknowledged (`settle`), and adds its
//! inbox item, or answers `OutcomeUnknown`. A consistent query sees every transaction
//! that was acknowledged before it began.
//!
//! **Each change comes once.** A block, the new head and the removal of its inbox
//! items are one transaction, on the condition of the old head.
//!
//! **Versions of a key never fall.** An inbox item of version n is written while the
//! record is at n: by the transaction that writes n on the condition of the version
//! before, or late on the condition that the record is still at n. So transactions
//! with inbox items of one key are in the order of its versions, and its items are in
//! one shard. A query may show version n and not yet the one before it: a transaction
//! becomes visible item by item. So before n is moved without the version before it,
//! that one is asked for by `TransactGetItems`, which sees all of a transaction or is
//! refused while it is under way.

mod capture;
mod clean;
mod item;
mod merge;
mod read;
mod shard;
mod switch;
mod system;

pub(crate) use item::Mark;

/// How many partitions a feed has. Each takes 1,000 write units a second, four for a
/// change; an idle reader asks all of them.
pub(crate) const SHARDS: usize = 8;
