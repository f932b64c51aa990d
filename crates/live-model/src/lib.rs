//! The protocol that moves a store to another place while programs use it, as a model
//! whose every history is looked at.
//!
//! Two stores, the *source* and the *target*, hold the same keys. Two *routers* (the part
//! of an embedder that finds the store) read and write. Two *operators* move the store at
//! once, as nothing keeps a second one from being started: each may stop at any step, and
//! what it sent before may arrive at any later time. `stateright` tries every order of
//! every [step](Action) within given [bounds](Bounds), and looks at the
//! invariants in every state.
//!
//! # The protocol
//!
//! Each store keeps in its own record a role, an epoch, an attempt and a route. They are
//! changed by compare-and-set alone.
//!
//! ```text
//!                 fence: attempt + 1               decide: epoch + 1, route = the peer
//!   authority ──────────────────────────▶ fenced ──────────────────────────▶ retired
//!       ▲  ▲                                │                                   │
//!       │  └────────────────────────────────┘                                   │
//!       │       cancel, abort: attempt + 1                                      │
//!       │                                                                       │
//!       └──────────── promote: its epoch rises to that of the decision ◀────────┘
//!       ▲
//!       └── promote ── replica ── release (abort) ──▶ released
//! ```
//!
//! 1. **Follow.** The source captures what is written. An operator reads the next change,
//!    reads the record as it is now, applies it to the target, then stores the position.
//!    What was there before is copied in the same way.
//! 2. **Fence.** The source becomes `fenced`: it takes no writes and gives no leases.
//! 3. **Drain.** The operator waits until every read lease from before the fence has
//!    passed, and until the target has everything.
//! 4. **Decide.** The source becomes `retired`, if it is fenced under the same attempt. From
//!    here on it only goes forward. Before, any operator can cancel.
//! 5. **Promote.** The operator, or any router that reads the route, makes the target the
//!    authority of the epoch of the decision.
//! 6. **Back** is the same with the stores exchanged. The source stays `retired` until the
//!    target's decision names it, and is kept up by the target's feed.
//!
//! A router reads within a lease that an authority gave it. A lease ends by time; in the
//! model that is a step that can come at any point, and a wait is a step that can come only
//! after it. No rule compares clocks of two machines.
//!
//! A write is three steps: it has begun (and may wait for a row, or be on the wire), it is
//! in the store, its answer arrives. With [`Fence::Lock`] the fence waits for what has
//! begun. With [`Fence::Expiry`] nothing can wait: a writer trusts the record that it read
//! for a lease, the drain begins after that, and a later answer is an acknowledgement only
//! if the record still says authority in the same epoch. What arrives past the fence was
//! acknowledged to nobody. If it collides with a write of the authority, the authority
//! writes its own document again under a higher version, which the feed carries over.
//!
//! # Invariants
//!
//! | | invariant | property |
//! |---|---|---|
//! | L1 | at most one store is the authority | `L1 at most one authority` |
//! | L2 | an acknowledged write is in the authority, or under a higher version; from the decision on in the successor | `L2 acknowledged writes are kept` |
//! | L3 | a version of a key is acknowledged once | `L3 a version is acknowledged once` |
//! | L4 | what was written after the decision is not acknowledged by the source; an answer to what was written before may still arrive | `L4 no write after the decision is acknowledged` |
//! | L5 | a strong read returns at least what was acknowledged before it began | `L5 strong reads are not stale` |
//! | L6 | the stored position is not beyond what is applied | `L6 the position is not ahead` |
//! | L7 | the replica has no higher version than the leader | `L7 the replica is not ahead`; with `Expiry` before the first decision only |
//! | L8 | equal versions are equal documents | `L8 equal versions, equal documents`; with `Expiry` as far as the feed has come |
//! | L9 | an older attempt decides nothing | `L9 an older attempt decides nothing` |
//! | L11 | what was written since capture began is captured, and an empty feed means that nothing is missing | `L11 what was written is captured` |
//! | L12 | the way back keeps every write that the target acknowledged | `L12 the way back keeps all` |
//! | P1 | the successor of a decision can be promoted | `P1 a decided successor can be promoted` |
//! | P2 | a router that knows only the configured store is served or sent on | `P2 a configured store names the authority` |
//!
//! L10 (the counts of a report add up) is about one program's sums, and L13 (a version as of a
//! time is what was read then) about histories within one store. Neither depends on the order
//! of steps of several programs, and neither is here. Not here either: that a switch ends
//! in time, that clocks run at about the same rate, and what a store does inside a commit.
//!
//! So that no property holds because nothing happens, runs of the whole protocol also have
//! properties that must come true somewhere: a switch and a way back complete, a cancel, an
//! abort, a lost answer found at the successor, and others (`properties.rs`).
//!
//! # Which rule is for what
//!
//! [`Rule`] lists the rules. `tests/rules.rs` leaves out one at a time, and the checker
//! finds a shortest history that breaks an invariant. `scripts/live-model` checks the largest
//! bounds.
//!
//! ```
//! use live_model::{Bounds, Fence, LiveModel, Setting};
//! use stateright::{Checker, Model};
//!
//! let bounds = Bounds { writes: 1, crashes: 0, cancels: 0, fences: 1, lost: 0, copy: false };
//! let model = LiveModel { setting: Setting { fence: Fence::Lock, bounds, without: None } };
//! model.checker().symmetry().spawn_dfs().join().assert_properties();
//! ```

mod actions;
mod feed;
mod model;
mod operators;
mod properties;
mod routers;
mod rules;
mod state;
mod symmetry;
mod trace;
mod writes;

pub use actions::Action;
pub use rules::{Bounds, Fence, LiveModel, Rule, Setting};
pub use state::{
    Acked, Begun, Cell, Committed, Counts, Hand, KEYS, Lease, Log, Note, Operator, Role, Router,
    SOURCE, State, Step, Store, TARGET, Write,
};
pub use trace::words;
