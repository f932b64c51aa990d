//! The objects in which documents of runs are, numbered for the tables.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hex::Hex16;
use crate::names;
use crate::slot::Source;

/// Every part of documents that the state ever named.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    names: Vec<Arc<str>>,
    numbers: HashMap<(Hex16, u32), u32>,
}

impl Parts {
    /// The source that a part of a run is. `None` beyond 4 billion of them.
    pub(super) fn source(&mut self, run: Hex16, part: u32) -> Option<Source> {
        if let Some(known) = self.numbers.get(&(run, part)) {
            return Some(Source::part(*known));
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.names.push(Arc::from(names::docs(run, part)));
        self.numbers.insert((run, part), number);
        Some(Source::part(number))
    }

    /// The name of the object.
    pub(super) fn name(&self, number: u32) -> Option<Arc<str>> {
        self.names.get(usize::try_from(number).ok()?).cloned()
    }
}
