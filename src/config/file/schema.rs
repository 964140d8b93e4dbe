//! The JSON schema of our own form, from the same table as the check of a file.

use serde_json::{Map, Value, json};

use super::form::{Field, Form, Target};
use super::typed::{ROOT, spec};
use crate::config::settings::KEYS;

/// The file `docs/config.schema.json` (JSON Schema 2020-12).
#[must_use]
pub fn schema() -> String {
    let mut schema = object(&ROOT, false);
    if let Value::Object(map) = &mut schema {
        let mut head = Map::new();
        head.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        head.insert("title".to_owned(), "vipcast configuration".into());
        head.insert(
            "description".to_owned(),
            "Printed by `vipcast schema`; the form of a file for --config-file.".into(),
        );
        head.append(map);
        *map = head;
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// A mapping with known keys. In a `patch` nothing is required, and `null` takes a value away.
fn object(form: &Form, patch: bool) -> Value {
    let mut properties = Map::new();
    for field in form.fields() {
        let mut value = if patch { nullable(field) } else { of(&field.form, false) };
        if let Value::Object(map) = &mut value {
            map.insert("description".to_owned(), describe(field).into());
        }
        properties.insert(field.key.to_owned(), value);
    }
    let required: Vec<&str> = form.fields().filter(|field| field.required && !patch).map(|field| field.key).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Value::Object(map), false) = (&mut object, required.is_empty()) {
        map.insert("required".to_owned(), required.into());
    }
    object
}

fn nullable(field: &Field) -> Value {
    json!({ "anyOf": [of(&field.form, true), { "type": "null" }] })
}

fn of(form: &Form, patch: bool) -> Value {
    match form {
        Form::Switch => json!({ "type": "boolean" }),
        Form::Number { from, to } => json!({ "anyOf": [
            { "type": "integer", "minimum": from, "maximum": to },
            { "type": "string", "pattern": "^[0-9]+$" },
        ] }),
        Form::NumberOr { from, to, word } => json!({ "anyOf": [
            { "type": "integer", "minimum": from, "maximum": to },
            { "type": "string", "pattern": format!("^([0-9]+|{word})$") },
        ] }),
        Form::Text | Form::Secret => json!({ "type": "string", "minLength": 1 }),
        Form::Word(words) => json!({ "enum": words }),
        Form::List { of: item, least, alone } => {
            let list = json!({ "type": "array", "items": of(item, false), "minItems": least });
            if *alone { json!({ "anyOf": [list, of(item, false)] }) } else { list }
        }
        Form::Patches(item) => json!({ "type": "array", "items": object(item, true) }),
        Form::TextOr(form) => json!({ "anyOf": [{ "type": "string", "minLength": 1 }, of(form, patch)] }),
        Form::Keys(_) => object(form, patch),
        Form::Labels => json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } }),
    }
}

/// What a key is for: its own line, or that of the option or setting it stands for.
fn describe(field: &Field) -> String {
    match field.target {
        _ if !field.help.is_empty() => field.help.to_owned(),
        Target::Option(flag) => spec(flag).map(|spec| spec.help.to_owned()).unwrap_or_default(),
        Target::Setting(name) => {
            KEYS.iter().find(|key| key.name == name).map(|key| key.help.to_owned()).unwrap_or_default()
        }
        Target::Own => String::new(),
    }
}
