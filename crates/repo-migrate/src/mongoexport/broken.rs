//! Why a line cannot be read.

use repo_core::{Error, ErrorKind, Rule, SyntaxError};

/// A step of a JSON Pointer behind another one.
pub(super) fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Why a line cannot be read, and where in it.
#[derive(Debug)]
pub(super) struct Broken {
    why: String,
    pointer: String,
    byte: Option<usize>,
    /// Whether the line may be a part of a document, or several of them.
    is_no_line: bool,
}

impl Broken {
    pub(super) fn new(why: impl Into<String>, pointer: String) -> Self {
        Self { why: why.into(), pointer, byte: None, is_no_line: false }
    }

    /// The same with the offset in the line, where there is one.
    pub(super) fn at(self, byte: Option<usize>) -> Self {
        Self { byte, ..self }
    }

    pub(super) fn several(self) -> Self {
        Self { is_no_line: true, ..self }
    }

    pub(super) fn syntax(error: SyntaxError) -> Self {
        Self {
            why: error.rule.to_string(),
            is_no_line: error.rule == Rule::Truncated,
            pointer: error.pointer,
            byte: Some(error.offset),
        }
    }

    pub(super) fn into_error(self, number: u64) -> Error {
        let error = Error::new(ErrorKind::Invalid, "read a line", self.why)
            .with("line", number)
            .with("pointer", self.pointer);
        let error = match self.byte {
            Some(byte) => error.with("byte", byte),
            None => error,
        };
        match self.is_no_line {
            true => error.hint(
                "a line is one document: run mongoexport without --jsonArray and without --pretty",
            ),
            false => error,
        }
    }
}
