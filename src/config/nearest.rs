//! The known name that a typo was meant for.

use strsim::{damerau_levenshtein, jaro_winkler};

/// The one of `known` nearest to `written`, if it is near enough to be worth naming.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let distance = |name: &str| damerau_levenshtein(&lower, &name.to_lowercase());
    let best = known.iter().copied().min_by(|a, b| {
        let similarity = |name: &str| jaro_winkler(&lower, &name.to_lowercase());
        distance(a).cmp(&distance(b)).then(similarity(b).total_cmp(&similarity(a)))
    })?;
    // A third of the letters wrong is still a typo; more is another word.
    let longest = written.chars().count().max(best.chars().count());
    (distance(best) * 3 <= longest.max(3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_another_word_finds_none() {
        let known = ["weight", "name", "error-rate", "latency-mean", "clientIP"];
        for (written, expected) in [
            ("wieght", Some("weight")),
            ("nmae", Some("name")),
            ("errorRate", Some("error-rate")),
            ("latency_mean", Some("latency-mean")),
            ("clientip", Some("clientIP")),
            ("retry", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &known), expected, "{written}");
        }
        assert_eq!(nearest("x", &[]), None);
    }
}
