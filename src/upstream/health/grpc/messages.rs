//! The messages of gRPC's `health.proto`, pure. They have one field each, so they are written and read by hand: gRPC's five
//! bytes before a message, and Protocol Buffers' encoding of a string and of an enumeration.

use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;

/// What a server says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream::health) enum ServingStatus {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// A number that is not in gRPC's `health.proto`.
    Other(u64),
}

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("UNKNOWN"),
            Self::Serving => f.write_str("SERVING"),
            Self::NotServing => f.write_str("NOT_SERVING"),
            Self::ServiceUnknown => f.write_str("SERVICE_UNKNOWN"),
            Self::Other(number) => write!(f, "{number}, which is no serving status"),
        }
    }
}

/// A `HealthCheckRequest` in gRPC's framing: `string service = 1`.
pub(super) fn encode(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(1 << 3 | LENGTH_DELIMITED);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).expect("seven bits"));
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("the config bounds a service's name"));
    framed.put(message);
    framed.freeze()
}

/// The wire types of Protocol Buffers' encoding.
const VARINT: u8 = 0;
const I64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const I32: u8 = 5;

/// What one uncompressed `HealthCheckResponse` in gRPC's framing says: `ServingStatus status = 1`. `None` where `framed`
/// is anything else. Fields of other numbers are left alone, and of several statuses the last counts, as everywhere in
/// Protocol Buffers.
pub(super) fn decode(framed: &[u8]) -> Option<ServingStatus> {
    let (prefix, mut message) = framed.split_at_checked(5)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().expect("four bytes"));
    if prefix[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut number = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let wire_type = u8::try_from(tag & 7).expect("three bits");
        let skipped = match wire_type {
            VARINT => {
                let value = varint(&mut message)?;
                if tag >> 3 == 1 {
                    number = value;
                }
                0
            }
            I64 => 8,
            I32 => 4,
            LENGTH_DELIMITED => usize::try_from(varint(&mut message)?).ok()?,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(match number {
        0 => ServingStatus::Unknown,
        1 => ServingStatus::Serving,
        2 => ServingStatus::NotServing,
        3 => ServingStatus::ServiceUnknown,
        number => ServingStatus::Other(number),
    })
}

/// Takes a number off the front: seven bits a byte, the lowest first, at most ten bytes.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_protocol_buffers_own_bytes() {
        assert_eq!(&encode("")[..], b"\0\0\0\0\0");
        assert_eq!(&encode("shop.v1.Orders")[..], b"\0\0\0\0\x10\x0a\x0eshop.v1.Orders");
        let long = "a".repeat(300);
        assert_eq!(&encode(&long)[..8], b"\0\0\0\x01\x2f\x0a\xac\x02");
    }

    #[test]
    fn an_answer_is_read_as_protocol_buffers_say() {
        for (bytes, expected) in [
            (&b"\0\0\0\0\0"[..], Some(ServingStatus::Unknown)),
            (b"\0\0\0\0\x02\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x02\x08\x02", Some(ServingStatus::NotServing)),
            (b"\0\0\0\0\x02\x08\x03", Some(ServingStatus::ServiceUnknown)),
            (b"\0\0\0\0\x03\x08\x81\x00", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x02\x08\x07", Some(ServingStatus::Other(7))),
            // Of two the last.
            (b"\0\0\0\0\x04\x08\x01\x08\x02", Some(ServingStatus::NotServing)),
            // Fields that this version does not know: a string, a fixed 64, a fixed 32, a number.
            (b"\0\0\0\0\x06\x12\x02ok\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x0b\x1112345678\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x07\x1d1234\x08\x01", Some(ServingStatus::Serving)),
            (b"\0\0\0\0\x04\x10\x05\x08\x01", Some(ServingStatus::Serving)),
            // Compressed, cut short, too long, two messages, a group, a number that does not end.
            (b"\x01\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x02\x08", None),
            (b"\0\0\0\0\x01\x08\x01", None),
            (b"\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x01\x0b", None),
            (b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\0\0\0\0\x03\x12\x05a", None),
            (b"", None),
            (b"\0\0\0", None),
        ] {
            assert_eq!(decode(bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            decode(&bytes);
        }

        /// The two encodings are each other's inverse, where they overlap.
        #[test]
        fn a_services_name_comes_back_out_of_its_field(service in ".{0,200}") {
            let framed = encode(&service);
            prop_assert_eq!(usize::try_from(u32::from_be_bytes(framed[1..5].try_into().unwrap())).unwrap(), framed.len() - 5);
            let mut message = &framed[5..];
            if !service.is_empty() {
                prop_assert_eq!(varint(&mut message), Some(0x0a));
                prop_assert_eq!(varint(&mut message), Some(service.len() as u64));
            }
            prop_assert_eq!(message, service.as_bytes());
        }
    }
}
