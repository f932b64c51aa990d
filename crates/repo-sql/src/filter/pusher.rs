//! What the conditions of every kind are made with.

use repo_core::{Comparison, FieldPath};

use crate::Dialect;
use crate::bind::Binder;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;
use crate::layout::CollectionLayout;
use crate::names::quote;

/// Makes conditions on the rows of a collection's table.
pub(super) struct Pusher<'a> {
    pub(super) dialect: Dialect,
    pub(super) layout: &'a CollectionLayout,
    pub(super) binder: &'a mut Binder,
    pub(super) parts_seen: usize,
}

/// Where a field is found.
pub(super) struct Place<'a> {
    pub(super) path: &'a FieldPath,
    pub(super) column: Option<(String, ColumnKind)>,
    pub(super) is_id: bool,
}

impl<'a> Pusher<'a> {
    pub(super) fn new(layout: &'a CollectionLayout, binder: &'a mut Binder) -> Self {
        Self { dialect: binder.dialect(), layout, binder, parts_seen: 0 }
    }
}

impl Pusher<'_> {
    /// The column that holds the field, and of which kind.
    pub(super) fn column(&self, path: &FieldPath) -> Option<(String, ColumnKind)> {
        if *path == self.layout.id_field {
            return Some((quote(&self.layout.id_column), ColumnKind::Text));
        }
        let column = self.layout.column(path)?;
        Some((quote(&column.name), column.kind))
    }

    /// How the statement names the value in the document.
    pub(super) fn at(&mut self, place: &Place<'_>) -> String {
        let steps = place.path.steps().iter().map(String::as_str);
        self.dialect.value_at(steps, |text| self.binder.text(text))
    }

    pub(super) fn has_type(&mut self, place: &Place<'_>, json_type: JsonType) -> String {
        let at = self.at(place);
        self.dialect.has_type(&at, &[json_type])
    }
}

pub(super) fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
