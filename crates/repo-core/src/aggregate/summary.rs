//! What there is to know of one field of the entities of a group.

use super::exact_sum::ExactSum;
use super::row::Extreme;
use super::spec::Measured;
use super::stored;
use crate::Result;

/// What was found in one field of the entities of a group. A store that groups by itself
/// fills it with what it computed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FieldSummary {
    /// How many numbers.
    pub numbers: u64,
    /// How many strings.
    pub texts: u64,
    /// How many values of other types, null too. A missing field is no value.
    pub others: u64,
    /// The sum of the numbers, where it is asked for.
    pub sum: ExactSum,
    /// The least number or string, where it is asked for.
    pub least: Option<Extreme>,
    /// The greatest number or string, where it is asked for.
    pub greatest: Option<Extreme>,
}

impl FieldSummary {
    /// So many values of each kind, of which nothing else is known.
    #[must_use]
    pub fn counted(numbers: u64, texts: u64, others: u64) -> Self {
        Self { numbers, texts, others, ..Self::default() }
    }

    /// Notes the value of one entity, given as JSON text.
    ///
    /// # Errors
    /// `Corrupt` for text that no document holds.
    pub(super) fn add(&mut self, measured: &Measured, text: &str) -> Result<()> {
        match text.as_bytes().first() {
            Some(b'"') => {
                self.texts += 1;
                if measured.least || measured.greatest {
                    let found = stored::string(text)?.into_owned();
                    self.take(measured, Extreme::Text(found));
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = stored::number(text)?;
                self.numbers += 1;
                if measured.sum {
                    self.sum.add(number);
                }
                self.take(measured, Extreme::Number(number));
            }
            _ => self.others += 1,
        }
        Ok(())
    }

    /// Notes all that was found elsewhere.
    pub(super) fn merge(&mut self, measured: &Measured, other: Self) {
        self.numbers += other.numbers;
        self.texts += other.texts;
        self.others += other.others;
        self.sum.merge(other.sum);
        for found in [other.least, other.greatest].into_iter().flatten() {
            self.take(measured, found);
        }
    }

    /// About how many bytes its texts take.
    pub(super) fn text_bytes(&self) -> usize {
        let bytes = |extreme: &Option<Extreme>| match extreme {
            Some(Extreme::Text(text)) => text.len(),
            _ => 0,
        };
        bytes(&self.least) + bytes(&self.greatest)
    }

    fn take(&mut self, measured: &Measured, found: Extreme) {
        if measured.least && self.least.as_ref().is_none_or(|least| found < *least) {
            self.least = Some(found.clone());
        }
        if measured.greatest && self.greatest.as_ref().is_none_or(|greatest| found > *greatest) {
            self.greatest = Some(found);
        }
    }
}
