//! The Lease object as data: what client-go compares, what we add to it, and when it is free.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// The annotation with the holder's term, a decimal number. Under another holder it is only a floor.
pub const TERM: &str = "vipcast.io/term";
/// The annotation with the random id of the process that holds the lease.
pub const INSTANCE: &str = "vipcast.io/instance";
/// The annotation with which a holder lets another process take the lease: "term renewTime instance", the renewTime in
/// microseconds since 1970. It stands for this very record: client-go keeps annotations, but not the time.
pub const OFFER: &str = "vipcast.io/offer";
/// The annotation of a holder that took an offer: "term instance" of the holder before it.
pub const FROM: &str = "vipcast.io/from";
/// The annotation with the term whose routes are out: who let go of the lease may fall silent.
pub const ACKNOWLEDGED: &str = "vipcast.io/acknowledged";
/// The annotation of a holder that went on after a crash within its own lease: it does that once.
pub const RESUMED: &str = "vipcast.io/resumed";

/// The annotation with the AS number of the holder's routers' sessions.
pub const AS: &str = "vipcast.io/as";
/// The annotation of a holder with the AS-path fence: how often its AS stands besides once in the shortest path that a
/// router may still have from it.
pub const PREPEND: &str = "vipcast.io/prepend";
/// The annotation with the seconds for which a router may keep a route of the holder, or one that stood before it, when
/// the holder has fallen silent.
pub const STALE: &str = "vipcast.io/stale";

/// A wall-clock time in the record: microseconds since 1970-01-01T00:00:00Z. Written for people and for client-go,
/// which only asks whether it changed; never compared with a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroTime(pub i64);

impl MicroTime {
    /// Whole seconds since 1970, zero before.
    #[must_use]
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }
}

/// The Lease's `spec`: the fields that client-go compares to see whether a record changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Who holds it; absent or empty: nobody.
    pub holder: Option<String>,
    /// For how many seconds after the last change others must wait.
    pub duration_seconds: Option<i32>,
    /// When the holder took it.
    pub acquire_time: Option<MicroTime>,
    /// When the holder last renewed it.
    pub renew_time: Option<MicroTime>,
    /// How often it changed hands.
    pub transitions: Option<i32>,
    /// Coordinated election's strategy: compared, otherwise ignored.
    pub strategy: Option<String>,
    /// Coordinated election's better holder: compared, otherwise ignored.
    pub preferred_holder: Option<String>,
}

impl Spec {
    /// Who holds it: `None` where it was released (client-go writes an empty name) or never taken.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref().filter(|name| !name.is_empty())
    }

    /// The record's lease duration; `None` where absent or not positive.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.duration_seconds?).ok().filter(|&s| s > 0)?;
        Some(Duration::from_secs(seconds))
    }
}

/// What a holder notes of its routes, for whoever holds the lease after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notes {
    /// See [`AS`].
    pub asn: Option<u32>,
    /// See [`PREPEND`]. `None`: it has no AS-path fence.
    pub prepend: Option<u8>,
    /// See [`STALE`]. Whole seconds.
    pub stale: Option<Duration>,
}

impl Notes {
    /// Makes a record's annotations say this, and nothing else about it.
    pub fn write(self, annotations: &mut BTreeMap<String, String>) {
        let words = [
            (AS, self.asn.map(|asn| asn.to_string())),
            (PREPEND, self.prepend.map(|prepend| prepend.to_string())),
            (STALE, self.stale.map(|stale| stale.as_secs().to_string())),
        ];
        for (key, word) in words {
            match word {
                Some(word) => annotations.insert(key.to_owned(), word),
                None => annotations.remove(key),
            };
        }
    }
}

/// One version of the Lease object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// `metadata.resourceVersion`; empty in a record that is to be created.
    pub version: Version,
    /// `metadata.uid`: another one is another object of the same name. Empty in a record that is to be created.
    pub uid: String,
    /// What the election is about.
    pub spec: Spec,
    /// All annotations: ours, and others' which are kept.
    pub annotations: BTreeMap<String, String>,
    /// The rest of the object's metadata as JSON, handed back unread with an update.
    pub metadata: String,
}

impl Record {
    /// The term in the annotations.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        self.annotations.get(TERM)?.parse().ok()
    }

    /// The process instance in the annotations.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.annotations.get(INSTANCE).map(String::as_str)
    }

    /// What is noted of the routes of the vipcast that wrote it last; what is no number counts as absent.
    #[must_use]
    pub fn notes(&self) -> Notes {
        fn number<N: FromStr>(record: &Record, key: &str) -> Option<N> {
            record.annotations.get(key)?.parse().ok()
        }
        let stale = number::<u32>(self, STALE).map(|seconds| Duration::from_secs(seconds.into()));
        Notes { asn: number(self, AS), prepend: number(self, PREPEND), stale }
    }

    /// Whether its holder is a vipcast, whose annotations these are: others keep them as they are, or have none.
    #[must_use]
    pub fn is_of_vipcast(&self) -> bool {
        let node = self.instance().and_then(|id| id.rsplit_once('/')).map(|(node, _)| node);
        node.is_some() && node == self.spec.holder()
    }

    /// The process that the holder lets take the lease: what stands in the annotations for this very record.
    #[must_use]
    pub fn offered_to(&self) -> Option<&str> {
        let (term, rest) = self.annotations.get(OFFER)?.split_once(' ')?;
        let (renewed, instance) = rest.split_once(' ')?;
        let stands = term.parse().ok() == self.term() && renewed.parse().ok().map(MicroTime) == self.spec.renew_time;
        // Annotations outlive their holder where client-go takes the lease, and times may come again.
        let wrote = self.instance().and_then(|id| id.rsplit_once('/')).map(|(node, _)| node);
        let of_holder = self.spec.holder().is_some_and(|holder| wrote.is_none_or(|node| node == holder));
        (stands && of_holder).then_some(instance)
    }

    /// Whether the holder took the lease because `instance` offered it in `term`.
    #[must_use]
    pub fn is_from(&self, term: u64, instance: &str) -> bool {
        self.annotations.get(FROM).is_some_and(|from| *from == format!("{term} {instance}"))
    }

    /// Whether the holder's routes are out, as it says.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        let said = self.annotations.get(ACKNOWLEDGED).and_then(|text| text.parse().ok());
        said.is_some() && said == self.term()
    }

    /// Whether the holder went on after a crash within its own lease, and did not hold for long since.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.annotations.contains_key(RESUMED)
    }

    /// Whether `self` is the write `written`, whatever version it got and whatever others annotated since.
    #[must_use]
    pub fn is_write(&self, written: &Self) -> bool {
        self.spec == written.spec && self.term() == written.term() && self.instance() == written.instance()
    }
}

/// A `resourceVersion`, sent back as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version(pub String);

impl Version {
    /// Whether `self` was written before `other`. `None`: they cannot be compared. API servers number all writes with
    /// one counter (KEP-5504 promises it); a restored etcd counts from the snapshot again.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> Option<bool> {
        let (a, b): (u64, u64) = (self.0.parse().ok()?, other.0.parse().ok()?);
        Some(a < b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written_and_what_is_no_number_is_absent() {
        let notes = Notes { asn: Some(4_200_000_000), prepend: Some(9), stale: Some(Duration::from_secs(18)) };
        let mut record = Record::default();
        record.annotations.insert(TERM.to_owned(), "7".to_owned());
        notes.write(&mut record.annotations);
        assert_eq!((record.notes(), record.term()), (notes, Some(7)));
        record.annotations.insert(PREPEND.to_owned(), "256".to_owned());
        assert_eq!(record.notes(), Notes { prepend: None, ..notes });
        Notes::default().write(&mut record.annotations);
        assert_eq!(record.annotations, [(TERM.to_owned(), "7".to_owned())].into());
    }

    #[test]
    fn an_offer_is_its_holders_alone_even_if_its_time_comes_again() {
        let offered = |holder: &str| {
            let spec = Spec { holder: Some(holder.to_owned()), renew_time: Some(MicroTime(5)), ..Spec::default() };
            let notes = [(TERM, "7"), (INSTANCE, "n1/1f"), (OFFER, "7 5 n2/2f")];
            let annotations = notes.map(|(key, word)| (key.to_owned(), word.to_owned())).into();
            Record { spec, annotations, ..Record::default() }.offered_to().map(str::to_owned)
        };
        assert_eq!([offered("n1"), offered("kube-vip")], [Some("n2/2f".to_owned()), None]);
    }

    #[test]
    fn annotations_are_the_holders_only_where_they_name_it() {
        let record = |holder: Option<&str>, instance: Option<&str>| Record {
            spec: Spec { holder: holder.map(str::to_owned), ..Spec::default() },
            annotations: instance.map(|id| (INSTANCE.to_owned(), id.to_owned())).into_iter().collect(),
            ..Record::default()
        };
        let cases = [
            (record(Some("n1"), Some("n1/1f")), true),
            (record(Some("n2"), Some("n1/1f")), false),
            (record(Some("n1"), None), false),
            (record(None, Some("n1/1f")), false),
        ];
        assert!(cases.into_iter().all(|(record, expected)| record.is_of_vipcast() == expected));
    }
}
