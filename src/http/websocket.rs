//! WebSocket's handshake, where one side speaks HTTP/1.1 (RFC 6455 section 1.3) and the other HTTP/2 (RFC 8441).

/// The value of `Sec-WebSocket-Accept` that answers this `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub(super) fn accept(key: &[u8]) -> String {
    // Nothing depends on the hash: it only shows that whoever answers has read the request.
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(hash.finish().as_ref())
}

/// A `Sec-WebSocket-Key` of random bytes (RFC 6455 section 4.1).
pub fn websocket_key(random: u128) -> String {
    base64(&random.to_be_bytes())
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, place| bits << 8 | usize::from(*group.get(place).unwrap_or(&0)));
        for place in 0..4 {
            let digit = ALPHABET[bits >> (18 - 6 * place) & 0x3f];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_answered_as_the_rfc_has_it() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
