//! Base64 as Go's `base64.StdEncoding` takes it (RFC 4648 §4): padded; line breaks count for nothing. Pure.

/// The bytes; `None` where the text is something else.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let groups = text.chunks_exact(4);
    if !groups.remainder().is_empty() {
        return None;
    }
    let last = groups.len();
    for (n, group) in (1..).zip(groups) {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && n != last) {
            return None;
        }
        let mut bits = 0_u32;
        for letter in group.iter().take(4 - padding) {
            bits = bits << 6 | u32::from(value(*letter)?);
        }
        let [_, three @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend(three.iter().take(3 - padding));
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn the_test_vectors_of_rfc_4648() {
        let vectors =
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")];
        for (text, bytes) in vectors {
            assert_eq!(decode(text), Some(bytes.as_bytes().to_vec()), "{text}");
        }
        assert_eq!(decode("+/+/\n"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decode("Zm\r\n9v"), Some(b"foo".to_vec()));
        for text in ["Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9-", "Zm 9v", "=m9v", "Zm=v", "Zé="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
