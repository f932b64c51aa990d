//! The size of a document as DynamoDB counts it, and the rules of its top.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".

use std::borrow::Cow;

use super::decimal::Decimal;
use super::reader::{Rule, Sink, SyntaxError};
use super::reserved::RESERVED_KEYS;

/// Adds up the size while the reader goes through the text.
#[derive(Default)]
pub(super) struct Sizer {
    size: usize,
    depth: usize,
    top_is_object: bool,
    reserved: Option<String>,
}

impl Sizer {
    /// The size, or the rule that the top of the document breaks.
    pub(super) fn finish(self) -> Result<usize, SyntaxError> {
        if !self.top_is_object {
            return Err(SyntaxError { rule: Rule::NotAnObject, pointer: String::new(), offset: 0 });
        }
        match self.reserved {
            Some(key) => {
                Err(SyntaxError { rule: Rule::ReservedKey, pointer: format!("/{key}"), offset: 0 })
            }
            None => Ok(self.size),
        }
    }

    /// A container costs 3 bytes, and each of its elements 1.
    fn element(&mut self, bytes: usize) {
        self.size += bytes + usize::from(self.depth > 0);
    }
}

impl Sink for Sizer {
    fn null(&mut self) {
        self.element(1);
    }
    fn bool(&mut self, _value: bool) {
        self.element(1);
    }
    fn number(&mut self, number: Decimal) {
        let digits = usize::try_from(number.digit_count()).unwrap_or(0);
        self.element(digits.div_ceil(2) + 1 + usize::from(number.is_negative()));
    }
    fn string(&mut self, text: Cow<'_, str>) {
        self.element(text.len());
    }
    fn begin_array(&mut self) {
        self.element(3);
        self.depth += 1;
    }
    fn end_array(&mut self) {
        self.depth -= 1;
    }
    fn begin_object(&mut self) {
        self.top_is_object |= self.depth == 0;
        self.element(3);
        self.depth += 1;
    }
    fn key(&mut self, key: &str) {
        if self.depth == 1 && self.top_is_object && RESERVED_KEYS.contains(&key) {
            self.reserved.get_or_insert_with(|| key.to_owned());
        }
        self.size += key.len();
    }
    fn end_object(&mut self) {
        self.depth -= 1;
    }
}
