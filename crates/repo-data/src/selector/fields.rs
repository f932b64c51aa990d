//! What a caller knows of the fields of its records.

use std::collections::BTreeMap;

use repo_core::{Error, ErrorKind, FieldPath, Result};

use super::path::SelectorPath;
use super::tree::Selector;

/// Where the fields of a selector are in the records of a collection, and which of them can
/// be filtered.
///
/// ```
/// use repo_data::selector::{Fields, Selector};
///
/// let fields = Fields::default()
///     .renamed("_id", "datapoint_id")?
///     .scalar("data_type")?
///     .refused("embedding", "it is kept in a blob")?
///     .spilled("value", "value_blob")?;
/// fields.check(&Selector::parse(r#"{"_id": "01ABC"}"#)?)?;
/// assert!(fields.check(&Selector::parse(r#"{"embedding.0": 1}"#)?).is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fields {
    below: Option<FieldPath>,
    renamed: BTreeMap<String, String>,
    scalar: Vec<SelectorPath>,
    refused: Vec<(SelectorPath, String)>,
    spilled: Vec<(SelectorPath, FieldPath)>,
}

impl Fields {
    /// The document that a selector means is at this path of a record, and not the record.
    ///
    /// # Errors
    /// `Invalid` for what is no path.
    pub fn below(mut self, path: &str) -> Result<Self> {
        self.below = Some(FieldPath::parse(path)?);
        Ok(self)
    }

    /// A field at the top has another name in the record.
    ///
    /// # Errors
    /// `Invalid` for names that are none.
    pub fn renamed(mut self, name: &str, stored: &str) -> Result<Self> {
        for name in [name, stored] {
            if SelectorPath::parse(name)?.steps().len() != 1 {
                return Err(Error::new(ErrorKind::Invalid, "name fields", "not a name at the top")
                    .with("name", name));
            }
        }
        self.renamed.insert(name.to_owned(), stored.to_owned());
        Ok(self)
    }

    /// A field, by its name in a selector, that holds no array in any record, and has none on
    /// the way to it. Only such a field is looked up in an index.
    ///
    /// # Errors
    /// `Invalid` for what is no path.
    pub fn scalar(mut self, path: &str) -> Result<Self> {
        self.scalar.push(SelectorPath::parse(path)?);
        Ok(self)
    }

    /// A field that cannot be filtered, and why.
    ///
    /// # Errors
    /// `Invalid` for what is no path.
    pub fn refused(mut self, path: &str, why: &str) -> Result<Self> {
        self.refused.push((SelectorPath::parse(path)?, why.to_owned()));
        Ok(self)
    }

    /// A field that is in a blob instead, in those records that have `marker`. A filter lets
    /// such records through whatever they hold, so that [`Selector::decide`] refuses what
    /// cannot be known, and none goes missing.
    ///
    /// # Errors
    /// `Invalid` for what is no path.
    pub fn spilled(mut self, path: &str, marker: &str) -> Result<Self> {
        self.spilled.push((SelectorPath::parse(path)?, FieldPath::parse(marker)?));
        Ok(self)
    }

    /// Refuses a selector that asks for a field that cannot be filtered.
    ///
    /// # Errors
    /// `Invalid`, with the field and the reason.
    pub fn check(&self, selector: &Selector) -> Result<()> {
        for path in selector.paths() {
            if let Some((field, why)) = self.refused.iter().find(|(field, _)| field.overlaps(path))
            {
                return Err(Error::new(ErrorKind::Invalid, "select", "a field cannot be filtered")
                    .with("field", field)
                    .with("reason", why));
            }
        }
        Ok(())
    }

    /// The path in a record; nothing where a filter cannot name it.
    pub(super) fn stored(&self, path: &SelectorPath) -> Option<FieldPath> {
        self.stored_steps(path, path.steps().len())
    }

    /// The path in a record to the first name of a path.
    pub(super) fn stored_top(&self, path: &SelectorPath) -> Option<FieldPath> {
        self.stored_steps(path, 1)
    }

    fn stored_steps(&self, path: &SelectorPath, count: usize) -> Option<FieldPath> {
        let mut text = self.below.as_ref().map(|below| format!("{below}.")).unwrap_or_default();
        for (at, step) in path.steps().iter().take(count).enumerate() {
            match self.renamed.get(&**step).filter(|_| at == 0) {
                Some(stored) => text.push_str(stored),
                None => text.push_str(step),
            }
            text.push('.');
        }
        FieldPath::parse(text.trim_end_matches('.')).ok()
    }

    /// Whether no array is at the path or on the way to it.
    pub(super) fn is_scalar(&self, path: &SelectorPath) -> bool {
        self.scalar.contains(path)
    }

    /// The fields that mark a record in which a part of this path is in a blob.
    pub(super) fn markers<'a>(
        &'a self,
        path: &'a SelectorPath,
    ) -> impl Iterator<Item = &'a FieldPath> {
        self.spilled.iter().filter(|(field, _)| field.overlaps(path)).map(|(_, marker)| marker)
    }
}
