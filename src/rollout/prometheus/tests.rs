//! Queries at real sockets, and what is made of answers.

use super::*;
use crate::rollout::stub::{Stub, answer, nobody};
use std::path::PathBuf;

fn query(url: &str) -> Query {
    let prometheus = Prometheus {
        url: url.into(),
        query: "".into(),
        timeout: Duration::from_secs(30),
        token_file: None,
        ca_file: None,
    };
    Query { prometheus, text: "sum(up{a=\"ü\"})".into(), interval: Duration::from_secs(1) }
}

fn ask(query: &Query) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(query.ask(&https::client()))
}

const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,"1.5"]}]}}"#;

#[test]
fn one_number_is_a_value() {
    let stub = Stub::always("200 OK", ONE);
    assert_eq!(ask(&query(&format!("{}/prefix/", stub.url()))), Ok(Some(1.5)));
    let got = stub.next();
    assert_eq!(got.line, "GET /prefix/api/v1/query?query=sum%28up%7Ba%3D%22%C3%BC%22%7D%29");
    assert_eq!(got.field("authorization"), None);
}

#[test]
fn every_kind_of_answer_is_a_number_no_data_or_an_error_that_says_what_to_do() {
    let data = |kind: &str, result: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    };
    let sample = |value: &str| data("vector", &format!(r#"[{{"metric":{{"a":"b"}},"value":[1.5,"{value}"]}}]"#));
    let understood = |body: String| understood(StatusCode::OK, body.as_bytes());
    assert_eq!(understood(sample("0.25")), Ok(Some(0.25)));
    assert_eq!(understood(sample("-1e3")), Ok(Some(-1000.0)));
    assert_eq!(understood(data("scalar", r#"[1.5,"7"]"#)), Ok(Some(7.0)));
    for none in [sample("NaN"), sample("+Inf"), sample("-Inf"), data("vector", "[]"), data("scalar", r#"[0,"NaN"]"#)] {
        assert_eq!(understood(none), Ok(None));
    }
    let series = r#"{"metric":{},"value":[0,"1"]}"#;
    let said = |body| understood(body).unwrap_err();
    let many = "the query gives 3 series, it must give one: aggregate it, as with sum()";
    assert_eq!(said(data("vector", &format!("[{series},{series},{series}]"))), many);
    assert_eq!(said(data("matrix", "[]")), "the query gives a matrix, it must give one number");
    assert!(said(data("vector", r#"[{"metric":{},"histogram":[0,{}]}]"#)).contains("histogram_quantile()"));
    for body in ["<html>hello</html>", "{}", "", r#"{"status":"success"}"#] {
        assert!(said(body.into()).contains("is `url` that of a Prometheus server?"), "{body}");
    }
}

#[test]
fn errors_are_told_in_the_servers_own_words_with_what_to_do() {
    let bad_data = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected \")\""}"#;
    for (status, body, expected) in [
        ("400 Bad Request", bad_data, "bad_data: parse error: unexpected \")\""),
        ("502 Bad Gateway", "no\nserver", "502 Bad Gateway: no"),
        ("401 Unauthorized", "", "401 Unauthorized; give it a `tokenFile`"),
        ("404 Not Found", "", "404 Not Found; `url` has to be the server's base, without `/api/v1`"),
        ("302 Found", "", "302 Found; redirects are not followed: give `url` where it leads"),
    ] {
        let stub = Stub::always(status, body);
        assert_eq!(ask(&query(&stub.url())), Err(format!("{}: {expected}", stub.address)));
        assert_eq!(stub.rest().len(), 1);
    }
}

#[test]
fn silence_says_whose_and_why_and_gives_no_secret_away() {
    let url = nobody();
    let host = url.trim_start_matches("http://");
    assert_eq!(ask(&query(&format!("{url}/secret"))), Err(format!("{host}: connection refused")));
    let stub = Stub::hanging();
    let mut hanging = query(&stub.url());
    hanging.prometheus.timeout = Duration::from_millis(50);
    assert_eq!(ask(&hanging), Err(format!("{}: no answer within 50ms", stub.address)));
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let stub = Stub::start(|_| Some(answer("200 OK", &" ".repeat(LONGEST_ANSWER + 1))));
    assert!(ask(&query(&stub.url())).unwrap_err().contains("longer than 1048576 bytes"));
}

#[test]
fn the_token_is_read_for_each_question_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let stub = Stub::start(|number| Some(if number < 2 { answer("200 OK", ONE) } else { answer("401 No", "") }));
    let mut query = query(&stub.url());
    query.prometheus.token_file = Some(file.path().into());
    for token in ["first", "second"] {
        std::fs::write(file.path(), format!("{token}\n")).unwrap();
        ask(&query).unwrap();
        assert_eq!(stub.next().field("authorization"), Some(&*format!("Bearer {token}")));
    }
    let refused = ask(&query).unwrap_err();
    assert!(refused.contains("does not take the token of `tokenFile`") && !refused.contains("second"), "{refused}");
    std::fs::write(file.path(), " \n").unwrap();
    assert!(ask(&query).unwrap_err().ends_with(": it has to hold one token"));
    query.prometheus.token_file = Some("/no/such/file".into());
    assert_eq!(ask(&query), Err("tokenFile /no/such/file: no such file or directory".into()));
}

#[test]
fn what_is_filled_in_stays_inside_its_quotes_and_is_not_looked_at_again() {
    let values = [("{{canary}}", escaped("a\"} or vector(1) #'`\\")), ("{{revision}}", escaped("{{canary}}"))];
    assert_eq!(
        fill("up{v=\"{{canary}}\",r='{{revision}}'} {{ other }}", &values),
        "up{v=\"a\\x22} or vector(1) #\\x27\\x60\\x5c\",r='{{canary}}'} {{ other }}"
    );
}

/// A server that speaks TLS with a certificate of its own, for one request; the file has the certificate.
fn tls_server() -> (String, tempfile::NamedTempFile) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = stream;
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            if crate::rollout::stub::Got::read(&mut tls).is_ok() {
                std::io::Write::write_all(&mut tls, answer("200 OK", ONE).as_bytes()).unwrap();
            }
        }
    });
    (url, file)
}

#[test]
fn a_ca_file_is_what_is_trusted() {
    let (url, file) = tls_server();
    let mut query = query(&url);
    let untrusted = ask(&query).unwrap_err();
    assert!(untrusted.starts_with("localhost:") && untrusted.ends_with("as `caFile`"), "{untrusted}");
    query.prometheus.ca_file = Some(file.path().into());
    assert_eq!(ask(&query), Ok(Some(1.5)));
    std::fs::write(file.path(), "no certificate").unwrap();
    let none = ask(&query).unwrap_err();
    assert!(none.starts_with(&format!("caFile {}: has no certificate in it", file.path().display())), "{none}");
    query.prometheus.ca_file = Some(PathBuf::from("/no/such/file"));
    let absent = ask(&query).unwrap_err();
    assert!(absent.starts_with("caFile /no/such/file: cannot be read: No such file or directory"), "{absent}");
}
