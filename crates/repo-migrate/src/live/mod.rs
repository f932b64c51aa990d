//! Moving a store while programs write to it, and moving back.
//!
//! Two stores take part: the *source*, which programs use, and the *target*. One of them is
//! the authority at any time; the other one is kept up with it by its change feed.
//!
//! | verb | what it does |
//! |---|---|
//! | [`start`] | claims both stores, copies, and follows the changes; runs until it is stopped |
//! | [`verify`] | compares both while programs write |
//! | [`switch`] | makes the target the authority: a pause of a second or two for writers |
//! | [`back`] | the same the other way round |
//! | [`abort`] | gives the move up; the source stays what it was |
//! | [`finish`] | ends the move; the store that is not the authority stays retired |
//! | [`finish_and_clean_up`] | the same, and empties that store |
//! | [`status`] | reports where it stands, and what to do next |
//!
//! Programs follow the move by `repo-routed`; one that does not is refused by the store that
//! has moved, and told where to. Every verb may be killed at any point and called again; the
//! decision is one compare-and-set in the record of the store that gives the authority up
//! (see `crates/live-model`).
//!
//! With the feature `metrics` the process that does it counts, without labels:
//!
//! | metric | kind | counts |
//! |---|---|---|
//! | `repository_live_copied_records_total` | counter | records that the copy has brought to the target |
//! | `repository_live_carried_changes_total` | counter | changes that [`start`] carried over |
//! | `repository_live_behind_seconds` | gauge | how long ago the first change was written that is still to be carried over; 0 when there is none; each second |
//! | `repository_live_slowdown` | gauge | by how much the rate is lower because of [`max_load`](LiveOptions::max_load); 1 when it is not |
//! | `repository_live_pause_seconds` | histogram | how long programs waited in a switch, or on the way back |

mod claim;
mod clean;
mod compare;
mod consumers;
mod copy;
mod difference;
mod end;
mod follow;
mod history;
mod kept;
mod lag;
mod load;
mod measure;
mod options;
mod pair;
mod positions;
mod refusals;
mod start;
mod status;
mod switch;
mod tail;

pub use clean::finish_and_clean_up;
pub use compare::{LiveVerification, verify};
pub use difference::LiveDifference;
pub use end::{AbortReport, abort, finish};
pub use lag::{CopyProgress, Lag};
pub use options::{LiveOptions, SwitchOptions};
pub use pair::{LivePlace, LiveStores};
pub use start::start;
pub use status::{LivePhase, LiveStatus, SideStatus, status};
pub use switch::{SwitchReport, back, switch};
