//! The format of a fixture: `field: value` lines, then `bytes:` and lines of hexadecimal digits. See README.md.
//!
//! Included by whoever reads fixtures: vipcast's replay tests and the fuzz targets' seeds.

use std::fs;
use std::path::Path;

/// One fixture.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// `bird/open.txt`.
    pub name: String,
    /// In the order of the file; a field may be there several times.
    pub fields: Vec<(String, String)>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Fixture {
    /// The values of a field.
    pub fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// The value of a field that must be there once.
    pub fn one(&self, field: &str) -> &str {
        let mut values = self.all(field);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => panic!("{} must have one field {field:?}", self.name),
        }
    }
}

/// All fixtures below a directory, by name.
pub fn read_all(root: &Path) -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for router in entries(root).iter().filter(|path| path.is_dir()) {
        for file in entries(router).iter().filter(|path| path.extension().is_some_and(|end| end == "txt")) {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            fixtures.push(parse(name, &fs::read_to_string(file).unwrap()));
        }
    }
    fixtures
}

fn entries(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn parse(name: String, text: &str) -> Fixture {
    let (head, bytes) = text.split_once("\nbytes:\n").unwrap_or_else(|| panic!("{name} has no line `bytes:`"));
    let field = |line: &str| {
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line:?} is not `field: value`"));
        (field.to_owned(), value.to_owned())
    };
    let fields = head.lines().filter(|line| !line.starts_with('#')).map(field).collect();
    let digits: Vec<char> = bytes.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{name}: half an octet");
    let octet = |pair: &[char]| {
        let text: String = pair.iter().collect();
        u8::from_str_radix(&text, 16).unwrap_or_else(|_| panic!("{name}: {text:?} is not hexadecimal"))
    };
    let bytes = digits.chunks(2).map(octet).collect();
    Fixture { name, fields, bytes }
}
