//! The id by which a live migration is known.

use crate::strategy::random_id::random_id;

random_id! {
    /// A random id of 128 bits of one live migration. Both of its stores keep it, and
    /// whoever works for it proves that by it. Written as 32 lower-case hexadecimal
    /// digits. No secret.
    LiveId, "live migration"
}
