//! All that a gobgpd hears about a prefix, in the order it heard it: no moment is missed between two looks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::gobgpd::API_PORT;
use super::router::{Kind, Router};
use crate::paths::cached;
use crate::process::Process;
use crate::wait;

/// One announcement, or one withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Who said it.
    pub peer: IpAddr,
    /// The announcement's MED (0 where it has none); `None`: withdrawn.
    pub med: Option<u32>,
}

/// A listener at a gobgpd. It hears updates only: a session that breaks says nothing.
#[derive(Debug)]
pub struct Heard {
    process: Process,
    prefix: String,
}

impl Heard {
    /// Starts to listen; what stands in the router's table comes first.
    ///
    /// # Errors
    /// When the router is not gobgpd, or does not answer.
    pub fn start(router: &Router, prefix: &str) -> Result<Self> {
        ensure!(router.kind() == Kind::Gobgpd, "only gobgpd tells what it hears");
        let standing = router.paths(prefix)?.len();
        let process = router.host().spawn("heard", &cached("gobgp")?, |command| {
            command.args(["-j", "-p", API_PORT, "monitor", "adj-in", "--current"]);
        })?;
        let heard = Self { process, prefix: prefix.to_owned() };
        wait::until("what stands in the table", Duration::from_secs(10), || {
            let words = heard.words()?;
            ensure!(words.len() >= standing, "{words:?}");
            Ok(())
        })?;
        Ok(heard)
    }

    /// All words so far.
    ///
    /// # Errors
    /// When the listener ended or printed something unknown.
    pub fn words(&self) -> Result<Vec<Word>> {
        self.process.alive()?;
        let text = self.process.log().of_last_start();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let words: Vec<Vec<Word>> = whole.lines().map(|line| parse(line, &self.prefix)).collect::<Result<_>>()?;
        Ok(words.concat())
    }

    /// Fails if two peers announced at once at any time, or if a later one's MED was not below all before it.
    ///
    /// # Errors
    /// Names the words that broke the rule.
    pub fn expect_one_at_a_time(&self) -> Result<()> {
        judge(&self.words()?)
    }
}

fn judge(words: &[Word]) -> Result<()> {
    let mut standing = BTreeMap::new();
    let mut last: Option<Word> = None;
    for word in words {
        match word.med {
            None => drop(standing.remove(&word.peer)),
            Some(med) => {
                standing.insert(word.peer, med);
                let fenced = last.is_none_or(|last| {
                    let before = last.med.unwrap_or(u32::MAX);
                    med < before || (last.peer == word.peer && med == before)
                });
                ensure!(fenced, "{word:?} does not win against {last:?}, in {words:?}");
                last = Some(*word);
            }
        }
        ensure!(standing.len() <= 1, "two announced at once, {standing:?}, in {words:?}");
    }
    Ok(())
}

fn parse(line: &str, prefix: &str) -> Result<Vec<Word>> {
    let all: Vec<Value> = serde_json::from_str(line).with_context(|| format!("gobgp printed {line:?}"))?;
    let ours = all.iter().filter(|path| path.pointer("/nlri/prefix").and_then(Value::as_str) == Some(prefix));
    ours.map(word).collect()
}

fn word(path: &Value) -> Result<Word> {
    let peer = path.get("peer-address").and_then(Value::as_str).unwrap_or_default();
    let peer = peer.parse().with_context(|| format!("no peer in {path}"))?;
    if path.get("withdrawal").and_then(Value::as_bool) == Some(true) {
        return Ok(Word { peer, med: None });
    }
    let attributes = path.get("attrs").and_then(Value::as_array).into_iter().flatten();
    let mut meds = attributes.filter(|one| one.get("type").and_then(Value::as_u64) == Some(4));
    let med = meds.next().and_then(|med| med.get("metric")).and_then(Value::as_u64).unwrap_or(0);
    Ok(Word { peer, med: Some(u32::try_from(med)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(node: u8, med: Option<u32>) -> Word {
        Word { peer: IpAddr::from([10, 77, 0, 10 + node]), med }
    }

    #[test]
    fn reads_what_gobgp_4_8_prints() {
        let announced = r#"[{"Family":0,"nlri":{"prefix":"10.88.0.40/32"},"age":1,"best":false,
            "attrs":[{"type":1,"value":0},{"type":3,"nexthop":"10.77.0.11"},{"type":4,"metric":5}],"stale":false,
            "peer-id":"10.77.0.11","peer-address":"10.77.0.11","RemoteID":0,"LocalID":0}]"#;
        let withdrawn = r#"[{"Family":0,"nlri":{"prefix":"10.88.0.40/32"},"age":1,"best":false,"attrs":[],
            "withdrawal":true,"peer-id":"10.77.0.11","peer-address":"10.77.0.11"}]"#;
        assert_eq!(parse(announced, "10.88.0.40/32").unwrap(), [word(1, Some(5))]);
        assert_eq!(parse(withdrawn, "10.88.0.40/32").unwrap(), [word(1, None)]);
        assert_eq!(parse(withdrawn, "10.88.0.41/32").unwrap(), []);
    }

    #[test]
    fn two_at_once_and_a_med_that_does_not_win_are_seen() {
        let moved = [word(1, Some(5)), word(1, Some(5)), word(1, None), word(2, Some(4)), word(2, None)];
        assert!(judge(&moved).is_ok());
        assert!(judge(&[word(1, Some(5)), word(2, Some(4)), word(1, None)]).is_err());
        assert!(judge(&[word(1, Some(5)), word(1, None), word(2, Some(5))]).is_err());
        assert!(judge(&[word(1, Some(5)), word(1, None), word(1, Some(6))]).is_err());
    }
}
