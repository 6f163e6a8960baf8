//! Engine, catalogue and selection, as the settings ask for them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::surroundings::Surroundings;
use super::{complain, embedded, inputs};
use crate::bindings;
use crate::bindings::launch::needs_packets;
use crate::cli::{ScriptSettings, Settings};
use crate::error::Error;
use crate::model::{NetError, NetErrorKind};
use crate::net::packets::Packets;
use crate::net::record::{Redaction, SHORTEST};
use crate::script::arguments::LibraryArgument;
use crate::script::catalogue::{self, Catalogue, CatalogueError};
use crate::script::engine::Texts;
use crate::script::rules::RuleIndex;
use crate::script::selection::{Selected, select};
use crate::script::{Arguments, Script, engine, scheduler};

/// The engine with all natives, and everything written in Rhai.
pub struct Engine {
    /// Runs scripts.
    pub rhai: Rc<rhai::Engine>,
    /// The scripts there are.
    pub catalogue: Catalogue,
    texts: Texts,
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Error {
        match error {
            CatalogueError::Usage(text) => Error::Usage(text),
            CatalogueError::Broken(text) => Error::Script(text),
        }
    }
}

impl Engine {
    /// Builds the engine and loads the embedded scripts and those of `directories`.
    pub fn new(directories: &[PathBuf]) -> Result<Engine, Error> {
        Engine::with(embedded::SCRIPTS, directories)
    }

    /// The same for a run, which compiles the embedded scripts only if it asks for any: that is most of what a start takes.
    pub fn of_run(settings: &ScriptSettings) -> Result<Engine, Error> {
        let ScriptSettings { select, args, args_files, why, .. } = settings;
        let is_asked = !(select.is_empty() && args.is_empty() && args_files.is_empty() && why.is_empty());
        Engine::with(if is_asked { embedded::SCRIPTS } else { &[] }, &settings.dirs)
    }

    fn with(scripts: &[(&str, &str)], directories: &[PathBuf]) -> Result<Engine, Error> {
        let directories: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
        let (mut rhai, texts) = engine::build(embedded::STDLIB, directories.clone());
        bindings::register(&mut rhai);
        let rhai = Rc::new(rhai);
        let mut catalogue = Catalogue::new(Rc::clone(&rhai), scripts);
        for directory in &directories {
            catalogue.add_directory(directory)?;
        }
        Ok(Engine { rhai, catalogue, texts })
    }

    /// Tells of scripts that did not load and were not asked for by name.
    pub fn mention_broken(&self) {
        for (id, diagnostic) in self.catalogue.broken() {
            complain(&format!("script {id} is left out:\n{diagnostic}"));
        }
    }

    /// Texts of scripts and libraries, for carets.
    pub fn sources(&self, selected: &[Selected]) -> scheduler::Texts {
        let scripts: HashMap<String, Rc<str>> =
            selected.iter().map(|one| (one.script.path.clone(), Rc::clone(&one.script.source))).collect();
        let libraries = Rc::clone(&self.texts);
        Box::new(move |name| scripts.get(name).cloned().or_else(|| libraries.borrow().get(name).cloned()))
    }
}

/// The scripts of a run and their arguments.
pub struct Chosen {
    /// In the catalogue's order.
    pub selected: Vec<Selected>,
    /// By their rules.
    pub index: RuleIndex,
    /// What each waits for on its host.
    pub dependencies: std::collections::BTreeMap<String, Vec<String>>,
    /// Checked against what they declare.
    pub arguments: Arguments,
    /// Arguments libraries read.
    pub library_arguments: Vec<LibraryArgument>,
}

impl Chosen {
    /// What is not to be recorded, if anything. Tells of secrets that are too short to be found.
    pub fn redaction(&self, wanted: bool) -> Redaction {
        let secrets = if wanted { self.arguments.secrets() } else { Vec::new() };
        for (name, _) in secrets.iter().filter(|(_, secret)| secret.len() < SHORTEST) {
            complain(&format!("--record-redact: {name} is too short to be found: it stays in the recording"));
        }
        Redaction::of(secrets.into_iter().map(|(_, secret)| secret))
    }
}

/// Why the chosen scripts that need packets cannot run, told to the user in one line; none if there are no such scripts or
/// packets are possible. With `--privileged`, packets that are not possible end the run before it begins.
pub fn without_packets(settings: &Settings, chosen: &Chosen, packets: &dyn Packets) -> Result<Option<NetError>, Error> {
    const REMEDY: &str = "run as root, or give the program the capability once: setcap cap_net_raw+p";
    let needy = chosen.selected.iter().filter(|one| needs_packets(one.script.header.capabilities));
    let needy: Vec<&str> = needy.map(|one| one.script.id.as_str()).collect();
    if needy.is_empty() && !settings.privileges.required {
        return Ok(None);
    }
    match packets.permitted() {
        Ok(()) => Ok(None),
        Err(error) if settings.privileges.required => {
            Err(Error::Privilege(format!("--privileged: packets are not possible: {}; {REMEDY}", error.detail)))
        }
        Err(error) => {
            // In a replay no privilege helps.
            let remedy = if error.kind == NetErrorKind::Replay { String::new() } else { format!("; {REMEDY}") };
            complain(&format!("packets are not possible ({}); skipped: {}{remedy}", error.detail, needy.join(", ")));
            Ok(Some(error))
        }
    }
}

/// Selects scripts and checks their arguments.
pub fn choose(engine: &mut Engine, settings: &ScriptSettings, around: &Surroundings) -> Result<Chosen, Error> {
    let selected = select(&settings.select, &mut engine.catalogue)?;
    if !settings.select.is_empty() {
        engine.mention_broken();
        if selected.is_empty() {
            complain(&format!("--script {}: selects no script", settings.select.join(",")));
        }
    }
    let scripts: Vec<Rc<Script>> = selected.iter().map(|one| Rc::clone(&one.script)).collect();
    let dependencies = catalogue::dependencies(&scripts).map_err(Error::Script)?;
    let mut index = RuleIndex::default();
    for one in &selected {
        index.add(&one.script, one.forced);
    }
    let mut arguments = Arguments::default();
    for path in &settings.args_files {
        arguments.add(&inputs::argument_file(path, around)?, &path.display().to_string()).map_err(Error::Usage)?;
    }
    for text in &settings.args {
        arguments.add(text, "--script-args").map_err(Error::Usage)?;
    }
    let library_arguments = bindings::library_arguments();
    let chosen: Vec<&Script> = scripts.iter().map(Rc::as_ref).collect();
    let all = engine.catalogue.scripts().map(Rc::as_ref);
    arguments.check(all, &chosen, &library_arguments).map_err(Error::Usage)?;
    Ok(Chosen { selected, index, dependencies, arguments, library_arguments })
}
