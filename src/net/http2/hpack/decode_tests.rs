//! The examples of RFC 7541 appendix C, what is no HPACK, and the table's bounds.

use super::*;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Unreadable> {
    let mut section = FieldSection::new(1 << 16);
    decoder.decode(block, &mut section)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(section.fields().map(|(name, value)| (text(name), text(value))).collect())
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Appendices C.3 and C.4: the same requests, without and with the Huffman code.
#[test]
fn the_requests_of_the_rfc_are_read() {
    let first = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
    let second = [&first[..], &[("cache-control", "no-cache")]].concat();
    let third = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ];
    for blocks in [
        [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
        [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        for (block, expected) in blocks.iter().zip([&first[..], &second, &third]) {
            assert_eq!(read(&mut decoder, &bytes(block)), Ok(pairs(expected)));
        }
        assert_eq!(decoder.table.get(62), Some((&b"custom-key"[..], &b"custom-value"[..])));
        assert_eq!(decoder.table.get(64), Some((&b":authority"[..], &b"www.example.com"[..])));
        assert_eq!(decoder.table.get(65), None);
    }
}

/// Appendix C.5: a table of 256 bytes, from which entries are put out.
#[test]
fn the_responses_of_the_rfc_are_read() {
    let mut decoder = Decoder::default();
    // A size of 256, which the examples take for agreed.
    assert_eq!(read(&mut decoder, &[0x3f, 0xe1, 1]), Ok(vec![]));
    for (block, status, count) in [
        (
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "302",
            4,
        ),
        ("4803333037c1c0bf", "307", 4),
        (
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
            "200",
            6,
        ),
    ] {
        let fields = read(&mut decoder, &bytes(block)).unwrap();
        assert_eq!((&fields[0].1[..], fields.len()), (status, count));
    }
    let name = |index| decoder.table.get(index).map(|(name, _)| name);
    assert_eq!([62, 63, 64, 65].map(name), [Some(&b"set-cookie"[..]), Some(b"content-encoding"), Some(b"date"), None]);
}

#[test]
fn what_is_no_hpack_is_refused() {
    for (wrong, why) in [
        (&[0x80][..], "the index of nothing"),
        (&[0xbe], "an index beyond the table"),
        (&[0x7f, 0x80, 1, 0], "the name of nothing"),
        (&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 1], "a number without an end"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xf], "a number that is too large"),
        (&[0xff], "a number that breaks off"),
        (&[0x00], "no name"),
        (&[0x00, 1, b'a'], "no value"),
        (&[0x00, 5, b'a'], "a name that breaks off"),
        (&[0x82, 0x20], "a size behind a field"),
        (&[0x3f, 0xe2, 0x1f], "a size of 4,097"),
        (&[0x00, 0x81, 0xfe, 0], "Huffman's code with padding that is none"),
    ] {
        assert_eq!(read(&mut Decoder::default(), wrong), Err(Unreadable::Malformed), "{why}");
    }
    assert_eq!(read(&mut Decoder::default(), &[0x3f, 0xe1, 0x1f]), Ok(vec![]), "a size of 4,096");
}

#[test]
fn what_is_too_large_is_left_out_and_read_for_what_follows() {
    let mut decoder = Decoder::default();
    let mut block = vec![0x40, 1, b'a', 100];
    block.extend([b'x'; 100]);
    block.extend([0x00, 1, b'b', 1, b'y']);
    let mut section = FieldSection::new(120);
    assert_eq!(decoder.decode(&block, &mut section), Ok(()));
    assert!(section.is_too_large() && section.fields().next().is_none());
    assert_eq!(read(&mut decoder, &[0xbe]).unwrap()[0].1.len(), 100);
    // Named again and again, it is not even read.
    let mut section = FieldSection::new(120);
    assert_eq!(decoder.decode(&[0xbe; 10_000], &mut section), Err(Unreadable::TooLarge));
    assert!(section.text.len() < 1_000);
}

proptest! {
    #[test]
    fn the_table_is_as_a_plain_one_and_its_text_is_bounded(
        steps in proptest::collection::vec(
            prop_oneof![
                4 => ("[a-c]{0,40}", 0_usize..600).prop_map(|(name, value)| (Some(name), value)),
                1 => (0_usize..=4_096).prop_map(|most| (None, most)),
            ],
            0..300,
        ),
    ) {
        let (mut table, mut plain, mut most) = (Table::default(), Vec::<(Vec<u8>, Vec<u8>)>::new(), 4_096);
        for (name, number) in steps {
            if let Some(name) = name {
                let value = vec![b'v'; number];
                table.insert(name.as_bytes(), &value);
                plain.insert(0, (name.into_bytes(), value));
            } else {
                prop_assert!(table.resize(number));
                most = number;
            }
            while plain.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() > most {
                plain.pop();
            }
            let held: Vec<_> = (62..).map_while(|index| table.get(index)).collect();
            prop_assert_eq!(held, plain.iter().map(|(name, value)| (&name[..], &value[..])).collect::<Vec<_>>());
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(blocks: Vec<Vec<u8>>) {
        let mut decoder = Decoder::default();
        for block in blocks {
            let mut section = FieldSection::new(1 << 14);
            if decoder.decode(&block, &mut section).is_err() {
                break;
            }
        }
    }
}
