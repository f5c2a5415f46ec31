//! What holds for every header and for any bytes. Single headers, good and hostile, are data under `tests/`.

use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn addresses() -> impl Strategy<Value = Addresses> {
    let v4 = (any::<Ipv4Addr>(), any::<Ipv4Addr>()).prop_map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b)));
    let v6 = (any::<Ipv6Addr>(), any::<Ipv6Addr>()).prop_map(|(a, b)| (IpAddr::V6(a), IpAddr::V6(b)));
    let mixed = (any::<IpAddr>(), any::<IpAddr>());
    (prop_oneof![v4, v6, mixed], any::<u16>(), any::<u16>()).prop_map(|((source, destination), from, to)| Addresses {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2)]
}

/// Bytes that look like a header for a while.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(SIGNATURE.to_vec()),
        Just([&SIGNATURE[..], &[0x21, 0x11, 0, 12]].concat()),
        Just([&SIGNATURE[..], &[0x21, 0x21, 0, 40]].concat()),
        Just([&SIGNATURE[..], &[0x20, 0, 0, 3]].concat()),
        Just(b"PROXY ".to_vec()),
        Just(b"PROXY TCP4 1.2.3.4 5.6.7.8 ".to_vec()),
        Just(b"PROXY UNKNOWN".to_vec()),
        Just(Vec::new()),
    ];
    let text = "[A-Z0-9 .:\r\n]{0,120}".prop_map(String::into_bytes);
    (start, prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), text]).prop_map(|(a, b)| [a, b].concat())
}

proptest! {
    /// A header is read as it was written, whatever follows; and each of its beginnings waits for the rest.
    #[test]
    fn what_is_written_is_read_and_nothing_beyond_it(
        addresses in proptest::option::of(addresses()), version in version(),
        rest in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let header = version.header(addresses.as_ref());
        let read = match parse(&[&header[..], &rest].concat()) {
            Ok(Progress::Complete(read, length)) if length == header.len() => read,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(read.map(Addresses::canonical), addresses.map(Addresses::canonical));
        for length in 0..header.len() {
            prop_assert_eq!(parse(&header[..length]), Ok(Progress::Partial));
        }
    }

    /// What has been found does not change by what follows: bytes are taken for a header's only if they are.
    #[test]
    fn a_verdict_is_final(bytes in likely()) {
        let whole = parse(&bytes);
        if let Ok(Progress::Complete(_, length)) = whole {
            prop_assert!(length <= bytes.len() && length <= MAX_HEADER);
        }
        let mut decided = false;
        for length in 0..=bytes.len() {
            let verdict = parse(&bytes[..length]);
            prop_assert!(!decided || verdict != Ok(Progress::Partial), "{length}");
            decided = verdict != Ok(Progress::Partial);
            if decided {
                prop_assert_eq!(verdict, whole, "{}", length);
            }
        }
        prop_assert!(decided || bytes.len() < MAX_HEADER, "a header is never longer");
    }

    /// Extensions of whatever kind are passed over.
    #[test]
    fn extensions_are_passed_over(addresses in addresses(), more in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut header = Version::V2.header(Some(&addresses));
        let length = u16::try_from(header.len() - FIXED + more.len()).unwrap();
        header[14..FIXED].copy_from_slice(&length.to_be_bytes());
        let plain = parse(&Version::V2.header(Some(&addresses)));
        header.extend(&more);
        let Ok(Progress::Complete(expected, _)) = plain else { panic!("{plain:?}") };
        prop_assert_eq!(parse(&header), Ok(Progress::Complete(expected, header.len())));
    }
}
