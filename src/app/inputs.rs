//! Files the user names, and the targets they hold.

use std::io::Read;
use std::path::Path;

use super::surroundings::Surroundings;
use crate::cli::{Family, PortSettings, Source, TargetSettings};
use crate::error::Error;
use crate::model::Protocol;
use crate::net::{self, Names};
use crate::target::{Exclude, Name, PortChoice, PortSet, Spec, Targets, list};

/// Longest list file read: about four million addresses.
const MAX_LIST: u64 = 64 << 20;
/// Longest file of script arguments.
const MAX_ARGUMENTS: u64 = 1 << 20;

/// The targets of the command line, then those of the list files.
pub fn specs(settings: &TargetSettings, around: &Surroundings) -> Result<Vec<Spec>, Error> {
    let interface_index = |name: &str| around.interface(name);
    let mut specs = Vec::new();
    for text in &settings.specs {
        specs.push(Spec::parse_with(text, &interface_index)?);
    }
    for source in &settings.list_files {
        let name = match source {
            Source::Stdin => "stdin".to_owned(),
            Source::File(path) => path.display().to_string(),
        };
        let content = around.file(&name, || match source {
            Source::Stdin => read_bounded(std::io::stdin().lock(), "stdin", MAX_LIST),
            Source::File(path) => read_file(path, MAX_LIST),
        })?;
        specs.extend(list::parse(&content, &name, &interface_index)?);
    }
    Ok(specs)
}

/// What must not be scanned, and the names in it that have to be resolved first.
pub fn exclude(settings: &TargetSettings, around: &Surroundings) -> Result<(Exclude, Vec<Name>), Error> {
    let interface_index = |name: &str| around.interface(name);
    let mut specs = Vec::new();
    for text in &settings.exclude {
        specs.extend(list::parse_commas(text, &interface_index)?);
    }
    for path in &settings.exclude_files {
        let name = path.display().to_string();
        let content = around.file(&name, || read_file(path, MAX_LIST))?;
        specs.extend(list::parse(&content, &name, &interface_index)?);
    }
    Ok(Exclude::new(specs))
}

/// Resolves excluded names. One that does not resolve ends the run: what it stands for would be scanned.
pub async fn resolve_excluded(exclude: &mut Exclude, excluded: Vec<Name>, names: &dyn Names) -> Result<(), Error> {
    for name in excluded {
        let found = names.addresses(&name.name, net::Family::Any).await;
        let found = found.map_err(|error| Error::Usage(format!("--exclude {}: {error}", name.name)))?;
        exclude.add_resolved(&name, &found)?;
    }
    Ok(())
}

/// The targets, to be expanded lazily.
pub fn targets(specs: Vec<Spec>, exclude: Exclude) -> Targets {
    Targets::new(specs, exclude)
}

/// The family names are resolved to.
pub fn family(family: Option<Family>) -> net::Family {
    match family {
        None => net::Family::Any,
        Some(Family::V4) => net::Family::V4,
        Some(Family::V6) => net::Family::V6,
    }
}

/// The ports to probe.
pub fn ports(settings: &PortSettings) -> Result<PortSet, Error> {
    let choice = PortChoice {
        expression: settings.expression.clone(),
        exclude: settings.exclude.clone(),
        top: settings.top.map(u32::from),
        fast: settings.fast,
    };
    Ok(choice.resolve(&[Protocol::Tcp])?)
}

/// The text of a file with script arguments.
pub fn argument_file(path: &Path, around: &Surroundings) -> Result<String, Error> {
    let bytes = around.file(&path.display().to_string(), || read_file(path, MAX_ARGUMENTS))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Usage(format!("--script-args-file {}: not UTF-8 at byte {at}", path.display()))
    })
}

/// The content of a file, of at most `limit` bytes.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| Error::Usage(format!("read {name}: {error}")))?;
    read_bounded(file, &name, limit)
}

/// The names of the folders in a folder, sorted; those that begin with a dot are left out.
pub fn folders(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::Usage(format!("read the folder {}: {error}", path.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_bounded(source: impl Read, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    let read = source.take(limit + 1).read_to_end(&mut content);
    read.map_err(|error| Error::Usage(format!("read {name}: {error}")))?;
    if content.len() as u64 > limit {
        return Err(Error::Usage(format!("read {name}: longer than {limit} bytes; split it")));
    }
    Ok(content)
}
