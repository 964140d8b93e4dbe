//! The lease.

use std::time::Duration;

use super::reader::Reader;
use crate::config::LeaseConfig;
use crate::config::options::{
    LEADER_ELECTION, LEASE_DURATION, LEASE_NAME, NAMESPACE, RENEW_DEADLINE, RETRY_PERIOD, Spec,
};
use crate::config::scalar::{is_dns_label, is_dns_subdomain};

/// The lease; `Some(None)` without election, `None` where anything is wrong with it.
pub(super) fn lease(r: &mut Reader<'_>) -> Option<Option<LeaseConfig>> {
    let on = r.switch(&LEADER_ELECTION);
    // `leaseDurationSeconds` is an int32 in the API.
    let seconds = |r: &mut Reader<'_>, spec: &'static Spec| r.number(spec, 1..=2_147_483_647, "a number of seconds");
    let (duration, renew, retry) =
        (seconds(r, &LEASE_DURATION), seconds(r, &RENEW_DEADLINE), seconds(r, &RETRY_PERIOD));
    if !on? {
        return Some(None);
    }
    let name = name(r);
    let ((namespace, name), duration, renew, retry) = (name?, duration?, renew?, retry?);
    let (duration, renew, retry) = completed(r, (duration, renew, retry));
    timing(r, duration, renew, retry).then(|| {
        Some(LeaseConfig {
            name,
            namespace,
            duration: Duration::from_secs(duration),
            renew_deadline: Duration::from_secs(renew),
            retry_period: Duration::from_secs(retry),
        })
    })
}

/// The times, where those that are not given are kube-vip's if ours do not fit the others: a manifest of today's may say
/// one of them and mean its 15, 10 and 2 s for the rest.
fn completed(r: &mut Reader<'_>, ours: (u64, u64, u64)) -> (u64, u64, u64) {
    let fits = |(duration, renew, retry): (u64, u64, u64)| renew < duration && renew * 10 > retry * 12;
    let specs: [&'static Spec; 3] = [&LEASE_DURATION, &RENEW_DEADLINE, &RETRY_PERIOD];
    let [no_duration, no_renew, no_retry] = specs.map(|spec| r.is_default(spec));
    let or = |is_missing, theirs, ours| if is_missing { theirs } else { ours };
    let theirs = (or(no_duration, 15, ours.0), or(no_renew, 10, ours.1), or(no_retry, 2, ours.2));
    if fits(ours) || !fits(theirs) {
        return ours;
    }
    if let Some(given) = specs.into_iter().find(|spec| !r.is_default(spec)) {
        let (duration, renew, retry) = theirs;
        r.warn(
            given,
            format!(
                "does not fit vipcast's 5, 3 and 1 s, so what is not given is as in kube-vip since v1.1.0: lease \
                 {duration} s, renew deadline {renew} s, retry period {retry} s"
            ),
        );
    }
    theirs
}

/// client-go's rules: lease > renew deadline > 1.2 (its jitter factor) × retry period.
fn timing(r: &mut Reader<'_>, duration: u64, renew: u64, retry: u64) -> bool {
    let mut good = true;
    if renew >= duration {
        let lease = r.name(&LEASE_DURATION);
        r.mistake(
            &RENEW_DEADLINE,
            format!(
                "{renew} s is not shorter than the {duration} s of {lease}: a holder would announce beyond its lease"
            ),
        );
        good = false;
    }
    if renew * 10 <= retry * 12 {
        let retry_name = r.name(&RETRY_PERIOD);
        r.mistake(
            &RENEW_DEADLINE,
            format!(
                "{renew} s is not longer than 1.2 times the {retry} s of {retry_name}: no renewal could be tried again"
            ),
        );
        good = false;
    }
    good
}

/// What kube-vip's Leases of Services begin with.
const OF_SERVICES: &str = "kubevip-";

/// Namespace and name, by kube-vip's rules: `namespace/name`, else the service account's namespace, else the option.
fn name(r: &mut Reader<'_>) -> Option<(String, String)> {
    let text = r.text(&LEASE_NAME)?;
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (namespace, name),
        None => (namespace(r)?, text),
    };
    if name.starts_with(OF_SERVICES) {
        let wrong = format!(
            "{text:?} is the name of a Service's lease in kube-vip; expected one that does not begin with {OF_SERVICES:?}"
        );
        r.mistake(&LEASE_NAME, wrong);
        return None;
    }
    if is_dns_label(namespace) && is_dns_subdomain(name) {
        return Some((namespace.to_owned(), name.to_owned()));
    }
    let spec = if is_dns_subdomain(name) && !text.contains('/') { &NAMESPACE } else { &LEASE_NAME };
    let (what, shown) = if spec.flag == NAMESPACE.flag { ("namespace", namespace) } else { ("lease", text) };
    r.mistake(spec, format!("{shown:?} is not the name of a {what}; expected lower-case letters, digits and \"-\""));
    None
}

fn namespace<'a>(r: &mut Reader<'a>) -> Option<&'a str> {
    let configured = r.text(&NAMESPACE)?;
    let Some(own) = r.facts.service_account_namespace.as_deref().filter(|own| !own.is_empty()) else {
        return Some(configured);
    };
    if own != configured && !r.is_default(&NAMESPACE) {
        r.warn(
            &NAMESPACE,
            format!("{configured:?} is ignored: as in kube-vip the lease lives in this pod's namespace {own:?}; --leaseName {configured}/NAME overrules that"),
        );
    }
    Some(own)
}
