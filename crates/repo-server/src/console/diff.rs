//! How one text becomes another one, line by line.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

/// Lines around a change.
const AROUND: usize = 3;
/// After this a difference need not be the shortest.
const LONGEST: Duration = Duration::from_millis(250);

/// The lines that change, with some around them.
pub(super) fn diff(from: &str, to: &str) -> Markup {
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(from, to);
    let groups = diff.grouped_ops(AROUND);
    html! {
        @if groups.is_empty() {
            p.nothing { "There is no difference." }
        } @else {
            pre.diff {
                @for (at, group) in groups.iter().enumerate() {
                    @if at > 0 { span.gap { "⋯\n" } }
                    @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                        (line(change.tag(), change.value()))
                    }
                }
            }
        }
    }
}

fn line(tag: ChangeTag, text: &str) -> Markup {
    let text = text.trim_end_matches(['\r', '\n']);
    html! {
        @match tag {
            ChangeTag::Delete => { del { "− " (text) "\n" } }
            ChangeTag::Insert => { ins { "+ " (text) "\n" } }
            ChangeTag::Equal => { "  " (text) "\n" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_shown_and_escaped() {
        let shown = diff("{\n  \"a\": 1,\n}", "{\n  \"a\": \"<b>\",\n}").0;
        assert!(shown.contains("<del>−   &quot;a&quot;: 1,\n</del>"), "{shown}");
        assert!(shown.contains("&lt;b&gt;") && !shown.contains("<b>"), "{shown}");
        assert!(diff("a", "a").0.contains("no difference"));
    }
}
