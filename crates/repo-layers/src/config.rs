//! Layers as a configuration names them.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use repo_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::refusal::refuse;
use crate::{ConcurrencyLimitLayer, RecordLayer, RetryLayer, TimeoutLayer};

/// One layer of `storage.layers`: `{"layer": "retry", "max_attempts": 5}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "layer", rename_all = "snake_case", expecting = "an object with `layer`")]
#[non_exhaustive]
pub enum LayerConfig {
    /// A span for each operation.
    Tracing(NoSettings),
    /// Counters and histograms, for the recorder that the program installs.
    Metrics(NoSettings),
    /// Keeps what was read by id.
    Cache(CacheConfig),
    /// Repeats what failed and was not applied.
    Retry(RetryConfig),
    /// Ends what takes too long.
    Timeout(TimeoutConfig),
    /// Lets a number of operations through at once.
    ConcurrencyLimit(ConcurrencyLimitConfig),
    /// Checks written documents against their collection's JSON Schema.
    Validation(NoSettings),
    /// Enforces the references of the collections whose schemas say so.
    References(NoSettings),
    /// Counts what queries ask for, without the values.
    RecordQueries(RecordConfig),
}

/// For a layer without settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Settings of a `CacheLayer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// How old a read may be, for what others wrote meanwhile, in milliseconds.
    pub ttl_ms: NonZeroU64,
    /// The most bytes that are kept, about.
    #[serde(default = "max_bytes")]
    pub max_bytes: NonZeroU64,
    /// Whether what is written is kept, and not only what is read.
    #[serde(default)]
    pub keep_written: bool,
    /// The pause between two looks at the change feed, in milliseconds; without it, no looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_ms: Option<NonZeroU64>,
}

/// 64 MiB.
fn max_bytes() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(64 * 1_024 * 1_024 - 1)
}

#[cfg(feature = "cache")]
impl CacheConfig {
    pub(crate) fn build(&self) -> Result<crate::CacheLayer> {
        let layer = crate::CacheLayer::new(self.max_bytes, millis(self.ttl_ms))?;
        let layer = if self.keep_written { layer.keep_written() } else { layer };
        match self.follow_ms {
            Some(pause) => layer.follow(millis(pause)),
            None => Ok(layer),
        }
    }
}

/// Settings of a [`RetryLayer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Attempts in all, the first one too: 2 or more.
    #[cfg_attr(feature = "schemars", schemars(range(min = 2)))]
    pub max_attempts: u32,
    /// How long the first pause is at most, in milliseconds.
    pub min_delay_ms: NonZeroU64,
    /// How long a pause is at most, in milliseconds.
    pub max_delay_ms: NonZeroU64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: RetryLayer::MAX_ATTEMPTS,
            min_delay_ms: in_millis(RetryLayer::MIN_DELAY),
            max_delay_ms: in_millis(RetryLayer::MAX_DELAY),
        }
    }
}

fn in_millis(time: Duration) -> NonZeroU64 {
    u64::try_from(time.as_millis()).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
}

fn millis(count: NonZeroU64) -> Duration {
    Duration::from_millis(count.get())
}

impl RetryConfig {
    pub(crate) fn build(&self) -> Result<RetryLayer> {
        RetryLayer::new(self.max_attempts, millis(self.min_delay_ms), millis(self.max_delay_ms))
    }
}

/// Settings of a [`TimeoutLayer`]. What is not set has no limit; one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutConfig {
    /// The most time of a read, and of each batch of a scan, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_ms: Option<NonZeroU64>,
    /// The most time of a write, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_ms: Option<NonZeroU64>,
    /// The most time of a job, such as preparing or purging, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_ms: Option<NonZeroU64>,
}

impl TimeoutConfig {
    pub(crate) fn build(&self) -> Result<TimeoutLayer> {
        let mut layer = TimeoutLayer::new();
        if let Some(most) = self.read_ms {
            layer = layer.read(millis(most));
        }
        if let Some(most) = self.write_ms {
            layer = layer.write(millis(most));
        }
        if let Some(most) = self.job_ms {
            layer = layer.job(millis(most));
        }
        layer.check()?;
        Ok(layer)
    }
}

/// Settings of a [`ConcurrencyLimitLayer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyLimitConfig {
    /// Operations under way at once.
    pub max_operations: NonZeroUsize,
    /// Streams of records that are open at once; without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<NonZeroUsize>,
}

impl ConcurrencyLimitConfig {
    pub(crate) fn build(&self) -> ConcurrencyLimitLayer {
        let layer = ConcurrencyLimitLayer::new(self.max_operations);
        match self.max_streams {
            Some(most) => layer.streams(most),
            None => layer,
        }
    }
}

/// Settings of a [`RecordLayer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RecordConfig {
    /// The file that counts are appended to when the store is closed.
    pub file: PathBuf,
}

impl RecordConfig {
    pub(crate) fn build(&self) -> RecordLayer {
        RecordLayer::new(&self.file)
    }
}

impl LayerConfig {
    /// The name in `layer`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tracing(_) => "tracing",
            Self::Metrics(_) => "metrics",
            Self::Cache(_) => "cache",
            Self::Retry(_) => "retry",
            Self::Timeout(_) => "timeout",
            Self::ConcurrencyLimit(_) => "concurrency_limit",
            Self::Validation(_) => "validation",
            Self::References(_) => "references",
            Self::RecordQueries(_) => "record_queries",
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Retry(settings) => settings.build().map(|_| ()),
            Self::Timeout(settings) => settings.build().map(|_| ()),
            Self::Tracing(_)
            | Self::Metrics(_)
            | Self::Cache(_)
            | Self::ConcurrencyLimit(_)
            | Self::Validation(_)
            | Self::References(_)
            | Self::RecordQueries(_) => Ok(()),
        }
    }
}

/// Checks that a stack of layers, the outermost first, makes sense: each kind
/// once, and settings that do something. Two timeouts are one for all attempts and
/// one for each where a retry stands between them.
///
/// # Errors
/// `ConfigInvalid`, naming the layer and its `place` in the list, from 0.
pub fn check_layers(layers: &[LayerConfig]) -> Result<()> {
    for (at, layer) in layers.iter().enumerate() {
        let named = |error: Error| error.with("layer", layer.name()).with("place", at);
        layer.check().map_err(named)?;
        let earlier = layers[..at].iter().rposition(|other| other.name() == layer.name());
        if let Some(earlier) = earlier {
            let retried = || layers[earlier..at].iter().any(|between| between.name() == "retry");
            if !matches!(layer, LayerConfig::Timeout(_)) {
                return Err(named(refuse("a layer stands twice in the stack"))
                    .with("first", earlier)
                    .hint("leave one of them out"));
            }
            if !retried() {
                return Err(named(refuse("two timeouts stand around the same attempts"))
                    .with("first", earlier)
                    .hint("leave one out, or put a retry between them: then the outer one is for all attempts together, the inner one for each"));
            }
        }
    }
    Ok(())
}
