//! How far a count of rare events can be from what it stands for.

/// The bounds of the mean of a Poisson distribution of which `count` was seen, each missed with a probability of 2.5 %
/// (Garwood, "Fiducial limits for the Poisson distribution", 1936).
pub(crate) fn poisson(count: u64) -> (f64, f64) {
    // Seeing so many or more is just too unlikely below the first, so many or fewer above the second.
    let low = if count == 0 { 0.0 } else { solve(|mean| 1.0 - at_most(count - 1, mean) - 0.025, count) };
    (low, solve(|mean| 0.025 - at_most(count, mean), count))
}

/// Where `rising` is 0.
fn solve(rising: impl Fn(f64) -> f64, count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * count as f64);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if rising(middle) > 0.0 { high = middle } else { low = middle }
    }
    low
}

/// The probability of at most `count`.
fn at_most(count: u64, mean: f64) -> f64 {
    let mut log_term = -mean;
    let mut sum = log_term.exp();
    for k in 1..=count {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let k = k as f64;
        log_term += mean.ln() - k.ln();
        sum += log_term.exp();
    }
    sum
}
