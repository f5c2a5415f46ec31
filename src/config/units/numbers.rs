//! Numbers that need no unit of measure: a step's weight, a comparison with stable, a query's bound.

use super::{UnitError, parse_ratio};

/// How a value may lie to stable's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::config) enum Comparison {
    /// This many times stable's.
    Times(f64),
    /// This share more than stable's.
    Above(f64),
}

/// A step's weight in percent, above 0 and at most 100: `10`, `0.1`, `10%` and `0.1%` all mean percent.
///
/// # Errors
/// When it is not one, or finer than a thousandth of a percent.
pub fn parse_weight(text: &str) -> Result<f64, UnitError> {
    let number = text.strip_suffix('%').map_or(text, str::trim_end);
    let weight = parse_decimal(number).ok_or(UnitError::NotAWeight)?;
    let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction.trim_end_matches('0'));
    match weight {
        _ if !(weight > 0.0 && weight <= 100.0) => Err(UnitError::WeightRange),
        _ if fraction.len() > 3 => Err(UnitError::WeightFineness),
        _ => Ok(weight),
    }
}

/// A comparison with stable: `2x`, `1.5x`, or `+1%`.
///
/// # Errors
/// When it is not one.
pub(in crate::config) fn parse_comparison(text: &str) -> Result<Comparison, UnitError> {
    let times = text.strip_suffix('x').and_then(parse_decimal).map(Comparison::Times);
    let points =
        text.strip_prefix('+').filter(|more| more.ends_with('%') && more.starts_with(|c: char| c.is_ascii_digit()));
    let above = points.and_then(|more| parse_ratio(more).ok()).map(Comparison::Above);
    times.or(above).ok_or(UnitError::NotAComparison)
}

/// Any number, `0.99`, `-5` or `1e6`, or a percentage: `99%` is 0.99.
///
/// # Errors
/// When it is not one, or not a finite one.
pub(in crate::config) fn parse_number(text: &str) -> Result<f64, UnitError> {
    let number = text.strip_suffix('%').map_or(text, str::trim_end);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number = if text.ends_with('%') { format!("{number}e-2") } else { number.to_owned() };
    let value: Option<f64> = number.parse().ok().filter(|value: &f64| plain && value.is_finite());
    value.ok_or(UnitError::NotANumber)
}

/// Digits with at most one point among them.
fn parse_decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_percentage_with_or_without_its_sign() {
        for (text, weight) in [
            ("10", 10.0),
            ("10%", 10.0),
            ("0.1", 0.1),
            ("0.1 %", 0.1),
            ("100", 100.0),
            ("0.001", 0.001),
            ("1.5000", 1.5),
        ] {
            assert_eq!(parse_weight(text), Ok(weight), "{text}");
        }
        for (text, error) in [
            ("", UnitError::NotAWeight),
            ("%", UnitError::NotAWeight),
            ("-1", UnitError::NotAWeight),
            ("1e1", UnitError::NotAWeight),
            (".5", UnitError::NotAWeight),
            ("ten", UnitError::NotAWeight),
            ("0", UnitError::WeightRange),
            ("0.000", UnitError::WeightRange),
            ("100.001", UnitError::WeightRange),
            ("0.0001", UnitError::WeightFineness),
        ] {
            assert_eq!(parse_weight(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_comparison_is_a_multiple_or_points_above() {
        assert_eq!(parse_comparison("2x"), Ok(Comparison::Times(2.0)));
        assert_eq!(parse_comparison("1.5x"), Ok(Comparison::Times(1.5)));
        assert_eq!(parse_comparison("+1%"), Ok(Comparison::Above(0.01)));
        for text in ["", "x", "2", "+x", "-2x", "1e3x", "2 x", "1%", "+0.01", "+%", "+1", "+-1%", "++1%", "+200%"] {
            assert_eq!(parse_comparison(text), Err(UnitError::NotAComparison), "{text}");
        }
    }

    #[test]
    fn a_percentage_is_a_hundredth_of_its_number() {
        for (text, value) in [("99%", 0.99), ("0.99", 0.99), ("-5", -5.0), ("1e6", 1e6), ("250 %", 2.5)] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        for text in ["", "%", "NaN", "inf", "1e999", "0x1", "5s", "1_000", "1e3%"] {
            assert_eq!(parse_number(text), Err(UnitError::NotANumber), "{text}");
        }
    }
}
