//! Communities in one notation, whichever program shows them: `65000:1` (standard, well-known ones by number too),
//! `65000:1:2` (large), `rt:65000:1` and `soo:65000:1` (extended); anything else in the program's own words.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Well-known communities (IANA's registry): the low 16 bits under 65535, and their names.
const WELL_KNOWN: &[(u16, &[&str])] = &[
    (0, &["graceful-shutdown"]),
    (1, &["accept-own"]),
    (6, &["llgr-stale"]),
    (7, &["no-llgr"]),
    (666, &["blackhole"]),
    (65281, &["no-export"]),
    (65282, &["no-advertise"]),
    (65283, &["no-export-subconfed", "local-as"]),
    (65284, &["no-peer"]),
];

/// A standard community as FRR and `OpenBGPD` write it: numbers, or a name in either's spelling.
fn standard(word: &str) -> String {
    let name = word.to_ascii_lowercase().replace('_', "-");
    let known = WELL_KNOWN.iter().find(|(_, names)| names.contains(&name.as_str()));
    known.map_or_else(|| word.to_owned(), |(low, _)| format!("65535:{low}"))
}

/// From a path's attributes: `attribute(code, field)` is a field of one of them.
pub(super) fn from_gobgp(attribute: impl Fn(u64, &str) -> Option<Value>) -> Result<BTreeSet<String>> {
    let list = |code, field| attribute(code, field).and_then(|list| list.as_array().cloned()).unwrap_or_default();
    let number = |entry: &Value, field: &str| {
        entry.get(field).and_then(Value::as_u64).with_context(|| format!("no {field} in the community {entry}"))
    };
    let mut all = BTreeSet::new();
    for value in list(8, "communities") {
        let value = value.as_u64().with_context(|| format!("the community {value} is no number"))?;
        all.insert(format!("{}:{}", value >> 16, value & 0xffff));
    }
    for entry in list(16, "value") {
        all.insert(gobgp_extended(&entry)?);
    }
    for entry in list(32, "value") {
        let [global, one, two] = ["ASN", "LocalData1", "LocalData2"].map(|field| number(&entry, field));
        all.insert(format!("{}:{}:{}", global?, one?, two?));
    }
    Ok(all)
}

/// The low two bits of the type tell how `value` is written; an AS of four octets is two numbers with a dot.
fn gobgp_extended(entry: &Value) -> Result<String> {
    let value = entry.get("value").and_then(Value::as_str);
    let kind = match entry.get("subtype").and_then(Value::as_u64) {
        Some(2) => "rt",
        Some(3) => "soo",
        _ => return Ok(entry.to_string()),
    };
    let value = value.with_context(|| format!("no value in the community {entry}"))?;
    let (administrator, number) = value.rsplit_once(':').with_context(|| format!("the community {value:?}"))?;
    let administrator = match administrator.split_once('.') {
        Some((high, low)) if !low.contains('.') => (high.parse::<u32>()? * 65536 + low.parse::<u32>()?).to_string(),
        _ => administrator.to_owned(),
    };
    Ok(format!("{kind}:{administrator}:{number}"))
}

/// One of BIRD's three attributes: `(65000,1) (65000,2)`, `(rt, 65000, 1) (ro, 65000, 1)`, `(65000, 1, 2)`.
pub(super) fn from_bird(value: &str) -> Result<BTreeSet<String>> {
    let words = value.split_terminator(')').map(|word| {
        let inner = word.trim_start().strip_prefix('(').with_context(|| format!("the communities {value:?}"))?;
        let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
        ensure!(parts.iter().all(|part| !part.is_empty()), "the communities {value:?}");
        Ok(match parts.as_slice() {
            ["ro", rest @ ..] => format!("soo:{}", rest.join(":")),
            parts => parts.join(":"),
        })
    });
    words.collect()
}

/// From a path as vtysh prints it.
pub(super) fn from_frr(entry: &Value) -> Result<BTreeSet<String>> {
    let words = |attribute: &str| -> Result<Vec<String>> {
        let Some(found) = entry.get(attribute) else { return Ok(Vec::new()) };
        let text = found.get("string").and_then(Value::as_str).with_context(|| format!("vtysh printed {found}"))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let extended = words("extendedCommunity")?.into_iter().map(|word| match word.split_once(':') {
        Some(("RT", rest)) => format!("rt:{rest}"),
        Some(("SoO", rest)) => format!("soo:{rest}"),
        _ => word,
    });
    let standard = words("community")?.into_iter().map(|word| standard(&word));
    Ok(standard.chain(extended).chain(words("largeCommunity")?).collect())
}

/// From a path as bgpctl prints it.
pub(super) fn from_openbgpd(entry: &Value) -> Result<BTreeSet<String>> {
    let words = |attribute: &str| -> Result<Vec<String>> {
        let list = entry.get(attribute).and_then(Value::as_array).cloned().unwrap_or_default();
        let word = |word: &Value| word.as_str().map(str::to_owned).with_context(|| format!("bgpctl printed {word}"));
        list.iter().map(word).collect()
    };
    let extended = words("extended_communities")?.into_iter().map(|word| word.replace(' ', ":"));
    let standard = words("communities")?.into_iter().map(|word| standard(&word));
    Ok(standard.chain(extended).chain(words("large_communities")?).collect())
}

/// From the attributes of an update as `ExaBGP` tells of it.
pub(super) fn from_exabgp(attributes: &Value) -> Result<BTreeSet<String>> {
    let list = |attribute: &str| attributes.get(attribute).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = BTreeSet::new();
    for entry in list("community").iter().chain(&list("large-community")) {
        let numbers = entry.as_array().with_context(|| format!("exabgp wrote the community {entry}"))?;
        all.insert(numbers.iter().map(Value::to_string).collect::<Vec<_>>().join(":"));
    }
    for entry in list("extended-community") {
        let text = entry.get("string").and_then(Value::as_str);
        let text = text.with_context(|| format!("exabgp wrote the community {entry}"))?;
        // It marks an AS of four octets with an L.
        all.insert(match text.split_once(':') {
            Some(("target", rest)) => format!("rt:{}", rest.replace('L', "")),
            Some(("origin", rest)) => format!("soo:{}", rest.replace('L', "")),
            _ => text.to_owned(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What each program shows of these: printed by the versions named in the README, with one peer that sent them.
    fn expected() -> BTreeSet<String> {
        let words = [
            "65000:1",
            "65535:0",
            "65535:666",
            "65535:65281",
            "65535:65283",
            "65000:1:2",
            "4200000001:4:5",
            "rt:65000:1",
            "soo:65000:7",
            "rt:10.0.0.1:5",
            "rt:4200000001:9",
        ];
        words.map(str::to_owned).into()
    }

    #[test]
    fn reads_them_as_gobgp_4_8_prints_them() {
        let attribute = |code: u64, _: &str| match code {
            8 => Some(json!([
                4_259_840_001_u32,
                4_294_901_760_u32,
                4_294_902_426_u32,
                4_294_967_041_u32,
                4_294_967_043_u32
            ])),
            16 => Some(json!([{"type":0,"subtype":2,"value":"65000:1"},{"type":0,"subtype":3,"value":"65000:7"},
                {"type":1,"subtype":2,"value":"10.0.0.1:5"},{"type":2,"subtype":2,"value":"64086.59905:9"}])),
            32 => Some(json!([{"ASN":65000,"LocalData1":1,"LocalData2":2},
                {"ASN":4_200_000_001_u32,"LocalData1":4,"LocalData2":5}])),
            _ => None,
        };
        assert_eq!(from_gobgp(attribute).unwrap(), expected());
    }

    #[test]
    fn reads_them_as_bird_2_0_12_prints_them() {
        let lines = [
            "(65000,1) (65535,0) (65535,666) (65535,65281) (65535,65283)",
            "(rt, 65000, 1) (ro, 65000, 7) (rt, 10.0.0.1, 5) (rt, 4200000001, 9)",
            "(65000, 1, 2) (4200000001, 4, 5)",
        ];
        let all: BTreeSet<String> = lines.into_iter().flat_map(|line| from_bird(line).unwrap()).collect();
        assert_eq!(all, expected());
        assert!(from_bird("(65000,)").is_err());
    }

    #[test]
    fn reads_them_as_frr_8_4_prints_them() {
        let entry = json!({"community":{"string":"65000:1 graceful-shutdown blackhole no-export local-AS","list":[]},
            "extendedCommunity":{"string":"RT:65000:1 SoO:65000:7 RT:10.0.0.1:5 RT:4200000001:9"},
            "largeCommunity":{"string":"65000:1:2 4200000001:4:5","list":[]}});
        assert_eq!(from_frr(&entry).unwrap(), expected());
    }

    #[test]
    fn reads_them_as_openbgpd_7_7_prints_them() {
        let entry = json!({"communities":["65000:1","GRACEFUL_SHUTDOWN","BLACKHOLE","NO_EXPORT","NO_EXPORT_SUBCONFED"],
            "extended_communities":["rt 65000:1","soo 65000:7","rt 10.0.0.1:5","rt 4200000001:9"],
            "large_communities":["65000:1:2","4200000001:4:5"]});
        assert_eq!(from_openbgpd(&entry).unwrap(), expected());
    }

    #[test]
    fn reads_them_as_exabgp_4_2_writes_them() {
        let attributes = json!({"community":[[65000,1],[65535,0],[65535,666],[65535,65281],[65535,65283]],
            "large-community":[[65000,1,2],[4_200_000_001_u32,4,5]],
            "extended-community":[{"value":1,"string":"target:65000:1"},{"value":1,"string":"origin:65000:7"},
                {"value":1,"string":"target:10.0.0.1:5"},{"value":1,"string":"target:4200000001L:9"}]});
        assert_eq!(from_exabgp(&attributes).unwrap(), expected());
    }
}
