//! The engine against the raw drivers: the same work, in one run, in turn.
//!
//! `rows` says what is measured and against what; `ours` does the work through
//! the engine, `raw` through the driver alone; `measure` and `bench` take the
//! times in pairs; `report` and `table` print them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bench;
mod child;
mod data;
mod errors;
mod grouping;
mod growth;
mod machine;
mod measure;
mod ours;
mod peers;
mod plan;
mod plot;
mod raw;
mod report;
mod row;
mod rows;
mod run;
mod scale;
mod selection;
mod table;

pub use bench::Options;
pub use child::open_and_measure;
pub use data::{COLLECTION, document_text, schema};
pub use growth::{Curve, Growth, GrowthOptions, Point, growth};
pub use machine::Machine;
pub use measure::{Spread, Timed};
pub use peers::{PeerFigures, peers};
pub use plot::to_svg;
pub use report::{Figures, Line, Report};
pub use row::{Bound, Measure, Row};
pub use rows::all as all_rows;
pub use run::run;
pub use scale::Scale;
pub use selection::Selection;
pub use table::{growth_table, rows_table, to_table};
