//! Naming how two records, or two documents, differ.

use repo_core::strategy::Record;
use repo_core::{Document, Value};

use crate::verify::report::{Aspect, Depth, Difference, DifferenceKind};

/// How the records of one id differ in what is compared; `None` when they do
/// not.
pub(crate) fn difference(
    depth: Depth,
    source: Option<&Record>,
    target: Option<&Record>,
) -> Option<Difference> {
    let (kind, record) = match (source, target) {
        (None, None) => return None,
        (Some(source), None) => (DifferenceKind::Missing, source),
        (None, Some(target)) => (DifferenceKind::Unexpected, target),
        (Some(source), Some(target)) if same(depth, source, target) => return None,
        (Some(source), Some(_)) => (DifferenceKind::Differs, source),
    };
    let (aspects, pointer) = match (source, target) {
        (Some(source), Some(target)) => aspects(depth, source, target),
        _ => (Vec::new(), None),
    };
    Some(Difference {
        id: record.id().to_string(),
        kind,
        aspects,
        source_version: source.map(|record| record.version().get()),
        target_version: target.map(|record| record.version().get()),
        pointer,
        source_changed: false,
    })
}

fn same(depth: Depth, a: &Record, b: &Record) -> bool {
    match depth {
        Depth::Complete => a.same_content(b),
        Depth::Document => a.same_but_for_version(b),
        Depth::Quick => a.version() == b.version() && a.is_live() == b.is_live(),
    }
}

fn aspects(depth: Depth, source: &Record, target: &Record) -> (Vec<Aspect>, Option<String>) {
    let mut aspects = Vec::new();
    let mut pointer = None;
    if depth.has_versions() && source.version() != target.version() {
        aspects.push(Aspect::Version);
    }
    if source.is_live() != target.is_live() {
        aspects.push(Aspect::Liveness);
    }
    if depth.has_documents()
        && let (Some(source), Some(target)) = (source.document(), target.document())
        && let Some(place) = first_difference(source, target)
    {
        aspects.push(Aspect::Document);
        pointer = Some(place);
    }
    (aspects, pointer)
}

/// JSON Pointer to the first place, by the order of keys, where two documents
/// differ; `None` when they are equal.
pub(crate) fn first_difference(a: &Document, b: &Document) -> Option<String> {
    let mut place = String::new();
    differ(&a.to_value(), &b.to_value(), &mut place).then_some(place)
}

/// Whether two values differ; `place` then leads to where.
fn differ(a: &Value, b: &Value, place: &mut String) -> bool {
    let start = place.len();
    let mut within = |step: &str, a: Option<&Value>, b: Option<&Value>| {
        place.push('/');
        place.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let differs = match (a, b) {
            (Some(a), Some(b)) => differ(a, b, place),
            _ => true,
        };
        if !differs {
            place.truncate(start);
        }
        differs
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            a.keys().chain(added).any(|key| within(key, a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len()))
            .any(|index| within(&index.to_string(), a.get(index), b.get(index))),
        (a, b) => a != b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> Option<String> {
        first_difference(&Document::parse(a).unwrap(), &Document::parse(b).unwrap())
    }

    #[test]
    fn the_first_place_that_differs_is_named() {
        let cases = [
            (r#"{"a":1.50}"#, r#"{"a":15e-1}"#, None),
            (r#"{"a":1}"#, r#"{"a":2}"#, Some("/a")),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, Some("/b")),
            (r#"{"a":{"b/c":[1,{"~":2}]}}"#, r#"{"a":{"b/c":[1,{"~":3}]}}"#, Some("/a/b~1c/1/~0")),
            (r#"{"a":[1,2]}"#, r#"{"a":[1]}"#, Some("/a/1")),
            (r#"{"a":[]}"#, r#"{"a":{}}"#, Some("/a")),
            (r#"{"a":[1,[2]],"z":1}"#, r#"{"a":[1,[2]],"z":"1"}"#, Some("/z")),
        ];
        for (a, b, place) in cases {
            assert_eq!(between(a, b).as_deref(), place, "{a} {b}");
        }
    }
}
