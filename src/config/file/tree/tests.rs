use super::*;

/// A tree in one line: `key@line:column=value`, quoted text in quotes.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar { text, quoted: true } => format!("{text:?}"),
        Value::Scalar { text, quoted: false } => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Map(entries) => {
            let one =
                |entry: &Entry| format!("{}@{}:{}={}", entry.key, entry.at.line, entry.at.column, shown(&entry.value));
            format!("{{{}}}", entries.iter().map(one).collect::<Vec<_>>().join(" "))
        }
    }
}

fn tree(text: &str) -> String {
    parse(text).map(|node| shown(&node)).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(text: &str) -> Vec<(usize, usize, String)> {
    let faults = parse(text).map(|node| shown(&node)).unwrap_err();
    faults.into_iter().map(|Fault { at, text }| (at.line, at.column, text)).collect()
}

fn fault(line: usize, column: usize, text: &str) -> Vec<(usize, usize, String)> {
    vec![(line, column, text.to_owned())]
}

#[test]
fn yaml_and_json_are_one_tree() {
    let yaml = "# a comment\nbgp:\n  as: 65001\n  peers:\n  - {address: '10.0.0.1', as: \"1\"}\n  - address: fd00::1\nvip: ~\n";
    let expected = "{bgp@2:1={as@3:3=65001 peers@4:3=[{address@5:6=\"10.0.0.1\" as@5:27=\"1\"} {address@6:5=fd00::1}]} \
                    vip@7:1=null}";
    assert_eq!(tree(yaml), expected);
    let json = "{\n\t\"bgp\": {\"as\": 65001, \"on\": true},\n\t\"peers\":\t[\n\t\t{\"password\": \"a,b:c\\u00fc\\\"\"}\n\t]\n}\n";
    assert_eq!(tree(json), "{bgp@2:2={as@2:10=65001 on@2:23=true} peers@3:2=[{password@4:4=\"a,b:cü\\\"\"}]}");
    assert_eq!(tree("---\na: |-\n  two\n  lines\n"), "{a@2:1=\"two\\nlines\"}");
}

#[test]
fn every_value_knows_its_way() {
    let root = parse("a:\n- b: 1\n- c: [2, 3]\n").unwrap();
    let item = &root.get("a").unwrap().items()[1];
    let three = &item.get("c").unwrap().items()[1];
    assert_eq!(
        (item.path.as_str(), three.path.as_str(), three.at),
        ("a[1]", "a[1].c[1]", Position { line: 3, column: 10 })
    );
}

#[test]
fn an_alias_stands_for_what_it_names() {
    assert_eq!(tree("a: &x {p: q}\nb: *x\n"), "{a@1:1={p@1:8=q} b@2:1={p@1:8=q}}");
    assert_eq!(faults("a: &x [*x]\n"), fault(1, 8, "has an alias within what it stands for"));
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    assert_eq!(faults(""), fault(1, 1, "is empty; expected a mapping"));
    assert_eq!(faults("a: 1\n---\nb: 2\n"), fault(2, 1, "begins a second document; expected one in a file"));
    assert_eq!(
        faults("a: !!str 1\n"),
        fault(1, 10, "has a YAML tag (\"!…\"); expected the value alone, in quotes where it is text")
    );
    let more = "goes on in the next line; put it in quotes, or set a space behind the colon";
    assert_eq!(faults("address: router\n  password:GGGG\n"), fault(1, 10, more));
    assert_eq!(
        faults("a: 1\nb: 2\na: 3\nb: 4\n"),
        vec![
            (3, 1, "the key a is there twice, first in line 1".to_owned()),
            (4, 1, "the key b is there twice, first in line 2".to_owned()),
        ]
    );
    assert_eq!(
        faults("{password:GGGG: 1, password:GGGG: 2}"),
        fault(1, 20, "the key (not shown) is there twice, first in line 1")
    );
    assert_eq!(faults("? [a]\n: b\n"), fault(1, 3, "has a key that is a list or a mapping; expected text"));
}

#[test]
fn hostile_documents_end_early() {
    let deep = "[".repeat(1000);
    assert_eq!(faults(&deep), fault(1, 33, "is nested deeper than 32 levels"));
    let indented: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert_eq!(faults(&indented)[0].2, "is nested deeper than 32 levels");
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..9 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(",");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert_eq!(faults(&bomb)[0].2, "has more than 20000 values");
    let mut ladder = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for n in 1..9 {
        ladder.push_str(&format!("a{n}: &a{n} [[[[[[[[[[*a{}]]]]]]]]]]\n", n - 1));
    }
    assert_eq!(faults(&ladder), fault(4, 19, "is nested deeper than 32 levels"));
    assert_eq!(faults(&"a".repeat(MAX_SIZE + 1)), fault(1, 1, "is too large: 1 MiB is the most"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*", yaml in "([ \\n:{}\\[\\],&*!|>#'\"a-c-]|- |: |\n  ){0,60}") {
        let _ = parse(&text);
        let _ = parse(&yaml);
    }

    #[test]
    fn no_message_shows_a_value(before in "[ \\n:{}\\[\\],&*!|>#'\"a-c-]{0,12}", after in "[ \\n:{}\\[\\],&*!|>#'\"a-c-]{0,12}") {
        if let Err(faults) = parse(&format!("password: {before}GGGG{after}\nas: 1")) {
            proptest::prop_assert!(!format!("{faults:?}").contains("GG"), "{faults:?}");
        }
    }
}
