//! The scripts there are: embedded in the binary, from directories, from files. The only file here that reads disk.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use rhai::{AST, Engine};

use super::diagnostic;
use super::entry::{self, Entry};
use super::header::{self, Header};
use crate::model::nearest::suggestion;

/// A script: its source, its header, its compiled form. Shared by all its instances.
pub struct Script {
    /// Name of the file without `.rhai`.
    pub id: String,
    /// Where it came from, as shown in errors.
    pub path: String,
    /// What its header says.
    pub header: Header,
    /// Its text, for carets.
    pub source: Rc<str>,
    /// The compiled form.
    pub ast: Rc<AST>,
    /// Rules and action.
    pub(super) entries: BTreeMap<&'static str, Entry>,
    /// It has imports or constants of its own, which must be evaluated before a function runs.
    pub has_top_level: bool,
}

impl Script {
    /// Compiles `source` and reads its header; the error is a full diagnostic with caret and remedy.
    pub fn load(engine: &Engine, id: &str, path: &str, source: &str) -> Result<Script, String> {
        let source: Rc<str> = source.into();
        let (code, doc) = split_doc(&source);
        let mut ast = engine
            .compile(&code)
            .map_err(|error| diagnostic::render(&error.0.to_string(), path, &source, error.1, &[]))?;
        ast.set_source(path);
        let header = header::read(&ast, &doc)
            .map_err(|error| diagnostic::render(&error.message, path, &source, error.position, &[]))?;
        let has_top_level = header::has_more_than_header(&ast);
        let entries = entry::entries(&ast);
        let (id, path) = (id.to_owned(), path.to_owned());
        Ok(Script { id, path, header, source, ast: Rc::new(ast), entries, has_top_level })
    }

    /// One line of its description.
    pub fn summary(&self) -> &str {
        self.header.description.lines().next().unwrap_or_default()
    }
}

/// Takes the leading doc comment off a script. Rhai allows doc comments only on functions, so the comment's slashes are
/// blanked in place, which keeps every position.
fn split_doc(source: &str) -> (String, String) {
    let mut doc = String::new();
    let mut code = String::with_capacity(source.len());
    let mut leading = true;
    for line in source.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let text = trimmed.strip_prefix("///").or_else(|| trimmed.strip_prefix("//!")).filter(|_| leading);
        if let Some(text) = text {
            doc.push_str(text.strip_prefix(' ').unwrap_or(text));
            code.push_str(&line.replacen("///", "// ", 1).replacen("//!", "// ", 1));
            continue;
        }
        leading = leading && (trimmed.is_empty() || (trimmed.starts_with("//") && !trimmed.starts_with("///")));
        code.push_str(line);
    }
    (code, doc.trim().to_owned())
}

/// What went wrong while scripts were found or loaded.
#[derive(Debug)]
pub enum CatalogueError {
    /// The expression or a name in it is wrong.
    Usage(String),
    /// A script asked for is broken: the full diagnostic.
    Broken(String),
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogueError::Usage(text) | CatalogueError::Broken(text) => f.write_str(text),
        }
    }
}

/// All scripts known to a run, by id.
pub struct Catalogue {
    engine: Rc<Engine>,
    scripts: BTreeMap<String, Rc<Script>>,
    /// Scripts that did not load, with their diagnostics: an error only when asked for by name.
    broken: BTreeMap<String, String>,
}

impl Catalogue {
    /// A catalogue of the `embedded` scripts: (file name, source).
    pub fn new(engine: Rc<Engine>, embedded: &[(&str, &str)]) -> Catalogue {
        let mut catalogue = Catalogue { engine, scripts: BTreeMap::new(), broken: BTreeMap::new() };
        for (name, source) in embedded {
            catalogue.insert(&format!("scripts/{name}"), source);
        }
        catalogue
    }

    /// Adds every `*.rhai` of a directory; a script found there takes the place of an embedded one of the same name.
    pub fn add_directory(&mut self, directory: &str) -> Result<Vec<String>, CatalogueError> {
        let failed = |error: std::io::Error| CatalogueError::Usage(format!("script directory {directory}: {error}"));
        let mut paths: Vec<_> = std::fs::read_dir(directory)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "rhai") && path.is_file());
        paths.sort();
        paths.iter().map(|path| self.read(path)).collect()
    }

    fn read(&mut self, path: &Path) -> Result<String, CatalogueError> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| CatalogueError::Usage(format!("script {shown}: {error}")))?;
        let source = String::from_utf8(bytes).map_err(|error| {
            CatalogueError::Broken(format!("script {shown}: not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        })?;
        Ok(self.insert(&shown, &source))
    }

    fn insert(&mut self, path: &str, source: &str) -> String {
        let id = Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        self.scripts.remove(&id);
        self.broken.remove(&id);
        match Script::load(&self.engine, &id, path, source) {
            Ok(script) => {
                self.scripts.insert(id.clone(), Rc::new(script));
            }
            Err(diagnostic) => {
                self.broken.insert(id.clone(), diagnostic);
            }
        }
        id
    }

    /// Loads what a selection names as a path: `file`, `file.rhai`, or `directory/`. Returns the ids.
    pub fn load_path(&mut self, name: &str) -> Result<Vec<String>, CatalogueError> {
        if let Some(diagnostic) = self.broken.get(name.strip_suffix(".rhai").unwrap_or(name)) {
            return Err(CatalogueError::Broken(diagnostic.clone()));
        }
        if name.ends_with('/') {
            let ids = self.add_directory(name)?;
            return if ids.is_empty() {
                Err(CatalogueError::Usage(format!("--script {name}: no *.rhai file in that directory")))
            } else {
                Ok(ids)
            };
        }
        let path = [name.to_owned(), format!("{name}.rhai")].into_iter().find(|path| Path::new(path).is_file());
        let Some(path) = path else { return Err(self.unknown(name)) };
        let known = Path::new(&path).file_stem().and_then(|stem| self.scripts.get(&*stem.to_string_lossy()));
        if let Some(known) = known.filter(|known| !known.path.starts_with("scripts/") && known.path != path) {
            let message =
                format!("--script {name}: two scripts are called \"{}\": {} and {path}", known.id, known.path);
            return Err(CatalogueError::Usage(message));
        }
        let id = self.read(Path::new(&path))?;
        match self.broken.get(&id) {
            Some(diagnostic) => Err(CatalogueError::Broken(diagnostic.clone())),
            None => Ok(vec![id]),
        }
    }

    fn unknown(&self, name: &str) -> CatalogueError {
        let categories = header::CATEGORIES;
        let hint = suggestion(name, self.scripts.keys().map(String::as_str).chain(categories));
        CatalogueError::Usage(format!(
            "--script: \"{name}\" is no script, category, glob with a match, file or directory{hint} \
             (see --script-help all)"
        ))
    }

    /// Refuses an expression with a name that nothing answers to: a misspelt name must not silently select nothing.
    pub fn check_names(&self, names: &[&str], matches: impl Fn(&Script, &str) -> bool) -> Result<(), CatalogueError> {
        let known = |name: &str| {
            name == "all"
                || header::CATEGORIES.contains(&name.to_lowercase().as_str())
                || self.scripts.values().any(|script| matches(script, name))
        };
        match names.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => match self.broken.get(*name) {
                Some(diagnostic) => Err(CatalogueError::Broken(diagnostic.clone())),
                None => Err(self.unknown(name)),
            },
        }
    }

    /// The script of that id.
    pub fn get(&self, id: &str) -> Option<Rc<Script>> {
        self.scripts.get(id).cloned()
    }

    /// All scripts, sorted by id.
    pub fn scripts(&self) -> impl Iterator<Item = &Rc<Script>> {
        self.scripts.values()
    }

    /// Scripts that did not load: id and diagnostic.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.broken.iter().map(|(id, diagnostic)| (id.as_str(), diagnostic.as_str()))
    }
}

/// Orders selected scripts by their dependencies and refuses cycles; the result maps each id to what it waits for.
pub fn dependencies(selected: &[Rc<Script>]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let ids: BTreeMap<&str, &Rc<Script>> = selected.iter().map(|script| (script.id.as_str(), script)).collect();
    let graph: BTreeMap<String, Vec<String>> = selected
        .iter()
        .map(|script| {
            let present = script.header.dependencies.iter().filter(|id| ids.contains_key(id.as_str()));
            (script.id.clone(), present.cloned().collect())
        })
        .collect();
    let mut done: BTreeMap<&str, bool> = BTreeMap::new();
    for id in graph.keys() {
        let mut chain = Vec::new();
        visit(id, &graph, &mut done, &mut chain)?;
    }
    Ok(graph)
}

fn visit<'a>(
    id: &'a str,
    graph: &'a BTreeMap<String, Vec<String>>,
    done: &mut BTreeMap<&'a str, bool>,
    chain: &mut Vec<&'a str>,
) -> Result<(), String> {
    match done.get(id) {
        Some(true) => return Ok(()),
        Some(false) => {
            let start = chain.iter().position(|known| *known == id).unwrap_or(0);
            let cycle: Vec<&str> = chain[start..].iter().copied().chain([id]).collect();
            return Err(format!("scripts depend on each other in a circle: {}", cycle.join(" -> ")));
        }
        None => {}
    }
    done.insert(id, false);
    chain.push(id);
    for next in graph.get(id).into_iter().flatten() {
        visit(next, graph, done, chain)?;
    }
    chain.pop();
    done.insert(id, true);
    Ok(())
}
