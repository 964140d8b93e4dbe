//! The findings as text and as JSON.

use serde::Serialize;

use super::{Check, Inspection, Verdict};

/// The version of the JSON document.
const VERSION: u32 = 1;

/// The document of `vipcast check --json`.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    exit_code: u8,
    checks: &'a [Check],
}

impl Inspection {
    /// A table, and below what is not good what to do about it.
    #[must_use]
    pub fn table(&self) -> String {
        let width = |len: fn(&Check) -> usize| self.checks.iter().map(len).max().unwrap_or_default();
        let check_width = width(|check| check.check.chars().count()).max("CHECK".len());
        let mut text = format!("{:<8} {:<check_width$}  FINDING\n", "VERDICT", "CHECK");
        for Check { check, verdict, finding, remedy, .. } in &self.checks {
            text.push_str(&format!("{verdict:<8} {check:<check_width$}  {finding}\n"));
            if let Some(remedy) = remedy {
                text.push_str(&format!("{:<8} {:<check_width$}  → {remedy}\n", "", ""));
            }
        }
        text.push_str(&format!("\n{}\n", self.sum()));
        text
    }

    /// The commands that mend what is not good, a line each.
    #[must_use]
    pub fn hints(&self) -> String {
        let commands: Vec<&str> = self.checks.iter().filter_map(|check| check.command.as_deref()).collect();
        match commands.as_slice() {
            [] => "\nno command mends what is not good\n".to_owned(),
            commands => format!("\n{}\n", commands.join("\n")),
        }
    }

    /// The whole as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let document = Document { version: VERSION, exit_code: self.code(), checks: &self.checks };
        serde_json::to_string_pretty(&document).map_or_else(|error| error.to_string(), |text| text + "\n")
    }

    fn sum(&self) -> String {
        let count = |verdict: Verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let (wrong, warnings, unknown) = (count(Verdict::Wrong), count(Verdict::Warning), count(Verdict::Unknown));
        let said = match self.code() {
            0 => "it would work",
            1 => "it would not work",
            _ => "it would work, as far as could be seen",
        };
        format!("{said}: {wrong} wrong, {warnings} warnings, {unknown} unknown; nothing was changed or started")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection() -> Inspection {
        Inspection {
            checks: vec![
                Check::good("kernel", "6.1"),
                Check::new("peer 10.0.0.1:179", Verdict::Wrong, "it refuses").remedy("configure it").command("vtysh"),
            ],
        }
    }

    #[test]
    fn remedies_stand_below_what_they_mend() {
        let expected = "\
VERDICT  CHECK              FINDING
good     kernel             6.1
WRONG    peer 10.0.0.1:179  it refuses
                            → configure it

it would not work: 1 wrong, 0 warnings, 0 unknown; nothing was changed or started
";
        assert_eq!(inspection().table(), expected);
        assert_eq!(inspection().hints(), "\nvtysh\n");
        assert_eq!(Inspection::default().hints(), "\nno command mends what is not good\n");
    }

    #[test]
    fn the_json_has_all_of_it() {
        let document: serde_json::Value = serde_json::from_str(&inspection().json()).unwrap();
        let good = serde_json::json!(
            {"check": "kernel", "verdict": "good", "finding": "6.1", "remedy": null, "command": null}
        );
        let wrong = serde_json::json!({
            "check": "peer 10.0.0.1:179", "verdict": "wrong", "finding": "it refuses", "remedy": "configure it",
            "command": "vtysh",
        });
        assert_eq!(document, serde_json::json!({"version": 1, "exit_code": 1, "checks": [good, wrong]}));
    }
}
