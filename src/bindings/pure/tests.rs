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
        .filter_map(|(name, one)| engine.run(&one.code).err().map(|error| format!("{name}: {error}\n{}", one.code)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn iterating_a_blob_yields_int() {
    let sum: i64 = engine().eval("let s = 0; for x in blob(4, 200) { s += x } s").expect("the script runs");
    assert_eq!(sum, 800);
}

/// Values no author has in mind and a few they do, by the name a generated call uses for them.
const HOSTILE: [(&str, &str); 12] = [
    ("unit", "()"),
    ("minus", "-1"),
    ("two", "2"),
    ("least", "-9223372036854775808"),
    ("most", "9223372036854775807"),
    ("empty", "\"\""),
    ("odd", "\"%é\\x00<a href=[::1]:x#?{\\\"\""),
    ("address", "\"255.255.255.255\""),
    ("bytes", "blob(40, 0xff)"),
    ("list", "[[1, 2], \"x\", ()]"),
    ("map", "#{a: 1, b: [()]}"),
    ("table", "output::table()"),
];

#[test]
fn no_native_panics_or_hangs_whatever_it_is_given() {
    let engine = engine();
    let mut bare = Engine::new();
    super::register(&mut bare);
    let modules = reference::collect(&bare).expect("metadata is well-formed");
    let mut scope = rhai::Scope::new();
    for (name, code) in HOSTILE {
        scope.push(name, engine.eval::<Dynamic>(code).expect("a value"));
    }
    let mut accepted = 0;
    for function in modules.iter().flat_map(|module| &module.functions).filter(|f| !f.name.contains('[')) {
        for arity in 1..=3 {
            for number in 0..HOSTILE.len().pow(arity) {
                let name = |at| HOSTILE[number / HOSTILE.len().pow(at) % HOSTILE.len()].0;
                let code = format!("{}({})", function.name, (0..arity).map(name).collect::<Vec<_>>().join(", "));
                // Errors are what most of these deserve; what counts is to come back.
                let result = engine.eval_expression_with_scope::<Dynamic>(&mut scope.clone(), &code);
                accepted += usize::from(result.is_ok());
            }
        }
    }
    assert!(accepted > 500, "only {accepted} calls were accepted: the test has lost its grip");
}

#[test]
fn constants_and_captured_variables_are_arguments_like_any_other() {
    let script = r#"
        const GREETING = blob(3, 0x61);
        let caught = "abc";
        let closure = || bytes::find(caught, "c");
        assert_eq(closure.call(), 2);
        assert_eq(bytes::find(caught, "b"), 1);
        assert_eq(bytes::len(GREETING), 3);
        assert_eq(hex::encode(GREETING), "616161");
        assert_eq(bytes::concat(caught, GREETING).len(), 6);
        let page = #{body: "<title>x</title>"};
        assert_eq(html::title(page.body), "x");
        const RE = regex::compile("b+");
        assert(regex::is_match(RE, caught));
        const T = output::table();
        assert_eq(T.keys(), []);
        assert_eq([type_of(RE), type_of(T)], ["Regex", "Table"]);
    "#;
    engine().run(script).expect("every assertion holds");
}

#[test]
fn a_wrong_type_is_an_ordinary_error() {
    let error = engine().run("hex::encode(1)").expect_err("an integer is no data").to_string();
    assert!(error.contains("blob or string") && error.contains("i64"), "{error}");
    assert!(engine().run("hex::encode()").is_err());
    let caught: bool = engine().eval("let c = false; try { bytes::u8(7, 0) } catch { c = true } c").expect("caught");
    assert!(caught);
}

#[test]
fn large_input_is_refused() {
    let script = r#"
        let kinds = [];
        let big = blob(9000000, 0x2c);
        try { digest::sha256(big) } catch (e) { kinds.push(e.kind) }
        try { json::parse(blob(5000000, 0x20)) } catch (e) { kinds.push(e.kind) }
        try { text::split(blob(200000, 0x2c), ",") } catch (e) { kinds.push(e.kind) }
        try { text::pad_left("x", 99999999999) } catch (e) { kinds.push(e.kind) }
        try { text::wrap("x", -1) } catch (e) { kinds.push(e.kind) }
        kinds
    "#;
    let kinds: rhai::Array = engine().eval(script).expect("every error is caught");
    assert_eq!(format!("{kinds:?}"), r#"["limit", "limit", "limit", "limit", "argument"]"#);
}
