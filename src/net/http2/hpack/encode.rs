//! Writes field sections (RFC 7541 section 6) without a dynamic table.

/// Appends the `:status` of a response.
pub(in super::super) fn encode_status(block: &mut Vec<u8>, code: u16) {
    let index = match code {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            let digit = |place: u16| u8::try_from(code / place % 10).expect("a digit") + b'0';
            return block.extend_from_slice(&[8, 3, digit(100), digit(10), digit(1)]);
        }
    };
    block.push(0x80 | index);
}

/// Appends a field, whose `name` is in lower case.
pub(in super::super) fn encode_field(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    if let Some(index) = static_index(name) {
        integer(block, index, 4);
    } else {
        block.push(0);
        string(block, name.as_bytes());
    }
    string(block, value);
}

/// Appends that the dynamic table is empty from now on (section 6.3): the word for a peer that has changed how large
/// it may be (section 4.2).
pub(in super::super) fn encode_table_size(block: &mut Vec<u8>) {
    block.push(0x20);
}

/// An integer whose first bits are the last `prefix` ones of a byte, the others being 0 (section 5.1).
fn integer(block: &mut Vec<u8>, value: usize, prefix: u32) {
    let most = (1 << prefix) - 1;
    if value < most {
        return block.push(u8::try_from(value).expect("it is below a byte's prefix"));
    }
    block.push(u8::try_from(most).expect("a byte's prefix"));
    let mut rest = value - most;
    while rest >= 0x80 {
        block.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    block.push(u8::try_from(rest).expect("seven bits"));
}

/// A string as it is (section 5.2).
fn string(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, text.len(), 7);
    block.extend_from_slice(text);
}

/// Where the static table has the name of a response's field (appendix A).
fn static_index(name: &str) -> Option<usize> {
    Some(match name {
        "accept-ranges" => 18,
        "access-control-allow-origin" => 20,
        "age" => 21,
        "allow" => 22,
        "cache-control" => 24,
        "content-disposition" => 25,
        "content-encoding" => 26,
        "content-language" => 27,
        "content-length" => 28,
        "content-location" => 29,
        "content-range" => 30,
        "content-type" => 31,
        "date" => 33,
        "etag" => 34,
        "expires" => 36,
        "last-modified" => 44,
        "link" => 45,
        "location" => 46,
        "proxy-authenticate" => 48,
        "refresh" => 52,
        "retry-after" => 53,
        "server" => 54,
        "set-cookie" => 55,
        "strict-transport-security" => 56,
        "vary" => 59,
        "via" => 60,
        "www-authenticate" => 61,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::STATIC;
    use super::super::{Decoder, FieldSection};
    use super::*;
    use proptest::prelude::*;

    fn read(block: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut section = FieldSection::new(usize::MAX);
        Decoder::default().decode(block, &mut section).unwrap();
        section.fields().map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec())).collect()
    }

    #[test]
    fn each_index_is_its_names() {
        for (name, _) in STATIC {
            if let Some(index) = static_index(name) {
                assert_eq!(STATIC[index - 1].0, name);
            }
        }
    }

    #[test]
    fn every_status_is_read_as_it_is() {
        for code in 100..=999 {
            let mut block = Vec::new();
            encode_status(&mut block, code);
            assert_eq!(read(&block), [(":status".to_owned(), code.to_string().into_bytes())]);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            fields in proptest::collection::vec((
                prop_oneof!["[a-z-]{1,200}", proptest::sample::select(STATIC.map(|(name, _)| name.to_owned()).to_vec())],
                proptest::collection::vec(any::<u8>(), 0..400),
            ), 0..20),
        ) {
            let mut block = Vec::new();
            encode_table_size(&mut block);
            fields.iter().for_each(|(name, value)| encode_field(&mut block, name, value));
            prop_assert_eq!(read(&block), fields);
        }
    }
}
