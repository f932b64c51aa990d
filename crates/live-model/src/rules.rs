//! What a run of the model is given: the kind of fence, the bounds, and the rule that a
//! variant leaves out.

/// How a store keeps writes out once it is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// The fence waits until no write is under way, and each later one is refused: SQL
    /// stores by the lock of the table, JSON files by the lock of the store.
    Lock,
    /// Nothing can be locked: a writer trusts the record that it read for a lease, and a
    /// request may reach the store at any later time. DynamoDB.
    Expiry,
}

/// A rule of the protocol. Each is needed: a variant without it breaks an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The fence waits for the writes that have begun, instead of being a flag that a
    /// write looks at when it begins.
    FenceWaits,
    /// The successor has everything before the decision.
    Drain,
    /// A router reads only within a lease, and the fence waits until leases that were given
    /// before it have passed.
    ReadLease,
    /// Only a store with the role `authority` gives leases; a fenced one gives none.
    LeaseFromAuthority,
    /// The decision is one compare-and-set in the source's own record.
    DecisionAtSource,
    /// The decision expects the attempt of the fence that it belongs to.
    AttemptInDecision,
    /// A store is promoted only to an epoch above its own.
    EpochRises,
    /// A store that handed over keeps the role `retired` and its route; it does not become
    /// a replica without one.
    RouteStays,
    /// A record is applied only over a lower version.
    VersionOrder,
    /// The position is stored after what it covers was applied.
    PositionAfterApply,
    /// The target captures its writes before it is promoted.
    CaptureBeforeSwitch,
    /// An abort ends the claim on the source by the compare-and-set that lifts the fence,
    /// before it releases the target.
    AbortEndsClaim,
    /// [`Fence::Expiry`]: the drain begins when all records that writers trust have expired.
    WriteLease,
    /// [`Fence::Expiry`]: a late answer looks at the record again before it is an
    /// acknowledgement.
    LateLook,
    /// [`Fence::Expiry`]: that look compares the epoch, too, not the role alone.
    LateLookComparesEpoch,
    /// [`Fence::Expiry`]: where a write past the fence left another document, the authority
    /// writes its own again under a higher version; nothing is replaced in place.
    AuthorityWinsByVersion,
    /// [`Fence::Expiry`]: the feed of a store that becomes the authority begins where its
    /// peer was last equal, not at its end at the decision.
    TailIsCarried,
}

/// How much may happen in one history. Each is a count from 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Writes that begin, repeated ones not counted.
    pub writes: u8,
    /// Crashes, of routers and operators together.
    pub crashes: u8,
    /// Cancels and aborts together.
    pub cancels: u8,
    /// Fences: 1 for a switch, 2 for switch and back, one more for each cancel between.
    pub fences: u8,
    /// Answers that are lost.
    pub lost: u8,
    /// Whether the source holds a record that has to be copied, or both begin alike.
    pub copy: bool,
}

/// A run: which fence, how much may happen, what is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The fence of both stores.
    pub fence: Fence,
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that this variant leaves out; `None` is the protocol.
    pub without: Option<Rule>,
}

impl Setting {
    /// Whether `rule` is followed.
    #[must_use]
    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

/// The protocol within a [`Setting`]; its states and steps are the modules beside this one.
#[derive(Clone, Copy, Debug)]
pub struct LiveModel {
    /// What is checked.
    pub setting: Setting,
}
