//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and a longer one begins
//! where the shorter ones end. So the lengths are all of appendix B, and what decodes is made of them when this is
//! compiled: a table for the codes of up to eight bits, which are nearly all that is ever sent, and for each length
//! beyond where its codes begin.

use super::Malformed;

/// How long each symbol's code is, in bits. The end of the string, which is the 257th, has thirty ones.
static LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

const LONGEST: usize = 30;

/// The codes by their lengths.
struct Codes {
    /// The symbols in the order of their codes.
    symbols: [u8; 256],
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// How many codes each length has, the end's left out.
    count: [u32; LONGEST + 1],
    /// Where the symbols of each length begin.
    begin: [usize; LONGEST + 1],
    /// The symbol that eight bits begin with, and how long its code is; 0 when that is longer than they are.
    short: [(u8, u8); 256],
}

static CODES: Codes = codes();

#[expect(clippy::cast_possible_truncation, reason = "symbols and lengths are below 256, and this is const")]
const fn codes() -> Codes {
    let mut codes = Codes {
        symbols: [0; 256],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        begin: [0; LONGEST + 1],
        short: [(0, 0); 256],
    };
    let (mut length, mut code, mut placed) = (1, 0_u32, 0);
    while length <= LONGEST {
        code <<= 1;
        codes.first[length] = code;
        codes.begin[length] = placed;
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                codes.symbols[placed] = symbol as u8;
                if length <= 8 {
                    let mut filler = 0;
                    while filler < 1 << (8 - length) {
                        codes.short[((code as usize) << (8 - length)) + filler] = (symbol as u8, length as u8);
                        filler += 1;
                    }
                }
                placed += 1;
                code += 1;
            }
            symbol += 1;
        }
        codes.count[length] = code - codes.first[length];
        length += 1;
    }
    codes
}

/// Appends what `coded` says to `text`.
///
/// # Errors
/// When it holds the end's code, or what is left at its end is not less than eight ones.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), Malformed> {
    // The next bits, the first of them highest; zeros follow what there is.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut rest = coded.iter();
    loop {
        while have <= 56 {
            let Some(&byte) = rest.next() else { break };
            bits |= u64::from(byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = match CODES.short[(bits >> 56) as usize] {
            (symbol, length) if length > 0 && u32::from(length) <= have => (symbol, u32::from(length)),
            _ if have < 8 && bits == !(u64::MAX >> have) => return Ok(()),
            _ => long(bits, have).ok_or(Malformed)?,
        };
        text.push(symbol);
        bits <<= length;
        have -= length;
    }
}

/// The symbol whose code of more than eight bits `bits` begin with, and how long that is.
fn long(bits: u64, have: u32) -> Option<(u8, u32)> {
    (9..=LONGEST).take_while(|&length| length <= have as usize).find_map(|length| {
        let code = u32::try_from(bits >> (64 - length)).expect("thirty bits at most");
        let place = code.checked_sub(CODES.first[length]).filter(|&place| place < CODES.count[length])?;
        Some((CODES.symbols[CODES.begin[length] + place as usize], u32::try_from(length).expect("at most thirty")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What [`decode`] undoes.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for &symbol in text {
            let length = usize::from(LENGTHS[usize::from(symbol)]);
            let before = LENGTHS[..usize::from(symbol)].iter().filter(|&&other| usize::from(other) == length).count();
            let code = CODES.first[length] as usize + before;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1));
        }
        bits.resize(bits.len().next_multiple_of(8), 1);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, &bit| byte << 1 | u8::try_from(bit).unwrap())).collect()
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 7541 appendices C.4 and C.6.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (coded, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ] {
            assert_eq!(decoded(&bytes(coded)), Ok(text.as_bytes().to_vec()), "{text}");
        }
    }

    /// The longest codes of appendix B, and the first and the last of some lengths.
    #[test]
    fn long_codes_are_those_of_the_appendix() {
        for (code, length, symbol) in [
            (0x3fff_fffc_u32, 30, 10_u8),
            (0x3fff_fffd, 30, 13),
            (0x3fff_fffe, 30, 22),
            (0x0fff_fffe, 28, 249),
            (0x0fff_ffe2, 28, 2),
            (0x03ff_ffee, 26, 255),
            (0x03ff_ffe0, 26, 192),
            (0x0007_fff0, 19, 92),
            (0x0000_1ff8, 13, 0),
        ] {
            let aligned = u64::from(code) << (64 - length) | u64::MAX >> length;
            assert_eq!(decoded(&aligned.to_be_bytes()[..usize::div_ceil(length, 8)]), Ok(vec![symbol]), "{symbol}");
        }
    }

    #[test]
    fn padding_is_less_than_eight_ones() {
        assert_eq!(decoded(&[]), Ok(vec![]));
        // "0" is five zeros.
        assert_eq!(decoded(&[0b0000_0111]), Ok(vec![b'0']));
        for wrong in [&[0b0000_0110][..], &[0b0000_0111, 0xff], &[0xff], &[0xff; 4], &[0b0000_0011], &[0xfe]] {
            assert_eq!(decoded(wrong), Err(Malformed), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_coded_is_read(text: Vec<u8>) {
            prop_assert_eq!(decoded(&encode(&text)), Ok(text));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(coded: Vec<u8>) {
            if let Ok(text) = decoded(&coded) {
                prop_assert_eq!(encode(&text), coded);
            }
        }
    }
}
