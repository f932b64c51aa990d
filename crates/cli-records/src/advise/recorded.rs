//! Reading what was recorded of queries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use cli_output::failure::unreadable;
use repo_core::{Error, ErrorKind, QueryShape, RecordedQueries, Result};

const OPERATION: &str = "read recorded queries";

/// Most bytes of a line.
const MOST_BYTES: u64 = 1_024 * 1_024;
/// Most shapes that are held.
const MOST_SHAPES: usize = 100_000;

/// What is in a file, each shape once with the sums of its lines.
pub(super) fn read(path: &Path) -> Result<BTreeMap<QueryShape, RecordedQueries>> {
    let failed = |source| unreadable(OPERATION, path, source);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut all: BTreeMap<QueryShape, RecordedQueries> = BTreeMap::new();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = file.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(all);
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let one = parse(&line)
            .map_err(|error| error.with("file", path.display()).with("line", number))?;
        if all.len() >= MOST_SHAPES && !all.contains_key(&one.shape) {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                OPERATION,
                "there are more than 100000 different queries",
            )
            .with("file", path.display())
            .hint("read a part of the file at a time"));
        }
        match all.get_mut(&one.shape) {
            Some(sum) => {
                sum.pages = sum.pages.saturating_add(one.pages);
                sum.scans = sum.scans.saturating_add(one.scans);
                sum.returned = sum.returned.saturating_add(one.returned);
            }
            None => {
                all.insert(one.shape.clone(), one);
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<RecordedQueries> {
    serde_json::from_slice(line).map_err(|source| {
        Error::new(ErrorKind::Invalid, OPERATION, "a line is no recorded query")
            .with("reason", &source)
            .hint("name a file that the layer `record_queries` wrote")
            .caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        r#"{"collection":"m","equal":["a"],"compared":[],"pages":2,"scans":1,"returned":5}"#;
    const OTHER: &str = r#"{"collection":"m","equal":[],"compared":["a"],"order":"b","pages":1,"scans":1,"returned":0}"#;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn lines_of_one_shape_are_summed() {
        let read = read(file(&format!("{ONE}\n\n{OTHER}\n{ONE}")).path()).unwrap();
        let sums: Vec<_> = read.values().map(|one| (one.pages, one.scans, one.returned)).collect();
        assert_eq!(sums, [(1, 1, 0), (4, 2, 10)]);
    }

    #[test]
    fn what_is_no_record_is_named() {
        let long = "x".repeat(2 * 1_024 * 1_024);
        for text in ["nonsense", "{}", r#"{"collection":"M"}"#, &long] {
            let error = read(file(&format!("{ONE}\n{text}\n")).path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.context_value("line"), Some("2"));
        }
        let missing = read(Path::new("there/is/none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
