//! What the model remembers: two stores, two routers, two operators.
//!
//! Everything is a small number in a fixed place, because millions of states are kept
//! and hashed.

/// How many keys there are.
pub const KEYS: usize = 2;
/// How many entries a log has room for. A property says that no run fills it.
const LOG: usize = 10;

/// The index of the store where the migration begins as the authority.
pub const SOURCE: u8 = 0;
/// The index of the other one.
pub const TARGET: u8 = 1;

/// The other store.
pub(crate) fn peer(store: u8) -> u8 {
    1 - store
}

/// The role in a store's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Takes writes and gives leases.
    Authority,
    /// Takes no writes; the hand-over is not decided yet.
    Fenced,
    /// Has handed over; its record names the successor.
    Retired,
    /// Is written by the migration alone.
    Replica,
    /// Was a replica until the migration was aborted.
    Released,
}

/// A record of one key. Version 0: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Counts the writes of this key.
    pub version: u8,
    /// Which write made the document; 0 is the document of the beginning.
    pub value: u8,
}

/// What a store captured, in the order in which it was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Log {
    entries: [u8; LOG],
    len: u8,
}

impl Log {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether nothing was captured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Key and version of the entry at `index`, which is below [`Log::len`].
    #[must_use]
    pub fn entry(&self, index: u8) -> (usize, u8) {
        let entry = self.entries[usize::from(index)];
        (usize::from(entry >> 4), entry & 15)
    }

    /// Whether there was no room for an entry, so that the model no longer says anything.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        usize::from(self.len) == LOG
    }

    /// Adds an entry.
    pub fn push(&mut self, key: usize, version: u8) {
        if self.overflowed() {
            return;
        }
        self.entries[usize::from(self.len)] = ((key as u8) << 4) | version;
        self.len += 1;
    }

    /// The same with the keys exchanged.
    pub(crate) fn exchanged(&self) -> Self {
        let mut log = *self;
        for entry in &mut log.entries[..usize::from(self.len)] {
            *entry ^= 1 << 4;
        }
        log
    }

    /// The version of the last entry of `key`.
    #[must_use]
    pub fn last_of(&self, key: usize) -> Option<u8> {
        (0..self.len).rev().map(|i| self.entry(i)).find(|(k, _)| *k == key).map(|(_, v)| v)
    }
}

/// A store: its own record, its records, what it captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Store {
    /// Changed by compare-and-set only, together with `epoch` and `attempt`.
    pub role: Role,
    /// Rises when authority changes hands.
    pub epoch: u8,
    /// Rises with each fence and each cancel.
    pub attempt: u8,
    /// Whether a migration has claimed the store.
    pub claimed: bool,
    /// The records.
    pub cells: [Cell; KEYS],
    /// What was captured.
    pub log: Log,
    /// How far the peer has durably applied `log`.
    pub position: u8,
}

/// A lease of a router: it may read until the lease ends, and the end is a step that can
/// come at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The attempt in the record that was read; fences wait for leases of earlier ones.
    pub attempt: u8,
    /// The epoch in that record; 0 where nothing depends on it.
    pub epoch: u8,
}

/// The write that a router has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Write {
    /// None.
    Idle,
    /// The statement has begun, or the request is on its way; nothing is written yet.
    Begun(Begun),
    /// It is written; the answer is on its way.
    Committed(Committed),
    /// The answer was lost. `base` is the version that the key had before.
    Unknown {
        /// The key.
        key: u8,
        /// The document.
        value: u8,
        /// The version before this write.
        base: u8,
    },
}

/// A write that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Begun {
    /// The store it goes to.
    pub store: u8,
    /// The key.
    pub key: u8,
    /// The document.
    pub value: u8,
    /// [`Expiry`](crate::Fence::Expiry): the version that it replaces; else 0.
    pub base: u8,
    /// [`Expiry`](crate::Fence::Expiry): what the trusted record said; else 0.
    pub lease: Lease,
    /// Whether that record is still trusted. Always true with [`Lock`](crate::Fence::Lock).
    pub fresh: bool,
    /// The router has crashed: nobody waits for the answer.
    pub orphan: bool,
}

/// A write that is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Committed {
    /// The store.
    pub store: u8,
    /// The key.
    pub key: u8,
    /// The document.
    pub value: u8,
    /// The version that it got.
    pub version: u8,
    /// As in [`Begun::lease`].
    pub lease: Lease,
    /// As in [`Begun::fresh`].
    pub fresh: bool,
    /// Whether the store had not handed over when it was written.
    pub in_force: bool,
}

/// The part of an embedder that finds the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Router {
    /// The store that it takes for the authority.
    pub at: u8,
    /// Its lease there.
    pub lease: Option<Lease>,
    /// The epoch of a decision that it saw and helps to finish; 0: none.
    pub helping: u8,
    /// The write under way.
    pub write: Write,
}

/// How far an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Does nothing, or follows the feed.
    Idle,
    /// Has fenced `source`, or taken over that fence.
    Fenced {
        /// The store to hand over from.
        source: u8,
        /// The attempt of the fence.
        attempt: u8,
    },
    /// Has seen that the leases passed and the peer has everything.
    Drained {
        /// The store to hand over from.
        source: u8,
        /// The attempt of the fence.
        attempt: u8,
    },
    /// Knows of a decision, and promotes the successor of this epoch.
    Decided {
        /// The epoch that the decision began.
        epoch: u8,
    },
    /// Aborts: the source is done, the target not yet released.
    Aborting,
}

/// What an operator has in hand between reading and storing the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hand {
    /// Nothing.
    Empty,
    /// A record that was read from store `from`, for the entry `index` of its log.
    Record {
        /// The store that was read.
        from: u8,
        /// The entry of its log.
        index: u8,
        /// What was read.
        cell: Cell,
    },
    /// That record is applied; the position is not stored yet.
    Applied {
        /// The store that was read.
        from: u8,
        /// The entry of its log.
        index: u8,
    },
    /// The record of key 0, which the copy read from the source.
    Copy(Cell),
    /// A record in the peer of `from` that shall be replaced in place by what `from` has.
    Replace {
        /// The authority.
        from: u8,
        /// The key.
        key: u8,
        /// What was found in the peer.
        found: Cell,
        /// What the authority has.
        with: Cell,
    },
}

/// One who moves the store: `live start`, `switch`, `back`, `abort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operator {
    /// How far it is with a switch.
    pub step: Step,
    /// What it carries from store to store.
    pub hand: Hand,
}

/// What the last step was, where a property asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Note {
    /// Nothing that is asked for.
    None,
    /// A write whose answer was lost was found.
    Found,
    /// A write whose answer was lost was not there and began again.
    Repeated,
    /// A router promoted the successor.
    Helped,
    /// An operator took over a fence or a decision.
    TookOver,
    /// A decision was refused, because the attempt was another one.
    Refused,
    /// A late answer was not acknowledged, because the epoch or role had changed.
    LateUnknown,
    /// A write past the fence was found, and the authority wrote its document again.
    Raised,
    /// A version was acknowledged twice.
    AckedTwice,
    /// A write was acknowledged that came after the store had handed over.
    AckedLate,
    /// A decision was made for an attempt that was over.
    DecidedLate,
}

/// What clients of one key were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acked {
    /// A bit for each version that was acknowledged.
    pub versions: u16,
    /// The highest one, with its document.
    pub top: Cell,
}

/// How much has happened, to be compared with [`Bounds`](crate::Bounds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counts {
    /// Writes that began.
    pub writes: u8,
    /// Crashes.
    pub crashes: u8,
    /// Cancels and aborts.
    pub cancels: u8,
    /// Fences.
    pub fences: u8,
    /// Answers that were lost.
    pub lost: u8,
}

/// The whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// [`SOURCE`] and [`TARGET`].
    pub stores: [Store; 2],
    /// Whether the record that was there before is copied, durably.
    pub copied: bool,
    /// Whether there was nothing to copy; the same in every state of a run.
    pub copied_at_once: bool,
    /// The two embedders.
    pub routers: [Router; 2],
    /// The two operators.
    pub operators: [Operator; 2],
    /// What clients were told.
    pub acked: [Acked; KEYS],
    /// How much has happened.
    pub counts: Counts,
    /// What the last step was.
    pub note: Note,
}

impl State {
    /// The store at `index`, 0 or 1.
    #[must_use]
    pub fn store(&self, index: u8) -> &Store {
        &self.stores[usize::from(index)]
    }

    /// The store at `index`, 0 or 1.
    pub fn store_mut(&mut self, index: u8) -> &mut Store {
        &mut self.stores[usize::from(index)]
    }
}
