//! What `vipcast check` foretells: the worst case of each failure.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

/// The heading of the table.
const HEADING: &str = "what happens when";
/// The width of its first column.
const WIDTH: usize = 38;

/// The longest silence by the failure's name; `None`: unbounded.
pub type Outlook = BTreeMap<String, Option<Duration>>;

/// Reads what `check` printed.
///
/// # Errors
/// When there is no table in it, or a line that is none of a table.
pub fn parse(text: &str) -> Result<Outlook> {
    let rows = text.lines().skip_while(|line| !line.starts_with(HEADING)).skip(1).take_while(|line| !line.is_empty());
    let rows: Outlook = rows.map(row).collect::<Result<_>>()?;
    anyhow::ensure!(!rows.is_empty(), "no table in {text:?}");
    Ok(rows)
}

fn row(line: &str) -> Result<(String, Option<Duration>)> {
    let (name, rest) = line.split_at_checked(WIDTH).with_context(|| format!("a short line: {line:?}"))?;
    let mut words = rest.split_whitespace();
    let worst = match words.next() {
        Some("unbounded") => None,
        Some(number) => Some(Duration::from_secs_f64(number.parse().with_context(|| format!("no seconds: {line:?}"))?)),
        None => anyhow::bail!("no worst case: {line:?}"),
    };
    Ok((name.trim().to_owned(), worst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table_below_the_warnings() {
        let text = "warning: odd\nno mistake, 1 warning; nothing was started\n\n\
what happens when                      silent for  how it ends
vipcast stopped (SIGTERM)                   0.1 s  a
uplink without carrier, API in reach        5.3 s  b c
uplink silently lost, API in reach      unbounded  c

One failure at a time.
";
        let row = |name: &str, worst| (name.to_owned(), worst);
        let expected = [
            row("vipcast stopped (SIGTERM)", Some(Duration::from_millis(100))),
            row("uplink without carrier, API in reach", Some(Duration::from_millis(5300))),
            row("uplink silently lost, API in reach", None),
        ];
        assert_eq!(parse(text).unwrap(), Outlook::from(expected));
        assert!(parse("no table").is_err());
    }
}
