//! The reference's chapter on files, its table from the same rows as the check of a file.

use super::form::{Field, Form, Target};
use super::typed::ROOT;

const INTRO: &str = r#"
## Configuration files

`--config-file PATH` (`config_file`, and `-c` or `--config` as the old `start` had it) names a file in YAML or JSON; one that
ends in `.json` is to be strict JSON. **A variable counts before a flag, a flag before the file, and the file before the
default**, option by option, and a warning names both where they differ. Only under `start` the file counts before flags, as it did
in kube-vip since v0.1.5; variables count before both. (In kube-vip a flag's default hides the file's
value, and most keys have no effect; here every key counts.) The peers of a file are one list: a list in `bgp_peers` or
`--bgppeers` takes its place, `--bgpPeerOptions` and `--vipOptions` are laid over what the file says for single peers and
virtual IPs, and the peer of `--peerAddress` is one more.

Every mistake is named with file, line, column and key, as in `/etc/vipcast.yaml:12:9 bgp.peers[0].as: …`, and all of them at
once; what stands around it is never shown, as it may be a password. A key that is there twice is a mistake, and so is a
second document, a tag, or a value in no quotes that goes on in the next line. Aliases and anchors work. A file has at most
1 MiB and 20000 values, and nothing in it is nested deeper than 32 levels. It may hold passwords: let root alone read it.

There are two forms.

### kube-vip's form

Any file without `apiVersion` is taken for one of kube-vip's: the raft era's `start -c`, the 0.3 releases', today's
`--config-file`. Keys count in any case (`localPeer`, `LocalPeer`), with their older and newer names (`gratuitousARP` and
`enableARP`, `vipCidr` and `vipSubnet`); YAML 1.1's `yes` and `no` are booleans where one is expected. Each stands for the
option it stood for in kube-vip; what asks for a mode that is not built is refused as the option is. What vipcast does not
know is ignored with a warning that names its place.

- `singleNode: true` means no election, as it did in kube-vip, where it came before raft and before the lease: each node
  with this file announces. A warning says so.
- `remotePeers` without BGP, election and `singleNode` ask for raft, which is refused: each node would announce for itself.
- `loadBalancers` are ignored: vipcast forwards nothing.
- A number 0 says nothing, as in kube-vip, where `sample config` printed one for whatever was not set: `holdTime: 0` is the
  default hold time. No hold time at all is `--bgpHoldTimer 0`, or our own form's `holdTimeSeconds: 0`.
- Passwords of `bgpConfig.peers` may hold any character, commas and colons too; `port` is used.

### Our form

A file with `apiVersion: vipcast.io/v1alpha1` and `kind: Config`. An unknown key is a mistake. `docs/config.schema.json` is its
JSON schema, for editors and CI (`vipcast schema` prints it).

```yaml
"#;

const REST: &str = r#"```

That a section is there turns on what it is for: `vips` the control plane, `bgp` BGP, `election` the lease. `enabled: false`
turns it off again.

Values are typed as YAML 1.2 and JSON have them. Booleans are `true` and `false`, in no quotes. A number may stand in quotes
or not, in plain decimal. What is text and looks like a number or a boolean stands in quotes: `password: "0123"`, as other
programs would read other text there. A list of one may stand for itself: `communities: no-export`.

`peerDefaults` holds for each peer that does not say the same itself, key by key; a peer has one password, its own before
the default.

**Passwords.** A password may stand in the file, or in a file of its own, with `passwordFile`. A Kubernetes Secret is such a
file where a DaemonSet mounts it, and when the Secret is edited the password changes with it. vipcast asks no API for
passwords: the sessions must come up while there is no API server yet (decision 023).

**Overrides.** Each item of `overrides` is for the nodes that it names in `nodes`, or that have all the labels in
`nodeSelector`, or both. Those that are for this node are merged over the rest in their order, as JSON merge patches
(RFC 7396): mappings key by key, `null` takes a key away, and all else, lists too, is replaced whole. So a cluster has one
file, and each rack its own routers and AS. The node's name is `--nodeName`, `node.name`, or the host's. Where labels are asked for,
vipcast reads them from the node's object in Kubernetes and waits for them at start; names need no API.

| key | value | |
|---|---|---|
"#;

/// The chapter.
pub(in crate::config) fn chapter() -> String {
    let mut text = INTRO.to_owned();
    text.push_str(include_str!("../../../docs/examples/config.yaml"));
    text.push_str(REST);
    rows(&ROOT, "", &mut text);
    text
}

fn rows(form: &Form, before: &str, text: &mut String) {
    for field in form.fields() {
        let key = format!("{before}{}", field.key);
        text.push_str(&format!("| `{key}` | {} | {} |\n", kind(&field.form), what(field)));
        match field.form {
            // What an override may say is what stands above.
            Form::Patches(of) => {
                for field in of.fields().filter(|field| matches!(field.key, "nodes" | "nodeSelector")) {
                    text.push_str(&format!("| `{key}[].{}` | {} | {} |\n", field.key, kind(&field.form), what(field)));
                }
            }
            Form::List { of, .. } => {
                let of = if let Form::TextOr(mapping) = of { mapping } else { of };
                rows(of, &format!("{key}[]."), text);
            }
            // They are the peers' keys.
            Form::Keys(_) if field.key == "peerDefaults" => {}
            of => rows(&of, &format!("{key}."), text),
        }
    }
}

fn kind(form: &Form) -> String {
    match form {
        Form::Switch => "boolean".to_owned(),
        Form::Number { from, to } => format!("{from} to {to}"),
        Form::NumberOr { from, to, word } => format!("{from} to {to}, or `{word}`"),
        Form::Text | Form::Secret => "text".to_owned(),
        Form::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List { .. } | Form::Patches(_) => "list".to_owned(),
        Form::TextOr(_) => "text, or a mapping".to_owned(),
        Form::Keys(_) | Form::Labels => "mapping".to_owned(),
    }
}

/// What a key is for: in a word, the option it stands for.
fn what(field: &Field) -> String {
    match field.target {
        _ if !field.help.is_empty() => field.help.to_owned(),
        Target::Option(flag) => format!("`--{flag}`"),
        Target::Setting(name) => format!("`{name}` of `--bgpPeerOptions`"),
        Target::Own => String::new(),
    }
}
