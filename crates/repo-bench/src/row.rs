//! What one row of the table is: its name, its work and its bound.

use std::fmt;

use serde::{Serialize, Serializer};

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Its name, after the group it belongs to: `sqlite.update`.
    pub name: &'static str,
    /// The work.
    pub what: &'static str,
    /// What ours is measured against.
    pub against: &'static str,
    /// What the ratio says.
    pub measure: Measure,
    /// What the ratio has to be; `None` where no bound was set.
    pub bound: Option<Bound>,
}

/// What a ratio of ours to raw says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Time for one operation: small is good.
    Time,
    /// Operations in a second: large is good.
    Rate,
    /// Bytes of memory for one entity, against nothing: small is good.
    Memory,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Bound {
    /// Whether a figure keeps it.
    #[must_use]
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Row {
    /// The group: the part of the name before the dot.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_includes_its_limit() {
        assert!(Bound::AtMost(1.3).holds(1.3) && !Bound::AtMost(1.3).holds(1.31));
        assert!(Bound::AtLeast(0.8).holds(0.8) && !Bound::AtLeast(0.8).holds(0.79));
        assert_eq!(serde_json::to_string(&Bound::AtMost(1.15)).unwrap(), "\"≤ 1.15\"");
    }
}
