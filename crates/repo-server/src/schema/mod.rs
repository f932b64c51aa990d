//! The stored schema versions: compared, raised, backed up, brought back.

mod backup;
mod check;
mod declared;
mod files;
mod lock;
mod migrate;
mod restore;

pub use backup::back_up;
pub use check::{Check, CollectionCheck, State};
pub use declared::{declared, own};
pub use files::files_of;
pub use lock::{InUse, Sole};
pub use migrate::{Migrated, migrate};
pub use restore::{Restored, restore};
