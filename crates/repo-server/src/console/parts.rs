//! What several pages are made of.

use maud::{Markup, html};
use repo_core::Timestamp;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Good,
    Warn,
    Bad,
    Plain,
}

/// A word with a coloured dot.
pub(super) fn tag(state: State, word: &str) -> Markup {
    let class = match state {
        State::Good => "tag good",
        State::Warn => "tag warn",
        State::Bad => "tag bad",
        State::Plain => "tag",
    };
    html! { span class=(class) { (word) } }
}

/// The heading of a page, with what stands beside it.
pub(super) fn heading(title: &str, beside: &Markup) -> Markup {
    html! { div.bar { h1 { (title) } (beside) } }
}

/// Where something is.
pub(super) fn place(text: &str) -> Markup {
    html! { span.where { (text) } }
}

/// Says that there is nothing.
pub(super) fn nothing(text: &str) -> Markup {
    html! { p.nothing { (text) } }
}

/// A figure with its name.
pub(super) fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that is never below nothing.
pub(super) fn count(number: i64) -> String {
    self::number(u64::try_from(number).unwrap_or(0))
}

/// A number of bytes, in the unit that people read.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let (mut whole, mut unit) = (u128::from(bytes) * 10 / 1_024, 0);
    while whole >= 10_240 && unit + 1 < UNITS.len() {
        whole /= 1_024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    format!("{}.{} {name}", whole / 10, whole % 10)
}

/// A time to the second, UTC; in full where the pointer rests.
pub(super) fn time(at: Timestamp) -> Markup {
    let full = at.to_string();
    let short: String = full.chars().take(19).collect::<String>().replace('T', " ");
    html! { time datetime=(full) title=(full) { (short) } }
}

/// The links below a list: to its beginning, and on.
pub(super) fn pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            div.pager {
                @if let Some(first) = first { a href=(first) { "First page" } }
                @if let Some(next) = next { a href=(next) rel="next" { "Next page" } }
            }
        }
    }
}

/// At most so many characters, with a sign that there are more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_204_118].map(number), ["0", "999", "1,000", "1,204,118"]);
        let sizes = [0, 1_023, 1_024, 1_536, 1 << 20, (1 << 20) - 1, u64::MAX].map(bytes);
        let expected =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1023.9 KiB", "16383.9 PiB"];
        assert_eq!(sizes, expected);
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äö", 2), "äö");
    }
}
