//! Objects as YAML that every reader takes alike.

use serde::Serialize;

/// One document with a line break at its end. Strings that some YAML reader would take for something else ("off",
/// "6443", "1e3") are in quotes, long ones stay on one line.
pub(super) fn document(object: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    let mut text = String::new();
    // Plain data into memory: nothing there can fail.
    let _ = serde_saphyr::to_fmt_writer_with_options(&mut text, object, options);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::document;

    #[test]
    fn what_a_reader_may_take_for_something_else_is_quoted() {
        let words = [
            "true",
            "Yes",
            "off",
            "n",
            "6443",
            "1_000",
            "0x1f",
            "0o7",
            "017",
            "1e3",
            ".5",
            "12:30:45",
            "~",
            "null",
            "",
            "=",
            "<<",
            "2026-11-21",
            ".inf",
            "*;bfd",
            "&a",
            "a: b",
            "a #b",
            "@x",
            "`x",
            "%x",
            "- x",
            "[::1]:65001",
            "{a}",
            "!x",
            "|",
            "'x'",
            "\"x\"",
            "x ",
            " x",
            "x\ny",
            "x\ty",
            "?",
            "10.0.0.1;med=1,10.0.0.2;med=2",
        ];
        for word in words {
            let text = document(&BTreeMap::from([("value", word)]));
            let plain = format!("value: {word}\n");
            let bare = ["10.0.0.1;med=1,10.0.0.2;med=2"].contains(&word);
            assert_eq!(text == plain, bare, "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn long_text_stays_on_its_line() {
        let long = "10.77.0.1:65001::false,".repeat(40) + "a b c d e f g h";
        assert_eq!(document(&BTreeMap::from([("value", &long)])), format!("value: {long}\n"));
    }
}
