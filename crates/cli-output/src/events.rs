//! What a program reads while a run is under way, with `--format ndjson`: one
//! object a line, the report last.

use std::time::{Duration, Instant};

use repo_core::CollectionName;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value as Json;

use repo_migrate::{MigrationReport, Phase};

/// Time between two events on the progress of one phase.
const INTERVAL: Duration = Duration::from_secs(1);

/// One line of a run with `--format ndjson`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A part of the run begins.
    Phase {
        /// Which.
        phase: Phase,
        /// How many records it goes over: an estimate.
        estimated_records: Option<u64>,
    },
    /// A second or more of work in a phase.
    Progress {
        /// The phase.
        phase: Phase,
        /// The collection at work.
        #[schemars(with = "String")]
        collection: &'a CollectionName,
        /// Records done in this phase, of all collections.
        records: u64,
        /// Records a second since the phase began.
        records_per_second: u64,
    },
    /// Something that a person should look at; it is in the report as well.
    Warning {
        /// What it is.
        text: &'a str,
    },
    /// The run has ended.
    Report(&'a MigrationReport),
    /// A signal ended the run.
    Interrupted {
        /// The report as far as the run came.
        #[serde(flatten)]
        report: &'a MigrationReport,
        /// The command that resumes, quoted for a shell.
        resume_command: &'a str,
        /// The exit code.
        exit_code: u8,
    },
}

/// The JSON Schema (2020-12) of a line; `schemas/events.schema.json`.
#[must_use]
pub fn events_schema() -> Json {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Event<'_>>();
    schema.insert("title".to_owned(), "Migration event".into());
    schema.to_value()
}

/// How far a phase is, and when that was last reported.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) phase: Option<Phase>,
    pub(crate) total: Option<u64>,
    pub(crate) records: u64,
    began: Instant,
    reported: Instant,
    interval: Duration,
}

impl Meter {
    /// For lines of people.
    pub(crate) fn every(interval: Duration) -> Self {
        let now = Instant::now();
        Self { phase: None, total: None, records: 0, began: now, reported: now, interval }
    }

    /// For events.
    pub(crate) fn for_events() -> Self {
        Self::every(INTERVAL)
    }

    pub(crate) fn begin(&mut self, phase: Phase, total: Option<u64>) {
        *self = Self { phase: Some(phase), total, ..Self::every(self.interval) };
    }

    /// Counts records; the phase, when it is time to report how far it is.
    pub(crate) fn advance(&mut self, records: u64) -> Option<Phase> {
        self.records += records;
        if self.reported.elapsed() < self.interval {
            return None;
        }
        self.reported = Instant::now();
        self.phase
    }

    /// Records a second since the phase began.
    pub(crate) fn rate(&self) -> u64 {
        per_second(self.records, self.began.elapsed())
    }

    /// The time that the rest takes at this rate, if the total is right.
    pub(crate) fn to_go(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.records)?;
        let rate = self.rate();
        (rate > 0).then(|| Duration::from_secs(left.div_ceil(rate)))
    }
}

/// Records a second.
pub(crate) fn per_second(records: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(records) * 1_000_000 / micros).unwrap_or(u64::MAX)
}
