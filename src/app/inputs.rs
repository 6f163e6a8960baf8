//! Files the user names, and the targets they hold.

use std::io::Read;
use std::path::Path;

use super::surroundings::Surroundings;
use crate::cli::{DiscoveryMode, DiscoverySettings, Family, PortSettings, ScanSettings, Source, TargetSettings};
use crate::error::Error;
use crate::model::{PingKind, Protocol};
use crate::net::packets::Packets;
use crate::net::{self, Names};
use crate::target::{Exclude, Name, PortChoice, PortSet, Spec, Targets, list, probe_ports, without};

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

/// What the kinds of scans chosen have ports of, each once. None where discovery is all.
pub fn protocols(scan: &ScanSettings) -> Vec<Protocol> {
    match scan.discovery.mode {
        DiscoveryMode::Normal | DiscoveryMode::Skip if scan.kinds.is_empty() => vec![Protocol::Tcp],
        DiscoveryMode::Normal | DiscoveryMode::Skip => {
            let mut protocols: Vec<Protocol> = scan.kinds.iter().map(|kind| kind.protocol()).collect();
            protocols.sort_unstable();
            protocols.dedup();
            protocols
        }
        DiscoveryMode::Only | DiscoveryMode::Neither | DiscoveryMode::List => Vec::new(),
    }
}

/// The ports to probe, of each protocol that is scanned.
pub fn ports(settings: &PortSettings, scan: &ScanSettings) -> Result<PortSet, Error> {
    let choice = PortChoice {
        expression: settings.expression.clone(),
        exclude: settings.exclude.clone(),
        top: settings.top.map(u32::from),
        fast: settings.fast,
    };
    Ok(choice.resolve(&protocols(scan))?)
}

/// The number of the interface of `-e`, which must be up.
pub async fn interface(scan: &ScanSettings, packets: &dyn Packets) -> Result<Option<u32>, Error> {
    let Some(name) = &scan.interface else { return Ok(None) };
    let wrong = |why: &str| Error::Usage(format!("-e {name}: {why}"));
    let interfaces = packets.interfaces().await.map_err(|error| wrong(&error.to_string()))?;
    match interfaces.iter().find(|one| *one.name == **name) {
        None => Err(wrong("there is no such interface; --iflist lists them")),
        Some(found) if !found.up => Err(wrong("this interface is down; `ip link set up` brings it up")),
        Some(found) => Ok(Some(found.index)),
    }
}

/// The pings asked for, each with its ports or protocols; where none were given, the kind's usual ones. No port that `ports`
/// exclude is among them.
pub fn pings(settings: &DiscoverySettings, ports: &PortSettings) -> Result<Vec<(PingKind, Vec<u16>)>, Error> {
    let mut pings = Vec::new();
    for ping in &settings.pings {
        // The ports a host is asked at unless others are given.
        let (flag, protocol, usual): (_, _, &[u16]) = match ping.kind {
            PingKind::Echo | PingKind::Timestamp | PingKind::Mask => {
                pings.push((ping.kind, Vec::new()));
                continue;
            }
            PingKind::Syn => ("-PS", Protocol::Tcp, &[80]),
            PingKind::Ack => ("-PA", Protocol::Tcp, &[80]),
            PingKind::Udp => ("-PU", Protocol::Udp, &[40125]),
            PingKind::Sctp => ("-PY", Protocol::Sctp, &[80]),
            PingKind::Protocol => ("-PO", Protocol::Ip, &[1, 2, 4]),
        };
        let asked = match &ping.ports {
            Some(list) => probe_ports(list, flag, protocol)?,
            None => usual.to_vec(),
        };
        let left = if protocol == Protocol::Ip { asked } else { allowed(asked, ports, protocol)? };
        if left.is_empty() {
            let why = format!("{flag}: --exclude-ports names all of its ports; leave out the one or the other");
            return Err(Error::Usage(why));
        }
        pings.push((ping.kind, left));
    }
    Ok(pings)
}

/// `ports` of `protocol` without those `--exclude-ports` names.
pub fn allowed(ports: Vec<u16>, settings: &PortSettings, protocol: Protocol) -> Result<Vec<u16>, Error> {
    Ok(without(ports, settings.exclude.as_deref(), protocol)?)
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
