//! Checks a value against the part of JSON Schema 2020-12 that `docs/report.schema.json` uses; any other keyword is an
//! error.

use serde_json::{Map, Value};

/// What is wrong with `value` under `schema`, by path; nothing if it is valid. `root` holds the definitions.
pub(super) fn faults(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let Some(schema) = schema.as_object() else { return vec![format!("{path}: the schema is no object")] };
    schema.iter().flat_map(|(keyword, rule)| keyword_faults(root, schema, (keyword, rule), value, path)).collect()
}

fn keyword_faults(
    root: &Value,
    schema: &Map<String, Value>,
    (keyword, rule): (&String, &Value),
    value: &Value,
    path: &str,
) -> Vec<String> {
    let unless =
        |valid: bool, what: &str| if valid { Vec::new() } else { vec![format!("{path}: {what} {rule}: {value}")] };
    match keyword.as_str() {
        "$schema" | "$id" | "$defs" | "title" | "description" => Vec::new(),
        "$ref" => {
            let target = rule.as_str().and_then(|name| root.pointer(name.trim_start_matches('#')));
            target.map_or_else(|| unless(false, "no such $ref"), |target| faults(root, target, value, path))
        }
        "type" => unless(types(rule).any(|name| has_type(value, name)), "is not of type"),
        "const" => unless(value == rule, "is not"),
        "enum" => unless(rule.as_array().is_some_and(|list| list.contains(value)), "is none of"),
        "minimum" => unless(value.as_f64() >= rule.as_f64(), "is less than"),
        "maximum" => unless(value.as_f64().is_none_or(|number| Some(number) <= rule.as_f64()), "is more than"),
        "pattern" => {
            let pattern = regex::Regex::new(rule.as_str().unwrap_or("(")).expect("a pattern of the schema");
            unless(value.as_str().is_none_or(|text| pattern.is_match(text)), "does not match")
        }
        "oneOf" => {
            let branches = rule.as_array().map(Vec::as_slice).unwrap_or_default();
            let tried: Vec<_> = branches.iter().map(|branch| faults(root, branch, value, path)).collect();
            let valid = tried.iter().filter(|faults| faults.is_empty()).count();
            if valid == 1 { Vec::new() } else { vec![format!("{path}: {valid} branches are valid: {tried:?}")] }
        }
        "items" => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            items.iter().enumerate().flat_map(|(n, item)| faults(root, rule, item, &format!("{path}/{n}"))).collect()
        }
        "required" => {
            let names = rule.as_array().map(Vec::as_slice).unwrap_or_default();
            let missing = |name: &&Value| name.as_str().is_none_or(|name| value.get(name).is_none());
            names.iter().filter(missing).map(|name| format!("{path}: lacks {name}")).collect()
        }
        "properties" => {
            let known = rule.as_object().into_iter().flatten();
            let given = known.filter_map(|(name, rule)| Some((name, rule, value.get(name)?)));
            given.flat_map(|(name, rule, item)| faults(root, rule, item, &format!("{path}/{name}"))).collect()
        }
        "additionalProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            let others = value.as_object().into_iter().flatten();
            let others = others.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
            others
                .flat_map(|(name, item)| match rule {
                    Value::Bool(false) => vec![format!("{path}: {name} is unknown")],
                    _ => faults(root, rule, item, &format!("{path}/{name}")),
                })
                .collect()
        }
        _ => vec![format!("{path}: this check does not know the keyword {keyword}")],
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let list = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
