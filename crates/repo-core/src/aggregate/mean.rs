//! Means of decimals.

use std::cmp::Ordering;
use std::num::NonZeroU64;

use num_bigint::BigUint;

use crate::{Decimal, DecimalError, MAX_DIGITS};

/// Digits that are added to a sum before it is divided. A divisor has at most 20, so the
/// quotient has at least one digit more than the 38 that are kept.
const MORE_DIGITS: u32 = 58;

/// A sum of so many numbers, divided by how many they are: rounded half to even to 38
/// significant digits.
///
/// # Errors
/// `OutOfRange` for a mean that is nearer to zero than 1E-130.
pub(super) fn mean(sum: Decimal, numbers: NonZeroU64) -> Result<Decimal, DecimalError> {
    let (is_negative, digits, exponent) = sum.parts();
    if digits == 0 {
        return Ok(Decimal::ZERO);
    }
    let scaled = BigUint::from(digits) * BigUint::from(10_u8).pow(MORE_DIGITS);
    let divisor = BigUint::from(numbers.get());
    let (quotient, rest) = (&scaled / &divisor, &scaled % &divisor);
    let length = quotient.to_string().len();
    let dropped = u32::try_from(length.saturating_sub(MAX_DIGITS)).unwrap_or(0);
    let kept = rounded(&quotient, dropped, rest == BigUint::ZERO);
    let sign = if is_negative { "-" } else { "" };
    let exponent = i64::from(exponent) - i64::from(MORE_DIGITS) + i64::from(dropped);
    Decimal::parse(&format!("{sign}{kept}e{exponent}"))
}

/// A number without its last digits, of which at least one is dropped, rounded half to
/// even. `is_exact` says that nothing followed it.
fn rounded(number: &BigUint, dropped: u32, is_exact: bool) -> BigUint {
    let unit = BigUint::from(10_u8).pow(dropped);
    let (kept, rest) = (number / &unit, number % &unit);
    let beyond = if is_exact { Ordering::Equal } else { Ordering::Greater };
    let up = match (rest * 2_u8).cmp(&unit).then(beyond) {
        Ordering::Less => false,
        Ordering::Equal => kept.bit(0),
        Ordering::Greater => true,
    };
    if up { kept + 1_u8 } else { kept }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(sum: &str, numbers: u64) -> Result<String, DecimalError> {
        let sum = Decimal::parse(sum).unwrap();
        mean(sum, NonZeroU64::new(numbers).unwrap()).map(|mean| mean.to_string())
    }

    #[test]
    fn means_are_rounded_half_to_even_to_38_digits() {
        assert_eq!(of("0", 7).unwrap(), "0");
        assert_eq!(of("6", 3).unwrap(), "2");
        assert_eq!(of("-0.3", 4).unwrap(), "-0.075");
        assert_eq!(of("1", 3).unwrap(), format!("0.{}", "3".repeat(38)));
        assert_eq!(of("-2", 3).unwrap(), format!("-0.{}7", "6".repeat(37)));
        let nines = "9".repeat(37);
        // 38 digits and a half: to the even neighbour.
        assert_eq!(of(&format!("{nines}9"), 2).unwrap(), format!("5{}", "0".repeat(37)));
        assert_eq!(of(&format!("{nines}7"), 2).unwrap(), format!("4{}8", "9".repeat(36)));
        // A little more than a half.
        assert_eq!(of(&format!("{nines}1"), 4).unwrap(), format!("24{}98", "9".repeat(34)));
        assert_eq!(of("1", u64::MAX).unwrap(), "5.4210108624275221703311375920552804341e-20");
    }

    #[test]
    fn what_no_document_holds_is_refused() {
        assert_eq!(of("1e-130", 1).unwrap(), "1e-130");
        assert_eq!(of("1e-130", 2), Err(DecimalError::OutOfRange));
        assert_eq!(of("9.99e125", 2).unwrap(), "4.995e125");
    }

    proptest! {
        #[test]
        fn a_multiple_is_divided_exactly(
            number in "-?[1-9][0-9]{0,14}e-?[0-9]{1,2}",
            times in 1_u64..1_000_000,
        ) {
            let number = Decimal::parse(&number).unwrap();
            let (is_negative, digits, exponent) = number.parts();
            let sign = if is_negative { "-" } else { "" };
            let sum = format!("{sign}{}e{exponent}", digits * u128::from(times));
            let sum = Decimal::parse(&sum).unwrap();
            let found = mean(sum, NonZeroU64::new(times).unwrap());
            prop_assert_eq!(found, Ok(number));
        }
    }
}
