//! Which rows are asked for.

use repo_core::{Error, ErrorKind, Result};

use crate::row::Row;

/// The rows to measure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection(Option<Vec<String>>);

impl Selection {
    /// All rows.
    #[must_use]
    pub fn all() -> Self {
        Self(None)
    }

    /// Of `rows` those of these names: a group (`json`) or a row (`json.commit`). No
    /// name means all.
    ///
    /// # Errors
    /// `ConfigInvalid` for a name that no row and no group has.
    pub fn of<R>(names: &[String], rows: impl Fn() -> R) -> Result<Self>
    where
        R: Iterator<Item = &'static Row>,
    {
        if names.is_empty() {
            return Ok(Self::all());
        }
        for name in names {
            if !rows().any(|row| row.name == name || row.group() == name) {
                let mut known: Vec<&str> = rows().map(Row::group).collect();
                known.dedup();
                known.extend(rows().map(|row| row.name));
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "choose rows",
                    "no row of the benchmark and no group of rows has this name",
                )
                .with("row", name)
                .hint(format!("known: {}", known.join(", "))));
            }
        }
        Ok(Self(Some(names.to_vec())))
    }

    /// Whether a row is asked for.
    #[must_use]
    pub fn has(&self, row: &Row) -> bool {
        let named = |name: &String| name == row.name || name == row.group();
        self.0.as_ref().is_none_or(|names| names.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::all;

    #[test]
    fn rows_are_chosen_by_name_and_by_group() {
        let of = |names: &[&str]| {
            Selection::of(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), all)
        };
        let chosen = of(&["json", "sqlite.get"]).unwrap();
        let names: Vec<&str> = all().filter(|r| chosen.has(r)).map(|r| r.name).collect();
        assert!(names.iter().all(|name| name.starts_with("json.") || *name == "sqlite.get"));
        assert!(names.contains(&"json.commit") && names.contains(&"sqlite.get"));
        assert!(all().all(|row| of(&[]).unwrap().has(row)));
    }

    #[test]
    fn an_unknown_row_is_refused_with_the_known_ones() {
        let error = Selection::of(&["jsn".to_owned()], all).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.hint_text().unwrap().contains("json.commit"));
    }
}
