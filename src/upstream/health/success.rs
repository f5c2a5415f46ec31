//! Who succeeds much less often than the others. Pure.
//!
//! "Much" is so many standard deviations below the mean. Of n endpoints one alone can be at most sqrt(n - 1) of them
//! away, so with the usual factor of 1.9 it takes five to find one: comparing fewer finds nobody.

use crate::plan::SuccessRate;

/// An endpoint that is too far below the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlier {
    /// Where it stands in what was compared.
    pub(super) index: usize,
    /// The part of its requests that went well.
    pub(super) rate: f64,
    /// The mean of all.
    pub(super) mean: f64,
}

/// The outliers among `rates`, the worst first; `None` is an endpoint without enough requests to be compared.
pub(super) fn outliers(settings: SuccessRate, rates: &[Option<f64>]) -> Vec<Outlier> {
    let compared: Vec<f64> = rates.iter().copied().flatten().collect();
    if compared.is_empty() || compared.len() < settings.minimum_hosts as usize {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a backend has fewer than 2^52 endpoints")]
    let count = compared.len() as f64;
    let mean = compared.iter().sum::<f64>() / count;
    let variance = compared.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    let threshold = mean - settings.stdev_factor * variance.sqrt();
    let numbered = rates.iter().enumerate().filter_map(|(index, rate)| Some(Outlier { index, rate: (*rate)?, mean }));
    let mut found: Vec<_> = numbered.filter(|outlier| outlier.rate < threshold).collect();
    found.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    found
}

/// The part of `well` and `failed` requests that went well, if they are `minimum` at least.
pub(super) fn rate(well: u64, failed: u64, minimum: u32) -> Option<f64> {
    let all = well + failed;
    #[expect(clippy::cast_precision_loss, reason = "an interval has fewer than 2^52 requests")]
    (all >= u64::from(minimum).max(1)).then(|| well as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: SuccessRate = SuccessRate { minimum_hosts: 3, minimum_requests: 100, stdev_factor: 1.9 };

    fn found(rates: &[Option<f64>]) -> Vec<usize> {
        outliers(SETTINGS, rates).iter().map(|outlier| outlier.index).collect()
    }

    #[test]
    fn one_that_fails_more_often_than_its_equals_is_found() {
        assert_eq!(found(&[Some(0.99), Some(1.0), Some(0.7), Some(0.98), Some(0.99)]), [2]);
        let all_alike = [Some(0.5); 6];
        assert!(found(&all_alike).is_empty(), "what hurts all alike is nobody's fault");
        assert!(found(&[Some(1.0), Some(0.0), None, None, None, None]).is_empty(), "two are too few to compare");
    }

    #[test]
    fn of_four_nobody_can_be_far_enough_away() {
        assert!(found(&[Some(1.0), Some(1.0), Some(1.0), Some(0.0)]).is_empty());
        assert_eq!(found(&[Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(0.0)]), [4]);
    }

    #[test]
    fn too_few_requests_have_no_rate() {
        assert_eq!((rate(99, 0, 100), rate(75, 25, 100), rate(0, 0, 0)), (None, Some(0.75), None));
    }

    proptest! {
        /// With a factor of 1 or more, no set has more than half of its members beyond it (Chebyshev, one-sided).
        #[test]
        fn the_outliers_are_below_the_mean_and_never_more_than_half(
            rates in proptest::collection::vec(proptest::option::of(0.0_f64..=1.0), 0..20), factor in 1.0_f64..4.0,
        ) {
            let found = outliers(SuccessRate { stdev_factor: factor, ..SETTINGS }, &rates);
            let compared = rates.iter().flatten().count();
            prop_assert!(found.len() * 2 <= compared);
            prop_assert!(found.iter().all(|outlier| outlier.rate < outlier.mean));
            prop_assert!(found.is_sorted_by(|a, b| a.rate <= b.rate));
        }
    }
}
