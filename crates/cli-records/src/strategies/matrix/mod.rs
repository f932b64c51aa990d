//! Every feature of the documents that the project began with, with what shows it.

mod feature;
mod page;
mod seeds;

use serde::Serialize;

pub use feature::{Answer, Feature};
pub use page::page;
pub use seeds::{SEEDS, Seed};

/// A row for programs.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    document: u8,
    #[serde(flatten)]
    feature: &'static Feature,
}

/// Every row, document by document.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    SEEDS
        .iter()
        .flat_map(|seed| seed.features.iter().map(|feature| Row { document: seed.number, feature }))
}
