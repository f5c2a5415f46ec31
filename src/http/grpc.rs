//! What of HTTP is gRPC, and what a proxy has to know of it (gRPC's `doc/PROTOCOL-HTTP2.md`).
//!
//! Messages are content like any other and pass through unread. What counts is who speaks it (`content-type`), how long
//! the caller waits (`grpc-timeout`), and how it went, which stands in the trailers (`grpc-status`); and that what
//! Serin has to say itself is said in gRPC's way.

use super::field::FieldLines;
use super::reply::{Reason, Refusal};
use crate::stats::{GrpcEnd, GrpcStatus};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// How a call ended: a number.
const STATUS: &str = "grpc-status";
/// A few words on that.
const MESSAGE: &str = "grpc-message";

/// Whether a `content-type` is gRPC's: `application/grpc`, alone or with a suffix as in `application/grpc+proto`.
/// `application/grpc-web` is another protocol, which says how it went in its content.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    content_type.split_at_checked(TYPE.len()).is_some_and(|(kind, rest)| {
        kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

/// How long the caller waits: the value of `grpc-timeout`, at most eight digits and a unit. `None` where it is not
/// well-formed; it then bounds nothing here, and the backend, which gets it as it came, says what it thinks of it.
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let amount = digits
        .iter()
        .try_fold(0_u64, |amount, digit| digit.is_ascii_digit().then(|| amount * 10 + u64::from(digit - b'0')))?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// What a `grpc-status` says: a number without leading zeroes.
pub fn parse_status(value: &[u8]) -> GrpcEnd {
    let number = match value {
        [digit @ b'0'..=b'9'] => digit - b'0',
        [b'1', digit @ b'0'..=b'9'] => 10 + digit - b'0',
        _ => return GrpcEnd::Other,
    };
    GrpcStatus::from_number(number).map_or(GrpcEnd::Other, GrpcEnd::Status)
}

/// What the `grpc-status` among these fields says, if there is one.
pub fn status_of_fields(fields: FieldLines<'_, '_>) -> Option<GrpcEnd> {
    let line = fields.0.iter().find(|line| line.name.eq_ignore_ascii_case(STATUS))?;
    Some(parse_status(line.value))
}

/// The same of trailers that came over HTTP/2.
pub fn status_of_trailers(trailers: &HeaderMap) -> Option<GrpcEnd> {
    trailers.get(STATUS).map(|value| parse_status(value.as_bytes()))
}

/// The same of trailers that are written as lines.
pub fn status_of_lines(lines: &[u8]) -> Option<GrpcEnd> {
    lines.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(STATUS.len())?;
        let value = value.strip_prefix(b":").filter(|_| name.eq_ignore_ascii_case(STATUS.as_bytes()))?;
        Some(parse_status(value.trim_ascii()))
    })
}

/// The trailers that say `reason`.
pub fn trailers(reason: Reason) -> HeaderMap {
    let mut message = Vec::new();
    encode_message(&mut message, &reason.to_string());
    let message = HeaderValue::from_bytes(&message).expect("printable characters");
    let fields = [
        (HeaderName::from_static(STATUS), HeaderValue::from(u16::from(status_of_reason(reason).number()))),
        (HeaderName::from_static(MESSAGE), message),
    ];
    fields.into_iter().collect()
}

/// What gRPC clients make of a response that has no `grpc-status`, from its HTTP status (gRPC's
/// `doc/http-grpc-status-mapping.md`). 200 is not in that table: such a response should have had one.
pub fn status_of_code(code: u16) -> GrpcEnd {
    GrpcEnd::Status(match code {
        200 => return GrpcEnd::Missing,
        400 => GrpcStatus::Internal,
        401 => GrpcStatus::Unauthenticated,
        403 => GrpcStatus::PermissionDenied,
        404 => GrpcStatus::Unimplemented,
        429 | 502..=504 => GrpcStatus::Unavailable,
        _ => GrpcStatus::Unknown,
    })
}

/// The status of an answer of Serin's own.
pub fn status_of_reason(reason: Reason) -> GrpcStatus {
    match reason {
        Reason::Refused(Refusal::HeadTooLarge | Refusal::TooManyFields)
        | Reason::RateLimited { .. }
        | Reason::BodyTooLarge => GrpcStatus::ResourceExhausted,
        Reason::Refused(Refusal::TooSlow) | Reason::RequestTimeout => GrpcStatus::DeadlineExceeded,
        Reason::Refused(_) | Reason::BadResponse => GrpcStatus::Internal,
        // What a server says that does not have the method.
        Reason::NoRoute | Reason::NoWebSocket => GrpcStatus::Unimplemented,
        // The caller's own time is not over, and another endpoint may be better: worth another try, as everything that
        // never reached a backend is.
        Reason::NoWeight
        | Reason::NoEndpoint
        | Reason::Overload
        | Reason::ConnectFailed
        | Reason::ConnectTimeout
        | Reason::Reset
        | Reason::BrokenOff
        | Reason::ResponseHeadTimeout => GrpcStatus::Unavailable,
    }
}

/// Appends `message` as `grpc-message` has it: percent-encoded, but for the printable ASCII characters other than `%`.
fn encode_message(out: &mut Vec<u8>, message: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in message.as_bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte),
            _ => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grpc_is_told_from_what_is_nearly_called_so() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC+json", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc ; x=y", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpc-web-text", false),
            ("application/grpcx", false),
            ("application/grp", false),
            ("text/application/grpc", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn a_timeout_is_at_most_eight_digits_and_a_unit() {
        let seconds = Duration::from_secs;
        for (text, expected) in [
            ("1H", Some(seconds(3_600))),
            ("99999999H", Some(seconds(99_999_999 * 3_600))),
            ("2M", Some(seconds(120))),
            ("3S", Some(seconds(3))),
            ("00000003S", Some(seconds(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("9n", Some(Duration::from_nanos(9))),
            ("0n", Some(Duration::ZERO)),
            ("000000003S", None),
            ("100000000n", None),
            ("S", None),
            ("1", None),
            ("", None),
            ("1s", None),
            ("1h", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            (" 1S", None),
            ("1S ", None),
            ("1 S", None),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_status_is_one_of_grpcs_numbers_and_nothing_else() {
        for number in 0..=16 {
            let status = GrpcStatus::from_number(number).unwrap();
            assert_eq!(parse_status(number.to_string().as_bytes()), GrpcEnd::Status(status));
        }
        for text in ["17", "19", "20", "100", "00", "01", "-1", "", " 0", "0 ", "OK", "0x0", "1a"] {
            assert_eq!(parse_status(text.as_bytes()), GrpcEnd::Other, "{text:?}");
        }
    }

    #[test]
    fn every_http_status_without_a_grpc_status_has_the_one_that_clients_give_it() {
        use GrpcStatus::{Internal, PermissionDenied, Unauthenticated, Unavailable, Unimplemented, Unknown};
        assert_eq!(status_of_code(200), GrpcEnd::Missing);
        for code in (100..200).chain(201..600) {
            let expected = match code {
                400 => Internal,
                401 => Unauthenticated,
                403 => PermissionDenied,
                404 => Unimplemented,
                429 | 502 | 503 | 504 => Unavailable,
                _ => Unknown,
            };
            assert_eq!(status_of_code(code), GrpcEnd::Status(expected), "{code}");
        }
    }

    #[test]
    fn every_answer_of_serins_own_has_a_status_that_is_an_error() {
        use GrpcStatus::{DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unimplemented};
        for (reason, expected) in [
            (Reason::NoRoute, Unimplemented),
            (Reason::NoWebSocket, Unimplemented),
            (Reason::NoWeight, Unavailable),
            (Reason::NoEndpoint, Unavailable),
            (Reason::Overload, Unavailable),
            (Reason::ConnectFailed, Unavailable),
            (Reason::ConnectTimeout, Unavailable),
            (Reason::Reset, Unavailable),
            (Reason::ResponseHeadTimeout, Unavailable),
            (Reason::BrokenOff, Unavailable),
            (Reason::BadResponse, Internal),
            (Reason::RequestTimeout, DeadlineExceeded),
            (Reason::Refused(Refusal::HeadTooLarge), ResourceExhausted),
            (Reason::Refused(Refusal::TooManyFields), ResourceExhausted),
            (Reason::RateLimited { retry_after: 1 }, ResourceExhausted),
            (Reason::BodyTooLarge, ResourceExhausted),
            (Reason::Refused(Refusal::TooSlow), DeadlineExceeded),
            (Reason::Refused(Refusal::Malformed), Internal),
        ] {
            assert_eq!(status_of_reason(reason), expected, "{reason:?}");
        }
    }

    #[test]
    fn a_message_keeps_what_can_be_read() {
        for (message, expected) in
            [("no rule", "no rule"), ("100 %", "100 %25"), ("a\r\nb", "a%0D%0Ab"), ("ß~", "%C3%9F~"), ("\u{7f}", "%7F")]
        {
            let mut out = Vec::new();
            encode_message(&mut out, message);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_status_is_found_in_lines_by_its_whole_name() {
        for (lines, expected) in [
            ("grpc-status: 5\r\ngrpc-message: x\r\n", Some(GrpcEnd::Status(GrpcStatus::NotFound))),
            ("a: b\r\nGrpc-Status:0\r\n", Some(GrpcEnd::Status(GrpcStatus::Ok))),
            ("grpc-status: 99\r\n", Some(GrpcEnd::Other)),
            ("grpc-status-details-bin: 5\r\nx-grpc-status: 5\r\n", None),
            ("grpc-status", None),
            ("", None),
        ] {
            assert_eq!(status_of_lines(lines.as_bytes()), expected, "{lines}");
        }
    }

    #[test]
    fn the_trailers_of_an_answer_of_serins_own_say_what_and_why() {
        let trailers = trailers(Reason::NoEndpoint);
        assert_eq!(status_of_trailers(&trailers), Some(GrpcEnd::Status(GrpcStatus::Unavailable)));
        assert_eq!(
            (&trailers["grpc-status"], trailers["grpc-message"].to_str().unwrap()),
            (&HeaderValue::from(14), "the backend has no endpoint")
        );
        assert_eq!(trailers_of_refusal(), "the only expectation understood is 100-continue");
    }

    fn trailers_of_refusal() -> String {
        trailers(Reason::Refused(Refusal::Expectation))["grpc-message"].to_str().unwrap().to_owned()
    }

    fn decoded(mut text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let [byte, rest @ ..] = text {
            if *byte == b'%' {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
                text = &rest[2..];
            } else {
                out.push(*byte);
                text = rest;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_message_is_a_field_value_and_comes_back(message in any::<String>()) {
            let mut out = Vec::new();
            encode_message(&mut out, &message);
            prop_assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(decoded(&out), message.into_bytes());
        }

        /// Whatever a client sends is either gRPC's form, whose value is exact, or bounds nothing.
        #[test]
        fn any_timeout_is_read_exactly_or_not_at_all(amount in 0_u64..100_000_000, unit in "[HMSmun]", junk in ".*") {
            let nanos: u128 = match unit.as_str() {
                "H" => 3_600_000_000_000,
                "M" => 60_000_000_000,
                "S" => 1_000_000_000,
                "m" => 1_000_000,
                "u" => 1_000,
                _ => 1,
            };
            let parsed = parse_timeout(format!("{amount}{unit}").as_bytes()).unwrap();
            prop_assert_eq!(parsed.as_nanos(), nanos * u128::from(amount));
            let well_formed = (2..=9).contains(&junk.len())
                && junk[..junk.len() - junk.chars().last().map_or(0, char::len_utf8)].bytes().all(|b| b.is_ascii_digit())
                && junk.ends_with(['H', 'M', 'S', 'm', 'u', 'n']);
            prop_assert_eq!(parse_timeout(junk.as_bytes()).is_some(), well_formed);
        }

        #[test]
        fn only_the_type_and_its_suffixes_are_grpc(rest in ".*") {
            let content_type = format!("application/grpc{rest}");
            let expected = rest.is_empty() || rest.starts_with(['+', ';', ' ', '\t']);
            prop_assert_eq!(is_grpc(content_type.as_bytes()), expected);
        }
    }
}
