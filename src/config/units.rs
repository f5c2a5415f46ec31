//! Durations, ratios and sizes: read as people write them, written as people read them.
//!
//! Everything is read exactly: `5%` and `0.05` are the same number, and a fraction that a unit cannot hold is an
//! error instead of a rounding.

mod numbers;

pub use numbers::parse_weight;
pub(super) use numbers::{Comparison, parse_comparison, parse_number};

use std::time::Duration;

/// Why a text is no duration, ratio, size or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing but a number.
    #[error("a duration needs a unit: `{0}s`, `{0}ms` or `{0}m`")]
    NoUnit(String),
    /// A unit that durations do not have.
    #[error("no unit of time is called `{0}`: write `ms`, `s`, `m`, `h` or `d`")]
    NoSuchUnitOfTime(String),
    /// The same unit twice, or a small one before a larger.
    #[error("the larger unit comes first, and each one once, as in `1h30m`")]
    UnitOrder,
    /// Not a duration at all.
    #[error("a duration is a number and a unit, as in `250ms`, `15m` or `1h30m`")]
    NotADuration,
    /// More than about 584 years, or finer than a nanosecond.
    #[error("a duration has to be between a nanosecond and 584 years")]
    DurationRange,
    /// Not a ratio at all.
    #[error("a ratio is written `5%` or `0.05`")]
    NotARatio,
    /// Not a size at all.
    #[error("a size is a whole number of bytes and a unit, as in `64KiB` or `1MiB`")]
    NotASize,
    /// Not a weight at all.
    #[error("a step's weight is a percentage, as in `10` or `0.1%`")]
    NotAWeight,
    /// A weight that no step can have.
    #[error("a step's weight is above 0 and at most 100 percent")]
    WeightRange,
    /// A weight finer than a split can be.
    #[error("a step's weight has at most three digits behind the point: a split moves thousandths of a percent")]
    WeightFineness,
    /// Not a comparison at all.
    #[error("compared to stable is `2x`, twice its value, or `+1%`, one percentage point above it")]
    NotAComparison,
    /// Not a number at all.
    #[error("a query's bound is a number or a percentage, as in `0.99` or `99%`")]
    NotANumber,
}

impl UnitError {
    /// What the text is not, in a word or two.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NotARatio => "not a ratio",
            Self::NotASize => "not a size",
            Self::NotAWeight | Self::WeightRange | Self::WeightFineness => "not a weight",
            Self::NotAComparison => "not a comparison",
            Self::NotANumber => "not a number",
            Self::NoUnit(_)
            | Self::NoSuchUnitOfTime(_)
            | Self::UnitOrder
            | Self::NotADuration
            | Self::DurationRange => "not a duration",
        }
    }
}

/// The units of time, largest first, in nanoseconds.
const TIME: [(&str, u64); 9] = [
    ("w", 7 * 24 * 3_600_000_000_000),
    ("d", 24 * 3_600_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// A duration as Prometheus and Kubernetes write them: `250ms`, `15m`, `1h30m`, `1.5s`, `0`.
///
/// # Errors
/// When it is not one; the message says what would be.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(UnitError::NotADuration);
    }
    let (mut rest, mut total, mut limit) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let number = leading(rest, |c| c.is_ascii_digit() || c == '.');
        let unit = leading(&rest[number.len()..], |c| !c.is_ascii_digit() && c != '.');
        rest = &rest[number.len() + unit.len()..];
        if unit.is_empty() {
            let bare = number.parse::<u64>().is_ok() && total == 0;
            return Err(if bare { UnitError::NoUnit(number.into()) } else { UnitError::NotADuration });
        }
        let Some(&(_, nanos)) = TIME.iter().find(|(name, _)| *name == unit) else {
            return Err(UnitError::NoSuchUnitOfTime(unit.into()));
        };
        if nanos >= limit {
            return Err(UnitError::UnitOrder);
        }
        limit = nanos;
        let part = scaled(number, nanos)?;
        total = total.checked_add(part).ok_or(UnitError::DurationRange)?;
    }
    Ok(Duration::from_nanos(total))
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())]
}

/// `number` (digits with at most one point among them) times `unit`.
fn scaled(number: &str, unit: u64) -> Result<u64, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(UnitError::NotADuration);
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = u32::try_from(fraction.len()).ok().and_then(|places| 10_u128.checked_pow(places));
    let all = format!("{whole}{fraction}").parse::<u128>().ok();
    let nanos = all.zip(scale).and_then(|(all, scale)| {
        let product = all.checked_mul(u128::from(unit))?;
        product.is_multiple_of(scale).then(|| u64::try_from(product / scale).ok())?
    });
    nanos.ok_or(UnitError::DurationRange)
}

/// The shortest usual spelling, which [`parse_duration`] reads back exactly: `1h30m`, `1.5s`, `250ms`, `0s`.
///
/// A fraction of a second stays a fraction below a minute and gets units of its own above.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let below = if nanos < 60_000_000_000 { nanos } else { nanos % 60_000_000_000 };
    let seconds = match below {
        0 => String::new(),
        1..1_000 => format!("{below}ns"),
        1_000..1_000_000 => decimal(below, 3) + "us",
        1_000_000..1_000_000_000 => decimal(below, 6) + "ms",
        _ => decimal(below, 9) + "s",
    };
    let minutes = (nanos - below) / 60_000_000_000;
    let larger = [("d", minutes / 1_440), ("h", minutes / 60 % 24), ("m", minutes % 60)];
    let shown = larger.iter().filter(|(_, count)| *count > 0);
    shown.map(|(unit, count)| format!("{count}{unit}")).chain([seconds]).collect()
}

/// `value` with its last `places` digits behind a point, less the zeroes at the end.
fn decimal(value: u128, places: u32) -> String {
    let scale = 10_u128.pow(places);
    let width = usize::try_from(places).expect("at most 9");
    let text = format!("{}.{:0width$}", value / scale, value % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share, from 0 to 1, written as `5%` or `0.05`; the two are the same number to the last bit.
///
/// # Errors
/// When it is not one, or not between 0 and 1.
pub fn parse_ratio(text: &str) -> Result<f64, UnitError> {
    let number = text.strip_suffix('%').map_or(text, str::trim_end);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number = if text.ends_with('%') { format!("{number}e-2") } else { number.to_owned() };
    let ratio: Option<f64> = number.parse().ok().filter(|ratio| plain && (0.0..=1.0).contains(ratio));
    ratio.ok_or(UnitError::NotARatio)
}

/// A share as a percentage, at most six digits behind the point: `5%`, `0.1%`, `33.333333%`.
pub fn format_ratio(ratio: f64) -> String {
    let text = format!("{:.6}", ratio * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The units of size, in bytes.
const SIZE: [(&str, usize); 8] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("Ki", 1 << 10),
    ("MiB", 1 << 20),
    ("Mi", 1 << 20),
    ("kB", 1_000),
    ("MB", 1_000_000),
];

/// Bytes, written as `64KiB`, `1MiB`, `16kB` or a plain number.
///
/// # Errors
/// When it is not a size.
pub fn parse_size(text: &str) -> Result<usize, UnitError> {
    let number = leading(text, |c| c.is_ascii_digit());
    let unit = text[number.len()..].trim_start();
    let bytes = SIZE.iter().find(|(name, _)| *name == unit).zip(number.parse::<usize>().ok());
    bytes.and_then(|((_, scale), number)| number.checked_mul(*scale)).ok_or(UnitError::NotASize)
}

/// The shortest exact spelling: `64KiB`, `1MiB`, `1000B`.
pub fn format_size(bytes: usize) -> String {
    match bytes {
        0 => "0B".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("1d", 86_400_000),
            ("1w", 604_800_000),
            ("0", 0),
            ("0s", 0),
            ("1m0s500ms", 60_500),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told_what_would_be_one() {
        use UnitError::{DurationRange, NoSuchUnitOfTime, NoUnit, NotADuration, UnitOrder};
        for (text, error) in [
            ("10", NoUnit("10".into())),
            ("10 s", NoSuchUnitOfTime(" s".into())),
            ("5min", NoSuchUnitOfTime("min".into())),
            ("30m1h", UnitOrder),
            ("1m1m", UnitOrder),
            ("1h30", NotADuration),
            ("", NotADuration),
            ("-1s", NotADuration),
            ("1..5s", NotADuration),
            (".5s", NotADuration),
            ("fast", NotADuration),
            ("0.5ns", DurationRange),
            ("999999999999h", DurationRange),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn durations_are_written_in_their_shortest_usual_form() {
        for (millis, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_500, "1.5s"),
            (75_000, "1m15s"),
            (5_400_000, "1h30m"),
            (90_061_001, "1d1h1m1.001s"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_percentage_is_the_same_number_as_its_ratio() {
        for (percent, ratio) in
            [("5%", 0.05_f64), ("0.1%", 0.001), ("7%", 0.07), ("100%", 1.0), ("0%", 0.0), ("5 %", 0.05)]
        {
            assert_eq!(parse_ratio(percent).map(f64::to_bits), Ok(ratio.to_bits()), "{percent}");
            assert_eq!(parse_ratio(&ratio.to_string()).map(f64::to_bits), Ok(ratio.to_bits()));
        }
        for text in ["", "%", "101%", "1.5", "-1%", "NaN", "inf", "five", "0x1"] {
            assert_eq!(parse_ratio(text), Err(UnitError::NotARatio), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, bytes) in
            [("64KiB", 65_536), ("64Ki", 65_536), ("1 MiB", 1 << 20), ("16kB", 16_000), ("512", 512), ("7B", 7)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1.5KiB", "-1", "64kib", "99999999999999999999", "64 K i B"] {
            assert_eq!(parse_size(text), Err(UnitError::NotASize), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_is_read_back_as_it_was_written(nanos: u64) {
            for nanos in [nanos, nanos % 60_000_000_000, nanos % 1_000_000] {
                let duration = Duration::from_nanos(nanos);
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
        }

        #[test]
        fn a_ratio_is_read_back_as_it_was_written(millionths in 0_u32..=1_000_000) {
            let ratio = f64::from(millionths) / 1e6;
            prop_assert_eq!(parse_ratio(&format_ratio(ratio)), Ok(ratio));
            prop_assert_eq!(parse_ratio(&ratio.to_string()), Ok(ratio));
        }

        #[test]
        fn a_size_is_read_back_as_it_was_written(bytes in 0_usize..1 << 40) {
            for bytes in [bytes, bytes >> 10 << 10, bytes >> 20 << 20] {
                prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
            }
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,12}", number in "[0-9.]{0,30}", unit in "[wdhmsuµn%KiMB ]{0,3}") {
            for text in [text, number + &unit] {
                let _ = (parse_duration(&text), parse_ratio(&text), parse_size(&text));
            }
        }
    }
}
