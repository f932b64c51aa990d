//! Which store of a live migration takes writes, and for whom.

mod live_id;
mod refusals;
mod role;
mod role_change;
mod route;
mod store_role;

pub use live_id::LiveId;
pub use role::RoleState;
pub use role_change::RoleChange;
pub use route::Route;
pub use store_role::StoreRole;
