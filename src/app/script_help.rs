//! `--script-help`: what scripts are, what they may do, which arguments they take.

use std::fmt::Write as _;

use super::scripts::Engine;
use crate::cli::ScriptHelp;
use crate::error::Error;
use crate::script::Script;
use crate::script::selection::select;

/// The description of the scripts asked for.
pub fn run(request: &ScriptHelp) -> Result<String, Error> {
    let mut engine = Engine::new(&request.dirs)?;
    let selected = select(&request.select, &mut engine.catalogue)?;
    engine.mention_broken();
    if selected.is_empty() {
        return Err(Error::Usage(format!("--script-help {}: selects no script", request.select.join(","))));
    }
    let scripts = selected.iter().map(|one| one.script.as_ref());
    if request.json {
        let list: Vec<_> = scripts.map(json).collect();
        return Ok(serde_json::Value::from(list).to_string());
    }
    let blocks: Vec<String> = scripts.map(text).collect();
    Ok(blocks.join("\n"))
}

fn text(script: &Script) -> String {
    let header = &script.header;
    let mut text = format!("{}\n", script.id);
    let rules: Vec<_> = header.rules.keys().map(|kind| kind.name()).collect();
    let capabilities: Vec<_> = header.capabilities.iter().map(crate::model::Capability::name).collect();
    let lines = [
        ("categories", header.categories.join(", ")),
        ("rules", rules.join(", ")),
        ("capabilities", capabilities.join(", ")),
        ("runs after", header.dependencies.join(", ")),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {name}: {value}");
    }
    for line in header.description.lines() {
        let _ = writeln!(text, "  {line}");
    }
    for (name, spec) in &header.args {
        let default = if spec.default.is_unit() { String::new() } else { format!(", default {}", spec.default) };
        let _ = writeln!(text, "  --script-args {}.{name}=… ({}{default}): {}", script.id, spec.kind.name(), spec.help);
    }
    text
}

fn json(script: &Script) -> serde_json::Value {
    let header = &script.header;
    let arguments: serde_json::Map<String, serde_json::Value> = header
        .args
        .iter()
        .map(|(name, spec)| {
            let default = if spec.default.is_unit() { None } else { Some(spec.default.to_string()) };
            (name.clone(), serde_json::json!({ "type": spec.kind.name(), "default": default, "help": spec.help }))
        })
        .collect();
    serde_json::json!({
        "id": script.id,
        "path": script.path,
        "description": header.description,
        "categories": header.categories,
        "dependencies": header.dependencies,
        "capabilities": header.capabilities.iter().map(crate::model::Capability::name).collect::<Vec<_>>(),
        "rules": header.rules.keys().map(|kind| kind.name()).collect::<Vec<_>>(),
        "args": arguments,
    })
}
