//! The health check.

use std::net::IpAddr;
use std::time::Duration;

use super::reader::Reader;
use crate::config::options::{
    HEALTH_ADDRESS, HEALTH_CA, HEALTH_FAIL_OPEN, HEALTH_FAILURES, HEALTH_PERIOD, HEALTH_SERVER_NAME, HEALTH_TIMEOUT,
    LEADER_ELECTION, Spec,
};
use crate::config::scalar::{decimal, go_bool, is_dns_subdomain};
use crate::config::{HealthConfig, HealthTarget};
use crate::vip::Vip;

/// The name every API server's certificate carries, kubeadm's included; 127.0.0.1 it does not.
const SERVER_NAME: &str = "kubernetes";
/// Good checks in a row that make fit again.
const RISE: u32 = 2;
/// The longest period, in seconds.
const LONGEST: u64 = 3600;
/// What turns the check off.
const OFF: &str = "off";

/// What holds where nothing else is said: period and timeout in seconds, and failures.
struct Defaults {
    period: u64,
    timeout: u64,
    failures: u64,
}

/// Ours, for this node's own API server, which is a loopback away.
const OWN: Defaults = Defaults { period: 1, timeout: 1, failures: 3 };
/// kube-vip's, where it is told whom to ask.
const GIVEN: Defaults = Defaults { period: 5, timeout: 3, failures: 3 };

/// The health check; `Some(None)` where it is off, `None` where anything is wrong with it.
pub(super) fn health(r: &mut Reader<'_>, api_port: Option<u64>, vips: &[Vip]) -> Option<Option<HealthConfig>> {
    let address = r.text(&HEALTH_ADDRESS);
    let fail_open = r.switch(&HEALTH_FAIL_OPEN);
    if address == Some(OFF) {
        idle(r, "the check is off");
        return Some(None);
    }
    let target = match address {
        None => api_port.and_then(|port| u16::try_from(port).ok()).map(|port| HealthTarget::Own { port }),
        Some(text) => match url(text, vips) {
            Ok(()) => Some(HealthTarget::Url(text.to_owned())),
            Err(why) => {
                r.mistake(&HEALTH_ADDRESS, why);
                None
            }
        },
    };
    let times = times(r, if address.is_none() { &OWN } else { &GIVEN });
    let server_name = server_name(r, address);
    let ca = r.text(&HEALTH_CA).map(Into::into);
    warn_of_http(r, address);
    if fail_open == Some(true) && go_bool(r.raw.get(&LEADER_ELECTION).text) == Some(true) {
        let text = "has no effect under a lease: where no candidate is fit the last holder stays anyway";
        r.warn(&HEALTH_FAIL_OPEN, text);
    }
    let (target, (period, timeout, fall)) = (target?, times?);
    let (server_name, fail_open) = (server_name?, fail_open?);
    Some(Some(HealthConfig { target, server_name, ca, period, timeout, fall, rise: RISE, fail_open }))
}

/// Period, timeout and failures.
fn times(r: &mut Reader<'_>, defaults: &Defaults) -> Option<(Duration, Duration, u32)> {
    let mut number = |spec: &'static Spec, most, what, default| {
        if r.is_default(spec) { Some(default) } else { r.number(spec, 1..=most, what) }
    };
    let period = number(&HEALTH_PERIOD, LONGEST, "a number of seconds", defaults.period);
    let short = period.map_or(defaults.timeout, |period| defaults.timeout.min(period));
    let timeout = number(&HEALTH_TIMEOUT, LONGEST, "a number of seconds", short);
    let failures = number(&HEALTH_FAILURES, 1000, "a number of checks", defaults.failures);
    let (period, timeout) = (period?, timeout?);
    if timeout > period {
        let name = r.name(&HEALTH_PERIOD);
        r.mistake(
            &HEALTH_TIMEOUT,
            format!(
                "{timeout} s is longer than the {period} s of {name}: a check would be due before the last one is over; \
                 expected 1 to {period}"
            ),
        );
        return None;
    }
    Some((Duration::from_secs(period), Duration::from_secs(timeout), u32::try_from(failures?).ok()?))
}

fn server_name(r: &mut Reader<'_>, address: Option<&str>) -> Option<Option<String>> {
    let Some(name) = r.text(&HEALTH_SERVER_NAME) else {
        return Some(address.is_none().then(|| SERVER_NAME.to_owned()));
    };
    if is_dns_subdomain(name) || name.parse::<IpAddr>().is_ok() {
        return Some(Some(name.to_owned()));
    }
    r.mistake(
        &HEALTH_SERVER_NAME,
        format!(
            "{name:?} is not a name that a certificate can have; expected one like {SERVER_NAME}, or an IP address"
        ),
    );
    None
}

/// Warns of what is said of certificates where there is none.
fn warn_of_http(r: &mut Reader<'_>, address: Option<&str>) {
    if address.is_some_and(|address| address.starts_with("http://")) {
        for spec in [&HEALTH_CA, &HEALTH_SERVER_NAME] {
            if !r.is_default(spec) {
                r.warn(spec, "has no effect: the address is asked by http, without a certificate");
            }
        }
    }
}

/// Warns of all that does nothing.
fn idle(r: &mut Reader<'_>, why: &str) {
    let specs = [&HEALTH_PERIOD, &HEALTH_TIMEOUT, &HEALTH_FAILURES, &HEALTH_CA, &HEALTH_SERVER_NAME, &HEALTH_FAIL_OPEN];
    for spec in specs {
        if !r.is_default(spec) {
            r.warn(spec, format!("has no effect: {why}"));
        }
    }
}

/// Whether it is a URL that can be asked; the error is all there is to say.
fn url(text: &str, vips: &[Vip]) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "{text:?} {what}; expected a URL like https://10.0.0.1:6443/readyz, {OFF}, or nothing for /readyz of \
                     this node's own API server"
        ))
    };
    if text.contains('@') {
        // What stands before it may be a password.
        return Err("the URL has an \"@\" in it; expected one without a user name and password".to_owned());
    }
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return wrong("is not a URL");
    };
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b)) {
        return wrong("has a character in it that no URL has");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let Some((host, port)) = host_and_port(authority) else {
        return wrong("has no host in it");
    };
    if port.is_some_and(|port| !decimal(port).is_some_and(|port| (1..=65535).contains(&port))) {
        return wrong("has no good port");
    }
    match host.parse::<IpAddr>() {
        Ok(address) if vips.iter().any(|vip| vip.address() == address) => Err(format!(
            "{text:?} is the virtual IP itself: whoever holds it would answer; expected this node's own server"
        )),
        Ok(_) => Ok(()),
        Err(_) if !authority.starts_with('[') && is_dns_subdomain(&host.to_lowercase()) => Ok(()),
        Err(_) => wrong("has no host in it"),
    }
}

/// The parts of `host`, `host:port`, `[IPv6]` or `[IPv6]:port`.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}
