//! The id of who holds something.

use crate::strategy::random_id::random_id;

random_id! {
    /// A random id of 128 bits of whoever holds something that one alone may hold, drawn
    /// anew each time it is taken: a process that comes back after somebody else took it
    /// is not taken for that one. Written as 32 lower-case hexadecimal digits. No secret.
    OwnerId, "owner"
}
