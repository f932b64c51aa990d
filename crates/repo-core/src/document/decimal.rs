//! Exact decimal numbers within the limits of every store.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// Most significant digits of a number (DynamoDB: 38).
pub const MAX_DIGITS: usize = 38;
/// Highest power of ten of the leading digit (DynamoDB: 9.99…E+125).
pub const MAX_EXPONENT: i32 = 125;
/// Lowest power of ten of the leading digit (DynamoDB: 1E-130).
pub const MIN_EXPONENT: i32 = -130;

/// A decimal number in normal form, so that equal numbers are equal values:
/// `1.50`, `1.5` and `15e-1` are one, and so are `-0` and `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Significant digits without trailing zeros; 0 only for zero.
    digits: u128,
    /// Power of ten of the last digit; 0 for zero.
    exponent: i16,
}

/// Why a number cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// More than [`MAX_DIGITS`] significant digits.
    TooManyDigits,
    /// Outside ±9.99…E+125, or nearer to zero than 1E-130.
    OutOfRange,
    /// Not a JSON number.
    Malformed,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, digits: 0, exponent: 0 };

    /// Reads a JSON number.
    ///
    /// # Errors
    /// See [`DecimalError`].
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(number) = Self::short_integer(negative, rest) {
            return Ok(number);
        }
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(DecimalError::Malformed),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(DecimalError::Malformed);
        }
        Self::assemble(negative, whole, fraction, exponent)
    }

    /// The quick way for most numbers: an integer of up to 18 digits.
    fn short_integer(negative: bool, text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 18 || (text.len() > 1 && text.starts_with('0')) {
            return None;
        }
        let mut digits = 0_u64;
        for byte in text.bytes() {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            digits = digits * 10 + u64::from(digit);
        }
        if digits == 0 {
            return Some(Self::ZERO);
        }
        let mut exponent = 0;
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        Some(Self { negative, digits: u128::from(digits), exponent })
    }

    fn assemble(
        negative: bool,
        whole: &str,
        fraction: &str,
        exponent: i64,
    ) -> Result<Self, DecimalError> {
        let mut digits: u128 = 0;
        let mut significant = 0_usize;
        let mut pending_zeros = 0_usize;
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' if significant == 0 => {}
                b'0' => pending_zeros += 1,
                b'1'..=b'9' => {
                    significant += pending_zeros + 1;
                    if significant > MAX_DIGITS {
                        return Err(DecimalError::TooManyDigits);
                    }
                    let shift = u32::try_from(pending_zeros).unwrap_or(u32::MAX) + 1;
                    digits = digits * 10_u128.pow(shift) + u128::from(byte - b'0');
                    pending_zeros = 0;
                }
                _ => return Err(DecimalError::Malformed),
            }
        }
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        let as_i64 = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let last =
            exponent.saturating_sub(as_i64(fraction.len())).saturating_add(as_i64(pending_zeros));
        let leading = last.saturating_add(as_i64(significant - 1));
        if leading > i64::from(MAX_EXPONENT) || leading < i64::from(MIN_EXPONENT) {
            return Err(DecimalError::OutOfRange);
        }
        let exponent = i16::try_from(last).map_err(|_| DecimalError::OutOfRange)?;
        Ok(Self { negative, digits, exponent })
    }

    /// How many significant digits it has; 0 for zero.
    #[must_use]
    pub fn digit_count(self) -> u32 {
        self.digits.checked_ilog10().map_or(0, |log| log + 1)
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Whether it is negative, its significant digits, and the power of ten of the last.
    pub(crate) fn parts(self) -> (bool, u128, i16) {
        (self.negative, self.digits, self.exponent)
    }

    /// Whether it has no fraction: `1e2` and `1.0` have none.
    #[must_use]
    pub fn is_integer(self) -> bool {
        // The last digit is not 0, unless the number is.
        self.exponent >= 0
    }

    /// The power of ten of the leading digit: 2 for `123`.
    fn leading_exponent(self) -> i32 {
        i32::from(self.exponent) + i32::try_from(self.digit_count()).unwrap_or(0) - 1
    }

    /// The nearest binary floating-point number. Only for approximate work
    /// such as a superset condition in SQL.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The exact value as a signed 64-bit integer, if it is one.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        let exponent = u32::try_from(self.exponent).ok()?;
        let magnitude = 10_i128
            .checked_pow(exponent)
            .and_then(|power| i128::try_from(self.digits).ok()?.checked_mul(power))?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// Appends bytes that order as the numbers do. Self-delimiting only at the
    /// end of a key.
    pub(crate) fn push_sort_bytes(self, out: &mut Vec<u8>) {
        if self.is_zero() {
            out.push(1);
            return;
        }
        let start = out.len() + 1;
        out.push(if self.negative { 0 } else { 2 });
        // -130..=125 moved to 0..=255.
        out.push(u8::try_from(self.leading_exponent() - MIN_EXPONENT).unwrap_or(u8::MAX));
        out.extend(self.digits.to_string().bytes());
        if self.negative {
            for byte in &mut out[start..] {
                *byte = !*byte;
            }
            out.push(u8::MAX);
        }
    }

    /// The number of which [`push_sort_bytes`](Self::push_sort_bytes) gave
    /// these bytes.
    pub(crate) fn from_sort_bytes(bytes: &[u8]) -> Option<Self> {
        let (sign, rest) = bytes.split_first()?;
        let plain: Vec<u8> = match (sign, rest) {
            (1, []) => return Some(Self::ZERO),
            (2, rest) => rest.to_vec(),
            (0, [rest @ .., u8::MAX]) => rest.iter().map(|byte| !byte).collect(),
            _ => return None,
        };
        let (exponent, digits) = plain.split_first()?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty())?;
        let last = i32::from(*exponent) + MIN_EXPONENT + 1 - i32::try_from(digits.len()).ok()?;
        let minus = if *sign == 0 { "-" } else { "" };
        Self::parse(&format!("{minus}{digits}e{last}")).ok()
    }
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    // An exponent too long for i64 is out of range whatever the mantissa, or
    // the mantissa is zero; both ends are far outside the limits.
    let value = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok(if negative { -value } else { value })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |d: &Self| match (d.is_zero(), d.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let magnitude = self
            .leading_exponent()
            .cmp(&other.leading_exponent())
            .then_with(|| left_aligned(*self).cmp(&left_aligned(*other)));
        if self.negative { magnitude.reverse() } else { magnitude }
    }
}

/// The digits padded to [`MAX_DIGITS`], so that they compare as fractions.
fn left_aligned(number: Decimal) -> u128 {
    let missing = u32::try_from(MAX_DIGITS).unwrap_or(0).saturating_sub(number.digit_count());
    number.digits.saturating_mul(10_u128.pow(missing))
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::parse(&number.to_string()).unwrap_or(Self::ZERO)
    }
}

/// Canonical text, a JSON number. Equal numbers give equal text. Integers of up
/// to 38 digits are written out: many readers take a number with an
/// exponent for a float. What is longer, or very small, has an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_text(&mut text);
        f.write_str(&text)
    }
}

impl Decimal {
    /// Appends the canonical text.
    pub(super) fn push_text(self, out: &mut String) {
        if self.is_zero() {
            out.push('0');
            return;
        }
        if self.negative {
            out.push('-');
        }
        let exponent = i32::from(self.exponent);
        let leading = self.leading_exponent();
        let zeros = |out: &mut String, n: i32| out.extend((0..n).map(|_| '0'));
        if exponent >= 0 && leading < 38 {
            // Infallible: a String takes everything.
            let _ = write!(out, "{}", self.digits);
            zeros(out, exponent);
            return;
        }
        let digits = self.digits.to_string();
        if exponent < 0 && leading >= 0 {
            let (whole, fraction) = digits.split_at(usize::try_from(leading + 1).unwrap_or(0));
            out.extend([whole, ".", fraction]);
        } else if (-7..0).contains(&leading) {
            out.push_str("0.");
            zeros(out, -leading - 1);
            out.push_str(&digits);
        } else {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            out.extend([first, point, rest, "e", &leading.to_string()]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for group in [
            &["1.5", "1.50", "15e-1", "0.15E+1"][..],
            &["0", "-0", "0.000", "0e99999999999999999999", "-0.0e-5"],
            &["100", "1e2", "1.00E2", "100.0"],
        ] {
            for text in group {
                assert_eq!(parse(text), parse(group[0]), "{text}");
                assert_eq!(parse(text).to_string(), parse(group[0]).to_string(), "{text}");
            }
        }
    }

    #[test]
    fn integers_are_plain_digits() {
        for text in ["7", "100", "12345678901234567890123", &"9".repeat(38), "-1000000000000000"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("12e36").to_string(), format!("12{}", "0".repeat(36)));
        assert_eq!(parse("1e38").to_string(), "1e38");
    }

    #[test]
    fn limits_are_those_of_the_contract() {
        assert!(Decimal::parse(&"9".repeat(38)).is_ok());
        assert_eq!(Decimal::parse(&"9".repeat(39)), Err(DecimalError::TooManyDigits));
        assert!(Decimal::parse(&format!("1{}", "0".repeat(125))).is_ok());
        assert!(Decimal::parse("9.99e125").is_ok());
        assert_eq!(Decimal::parse("1e126"), Err(DecimalError::OutOfRange));
        assert!(Decimal::parse("1e-130").is_ok());
        assert!(Decimal::parse("1.5e-130").is_ok());
        assert_eq!(Decimal::parse("9.9e-131"), Err(DecimalError::OutOfRange));
        assert_eq!(Decimal::parse("1e99999999999999999999"), Err(DecimalError::OutOfRange));
    }

    #[test]
    fn what_is_no_json_number_is_malformed() {
        for text in ["", "-", "01", ".5", "5.", "1e", "1e+", "+1", "0x1", "1.2.3", "NaN", "1_0"] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::Malformed), "{text}");
        }
    }

    #[test]
    fn integers_convert_exactly() {
        assert_eq!(parse("1e3").to_i64(), Some(1_000));
        assert_eq!(parse("-9223372036854775808").to_i64(), Some(i64::MIN));
        assert_eq!(parse("9223372036854775808").to_i64(), None);
        assert_eq!(parse("0.5").to_i64(), None);
    }

    prop_compose! {
        fn decimals()(negative: bool, digits in "[1-9][0-9]{0,20}", exponent in -100_i32..90)
            -> String
        {
            format!("{}{digits}e{exponent}", if negative { "-" } else { "" })
        }
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same(text in decimals()) {
            let number = parse(&text);
            prop_assert_eq!(parse(&number.to_string()), number);
        }

        #[test]
        fn sort_bytes_order_as_numbers(a in decimals(), b in decimals()) {
            let (a, b) = (parse(&a), parse(&b));
            let bytes = |d: Decimal| { let mut out = Vec::new(); d.push_sort_bytes(&mut out); out };
            prop_assert_eq!(a.cmp(&b), bytes(a).cmp(&bytes(b)));
        }

        #[test]
        fn order_agrees_with_floats_where_they_differ_clearly(a in -1e9_f64..1e9, b in -1e9_f64..1e9) {
            prop_assume!((a - b).abs() > 1e-3);
            let exact = parse(&format!("{a:.4}")).cmp(&parse(&format!("{b:.4}")));
            prop_assert_eq!(Some(exact), a.partial_cmp(&b));
        }
    }
}
