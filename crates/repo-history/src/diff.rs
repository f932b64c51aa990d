//! How two versions of an entity differ.

use std::collections::BTreeMap;
use std::fmt;

use repo_core::strategy::{OlderState, OlderVersion, push_json_string};
use repo_core::{EntityId, Result, Value, Version};

use crate::History;

/// How one document becomes another: a JSON Patch (RFC 6902). Numbers are exact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Diff {
    /// To be done in this order.
    pub steps: Vec<DiffStep>,
}

/// One operation of a JSON Patch. The paths are JSON Pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of RFC 6902")]
pub enum DiffStep {
    /// A value that was not there.
    Add { path: String, value: Value },
    /// A value that is not there any more; `was` is not a part of the patch.
    Remove { path: String, was: Value },
    /// Another value; `was` is not a part of the patch.
    Replace { path: String, was: Value, value: Value },
}

impl History {
    /// How version `from` of an entity becomes version `to`. A deleted version has the
    /// document `null`.
    ///
    /// # Errors
    /// As [`at_version`](Self::at_version), for either.
    pub async fn diff(&self, id: &EntityId, from: Version, to: Version) -> Result<Diff> {
        let from = value_of(self.at_version(id, from).await?);
        let to = value_of(self.at_version(id, to).await?);
        Ok(Diff::between(&from, &to))
    }
}

fn value_of(version: OlderVersion) -> Value {
    match version.state {
        OlderState::Live { document, .. } => document.to_value(),
        OlderState::Deleted | OlderState::Removed => Value::Null,
    }
}

impl Diff {
    /// How one value becomes another.
    #[must_use]
    pub fn between(from: &Value, to: &Value) -> Self {
        let mut diff = Self::default();
        diff.value("", from, to);
        diff
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The JSON Patch as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(DiffStep::to_json).collect();
        format!("[{}]", steps.join(","))
    }

    fn value(&mut self, path: &str, from: &Value, to: &Value) {
        match (from, to) {
            (Value::Object(from), Value::Object(to)) => self.object(path, from, to),
            (Value::Array(from), Value::Array(to)) => self.array(path, from, to),
            (from, to) if from == to => {}
            (from, to) => self.steps.push(DiffStep::Replace {
                path: path.to_owned(),
                was: from.clone(),
                value: to.clone(),
            }),
        }
    }

    fn object(&mut self, path: &str, from: &BTreeMap<String, Value>, to: &BTreeMap<String, Value>) {
        for (name, was) in from {
            let path = member(path, name);
            match to.get(name) {
                Some(value) => self.value(&path, was, value),
                None => self.steps.push(DiffStep::Remove { path, was: was.clone() }),
            }
        }
        for (name, value) in to.iter().filter(|(name, _)| !from.contains_key(*name)) {
            self.steps.push(DiffStep::Add { path: member(path, name), value: value.clone() });
        }
    }

    /// What both have in common at the beginning and at the end stays; between them
    /// values are compared place by place.
    fn array(&mut self, path: &str, from: &[Value], to: &[Value]) {
        let begin = from.iter().zip(to).take_while(|(from, to)| from == to).count();
        let (from_rest, to_rest) = (&from[begin..], &to[begin..]);
        let backwards = from_rest.iter().rev().zip(to_rest.iter().rev());
        let end = backwards.take_while(|(from, to)| from == to).count();
        let from = &from_rest[..from_rest.len() - end];
        let to = &to_rest[..to_rest.len() - end];
        let both = from.len().min(to.len());
        for (at, (from, to)) in from.iter().zip(to).enumerate() {
            self.value(&format!("{path}/{}", begin + at), from, to);
        }
        // From the last one on: each removal moves what follows it.
        for (at, was) in from.iter().enumerate().skip(both).rev() {
            let path = format!("{path}/{}", begin + at);
            self.steps.push(DiffStep::Remove { path, was: was.clone() });
        }
        for (at, value) in to.iter().enumerate().skip(both) {
            let path = format!("{path}/{}", begin + at);
            self.steps.push(DiffStep::Add { path, value: value.clone() });
        }
    }
}

/// The pointer of a member.
fn member(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl DiffStep {
    fn to_json(&self) -> String {
        let (operation, path, value) = match self {
            Self::Add { path, value } => ("add", path, Some(value)),
            Self::Remove { path, .. } => ("remove", path, None),
            Self::Replace { path, value, .. } => ("replace", path, Some(value)),
        };
        let mut text = format!("{{\"op\":\"{operation}\",\"path\":");
        push_json_string(&mut text, path);
        if let Some(value) = value {
            text.push_str(&format!(",\"value\":{value}"));
        }
        text.push('}');
        text
    }
}

/// For people: `+` what came, `-` what went, `~` what changed.
impl fmt::Display for DiffStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |path: &str| if path.is_empty() { "the document".to_owned() } else { path.to_owned() };
        match self {
            Self::Add { path, value } => write!(f, "+ {}: {value}", shown(path)),
            Self::Remove { path, was } => write!(f, "- {}: {was}", shown(path)),
            Self::Replace { path, was, value } => {
                write!(f, "~ {}: {was} -> {value}", shown(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Value {
        Value::parse(text).unwrap()
    }

    /// Does what RFC 6902 says.
    fn apply(mut value: Value, diff: &Diff) -> Value {
        for step in &diff.steps {
            let (path, new) = match step {
                DiffStep::Add { path, value } | DiffStep::Replace { path, value, .. } => {
                    (path, Some(value.clone()))
                }
                DiffStep::Remove { path, .. } => (path, None),
            };
            let Some((parent, last)) = path.rsplit_once('/') else {
                value = new.unwrap();
                continue;
            };
            let mut at = &mut value;
            for name in parent.split('/').skip(1) {
                let name = name.replace("~1", "/").replace("~0", "~");
                at = match at {
                    Value::Object(members) => members.get_mut(&name).unwrap(),
                    Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
                    other => panic!("{other:?} has no {name}"),
                };
            }
            let last = last.replace("~1", "/").replace("~0", "~");
            let adds = matches!(step, DiffStep::Add { .. });
            match (at, new) {
                (Value::Object(members), Some(new)) => {
                    assert_eq!(members.insert(last, new).is_none(), adds);
                }
                (Value::Object(members), None) => drop(members.remove(&last).unwrap()),
                (Value::Array(items), new) => {
                    let at = last.parse::<usize>().unwrap();
                    match new {
                        Some(new) if adds => items.insert(at, new),
                        Some(new) => items[at] = new,
                        None => drop(items.remove(at)),
                    }
                }
                (other, _) => panic!("{other:?} holds nothing"),
            }
        }
        value
    }

    #[test]
    fn what_differs_is_named() {
        let (from, to) = (
            parse(r#"{"a":1,"b":{"c/d":[1,2,3],"~":true},"gone":null}"#),
            parse(r#"{"a":1.0,"b":{"c/d":[1,3],"~":false},"new":"x"}"#),
        );
        let diff = Diff::between(&from, &to);
        assert_eq!(
            diff.to_json(),
            r#"[{"op":"remove","path":"/b/c~1d/1"},{"op":"replace","path":"/b/~0","value":false},{"op":"remove","path":"/gone"},{"op":"add","path":"/new","value":"x"}]"#
        );
        let shown: Vec<String> = diff.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["- /b/c~1d/1: 2", "~ /b/~0: true -> false", "- /gone: null", "+ /new: \"x\""]
        );
        assert!(Diff::between(&to, &to).is_empty());
        assert_eq!(
            Diff::between(&from, &Value::Null).to_json(),
            r#"[{"op":"replace","path":"","value":null}]"#
        );
    }

    #[test]
    fn numbers_are_exact() {
        let near =
            ["12345678901234567890123456789012345678", "12345678901234567890123456789012345679"];
        let [from, to] = near.map(parse);
        assert!(Diff::between(&from, &to).to_json().contains(near[1]));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (0..4_u8).prop_map(|n| parse(&n.to_string())),
            "[a~/]{0,2}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::btree_map("[a-c~/]{0,2}", inner, 0..5)
                    .prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_patch_leads_from_one_to_the_other(from in value(), to in value()) {
            let diff = Diff::between(&from, &to);
            prop_assert_eq!(diff.is_empty(), from == to);
            prop_assert_eq!(apply(from, &diff), to);
        }
    }
}
