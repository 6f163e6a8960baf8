//! The Rhai engine all scripts of a run share: limits, hooks, library modules.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Engine, EvalAltResult, FnNamespace, Module, ModuleResolver, Position, Scope, Shared, Token};

use super::{coroutine, growth};

/// Call levels of scripts; the stack guard ends deeper recursion in any case.
const CALL_LEVELS: usize = 64;
/// Nesting of expressions, at top level and inside functions.
const EXPRESSION_DEPTH: usize = 64;
/// What Rhai's names of closures begin with.
const CLOSURE: &str = "anon$";

/// Texts of library modules and scripts, by the name errors use.
pub type Texts = Rc<RefCell<HashMap<String, Rc<str>>>>;

/// A new engine over the library modules in `stdlib`: (file name, source). Natives are registered by the caller.
pub fn build(stdlib: &'static [(&'static str, &'static str)], directories: Vec<String>) -> (Engine, Texts) {
    let mut engine = Engine::new();
    // Set explicitly: debug and release builds of Rhai differ in their defaults.
    engine
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH)
        .set_max_string_size(0)
        .set_max_array_size(0)
        .set_max_map_size(0)
        .set_max_modules(256)
        .set_max_functions(4096)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(false);
    growth::register(&mut engine);
    allow_default_as_key(&mut engine);
    engine.on_progress(|_| coroutine::on_operation());
    // Scripts print through script::log; a stray print must not reach the results on stdout.
    engine.on_print(|_| {}).on_debug(|_, _, _| {});
    let texts = Texts::default();
    let loader = Stdlib { embedded: stdlib, directories, texts: Rc::clone(&texts), loaded: RefCell::default() };
    engine.set_module_resolver(loader);
    (engine, texts)
}

/// Headers say `default: …`, which Rhai reserves without ever using it.
#[expect(deprecated, reason = "not deprecated, says Rhai, but volatile; the version is pinned")]
fn allow_default_as_key(engine: &mut Engine) {
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if word.as_str() == "default" => Token::Identifier(word),
        token => token,
    });
}

/// Makes a library's closures known to whoever imports it, so that one it returns can be called: Rhai looks for the body
/// of a closure in the file that calls it, then among what imports show without their name.
#[expect(deprecated, reason = "the only way to tell Rhai after compiling; the version is pinned")]
fn let_closures_out(module: &mut Module) {
    let all = module.iter_script_fn_info();
    let closures: Vec<_> =
        all.filter(|(_, _, name, ..)| name.starts_with(CLOSURE)).map(|(.., body)| Rc::clone(body)).collect();
    for body in closures {
        let hash = Module::new().set_script_fn(body); // the same in every module
        module.update_fn_namespace(hash, FnNamespace::Global);
    }
    module.build_index();
}

/// Finds `import "name"` in the script directories, then in the binary. Compiled on first use, shared afterwards.
struct Stdlib {
    embedded: &'static [(&'static str, &'static str)],
    directories: Vec<String>,
    texts: Texts,
    loaded: RefCell<HashMap<String, Shared<Module>>>,
}

impl Stdlib {
    fn text(&self, name: &str) -> Option<(String, String)> {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !plain {
            return None; // a library is a name, never a path: scripts cannot read files by importing them
        }
        let file = format!("{name}.rhai");
        let from_directory = self.directories.iter().find_map(|directory| {
            let path = std::path::Path::new(directory).join("lib").join(&file);
            Some((path.display().to_string(), std::fs::read_to_string(&path).ok()?))
        });
        from_directory.or_else(|| {
            let (_, text) = self.embedded.iter().find(|(known, _)| *known == file)?;
            Some((format!("stdlib/{file}"), (*text).to_owned()))
        })
    }
}

impl ModuleResolver for Stdlib {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        name: &str,
        at: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        if let Some(module) = self.loaded.borrow().get(name) {
            return Ok(Rc::clone(module));
        }
        let missing = || Box::new(EvalAltResult::ErrorModuleNotFound(name.to_owned(), at));
        let (path, text) = self.text(name).ok_or_else(missing)?;
        self.texts.borrow_mut().insert(path.clone(), text.as_str().into());
        let in_module = |error| Box::new(EvalAltResult::ErrorInModule(name.to_owned(), error, at));
        let mut ast = engine.compile(&text).map_err(|error| in_module(error.into()))?;
        ast.set_source(path.as_str());
        let mut module = Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(in_module)?;
        let_closures_out(&mut module);
        let module: Shared<Module> = module.into();
        self.loaded.borrow_mut().insert(name.to_owned(), Rc::clone(&module));
        Ok(module)
    }
}
