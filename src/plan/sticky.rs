//! Where a user stands on the line that a rule's weights divide.

/// A point drawn evenly from all of `u64`, always the same for the same key and salt.
///
/// Fnv-1a over the salt and the key, finished by the mixer of `MurmurHash3`, so that keys that differ in one bit land
/// far apart. It is part of the product's behaviour: a changed hash would move every user, so it is written out here
/// and pinned by a test. It is no defence against users who choose their key; an operator picks a key that they don't.
pub fn sticky_point(key: &[u8], salt: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let separated = salt.iter().chain(&[0]).chain(key);
    let mut hash = separated.fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_pinned_because_a_change_would_move_every_user() {
        assert_eq!(sticky_point(b"user-1", b"data-tier"), 0xa8c7_ac7e_06dd_ec6e);
        assert_eq!(sticky_point(b"", b""), 0xb903_4ad3_7056_f5fb);
        assert_ne!(sticky_point(b"user-1", b"data-tier"), sticky_point(b"user-1", b"other"));
        assert_ne!(sticky_point(b"1", b"data-tier"), sticky_point(b"2", b"data-tier"));
    }

    #[test]
    fn sequential_keys_are_spread_evenly() {
        let below =
            (0..20_000).filter(|n| sticky_point(format!("user-{n}").as_bytes(), b"salt") < u64::MAX / 10).count();
        // Four standard errors of a binomial with n = 20,000 and p = 0.1.
        assert!((below.abs_diff(2_000)) < 170, "{below}");
    }
}
