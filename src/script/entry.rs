//! The functions of a script that are called from outside: rules and action.
//!
//! Their bodies are run as statements. Rhai's own call gives a stop (a budget used up, an interruption) the position of
//! the call, level by level outwards, and a call from outside has none: the script would be named, but not the line.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Caches, Dynamic, Engine, EvalAltResult, GlobalRuntimeState, ImmutableString, Scope, Stmt};

/// What may be called from outside, by name.
const NAMES: [&str; 5] = ["action", "hostrule", "portrule", "postrule", "prerule"];

/// A function's parameters and statements.
pub struct Entry {
    parameters: Vec<ImmutableString>,
    body: Vec<Stmt>,
}

/// Finds the entries of a compiled script.
pub fn entries(ast: &AST) -> BTreeMap<&'static str, Entry> {
    let entry = |name: &&'static str| {
        let parameters = ast.iter_functions().find(|function| function.name == *name)?.params;
        let parameters = parameters.into_iter().map(Into::into).collect();
        Some((*name, Entry { parameters, body: body(ast, name) }))
    };
    NAMES.iter().filter_map(entry).collect()
}

/// The statements of one function, without those inside others. Closures in it are functions of their own.
fn body(ast: &AST, name: &str) -> Vec<Stmt> {
    let mut alone = ast.clone_functions_only();
    alone.retain_functions(|_, _, other, _| other == name);
    let mut found = Vec::new();
    alone.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            found.push((*statement).clone());
        }
        true
    });
    found
}

impl Entry {
    /// Runs the function with as many of the arguments as it has parameters; a parameter without one is unit, as the
    /// host is before the scan. `has_top_level`: the file's constants and imports are made first, anew for each call, as
    /// every instance has its own.
    pub fn call(
        &self,
        engine: &Engine,
        ast: &AST,
        has_top_level: bool,
        arguments: &[Dynamic],
        tag: Dynamic,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = engine.new_global_runtime_state();
        global.source = ast.source().map(Into::into);
        global.lib.push(ast.shared_lib().clone());
        global.tag = tag;
        let (mut caches, mut scope) = (Caches::new(), Scope::new());
        if has_top_level {
            evaluate(engine, &mut global, &mut caches, &mut scope, ast.statements()).map(drop)?;
            scope.clear();
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            scope.push_dynamic(parameter.clone(), arguments.get(index).cloned().unwrap_or(Dynamic::UNIT));
        }
        (global.level, global.scope_level) = (1, 1); // inside a function
        evaluate(engine, &mut global, &mut caches, &mut scope, &self.body)
    }
}

#[expect(deprecated, reason = "volatile, as everything internal to Rhai; the version is pinned")]
fn evaluate(
    engine: &Engine,
    global: &mut GlobalRuntimeState,
    caches: &mut Caches,
    scope: &mut Scope<'_>,
    statements: &[Stmt],
) -> Result<Dynamic, Box<EvalAltResult>> {
    engine.eval_statements_raw(global, caches, scope, statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(source: &str) -> (Engine, AST) {
        let engine = Engine::new();
        let ast = engine.compile(source).unwrap();
        (engine, ast)
    }

    #[test]
    fn a_body_is_run_with_its_parameters_and_the_file_s_functions_and_constants() {
        let (engine, ast) = compile(
            "const BASE = 40;\nfn add(n) { global::BASE + n }\nfn action(host, port) { let x = add(port); return x; 0 }",
        );
        let entries = entries(&ast);
        assert_eq!(entries.keys().copied().collect::<Vec<_>>(), ["action"]);
        let arguments = [Dynamic::UNIT, Dynamic::from(2_i64)];
        let value = entries["action"].call(&engine, &ast, true, &arguments, Dynamic::UNIT).unwrap();
        assert_eq!(value.as_int(), Ok(42));
    }

    #[test]
    fn closures_in_a_body_are_not_part_of_it() {
        let (engine, ast) = compile("fn action() { let n = 1; [1, 2].map(|x| { let y = x; y + n }).len() + n }");
        let value = entries(&ast)["action"].call(&engine, &ast, false, &[], Dynamic::UNIT).unwrap();
        assert_eq!(value.as_int(), Ok(3));
    }

    #[test]
    fn a_stop_keeps_the_line_it_came_at() {
        let source = "fn spin() {\n    loop { }\n}\nfn action() {\n    let x = 1;\n    spin();\n}\nfn prerule() {\n\n    loop { }\n}";
        let (mut engine, ast) = compile(source);
        engine.on_progress(|count| (count > 1000).then_some(Dynamic::UNIT));
        let entries = entries(&ast);
        for (name, line) in [("action", 6), ("prerule", 10)] {
            let stopped = entries[name].call(&engine, &ast, false, &[], Dynamic::UNIT);
            let error = *stopped.unwrap_err();
            assert!(matches!(error, EvalAltResult::ErrorTerminated(..)), "{error}");
            assert_eq!(error.position().line(), Some(line), "{name}: {error}");
        }
    }
}
