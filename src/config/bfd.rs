//! BFD of a peer as text: kube-vip's `enabled;rx;tx;multiplier`, and `;strict` behind it, which kube-vip ignores.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::BfdConfig;
use super::scalar::{decimal, go_bool};

/// What an interval may be, in milliseconds.
pub(super) const INTERVALS: RangeInclusive<u64> = SHORTEST..=LONGEST;
/// What a multiplier may be.
/// What a multiplier may be: with fewer, one lost packet and a late one end the session.
pub(super) const MULTIPLIERS: RangeInclusive<u8> = 3..=255;
const SHORTEST: u64 = 10;
const LONGEST: u64 = 1000;
/// kube-vip documents milliseconds and hands them on as microseconds, so there are configurations in microseconds,
/// its own sample with 300000 among them. From here on a number is taken for that.
const MICROSECONDS_FROM: u64 = 10_000;

const FORM: &str = "bfd is not \"enabled;rx;tx;multiplier\", as in true;300;300;3";

/// What the text says; `None`: no BFD. And what should be said of it. `hidden`: values may be part of a password and
/// are not shown.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn parse(text: &str, hidden: bool) -> Result<(Option<BfdConfig>, Vec<String>), Vec<String>> {
    if text.is_empty() {
        return Ok((None, Vec::new()));
    }
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let [enabled, rx, tx, multiplier, more @ ..] = parts.as_slice() else { return Err(vec![FORM.to_owned()]) };
    let Some(enabled) = go_bool(enabled) else { return Err(vec![FORM.to_owned()]) };
    if ![rx, tx, multiplier].iter().all(|n| n.is_empty() || decimal(n).is_some()) {
        return Err(vec!["bfd has a value that is not a number; expected true;300;300;3".to_owned()]);
    }
    if !enabled {
        return Ok((None, Vec::new()));
    }
    let mut notes = Vec::new();
    let rx = interval("rx", rx, hidden, &mut notes);
    let tx = interval("tx", tx, hidden, &mut notes);
    let multiplier = self::multiplier(multiplier, hidden);
    let strict = more.contains(&"strict");
    if more.iter().any(|part| !part.is_empty() && *part != "strict") {
        notes.push("bfd has more than enabled;rx;tx;multiplier;strict: the rest does nothing".to_owned());
    }
    match (rx, tx, multiplier) {
        (Ok(rx), Ok(tx), Ok(multiplier)) => Ok((Some(BfdConfig { tx, rx, multiplier, strict }), notes)),
        (rx, tx, multiplier) => Err([rx.err(), tx.err(), multiplier.err()].into_iter().flatten().collect()),
    }
}

fn shown(text: &str, hidden: bool) -> &str {
    if hidden { "(not shown)" } else { text }
}

fn interval(name: &str, text: &str, hidden: bool, notes: &mut Vec<String>) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(BfdConfig::default().rx);
    }
    let shown = shown(text, hidden);
    let wrong = || format!("bfd {name} {shown} is not one; expected {SHORTEST} to {LONGEST} (milliseconds)");
    match decimal(text).ok_or_else(wrong)? {
        milliseconds @ SHORTEST..=LONGEST => Ok(Duration::from_millis(milliseconds)),
        microseconds @ MICROSECONDS_FROM.. if microseconds <= LONGEST * 1000 => {
            let milliseconds = Duration::from_micros(microseconds);
            let as_text = if hidden { shown.to_owned() } else { milliseconds.as_millis().to_string() };
            notes.push(format!(
                "bfd {name} {shown} is taken for microseconds, that is {as_text} ms; the unit here is milliseconds"
            ));
            Ok(milliseconds)
        }
        _ => Err(wrong()),
    }
}

fn multiplier(text: &str, hidden: bool) -> Result<u8, String> {
    if text.is_empty() {
        return Ok(BfdConfig::default().multiplier);
    }
    match decimal(text).map(u8::try_from) {
        Some(Ok(n)) if MULTIPLIERS.contains(&n) => Ok(n),
        _ => Err(format!("bfd multiplier {} is not one; expected {} to 255", shown(text, hidden), MULTIPLIERS.start())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bfd(rx: u64, tx: u64, multiplier: u8) -> BfdConfig {
        BfdConfig { rx: Duration::from_millis(rx), tx: Duration::from_millis(tx), multiplier, strict: false }
    }

    #[test]
    fn milliseconds_are_milliseconds_and_what_is_empty_is_kube_vips_default() {
        let cases = [
            ("", None),
            ("false;;;", None),
            ("false;9;9;1;x", None),
            ("true;300;300;3", Some(bfd(300, 300, 3))),
            ("true;;;", Some(bfd(300, 300, 3))),
            ("1;10;1000;255", Some(bfd(10, 1000, 255))),
            (" true ; 50 ; 100 ; 4 ;", Some(bfd(50, 100, 4))),
            ("true;;;;strict", Some(BfdConfig { strict: true, ..bfd(300, 300, 3) })),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, false), Ok((expected, vec![])), "{text}");
        }
    }

    #[test]
    fn large_numbers_are_microseconds_and_that_is_said() {
        let note = |name, us, ms| {
            format!("bfd {name} {us} is taken for microseconds, that is {ms} ms; the unit here is milliseconds")
        };
        assert_eq!(
            parse("true;300000;10000;3", false),
            Ok((Some(bfd(300, 10, 3)), vec![note("rx", "300000", "300"), note("tx", "10000", "10")]))
        );
        let hidden = note("tx", "(not shown)", "(not shown)");
        assert_eq!(parse("true;;1000000;3", true), Ok((Some(bfd(300, 1000, 3)), vec![hidden])));
    }

    #[test]
    fn each_mistake_says_what_was_expected() {
        let number = "bfd has a value that is not a number; expected true;300;300;3";
        let interval = |name, text| format!("bfd {name} {text} is not one; expected 10 to 1000 (milliseconds)");
        let multiplier = |text| format!("bfd multiplier {text} is not one; expected 3 to 255");
        let cases = [
            ("x;300;300;3", false, vec![FORM.to_owned()]),
            ("true;300;300", false, vec![FORM.to_owned()]),
            ("true;a;1;1", false, vec![number.to_owned()]),
            ("true;-1;;", false, vec![number.to_owned()]),
            ("true;9;1001;2", false, vec![interval("rx", "9"), interval("tx", "1001"), multiplier("2")]),
            (
                "true;9999;1000001;256",
                false,
                vec![interval("rx", "9999"), interval("tx", "1000001"), multiplier("256")],
            ),
            (
                "true;0;5;0",
                true,
                ["rx", "tx"]
                    .map(|n| interval(n, "(not shown)"))
                    .into_iter()
                    .chain([multiplier("(not shown)")])
                    .collect(),
            ),
        ];
        for (text, hidden, expected) in cases {
            assert_eq!(parse(text, hidden), Err(expected), "{text}");
        }
        let more = "bfd has more than enabled;rx;tx;multiplier;strict: the rest does nothing";
        assert_eq!(parse("true;;;;7;strict", false).map(|(_, notes)| notes), Ok(vec![more.to_owned()]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_nothing_of_it_is_shown_where_it_is_hidden(
            text in "\\PC*", numbers in "true;[0-9]{0,25};[0-9]{0,25};[0-9]{0,25}",
        ) {
            let _ = parse(&text, false);
            let said = format!("{:?}", parse(&numbers, true).map(|(_, notes)| notes));
            for part in numbers.split(';').filter(|part| part.len() > 4) {
                prop_assert!(!said.contains(part), "{said}");
            }
        }
    }
}
