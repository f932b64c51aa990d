//! The features as a page of Markdown, `docs/reference/matrix.md`.

use std::fmt::Write as _;

use super::feature::{Answer, Feature};
use super::seeds::SEEDS;

/// What stands above the tables.
const INTRODUCTION: &str = "\
# Feature by feature

Five documents stand at the beginning of this project: how other systems manage their data. Each
row below is a feature that they describe, with the command that shows it or the page that says how
it is done. What will not be there stands at the end, with the reason and with what stands in its
place. `repoctl strategies --matrix` prints this page, and with `--format json` the same as data.

It is made from `crates/cli-records/src/strategies/matrix/`. A test asks the real programs for
each command, and looks for the words in each page; with `UPDATE_MATRIX=1` it writes this page.
";

/// The whole page, which ends with a new line.
#[must_use]
pub fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    // Writing into a string does not fail, here and below.
    for seed in SEEDS {
        let _ = writeln!(text, "\n## {}. {}\n", seed.number, seed.subject);
        text.push_str("| feature | shown by |\n|---|---|\n");
        for feature in seed.features {
            let _ = writeln!(text, "| {} | {} |", feature.name, shown_by(feature));
        }
    }
    text.push_str("\n## What is refused\n\n");
    text.push_str("| feature | document | why | in its place |\n|---|---|---|---|\n");
    for seed in SEEDS {
        for Feature { name, answer } in seed.features {
            if let Answer::Refused { reason, instead } = answer {
                let _ = writeln!(text, "| {name} | {} | {reason} | {instead} |", seed.number);
            }
        }
    }
    text
}

fn shown_by(feature: &Feature) -> String {
    match feature.answer {
        Answer::Command(line) => format!("`{line}`"),
        Answer::Page { path, words } => {
            // Of a heading only its words.
            let words = words.trim_start_matches('#').trim_start();
            format!("[{path}]({}): {words}", from_reference(path))
        }
        Answer::Refused { .. } => "[refused](#what-is-refused)".to_owned(),
    }
}

/// A path as a link of a page in `docs/reference`.
fn from_reference(path: &str) -> String {
    match path.strip_prefix("docs/") {
        Some(rest) => format!("../{rest}"),
        None => format!("../../{path}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_cell_breaks_its_table_and_none_is_empty() {
        let mut seen = BTreeSet::new();
        for (number, feature) in
            SEEDS.iter().flat_map(|seed| seed.features.iter().map(|one| (seed.number, one)))
        {
            let texts = match feature.answer {
                Answer::Command(line) => vec![line],
                Answer::Page { path, words } => vec![path, words],
                Answer::Refused { reason, instead } => vec![reason, instead],
            };
            for text in texts.into_iter().chain([feature.name]) {
                assert!(!text.is_empty() && !text.contains(['|', '\n']), "{text}");
            }
            assert!(seen.insert((number, feature.name)), "twice: {}", feature.name);
        }
        assert!(page().contains("\n| own two-phase commit | [refused](#what-is-refused) |\n"));
    }
}
