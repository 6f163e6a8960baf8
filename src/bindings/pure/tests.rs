//! Every native of this folder is documented, and every example in the documentation holds.

use rhai::{Dynamic, Engine, EvalAltResult};

use crate::bindings::reference;

/// An engine with the pure natives and the two assertions examples use.
fn engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(64);
    engine.set_max_expr_depths(64, 32);
    super::register(&mut engine);
    engine.register_fn("assert", |holds: bool| -> Result<(), Box<EvalAltResult>> {
        if holds { Ok(()) } else { Err("assertion failed".into()) }
    });
    engine.register_fn("assert_eq", |left: Dynamic, right: Dynamic| -> Result<(), Box<EvalAltResult>> {
        let (left, right) = (format!("{left:?}"), format!("{right:?}"));
        if left == right { Ok(()) } else { Err(format!("{left} is not {right}").into()) }
    });
    engine
}

#[test]
fn every_function_is_documented_with_an_example() {
    let mut engine = Engine::new();
    super::register(&mut engine);
    let gaps = reference::gaps(&reference::collect(&engine).expect("metadata is well-formed"));
    assert!(gaps.is_empty(), "{gaps:#?}");
}

#[test]
fn every_example_holds() {
    let mut bare = Engine::new();
    super::register(&mut bare);
    let examples = reference::examples(&reference::collect(&bare).expect("metadata is well-formed"));
    assert!(!examples.is_empty());
    let engine = engine();
    let failed: Vec<String> = examples
        .iter()
        .filter_map(|(name, code)| engine.run(code).err().map(|error| format!("{name}: {error}\n{code}")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn iterating_a_blob_yields_int() {
    let sum: i64 = engine().eval("let s = 0; for x in blob(4, 200) { s += x } s").expect("the script runs");
    assert_eq!(sum, 800);
}
