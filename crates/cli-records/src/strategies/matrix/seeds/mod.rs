//! The documents that the project began with, a file each. A feature is one line there:
//! `command` with what is typed, `page` with words that stand in it, or `refused`.

mod seed_1;
mod seed_2;
mod seed_3;
mod seed_4;
mod seed_5;

use super::feature::Feature;

/// One of the documents.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Counted from 1.
    pub number: u8,
    /// What it is about.
    pub subject: &'static str,
    /// What it describes, in our words.
    pub features: &'static [Feature],
}

/// All of them, in their order.
pub const SEEDS: &[Seed] = &[
    Seed { number: 1, subject: "Data management of an agent platform", features: seed_1::FEATURES },
    Seed { number: 2, subject: "Data storage of a research platform", features: seed_2::FEATURES },
    Seed { number: 3, subject: "Storage strategies of a host factory", features: seed_3::FEATURES },
    Seed {
        number: 4,
        subject: "Data management in distributed systems",
        features: seed_4::FEATURES,
    },
    Seed { number: 5, subject: "Data manager of a laboratory", features: seed_5::FEATURES },
];
