//! Sums of decimals that lose nothing, whatever is added and in which order.

use num_bigint::{BigInt, BigUint, Sign};

use crate::{Decimal, DecimalError};

/// A sum of decimals, exact at every moment: so it does not depend on the order in which
/// a store gives its numbers, and `1e100 + 1 - 1e100` is 1.
///
/// Numbers of documents lie within ±1E+126 and have their last digit at 1E-167 or above,
/// so a sum of 10^19 of them has at most 313 digits.
///
/// ```
/// use repo_core::Decimal;
/// use repo_core::strategy::ExactSum;
///
/// let mut sum = ExactSum::default();
/// for number in ["1e100", "0.10", "-1e100", "0.2"] {
///     sum.add(Decimal::parse(number).unwrap());
/// }
/// assert_eq!(sum.to_decimal().unwrap().to_string(), "0.3");
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// The sum as a multiple of a power of ten.
    units: BigInt,
    /// Which power; it never rises.
    exponent: i32,
}

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, number: Decimal) {
        let (is_negative, digits, exponent) = number.parts();
        let sign = if is_negative { Sign::Minus } else { Sign::Plus };
        let units = BigInt::from_biguint(sign, BigUint::from(digits));
        self.add_units(units, i32::from(exponent));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        self.add_units(other.units, other.exponent);
    }

    /// The sum that a database computed and wrote in plain decimal notation, such as
    /// `-12.50`. It may be longer than a number of a document. `None` for other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let sign = if is_negative { Sign::Minus } else { Sign::Plus };
        let units = BigInt::from_biguint(sign, BigUint::parse_bytes(digits.as_bytes(), 10)?);
        Some(Self { units, exponent: -i32::try_from(fraction.len()).ok()? })
    }

    /// The sum as a number that a document could hold.
    ///
    /// # Errors
    /// `TooManyDigits` for more than 38 significant digits, `OutOfRange` outside
    /// ±9.99…E+125 or nearer to zero than 1E-130.
    pub fn to_decimal(&self) -> Result<Decimal, DecimalError> {
        Decimal::parse(&format!("{}e{}", self.units, self.exponent))
    }

    fn add_units(&mut self, mut units: BigInt, exponent: i32) {
        if exponent < self.exponent {
            scale_up(&mut self.units, self.exponent.abs_diff(exponent));
            self.exponent = exponent;
        } else {
            scale_up(&mut units, exponent.abs_diff(self.exponent));
        }
        self.units += units;
    }
}

/// Multiplies by a power of ten.
fn scale_up(units: &mut BigInt, places: u32) {
    match 10_u128.checked_pow(places) {
        Some(1) => {}
        Some(power) => *units *= power,
        None => *units *= BigInt::from(10_u8).pow(places),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<String, DecimalError> {
        let mut sum = ExactSum::default();
        for text in texts {
            sum.add(Decimal::parse(text).unwrap());
        }
        sum.to_decimal().map(|sum| sum.to_string())
    }

    #[test]
    fn sums_have_every_digit_or_are_refused() {
        assert_eq!(sum([]).unwrap(), "0");
        assert_eq!(sum(["0.1", "0.2"]).unwrap(), "0.3");
        assert_eq!(sum(["100", "-1e2"]).unwrap(), "0");
        assert_eq!(sum(["9.99e125", "1", "-9.99e125", "1e-130", "-1e-130"]).unwrap(), "1");
        let long = "12345678901234567890123456789012345678";
        assert_eq!(sum([long, "1"]).unwrap(), "12345678901234567890123456789012345679");
        assert_eq!(sum([long, "0.1"]), Err(DecimalError::TooManyDigits));
        assert_eq!(sum(["9.99e125", "9.99e125"]), Err(DecimalError::OutOfRange));
        assert_eq!(sum(["1.1e-130", "-1e-130"]), Err(DecimalError::OutOfRange));
    }

    #[test]
    fn what_a_database_writes_is_read() {
        let read = |text: &str| ExactSum::parse(text).map(|sum| sum.to_decimal().unwrap());
        for text in ["0", "12", "-12.50", "0.000", "100.00"] {
            assert_eq!(read(text), Some(Decimal::parse(text).unwrap()), "{text}");
        }
        for text in ["", "-", ".", "NaN", "Infinity", "1e5", "1_000", "--1", "1.-5", "+1"] {
            assert_eq!(read(text), None, "{text}");
        }
        let mut sum = ExactSum::parse(&"9".repeat(60)).unwrap();
        sum.merge(ExactSum::parse("1").unwrap());
        assert_eq!(sum.to_decimal().unwrap().to_string(), "1e60");
    }

    proptest! {
        #[test]
        fn the_order_changes_nothing(
            texts in prop::collection::vec("-?[1-9][0-9]{0,9}e-?[0-9]{1,2}", 0..12),
            turn in 0_usize..12,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut turned = texts.clone();
            turned.rotate_left(turn.min(texts.len()));
            prop_assert_eq!(sum(texts.iter().copied()), sum(turned));
            let negated: Vec<String> = texts
                .iter()
                .map(|text| match text.strip_prefix('-') {
                    Some(text) => text.to_owned(),
                    None => format!("-{text}"),
                })
                .collect();
            let all = texts.iter().copied().chain(negated.iter().map(String::as_str));
            prop_assert_eq!(sum(all), Ok("0".to_owned()));
        }

        #[test]
        fn integers_add_up(numbers in prop::collection::vec(any::<i64>(), 0..20)) {
            let expected: i128 = numbers.iter().map(|number| i128::from(*number)).sum();
            let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
            let found = sum(texts.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(found, expected.to_string());
        }
    }
}
