//! However a backend fails, trying again adds little to its load.

use super::{BUSY, front};
use std::time::Instant;

#[test]
fn a_backend_that_always_fails_gets_a_fifth_more_and_three_a_second() {
    const REQUESTS: u64 = 300;
    let (mut serin, backend) = front("retry: { attempts: 3, codes: [503], backoff: 1ms }", |conn, _| conn.send(BUSY));
    let began = Instant::now();
    // One connection, so one worker, and one budget.
    let mut client = serin.client();
    for _ in 0..REQUESTS {
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (503, "busy"), "as it came");
    }
    let windows = began.elapsed().as_secs() / 10 + 2;
    let retries = serin.count("serin_retries_total", &[]);
    assert_eq!(backend.requests().len() as u64, REQUESTS + retries);
    assert!((30..=REQUESTS / 5 + 30 * windows).contains(&retries), "{retries}, where all would be {}", 3 * REQUESTS);
    assert!(serin.count("serin_retry_budget_exhausted_total", &[("backend", "stable")]) > 0);
    assert_eq!(serin.count("serin_requests_total", &[("code", "503")]), REQUESTS + retries);
}
