//! Times as texts whose order is that of the times, up to the second.

use crate::Timestamp;

/// The text of the second that begins `seconds` after 1970, without a zone. `now`, which is less
/// than a second earlier, stands in for what no calendar has.
pub(super) fn second(seconds: i64, now: Timestamp) -> String {
    let begins =
        seconds.checked_mul(1_000_000).and_then(|micros| Timestamp::from_micros(micros).ok());
    let text = begins.unwrap_or(now).to_string();
    text.split('.').next().unwrap_or_default().to_owned()
}

/// Whether a text is a time in UTC in the form that sorts: `2026-03-01T08:00:00Z`, with `+00:00` in
/// the place of `Z`, with up to nine digits of fractions.
pub(super) fn is_time(text: &str) -> bool {
    let Some(local) = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")) else {
        return false;
    };
    let (second, fraction) = match local.split_once('.') {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (local, None),
    };
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let digits = |fraction: &str| {
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit())
    };
    second.len() == 19
        && second.bytes().enumerate().all(shape)
        && fraction.is_none_or(digits)
        // Not as a moment: far times, which mean never, end a day later here.
        && local.parse::<jiff::civil::DateTime>().is_ok()
}
