//! A query's limit: an answer counts while it is young, and no answer is never one.

use super::*;
use crate::plan::{Prometheus, QueryLimit, Range};

fn query(role: Role) -> Guard {
    let prometheus = Prometheus {
        url: "http://127.0.0.1:9090".into(),
        query: "up".into(),
        timeout: Duration::from_secs(5),
        token_file: None,
        ca_file: None,
    };
    let limit = QueryLimit {
        name: "repository-health".into(),
        prometheus,
        range: Range { min: Some(0.99), max: None },
        window: Duration::from_secs(300),
        interval: Duration::from_secs(30),
        min_samples: 3,
    };
    Guard::new(Limit::Query(limit), role)
}

fn answered(role: Role, answers: &[f64]) -> Guard {
    let mut guard = query(role);
    for (second, answer) in (0..).zip(answers) {
        guard.answered(&Ok(Some(*answer)), at(second));
    }
    guard
}

#[test]
fn it_takes_enough_answers_to_say_anything() {
    assert_eq!(verdict(&query(Role::Rollback)), inconclusive(Reason::NotEnoughAnswers));
    assert_eq!(verdict(&answered(Role::Rollback, &[0.0, 0.0])), inconclusive(Reason::NotEnoughAnswers));
    let healthy = answered(Role::Rollback, &[1.0, 1.0, 0.97]).finding();
    assert_eq!((healthy.verdict, healthy.samples, healthy.since), (Verdict::Healthy, 3, None));
}

#[test]
fn a_mean_out_of_range_takes_the_canary_out_or_holds_the_step() {
    assert_eq!(verdict(&answered(Role::Rollback, &[1.0, 1.0, 0.9])), BY_WINDOW);
    assert_eq!(verdict(&answered(Role::Promotion, &[1.0, 1.0, 0.9])), inconclusive(Reason::Window));
    assert_eq!(answered(Role::Rollback, &[1.0, 1.0, 0.9]).finding().since, Some(at(2).wall));
}

#[test]
fn no_data_an_error_and_what_is_no_number_are_neither_a_pass_nor_a_failure() {
    for answers in [[1.0; 3], [0.0; 3]] {
        for answer in [Ok(None), Ok(Some(f64::NAN)), Ok(Some(f64::INFINITY))] {
            let mut guard = answered(Role::Rollback, &answers);
            guard.answered(&answer, at(4));
            assert_eq!(verdict(&guard), inconclusive(Reason::NoAnswer("no data".to_owned())));
        }
        let mut guard = answered(Role::Rollback, &answers);
        guard.answered(&Err("connection refused".to_owned()), at(4));
        assert_eq!(verdict(&guard), inconclusive(Reason::NoAnswer("connection refused".to_owned())));
        guard.answered(&Ok(Some(answers[0])), at(5));
        assert_ne!(guard.finding().verdict, Verdict::Inconclusive, "the next value counts again");
    }
}

#[test]
fn a_source_that_went_silent_is_no_pass() {
    let mut guard = answered(Role::Rollback, &[1.0, 1.0, 1.0]);
    guard.observe(&none(), &none(), at(299));
    assert_eq!(verdict(&guard), HEALTHY);
    guard.observe(&none(), &none(), at(301));
    assert_eq!((verdict(&guard), guard.finding().samples), (inconclusive(Reason::NotEnoughAnswers), 1));
    guard.observe(&none(), &none(), at(400));
    assert_eq!(guard.finding().value, None);
}

#[test]
fn requests_are_nothing_to_a_query_and_answers_nothing_to_requests() {
    let mut guard = query(Role::Rollback);
    guard.observe(&requests(1_000, 1_000, 1), &none(), at(0));
    assert_eq!(guard.finding().samples, 0);
    let mut guard = errors();
    guard.answered(&Ok(Some(1.0)), at(0));
    assert_eq!(guard.finding().samples, 0);
}
