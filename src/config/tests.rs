//! What the file may say and what it means, and every way in which it can be wrong.

use super::*;
#[test]
fn xp() {
    for f in ["minimal", "full"] {
        let p = format!("config/{f}.yaml");
        match load(Path::new(&p)) {
            Ok(l) => println!("{:#?}", l.plan),
            Err(e) => println!("{}", e.report(false)),
        }
    }
    let bad = r#"
listners: []
listeners:
  - { name: web, address: ":8080" }
  - { name: web, address: "0.0.0.0:8080" }
backends:
  - name: stable
    endpoints: { dns: "10.0.0.1:80" }
  - name: canary
    endpoints: { dnss: "x:80" }
  - name: x
    endpoints: { dns: "x:80", static: [] }
routes:
  - name: r
    rules:
      - name: e
        filters: []
        matches: [{ path: { type: Prefix, value: a }, headers: [{ name: "x y", value: a }, { nam: x }] }]
        backendRefs: [{ name: stable, wieght: 3 }, { name: canry, weight: ten }, ]
      - backendRefs: [{ name: stable }]
      - backendRefs: [{ name: stable, weight: 1000001 }]
rollouts:
  - name: ro
    rule: r/ee
    stable: stable
    canary: canary
    rollback:
      - { metric: error-rte, max: 5, window: 5 }
      - { metric: latency-p99, max: 1234ms, window: 5min }
      -
timeouts: { connect: 0s, idle: 5 }
"#;
    println!("{}", check(bad, Path::new("serin.yaml")).unwrap_err().report(false));
    println!("{}", check("", Path::new("serin.yaml")).unwrap_err().report(false));
    println!("{}", check("a", Path::new("serin.yaml")).unwrap_err().report(false));
    println!("{}", check("{}", Path::new("serin.yaml")).unwrap_err().report(false));
    println!("{}", check("a: [\n", Path::new("serin.yaml")).unwrap_err().report(true));
}
