use super::*;

/// What another implementation of JSON Schema says, of what another implementation of YAML reads.
fn is_valid(text: &str) -> bool {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let document: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    schemas.validate(&document, index).is_ok()
}

/// What the program says of the form: no mistake, whatever else is wrong.
fn fits(text: &str) -> bool {
    let mistakes = File::parse("/f.yaml", text).unwrap().words("cp-1", Some(&BTreeMap::new())).mistakes();
    mistakes.is_empty()
}

#[test]
fn the_schema_in_the_documents_is_the_tables() {
    let page = include_str!("../../../../docs/config.schema.json");
    assert_eq!(page, schema(), "write it anew: vipcast schema > docs/config.schema.json");
}

#[test]
fn schema_and_program_agree() {
    let example = include_str!("../../../../docs/examples/config.yaml");
    let with = |more: &str| format!("{SMALL}{more}\n");
    let good = [
        example.to_owned(),
        SMALL.to_owned(),
        with("log: {level: warn}"),
        with("apiPort: '6443'"),
        with("health: {enabled: false}"),
        with("provider: {annotations: metal.equinix.com}"),
        with("provider: {metal: {keyFile: /token, projectID: x}}"),
        with(
            "overrides: [{nodes: a, bgp: null}, {nodeSelector: {a: b}, vips: [10.0.0.1, {address: 10.0.0.2, med: 0}]}]",
        ),
    ];
    let bad = [
        "kind: Config".to_owned(),
        SMALL.replace("v1alpha1", "v1"),
        SMALL.replace("localAS", "localAs"),
        SMALL.replace("65002", "0"),
        SMALL.replace("65002", "-1"),
        SMALL.replace("GGGG", "1234"),
        SMALL.replace("[10.88.0.40]", "[]"),
        with("log: {level: loud}"),
        with("interface: true"),
        with("election: {enabled: 'true'}"),
        with("election: null"),
        with("control: {socket: {}}"),
        with("overrides: [{nodes: [], bgp: {}}]"),
        with("overrides: [{nodes: a, bgp: {peers: [{address: 10.0.0.1, as: null}]}}]"),
        with("overrides: [{nodes: a, overrides: []}]"),
    ];
    for (texts, expected) in [(good.as_slice(), true), (bad.as_slice(), false)] {
        for text in texts {
            assert_eq!((is_valid(text), fits(text)), (expected, expected), "{text}");
        }
    }
}
