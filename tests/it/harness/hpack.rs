//! HPACK (RFC 7541) as far as a test needs it: what is sent is spelt out, so that no library decides what goes over the
//! wire, and what comes is read without a dynamic table, which the client asks the other side to do without.

/// A field section of literals that are not indexed (section 6.2.2): nothing is checked and nothing is changed.
pub(crate) fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

/// Not Huffman-coded (section 5.2).
pub(crate) fn string(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).expect("a short text"));
    } else {
        block.push(127);
        let mut left = text.len() - 127;
        while left >= 128 {
            block.push(0x80 | u8::try_from(left % 128).expect("seven bits"));
            left /= 128;
        }
        block.push(u8::try_from(left).expect("seven bits"));
    }
    block.extend_from_slice(text);
}

/// The fields of a section.
#[track_caller]
pub(crate) fn read(mut block: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while let Some(&first) = block.first() {
        if first & 0x80 != 0 {
            let index = integer(&mut block, 7);
            let (name, value) = STATIC[index - 1];
            fields.push((name.to_owned(), value.to_owned()));
        } else if first & 0xe0 == 0x20 {
            assert_eq!(integer(&mut block, 5), 0, "the table was asked to be empty");
        } else {
            let index = integer(&mut block, if first & 0xc0 == 0x40 { 6 } else { 4 });
            let name = if index == 0 { text(&mut block) } else { STATIC[index - 1].0.to_owned() };
            fields.push((name, text(&mut block)));
        }
    }
    fields
}

fn integer(block: &mut &[u8], bits: u32) -> usize {
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(take(block)) & most;
    let mut shift = 0;
    while value >= most {
        let byte = usize::from(take(block));
        value += (byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn take(block: &mut &[u8]) -> u8 {
    let (first, rest) = block.split_first().expect("the section goes on");
    *block = rest;
    *first
}

fn text(block: &mut &[u8]) -> String {
    let coded = block[0] & 0x80 != 0;
    let (bytes, rest) = block.split_at(integer(&mut { *block }, 7) + length_of_length(block));
    let bytes = &bytes[length_of_length(block)..];
    *block = rest;
    if coded { huffman(bytes) } else { String::from_utf8(bytes.to_vec()).expect("text") }
}

fn length_of_length(block: &[u8]) -> usize {
    let mut rest = block;
    integer(&mut rest, 7);
    block.len() - rest.len()
}

/// Appendix B for printable ASCII. Its code is canonical: the characters by the lengths of their codes are all of it.
const LENGTHS: [(u32, &str); 11] = [
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, "!\"()?"),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
    (19, "\\"),
];

fn huffman(bytes: &[u8]) -> String {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    let mut text = String::new();
    'text: loop {
        let (mut code, mut length, mut first) = (0, 0, 0);
        for (longer, characters) in LENGTHS {
            first <<= longer - length;
            for _ in length..longer {
                let Some(bit) = bits.next() else { break 'text text };
                code = code << 1 | bit;
            }
            length = longer;
            let count = u32::try_from(characters.len()).expect("few");
            if code < first + count {
                text.push(char::from(characters.as_bytes()[(code - first) as usize]));
                continue 'text;
            }
            first += count;
        }
        panic!("not printable: {bytes:?}");
    }
}

/// Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
