//! `vipcast completion`: scripts by which a shell completes subcommands and flags, from the command line as clap has it.

use clap::{Arg, Command as Clap};

/// The shells there are scripts for.
pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A subcommand, by its words, with what can follow them.
struct Node<'a> {
    /// Of the command line, joined by spaces; empty for none.
    path: String,
    commands: Vec<&'a Clap>,
    args: Vec<&'a Arg>,
}

/// The script for one of [`SHELLS`].
pub(super) fn script(shell: &str, root: &Clap) -> String {
    let mut nodes = Vec::new();
    collect(root, String::new(), &mut nodes);
    match shell {
        "zsh" => zsh(&nodes),
        "fish" => fish(&nodes),
        _ => bash(&nodes),
    }
}

/// All subcommands, parents first.
fn collect<'a>(command: &'a Clap, path: String, nodes: &mut Vec<Node<'a>>) {
    let commands: Vec<&Clap> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set() || arg.is_positional()).collect();
    nodes.push(Node { path: path.clone(), commands: commands.clone(), args });
    for sub in commands {
        let path = if path.is_empty() { sub.get_name().to_owned() } else { format!("{path} {}", sub.get_name()) };
        collect(sub, path, nodes);
    }
}

impl Node<'_> {
    /// What can follow: subcommands, values that an argument can have, flags.
    fn words(&self) -> Vec<String> {
        let commands = self.commands.iter().map(|sub| sub.get_name().to_owned());
        let positional = self.args.iter().filter(|arg| arg.is_positional()).flat_map(|arg| values(arg));
        let flags = self.args.iter().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}"));
        commands.chain(positional).chain(flags).chain(["--help".to_owned()]).collect()
    }
}

fn values(arg: &Arg) -> Vec<String> {
    arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}

/// Whether a flag takes the next word.
fn takes_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn bash(nodes: &[Node<'_>]) -> String {
    let mut text = "# vipcast's words, for bash: source <(vipcast completion bash)\n_vipcast() {\n    \
                    local word path= words= known=\"\n"
        .to_owned();
    nodes.iter().filter(|node| !node.path.is_empty()).for_each(|node| text.push_str(&format!("{}\n", node.path)));
    text.push_str(
        "\"\n    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        \
         case \"$known\" in *$'\\n'\"${path:+$path }$word\"$'\\n'*) path=\"${path:+$path }$word\" ;; esac\n    done\n    \
         case \"$path\" in\n",
    );
    for node in nodes {
        text.push_str(&format!("        '{}') words='{}' ;;\n", node.path, node.words().join(" ")));
    }
    text.push_str(
        "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n\
         complete -o default -F _vipcast vipcast kube-vip\n",
    );
    text
}

fn zsh(nodes: &[Node<'_>]) -> String {
    let mut text =
        "#compdef vipcast kube-vip\n# vipcast's words, for zsh: a file _vipcast in the $fpath\n_vipcast() {\n    \
                    local word dir=''\n    local -a known all\n    known=("
            .to_owned();
    let paths: Vec<String> =
        nodes.iter().filter(|n| !n.path.is_empty()).map(|node| format!("'{}'", node.path)).collect();
    text.push_str(&format!(
        "{})\n    for word in \"${{(@)words[2,CURRENT-1]}}\"; do\n        \
         (( ${{known[(Ie)${{dir:+$dir }}$word]}} )) && dir=\"${{dir:+$dir }}$word\"\n    done\n    case \"$dir\" in\n",
        paths.join(" ")
    ));
    for node in nodes {
        let described = described(node).into_iter().map(|(word, about)| {
            let plain = format!("{}:{about}", word.replace(':', "\\:"));
            format!("'{}'", plain.replace('\'', "'\\''"))
        });
        text.push_str(&format!("        '{}') all=({}) ;;\n", node.path, described.collect::<Vec<_>>().join(" ")));
    }
    text.push_str("    esac\n    _describe -o vipcast all || _files\n}\n_vipcast \"$@\"\n");
    text
}

/// What can follow, each with what it is for.
fn described(node: &Node<'_>) -> Vec<(String, String)> {
    let line = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let commands = node.commands.iter().map(|sub| (sub.get_name().to_owned(), line(sub.get_about())));
    let positional = node.args.iter().filter(|arg| arg.is_positional());
    let positional = positional.flat_map(|arg| values(arg)).map(|value| (value, String::new()));
    let flags = node.args.iter().filter_map(|arg| Some((format!("--{}", arg.get_long()?), line(arg.get_help()))));
    commands.chain(positional).chain(flags).collect()
}

fn fish(nodes: &[Node<'_>]) -> String {
    let mut text = "# vipcast's words, for fish: vipcast completion fish | source\n".to_owned();
    for node in nodes {
        let condition = fish_condition(node);
        let quoted = |text: String| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let mut line = |rest: String| text.push_str(&format!("complete -c vipcast -n '{condition}' {rest}\n"));
        for sub in &node.commands {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            line(format!("-f -a {} -d {}", sub.get_name(), quoted(about)));
        }
        for value in node.args.iter().filter(|arg| arg.is_positional()).flat_map(|arg| values(arg)) {
            line(format!("-f -a {value}"));
        }
        for arg in &node.args {
            let Some(long) = arg.get_long() else { continue };
            let short = arg.get_short().map(|letter| format!(" -s {letter}")).unwrap_or_default();
            let value = if takes_word(arg) { " -r" } else { "" };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            line(format!("-l {long}{short}{value} -d {}", quoted(help)));
        }
    }
    text.push_str("complete -c kube-vip -w vipcast\n");
    text
}

/// True where the words so far are this subcommand's.
fn fish_condition(node: &Node<'_>) -> String {
    let seen = |word: &str| format!("__fish_seen_subcommand_from {word}");
    let mut all: Vec<String> = node.path.split_whitespace().map(seen).collect();
    let below: Vec<&str> = node.commands.iter().map(|sub| sub.get_name()).collect();
    if !below.is_empty() {
        all.push(format!("not {}", seen(&below.join(" "))));
    }
    if all.is_empty() { "true".to_owned() } else { all.join("; and ") }
}
