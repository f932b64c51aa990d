//! References that are enforced: nothing refers to what is not there.
//!
//! The check that what a document refers to exists is in the commit of the document. That
//! alone leaves a gap: who deletes looks for what refers to the entity and finds nothing, a
//! document that refers to it is committed, and then the entity is deleted. So who deletes
//! writes a mark first, and deletes on the condition that the mark is as it was written; and
//! the commit of a document that refers to the entity checks that there is no mark, or removes
//! the one that it met. Whichever of the two commits comes first, the other one fails, and its
//! party looks again. No clock decides, nobody waits, and a mark that a killed process left
//! costs the next one a round trip.

mod layer;
mod marks;
mod plan;
mod referrers;
mod refusals;
mod rules;

pub use layer::ReferenceLayer;
pub use marks::REFERENCE_MARKS;
