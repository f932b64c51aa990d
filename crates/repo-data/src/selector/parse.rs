//! Reading a selector.

use std::collections::BTreeMap;

use repo_core::{Error, ErrorKind, Result, Value};

use super::limits::{Budget, MAX_SELECTOR_BYTES};
use super::order::compare;
use super::path::SelectorPath;
use super::pattern::SelectorPattern;
use super::tree::{Bound, Selector, Test};

const GROUPS: &str = "$and, $or, $nor";
const OPERATORS: &str =
    "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $regex with $options, $not";

impl Selector {
    /// Reads the JSON text of a selector.
    ///
    /// # Errors
    /// `Invalid` for everything else, with the place as JSON Pointer, and for a selector
    /// above the limits of this module.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(Error::new(ErrorKind::Invalid, "read a selector", "the text is too long")
                .with("bytes", text.len())
                .with("limit", MAX_SELECTOR_BYTES));
        }
        let value = Value::parse(text).map_err(|error| {
            Error::new(ErrorKind::Invalid, "read a selector", error.rule.to_string())
                .with("at", &error.pointer)
                .with("byte", error.offset)
        })?;
        Self::from_value(&value)
    }

    /// Reads a selector that was parsed as JSON before.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_value(value: &Value) -> Result<Self> {
        Reader::default().selector(value, &Place::Root)
    }
}

/// Where in the text a value is; it becomes text only in an error.
enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(outer, key) => {
                format!("{}/{}", outer.pointer(), key.replace('~', "~0").replace('/', "~1"))
            }
            Self::Item(outer, at) => format!("{}/{at}", outer.pointer()),
        }
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(ErrorKind::Invalid, "read a selector", why).with("at", self.pointer())
    }

    fn locate(&self, error: Error) -> Error {
        error.with("at", self.pointer())
    }
}

#[derive(Default)]
struct Reader {
    budget: Budget,
}

impl Reader {
    fn selector(&mut self, value: &Value, place: &Place<'_>) -> Result<Selector> {
        let Value::Object(members) = value else {
            return Err(place.refuse("a selector is a JSON object"));
        };
        let parts = members.iter().map(|(key, value)| {
            let place = Place::Key(place, key);
            self.budget.condition().map_err(|error| place.locate(error))?;
            self.member(key, value, &place)
        });
        Ok(all(parts.collect::<Result<_>>()?))
    }

    fn member(&mut self, key: &str, value: &Value, place: &Place<'_>) -> Result<Selector> {
        match key {
            "$and" => Ok(Selector::All(self.group(value, place)?)),
            "$or" => Ok(Selector::Any(self.group(value, place)?)),
            "$nor" => Ok(not(Selector::Any(self.group(value, place)?))),
            _ if key.starts_with('$') => Err(place
                .refuse("unknown operator")
                .hint(format!("the operators beside fields are {GROUPS}"))),
            _ => {
                let path = SelectorPath::parse(key).map_err(|error| place.locate(error))?;
                self.field(&path, value, place)
            }
        }
    }

    fn group(&mut self, value: &Value, place: &Place<'_>) -> Result<Vec<Selector>> {
        let items = match value {
            Value::Array(items) if !items.is_empty() => items,
            _ => return Err(place.refuse("the operand is an array of one or more selectors")),
        };
        let parts = items.iter().enumerate().map(|(at, item)| {
            let place = Place::Item(place, at);
            self.budget.condition().map_err(|error| place.locate(error))?;
            self.selector(item, &place)
        });
        parts.collect()
    }

    /// A bare value is `$eq`; an object with operators is all of them.
    fn field(&mut self, path: &SelectorPath, value: &Value, place: &Place<'_>) -> Result<Selector> {
        match value {
            Value::Object(members) if members.keys().any(|key| key.starts_with('$')) => {
                self.operators(path, members, place)
            }
            bare => Ok(Selector::Field(path.clone(), Test::Equal(bare.clone()))),
        }
    }

    fn operators(
        &mut self,
        path: &SelectorPath,
        members: &BTreeMap<String, Value>,
        place: &Place<'_>,
    ) -> Result<Selector> {
        let mut parts = Vec::with_capacity(members.len());
        for (name, operand) in members {
            let place = Place::Key(place, name);
            self.budget.condition().map_err(|error| place.locate(error))?;
            match name.as_str() {
                "$regex" => {
                    let options = members.get("$options");
                    parts.push(self.pattern(path, operand, options, &place)?);
                }
                "$options" if members.contains_key("$regex") => {}
                "$options" => return Err(place.refuse("$options stands beside $regex")),
                _ => parts.push(self.operator(path, name, operand, &place)?),
            }
        }
        Ok(all(parts))
    }

    fn operator(
        &mut self,
        path: &SelectorPath,
        name: &str,
        operand: &Value,
        place: &Place<'_>,
    ) -> Result<Selector> {
        let field = |test: Test| Selector::Field(path.clone(), test);
        let compare = |bound: Bound| Ok(field(Test::Compare(bound, operand.clone())));
        match name {
            "$eq" => Ok(field(Test::Equal(operand.clone()))),
            "$ne" => Ok(not(field(Test::Equal(operand.clone())))),
            "$gt" => compare(Bound::Above),
            "$gte" => compare(Bound::From),
            "$lt" => compare(Bound::Below),
            "$lte" => compare(Bound::UpTo),
            "$in" => Ok(field(self.list(operand, place)?)),
            "$nin" => Ok(not(field(self.list(operand, place)?))),
            "$exists" => match truth(operand) {
                Some(true) => Ok(field(Test::Exists)),
                Some(false) => Ok(not(field(Test::Exists))),
                None => Err(place.refuse("the operand is true or false")),
            },
            "$not" => match operand {
                Value::Object(members) if !members.is_empty() => {
                    Ok(not(self.operators(path, members, place)?))
                }
                _ => Err(place.refuse("the operand is an object of operators")),
            },
            _ if name.starts_with('$') => Err(place
                .refuse("unknown operator")
                .hint(format!("the operators of a field are {OPERATORS}"))),
            _ => Err(place.refuse("operators and plain keys cannot be mixed")),
        }
    }

    fn list(&mut self, operand: &Value, place: &Place<'_>) -> Result<Test> {
        let Value::Array(values) = operand else {
            return Err(place.refuse("the operand is an array of values"));
        };
        self.budget.values(values.len()).map_err(|error| place.locate(error))?;
        for (at, value) in values.iter().enumerate() {
            let is_operator = |key: &String| key.starts_with('$');
            if matches!(value, Value::Object(members) if members.keys().any(is_operator)) {
                return Err(Place::Item(place, at).refuse("there are no operators in a list"));
            }
        }
        let mut values = values.clone();
        values.sort_by(compare);
        values.dedup();
        Ok(Test::OneOf(values))
    }

    fn pattern(
        &mut self,
        path: &SelectorPath,
        source: &Value,
        options: Option<&Value>,
        place: &Place<'_>,
    ) -> Result<Selector> {
        self.budget.pattern().map_err(|error| place.locate(error))?;
        let source = source.as_str().ok_or_else(|| place.refuse("the operand is a string"))?;
        let options = match options {
            None => "",
            Some(options) => {
                options.as_str().ok_or_else(|| place.refuse("$options is a string"))?
            }
        };
        let pattern = SelectorPattern::new(source, options).map_err(|error| place.locate(error))?;
        Ok(Selector::Field(path.clone(), Test::Pattern(pattern)))
    }
}

/// Drivers send `true`, and people `1`.
fn truth(operand: &Value) -> Option<bool> {
    match operand {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => Some(!number.is_zero()),
        _ => None,
    }
}

fn all(mut parts: Vec<Selector>) -> Selector {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            Selector::All(parts)
        }
    }
}

fn not(selector: Selector) -> Selector {
    Selector::Not(Box::new(selector))
}
