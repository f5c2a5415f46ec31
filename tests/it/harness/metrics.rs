//! Reads Prometheus's text format.

/// The sum of all series of `name` that carry these labels; 0 when there is none.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    text.lines().filter_map(|line| value(line, name, labels)).sum()
}

fn value(line: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (pairs, number) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once('}')?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let carries = |(key, value): &(&str, &str)| format!(",{pairs},").contains(&format!(",{key}=\"{value}\","));
    let number = number.split_whitespace().next()?;
    labels.iter().all(carries).then(|| number.parse().expect("a number after the labels"))
}

#[test]
fn a_sum_has_every_series_that_carries_the_labels_and_no_other() {
    let text =
        "# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"1\",y=\"3\"} 4\na_total{x=\"11\"} 9\na 5\n";
    assert!((sum(text, "a_total", &[("x", "1")]) - 7.0).abs() < f64::EPSILON);
    assert!((sum(text, "a_total", &[("x", "1"), ("y", "3")]) - 4.0).abs() < f64::EPSILON);
    assert!((sum(text, "a", &[]) - 5.0).abs() < f64::EPSILON);
}
