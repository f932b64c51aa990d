//! The usual document, checked in one pass that makes nothing: no list of keys,
//! no numbers, no text. It knows the good ones only. What it does not know, good
//! or bad, is left to the [reader](super::reader), which says what is wrong.

use super::plain::plain_len;
use super::reader::{MAX_DEPTH, MAX_KEY_BYTES};
use super::reserved::RESERVED_KEYS;

/// Most keys of all objects that are open at one place.
const MOST_KEYS: usize = 64;
/// Most digits of a number, the zeros at its ends counted: fewer than a number
/// may have, and without an exponent they are in range.
const MOST_DIGITS: usize = 38;

/// The size of a document, as [`Sizer`](super::size::Sizer) counts it, if the text
/// holds no white space between its tokens, no escape in a key or by number, and
/// no exponent. `None` says nothing about the text.
pub(super) fn size(text: &str) -> Option<usize> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, size: 0, keys: [0; MOST_KEYS] };
    if scan.peek() != Some(b'{') {
        return None;
    }
    scan.object(1, 0)?;
    (scan.at == text.len()).then_some(scan.size)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    size: usize,
    /// The marks of the keys of all open objects, the innermost last.
    keys: [u64; MOST_KEYS],
}

impl Scan<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// An object whose keys are listed from `first` on. It is a level deeper
    /// than where it stands.
    fn object(&mut self, depth: usize, first: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.at += 1;
        self.size += 3;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Some(());
        }
        let (mut next, mut bits) = (first, 0_u64);
        loop {
            let mark = self.key(depth)?;
            let bit = 1 << (mark >> 58);
            if bits & bit != 0 && self.keys.get(first..next)?.contains(&mark) {
                return None;
            }
            bits |= bit;
            *self.keys.get_mut(next)? = mark;
            next += 1;
            self.size += 1;
            self.value(depth, next)?;
            let end = self.peek()?;
            self.at += 1;
            match end {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize, keys: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.at += 1;
        self.size += 3;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Some(());
        }
        loop {
            self.size += 1;
            self.value(depth, keys)?;
            let end = self.peek()?;
            self.at += 1;
            match end {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A value within a container of that depth.
    #[inline]
    fn value(&mut self, depth: usize, keys: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.object(depth + 1, keys),
            b'[' => self.array(depth + 1, keys),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.size += 1;
        let is_it = self.bytes.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_it.then_some(())
    }

    /// A string, of which the escapes that are one letter are one byte.
    #[inline]
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let plain = plain_len(self.bytes.get(self.at..)?);
            self.at += plain;
            self.size += plain;
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {}
                _ => return None,
            }
            let letter = self.bytes.get(self.at + 1)?;
            if !matches!(letter, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') {
                return None;
            }
            self.at += 2;
            self.size += 1;
        }
    }

    /// A key with the colon after it: its mark.
    #[inline]
    fn key(&mut self, depth: usize) -> Option<u64> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let rest = self.bytes.get(self.at + 1..)?;
        let len = plain_len(rest);
        let (key, end) = rest.split_at_checked(len)?;
        if !end.starts_with(b"\":") || len == 0 || len > MAX_KEY_BYTES {
            return None;
        }
        let is_reserved = || RESERVED_KEYS.iter().any(|reserved| reserved.as_bytes() == key);
        if depth == 1 && key.first() == Some(&b'_') && is_reserved() {
            return None;
        }
        self.at += len + 3;
        self.size += len;
        Some(mark(key))
    }

    fn number(&mut self) -> Option<()> {
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let start = self.at;
        let mut digits = Digits::default();
        self.digits(&mut digits);
        let whole = self.at - start;
        if whole == 0 || (whole > 1 && self.bytes.get(start) == Some(&b'0')) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let start = self.at;
            self.digits(&mut digits);
            if self.at == start {
                return None;
            }
        }
        if digits.all > MOST_DIGITS || matches!(self.peek(), Some(b'e' | b'E')) {
            return None;
        }
        let count = digits.significant;
        self.size += count.div_ceil(2) + 1 + usize::from(negative && count > 0);
        Some(())
    }

    #[inline]
    fn digits(&mut self, digits: &mut Digits) {
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            digits.add(byte);
            self.at += 1;
        }
    }
}

#[derive(Default)]
struct Digits {
    all: usize,
    /// Those from the first to the last that is no zero.
    significant: usize,
    /// Those from the first that is no zero.
    begun: usize,
}

impl Digits {
    #[inline]
    fn add(&mut self, byte: u8) {
        self.all += 1;
        let counts = byte != b'0';
        self.begun += usize::from(counts || self.begun > 0);
        if counts {
            self.significant = self.begun;
        }
    }
}

/// The same for equal keys, and almost always another one for others.
#[inline]
fn mark(key: &[u8]) -> u64 {
    // Odd, and without a pattern.
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = |mark: u64, word: u64| (mark ^ word).wrapping_mul(MIX).rotate_left(29);
    let words = (key.first_chunk::<8>(), key.last_chunk::<8>());
    let (first, last) = match words {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    let middle = match key.get(key.len() / 2..) {
        Some(half) if key.len() > 16 => {
            half.first_chunk::<8>().map_or(0, |w| u64::from_le_bytes(*w))
        }
        _ => 0,
    };
    mixed(mixed(mixed(key.len() as u64, first), last), middle)
}

#[cfg(test)]
#[path = "quick_tests.rs"]
mod tests;
