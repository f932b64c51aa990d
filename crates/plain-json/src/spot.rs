//! Where wrong text stands in a data file, as people look for it, and what
//! usually puts such text there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes read at once.
const CHUNK: usize = 256 * 1_024;
/// Bytes of the line that are shown before the place.
const BEFORE: u64 = 24;
/// And from there on.
const AFTER: usize = 48;

/// A compressed file begins so. Its text has no lines that could be shown.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// What is said where the cause is not known.
pub const USUAL_CAUSES: &str = "usual causes are a byte order mark, UTF-16 instead of \
     UTF-8, NaN or Infinity, a comment, and a comma after the last member";

/// A place in a text file.
#[derive(Debug, PartialEq, Eq)]
pub struct Spot {
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
    /// The text there, with a little of the same line before it.
    pub text: String,
    /// What the text there looks like.
    pub cause: Option<&'static str>,
}

/// Looks at a byte of a file once more, from the front. `None` when the file
/// cannot be read again: the place is then given by its byte alone.
#[must_use]
pub fn look(path: &Path, byte: u64) -> Option<Spot> {
    let file = File::open(path).ok()?;
    if bytes_at(&file, 0, ZSTD.len())? == ZSTD {
        return None;
    }
    let (line, line_start) = line_of(&file, byte)?;
    let from = byte.saturating_sub(BEFORE).max(line_start);
    let before = bytes_at(&file, from, usize::try_from(byte - from).ok()?)?;
    let after = bytes_at(&file, byte, AFTER)?;
    let head = bytes_at(&file, 0, 4)?;
    let shown: Vec<u8> = before.iter().chain(&after).copied().collect();
    let text = one_line(&shown, before.len());
    let column = column_of(&file, line_start, byte)?;
    Some(Spot { line, column, text, cause: cause(&head, &behind(&file, byte), &before, &after) })
}

/// The number of the line and where it begins.
fn line_of(file: &File, byte: u64) -> Option<(u64, u64)> {
    let (mut line, mut start, mut at) = (1, 0, 0);
    let mut reader = file.take(byte);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut buffer).ok()?;
        let part = buffer.get(..read).filter(|part| !part.is_empty());
        let Some(part) = part else { return Some((line, start)) };
        line += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        if let Some(last) = part.iter().rposition(|byte| *byte == b'\n') {
            start = at + last as u64 + 1;
        }
        at += read as u64;
    }
}

/// Counts characters: every byte except those that continue one.
fn column_of(file: &File, line_start: u64, byte: u64) -> Option<u64> {
    let mut column = 1;
    let mut at = line_start;
    while at < byte {
        let most = usize::try_from(byte - at).unwrap_or(CHUNK).min(CHUNK);
        let part = bytes_at(file, at, most)?;
        if part.is_empty() {
            break;
        }
        column += part.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() as u64;
        at += part.len() as u64;
    }
    Some(column)
}

/// Up to `most` bytes from an offset.
fn bytes_at(file: &File, offset: u64, most: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut len = 0;
    while len < most {
        match file.read_at(bytes.get_mut(len..)?, offset + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(len);
    Some(bytes)
}

/// What stands before a byte, over the ends of lines.
fn behind(file: &File, byte: u64) -> Vec<u8> {
    let from = byte.saturating_sub(256);
    let most = usize::try_from(byte - from).unwrap_or(0);
    bytes_at(file, from, most).unwrap_or_default()
}

/// The line around the place, which is at `at`.
fn one_line(bytes: &[u8], at: usize) -> String {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let line = bytes.get(..end.map_or(bytes.len(), |end| at + end)).unwrap_or_default();
    String::from_utf8_lossy(line).trim_matches(char::REPLACEMENT_CHARACTER).trim().to_owned()
}

/// What usually stands behind such text.
fn cause(head: &[u8], behind: &[u8], before: &[u8], after: &[u8]) -> Option<&'static str> {
    const UTF_16: &str = "the file looks like UTF-16: save it as UTF-8";
    match head {
        [0xEF, 0xBB, 0xBF, ..] => {
            return Some("the file begins with a byte order mark: save it as UTF-8 without one");
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..] => return Some(UTF_16),
        _ => {}
    }
    let last = behind.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    let next = after.iter().find(|byte| !byte.is_ascii_whitespace());
    match (last, next) {
        (_, None) => {
            return Some(
                "the file ends here: it was cut off, or another program is writing it just now",
            );
        }
        (Some(b','), Some(b'}' | b']')) => {
            return Some("a comma stands after the last member: remove it");
        }
        (Some(b'/'), Some(b'/' | b'*')) | (_, Some(b'#' | b'/')) => {
            return Some("JSON has no comments: remove it");
        }
        (_, Some(b'\'')) => return Some("JSON has double quotes only"),
        _ => {}
    }
    match word(before, after).as_str() {
        "NaN" | "Infinity" | "nan" | "inf" => {
            Some("JSON has no NaN and no Infinity: write null, or a number")
        }
        "None" | "True" | "False" | "undefined" => {
            Some("the word is of another language: JSON has null, true and false")
        }
        _ if after.first().is_some_and(|byte| !byte.is_ascii()) => {
            Some("the bytes there may not be UTF-8: save the file as UTF-8")
        }
        _ => None,
    }
}

/// The word that the place is in.
fn word(before: &[u8], after: &[u8]) -> String {
    let is_letter = |byte: &&u8| byte.is_ascii_alphabetic();
    let start: Vec<u8> = before.iter().rev().take_while(is_letter).copied().collect();
    let letters = start.iter().rev().chain(after.iter().take_while(is_letter));
    let word: Vec<u8> = letters.copied().collect();
    let sign = after.first() == Some(&b'-');
    let behind_sign = after.get(1..).unwrap_or_default().iter().take_while(is_letter);
    let word = if sign && word.is_empty() { behind_sign.copied().collect() } else { word };
    String::from_utf8_lossy(&word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &[u8], byte: u64) -> Spot {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        look(file.path(), byte).unwrap()
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "{\n  \"é\": x\n}".as_bytes();
        let at = text.iter().position(|byte| *byte == b'x').unwrap() as u64;
        let found = spot(text, at);
        assert_eq!((found.line, found.column, found.text.as_str()), (2, 8, "\"é\": x"));
        assert_eq!((spot(text, 0).line, spot(text, 0).column), (1, 1));
        let end = spot(text, text.len() as u64);
        assert_eq!((end.line, end.column), (3, 2));
        assert!(end.cause.unwrap().contains("ends here"));
        let long = [vec![b' '; 3 * CHUNK], b"\n y".to_vec()].concat();
        let found = spot(&long, long.len() as u64 - 1);
        assert_eq!((found.line, found.column, found.text.as_str()), (2, 2, "y"));
    }

    #[test]
    fn the_usual_causes_are_known_by_their_text() {
        for (text, at, part) in [
            (&b"\xEF\xBB\xBF{}"[..], 0, "byte order mark"),
            (b"{\0}\0", 1, "UTF-16"),
            (b"\xFF\xFE{\0", 0, "UTF-16"),
            (b"{\"a\": NaN}", 6, "NaN"),
            (b"{\"a\": NaN}", 7, "NaN"),
            (b"{\"a\": -Infinity}", 6, "NaN"),
            (b"{\"a\": -Infinity}", 7, "NaN"),
            (b"{// x\n}", 1, "comments"),
            (b"{\"a\": 1, /* x */ }", 9, "comments"),
            (b"{\"a\": 1, # x\n}", 9, "comments"),
            (b"{\"a\": 1,\n}", 9, "comma"),
            (b"{\"a\": [1,]}", 9, "comma"),
            (b"{'a': 1}", 1, "double quotes"),
            (b"{\"a\": None}", 6, "another language"),
            (b"{\"a\": \xE9}", 6, "UTF-8"),
        ] {
            let found = spot(text, at).cause.unwrap_or_default();
            assert!(found.contains(part), "{}: {found}", String::from_utf8_lossy(text));
        }
        assert_eq!(spot(b"{\"a\" 1}", 5).cause, None);
    }
}
