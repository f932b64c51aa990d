//! The canonical text of a document, written straight from its text: what is
//! digested and compared of every record that is copied or verified, so it
//! builds no tree.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::decimal::Decimal;
use super::reader::{self, Sink};
use super::value::push_json_string;

/// A thread keeps the memory of its last document unless that was longer.
const MOST_KEPT: usize = 64 * 1_024;

thread_local! {
    static WRITER: RefCell<Writer> = RefCell::default();
}

/// The canonical form of JSON text that was checked before: keys sorted by
/// their UTF-8 bytes, no white space, numbers as [`Decimal`] writes them.
pub(super) fn canonical(text: &str) -> String {
    with_canonical(text, str::to_owned)
}

/// Does something with the canonical form, which takes no new memory where
/// documents are alike.
pub(super) fn with_canonical<T>(text: &str, work: impl FnOnce(&str) -> T) -> T {
    WRITER.with_borrow_mut(|writer| {
        writer.clear();
        writer.out.reserve(text.len());
        // The text was checked when the document was made.
        let _ = reader::read(text, writer);
        let done = work(&writer.out);
        if writer.out.capacity() > MOST_KEPT {
            *writer = Writer::default();
        }
        done
    })
}

#[derive(Default)]
struct Writer {
    out: String,
    open: Vec<Open>,
    /// The members of all open objects, the innermost last.
    members: Vec<Member>,
    /// Their keys as they are, one after the other: escaped ones sort
    /// otherwise.
    keys: String,
    /// For bringing members into order.
    sorted: String,
}

enum Open {
    Array { empty: bool },
    Object { first_member: usize, first_key: usize, at: usize },
}

#[derive(Clone)]
struct Member {
    key: Range<usize>,
    /// Its place in the text, without the comma before it.
    text: Range<usize>,
}

impl Writer {
    fn clear(&mut self) {
        self.out.clear();
        self.open.clear();
        self.members.clear();
        self.keys.clear();
    }

    /// What stands before a value: in an object its key is there already.
    fn separate(&mut self) {
        if let Some(Open::Array { empty }) = self.open.last_mut() {
            if !*empty {
                self.out.push(',');
            }
            *empty = false;
        }
    }

    fn end_member(&mut self) {
        let end = self.out.len();
        if let Some(last) = self.members.last_mut() {
            last.text.end = end;
        }
    }

    /// Brings the members from the one at `first` into the order of their keys.
    fn sort(&mut self, first: usize, at: usize) {
        let Self { out, members, keys, sorted, .. } = self;
        let Some(members) = members.get_mut(first..) else { return };
        let key = |member: &Member| keys.get(member.key.clone()).unwrap_or_default().as_bytes();
        if members.is_sorted_by(|a, b| key(a) <= key(b)) {
            return;
        }
        members.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        sorted.clear();
        for (number, member) in members.iter().enumerate() {
            if number > 0 {
                sorted.push(',');
            }
            sorted.push_str(out.get(member.text.clone()).unwrap_or_default());
        }
        out.truncate(at);
        out.push_str(sorted);
    }
}

impl Sink for Writer {
    fn null(&mut self) {
        self.separate();
        self.out.push_str("null");
    }
    fn bool(&mut self, value: bool) {
        self.separate();
        self.out.push_str(if value { "true" } else { "false" });
    }
    fn number(&mut self, number: Decimal) {
        self.separate();
        number.push_text(&mut self.out);
    }
    fn string(&mut self, text: Cow<'_, str>) {
        self.separate();
        push_json_string(&mut self.out, &text);
    }
    fn begin_array(&mut self) {
        self.separate();
        self.out.push('[');
        self.open.push(Open::Array { empty: true });
    }
    fn end_array(&mut self) {
        self.open.pop();
        self.out.push(']');
    }
    fn begin_object(&mut self) {
        self.separate();
        self.out.push('{');
        let (first_member, first_key) = (self.members.len(), self.keys.len());
        self.open.push(Open::Object { first_member, first_key, at: self.out.len() });
    }
    fn key(&mut self, key: &str) {
        if let Some(Open::Object { first_member, .. }) = self.open.last()
            && self.members.len() > *first_member
        {
            self.end_member();
            self.out.push(',');
        }
        let (from, start) = (self.keys.len(), self.out.len());
        self.keys.push_str(key);
        self.members.push(Member { key: from..self.keys.len(), text: start..start });
        push_json_string(&mut self.out, key);
        self.out.push(':');
    }
    fn end_object(&mut self) {
        if let Some(Open::Object { first_member, first_key, at }) = self.open.pop() {
            if self.members.len() > first_member {
                self.end_member();
                self.sort(first_member, at);
            }
            self.members.truncate(first_member);
            self.keys.truncate(first_key);
        }
        self.out.push('}');
    }
}
