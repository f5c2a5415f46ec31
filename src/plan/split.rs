//! Which backend gets a request: weights, brought to a form in which one draw decides.
//!
//! The share that a rollout moves lies in a fixed order on the line from 0 to the total: the canary at the bottom,
//! stable next, everyone else above. A point below the canary's weight is the canary's, so raising that weight takes
//! points from stable alone and gives none back; that is all that monotone stickiness needs.

use super::{BackendId, BackendRef};

/// A rule's weights in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    shares: Vec<Share>,
    total: u64,
}

/// One backend's part of a [`Split`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Where the backend stands in the rule's `backend_refs`.
    pub index: usize,
    /// Relative to the split's total; a rollout's fractional percentages make this finer than the file's weights.
    pub weight: u64,
}

impl Split {
    /// What a weight of the file counts for, so that a rollout can move thousandths of a percent of the total.
    pub const SCALE: u64 = 100_000;

    /// The split of a rule that no rollout guards.
    pub fn new(refs: &[BackendRef]) -> Self {
        let shares =
            refs.iter().enumerate().map(|(index, r)| Share { index, weight: u64::from(r.weight) * Self::SCALE });
        Self::from_shares(shares.collect())
    }

    /// The split of a rule whose rollout moves weight from `stable` to `canary`.
    ///
    /// `canary_share` is the canary's part of what the two have together, from 0 to 1: `None` leaves the file's
    /// weights alone. The others' parts are as in the file, whatever the canary's is.
    pub fn guarded(refs: &[BackendRef], stable: BackendId, canary: BackendId, canary_share: Option<f64>) -> Self {
        let weight_of = |id| refs.iter().find(|r| r.backend == id).map_or(0, |r| u64::from(r.weight) * Self::SCALE);
        let both = weight_of(stable) + weight_of(canary);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a weight below 2^53"
        )]
        let canary_weight =
            canary_share.map_or(weight_of(canary), |share| (both as f64 * share.clamp(0.0, 1.0)).round() as u64);
        let mut shares: Vec<Share> = refs
            .iter()
            .enumerate()
            .map(|(index, r)| Share {
                index,
                weight: match r.backend {
                    id if id == canary => canary_weight,
                    id if id == stable => both - canary_weight,
                    _ => u64::from(r.weight) * Self::SCALE,
                },
            })
            .collect();
        shares.sort_by_key(|share| match refs[share.index].backend {
            id if id == canary => 0,
            id if id == stable => 1,
            _ => 2,
        });
        Self::from_shares(shares)
    }

    fn from_shares(shares: Vec<Share>) -> Self {
        let total = shares.iter().map(|share| share.weight).sum();
        Self { shares, total }
    }

    /// The `backend_refs` index for a point drawn evenly from all of `u64`; `None` when every weight is 0.
    pub fn pick(&self, point: u64) -> Option<usize> {
        // The high half of the product maps the whole range onto 0..total without a division (Lemire, 2019).
        let mut at = u64::try_from((u128::from(point) * u128::from(self.total)) >> 64).expect("below the total");
        for share in &self.shares {
            if at < share.weight {
                return Some(share.index);
            }
            at -= share.weight;
        }
        None
    }

    /// The shares, in the order of the line.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The part of the traffic that the backend at `index` gets, from 0 to 1.
    pub fn fraction(&self, index: usize) -> f64 {
        let weight = self.shares.iter().find(|share| share.index == index).map_or(0, |share| share.weight);
        #[expect(clippy::cast_precision_loss, reason = "weights are below 2^53")]
        if self.total == 0 { 0.0 } else { weight as f64 / self.total as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refs(weights: &[u32]) -> Vec<BackendRef> {
        weights.iter().enumerate().map(|(i, &weight)| BackendRef { backend: BackendId::new(i), weight }).collect()
    }

    #[test]
    fn a_split_of_zeroes_picks_nobody() {
        assert_eq!(Split::new(&refs(&[0, 0])).pick(u64::MAX), None);
    }

    #[test]
    fn the_ends_of_the_line_belong_to_the_first_and_the_last() {
        let split = Split::new(&refs(&[1, 0, 1]));
        assert_eq!((split.pick(0), split.pick(u64::MAX)), (Some(0), Some(2)));
    }

    proptest! {
        /// Raising the canary's share never moves a point (a user) from the canary back to stable, nor anyone else.
        #[test]
        fn raising_the_weight_moves_points_only_from_stable_to_canary(
            weights in proptest::collection::vec(1_u32..=1_000_000, 2..5),
            point: u64, low in 0.0_f64..=1.0, high in 0.0_f64..=1.0,
        ) {
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            let refs = refs(&weights);
            let at = |share| Split::guarded(&refs, BackendId::new(0), BackendId::new(1), Some(share)).pick(point).unwrap();
            match at(low) {
                0 => prop_assert!(at(high) <= 1),
                same => prop_assert_eq!(at(high), same),
            }
        }

        #[test]
        fn a_share_of_zero_reaches_nobody(weights in proptest::collection::vec(1_u32..=1_000_000, 2..5), point: u64) {
            let split = Split::guarded(&refs(&weights), BackendId::new(0), BackendId::new(1), Some(0.0));
            prop_assert_ne!(split.pick(point), Some(1));
        }
    }
}
