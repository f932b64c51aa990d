//! A filter that lets every match of a selector through.
//!
//! Each selector has a superset and a subset among filters. The superset of a negation is
//! the negation of the subset, so both are made together, and neither has to be exact.

use repo_core::{Comparison, FieldPath, Filter, Predicate, Value};

use super::fields::Fields;
use super::path::SelectorPath;
use super::tree::{Bound, Selector, Test};

/// Above this many values one condition lets all arrays through.
const MOST_CONTAINED: usize = 16;

impl Selector {
    /// A filter that every document fulfils that this selector matches, and perhaps others:
    /// what comes back is decided by [`decide`](Self::decide). A condition that a filter
    /// cannot express becomes one that everything fulfils.
    #[must_use]
    pub fn push_down(&self, fields: &Fields) -> Filter {
        superset(self, fields)
    }
}

fn everything() -> Filter {
    Filter::And(Vec::new())
}

fn nothing() -> Filter {
    Filter::Or(Vec::new())
}

fn negated(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn superset(selector: &Selector, fields: &Fields) -> Filter {
    match selector {
        Selector::All(parts) => {
            // Parts that say nothing would only hide the others.
            let parts = parts.iter().map(|part| superset(part, fields));
            Filter::And(parts.filter(|part| !part.is_all()).collect())
        }
        Selector::Any(parts) => {
            let parts: Vec<Filter> = parts.iter().map(|part| superset(part, fields)).collect();
            if parts.iter().any(Filter::is_all) { everything() } else { Filter::Or(parts) }
        }
        Selector::Not(part) => match subset(part, fields) {
            Filter::Or(parts) if parts.is_empty() => everything(),
            part => negated(part),
        },
        Selector::Field(path, test) => {
            let filter = field_superset(path, test, fields);
            if filter.is_all() {
                return filter;
            }
            let markers: Vec<Filter> = fields
                .markers(path)
                .map(|marker| Filter::Field(marker.clone(), Predicate::Exists(true)))
                .collect();
            any(filter, markers)
        }
    }
}

fn subset(selector: &Selector, fields: &Fields) -> Filter {
    match selector {
        Selector::All(parts) => {
            Filter::And(parts.iter().map(|part| subset(part, fields)).collect())
        }
        Selector::Any(parts) => Filter::Or(parts.iter().map(|part| subset(part, fields)).collect()),
        Selector::Not(part) => negated(superset(part, fields)),
        Selector::Field(path, test) => {
            let mut parts = vec![field_subset(path, test, fields)];
            let markers = fields.markers(path);
            parts.extend(markers.map(|at| Filter::Field(at.clone(), Predicate::Exists(false))));
            if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) }
        }
    }
}

fn any(first: Filter, mut others: Vec<Filter>) -> Filter {
    if others.is_empty() {
        return first;
    }
    others.insert(0, first);
    Filter::Or(others)
}

/// What a condition is made of, for one field.
struct Place {
    path: FieldPath,
    /// No array can be met.
    scalar: bool,
    /// The field is at the top of the document, so that no array is on the way.
    top: bool,
}

impl Place {
    fn of(path: &SelectorPath, fields: &Fields) -> Option<Self> {
        let scalar = fields.is_scalar(path);
        Some(Self { path: fields.stored(path)?, scalar, top: path.steps().len() == 1 })
    }

    fn is(&self, predicate: Predicate) -> Filter {
        Filter::Field(self.path.clone(), predicate)
    }

    fn missing(&self) -> Filter {
        self.is(Predicate::Exists(false))
    }

    /// Also where an array is on the way: a filter does not go into arrays, so there the
    /// field is missing.
    fn or_behind_array(&self, mut parts: Vec<Filter>) -> Filter {
        if !self.top && !self.scalar {
            parts.push(self.missing());
        }
        if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) }
    }

    /// Neither text nor number; so also every array, and nothing.
    fn no_text_and_no_number(&self) -> Filter {
        let zero = || Value::Number(repo_core::Decimal::ZERO);
        let is = |comparison, value| negated(self.is(Predicate::Compare(comparison, value)));
        Filter::And(vec![
            self.no_text(),
            is(Comparison::LessOrEqual, zero()),
            is(Comparison::Greater, zero()),
        ])
    }

    fn no_text(&self) -> Filter {
        let empty = Value::String(String::new());
        negated(self.is(Predicate::Compare(Comparison::GreaterOrEqual, empty)))
    }
}

fn field_superset(path: &SelectorPath, test: &Test, fields: &Fields) -> Filter {
    let Some(place) = Place::of(path, fields) else { return everything() };
    match test {
        Test::Equal(value) => equal_superset(&place, std::slice::from_ref(value)),
        Test::OneOf(values) => equal_superset(&place, values),
        Test::Compare(bound, value) => compare_superset(&place, *bound, value),
        Test::Exists if place.top || place.scalar => place.is(Predicate::Exists(true)),
        Test::Exists => match fields.stored_top(path) {
            Some(top) => Filter::Field(top, Predicate::Exists(true)),
            None => everything(),
        },
        Test::Pattern(pattern) => match pattern.to_filter_pattern() {
            Some(pattern) if place.scalar => place.is(Predicate::Regex(pattern)),
            Some(pattern) => Filter::Or(vec![place.is(Predicate::Regex(pattern)), place.no_text()]),
            None => everything(),
        },
    }
}

fn equal_superset(place: &Place, values: &[Value]) -> Filter {
    let mut parts = vec![place.is(one_of(values))];
    if !place.scalar {
        if values.len() > MOST_CONTAINED {
            parts.push(place.no_text_and_no_number());
        } else {
            let contained = values.iter().cloned().map(Predicate::Contains);
            parts.extend(contained.map(|predicate| place.is(predicate)));
        }
    }
    if values.contains(&Value::Null) && (place.top || place.scalar) {
        parts.push(place.missing());
    }
    place.or_behind_array(parts)
}

fn one_of(values: &[Value]) -> Predicate {
    match values {
        [only] => Predicate::Eq(only.clone()),
        values => Predicate::In(values.to_vec()),
    }
}

fn compare_superset(place: &Place, bound: Bound, value: &Value) -> Filter {
    match (value, bound) {
        (Value::Null, Bound::From | Bound::UpTo) => {
            equal_superset(place, std::slice::from_ref(value))
        }
        (Value::Null, Bound::Above | Bound::Below) => nothing(),
        (Value::Number(_) | Value::String(_), _) if place.scalar => {
            place.is(Predicate::Compare(comparison(bound), value.clone()))
        }
        // All but what is known to be on the other side: arrays, and where one is on the way.
        (Value::Number(_) | Value::String(_), _) => {
            negated(place.is(Predicate::Compare(other_side(bound), value.clone())))
        }
        _ => everything(),
    }
}

fn comparison(bound: Bound) -> Comparison {
    match bound {
        Bound::Above => Comparison::Greater,
        Bound::From => Comparison::GreaterOrEqual,
        Bound::Below => Comparison::Less,
        Bound::UpTo => Comparison::LessOrEqual,
    }
}

fn other_side(bound: Bound) -> Comparison {
    match bound {
        Bound::Above => Comparison::LessOrEqual,
        Bound::From => Comparison::Less,
        Bound::Below => Comparison::GreaterOrEqual,
        Bound::UpTo => Comparison::Greater,
    }
}

fn field_subset(path: &SelectorPath, test: &Test, fields: &Fields) -> Filter {
    let Some(place) = Place::of(path, fields) else { return nothing() };
    match test {
        Test::Equal(value) => equal_subset(&place, std::slice::from_ref(value)),
        Test::OneOf(values) => equal_subset(&place, values),
        Test::Compare(bound, value) => match (value, bound) {
            (Value::Null, Bound::From | Bound::UpTo) => {
                equal_subset(&place, std::slice::from_ref(value))
            }
            (Value::Number(_) | Value::String(_), _) => {
                place.is(Predicate::Compare(comparison(*bound), value.clone()))
            }
            _ => nothing(),
        },
        Test::Exists => place.is(Predicate::Exists(true)),
        Test::Pattern(pattern) => match pattern.to_filter_pattern() {
            Some(pattern) => place.is(Predicate::Regex(pattern)),
            None => nothing(),
        },
    }
}

fn equal_subset(place: &Place, values: &[Value]) -> Filter {
    let equal = place.is(one_of(values));
    let nothing_is_null = values.contains(&Value::Null) && (place.top || place.scalar);
    if nothing_is_null { Filter::Or(vec![equal, place.missing()]) } else { equal }
}
