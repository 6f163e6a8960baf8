//! `--journal`, `--resume`: what is done, host by host, in a file that survives the run.
//!
//! Lines of JSON, appended one at a time and never changed. The first has the command line, the seed and what the scan
//! is. A host's line is written before the host is reported, so whatever was reported is in the journal. A run that goes
//! on reports the hosts of the journal anew, from the beginning of every report: none needs to be appended to, and XML
//! stays one document. Only the last line can be torn, by the death of the run that wrote it; it is cut off.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::complain;
use super::identity::Identity;
use crate::bindings::targets::Additions;
use crate::cli::Settings;
use crate::error::Error;
use crate::model::{Target, Timestamp};
use crate::report;
use crate::scan::{HostDone, Ledger};

/// Version of the format, in the first line.
const VERSION: u64 = 1;
/// Longest line read; a host with all its ports and scripts is far below.
const MAX_LINE: u64 = 256 << 20;

/// The first line.
pub struct Head {
    /// The command line, without the program's name.
    pub words: Vec<String>,
    /// Seed of every random choice.
    pub seed: u64,
    /// When the first part of the run began.
    pub at: Timestamp,
    /// What is scanned.
    pub identity: Identity,
    /// Which part of it.
    pub shard: String,
}

/// A journal being written.
pub struct Journal {
    path: PathBuf,
    /// None once writing failed.
    file: RefCell<Option<File>>,
    failed: Cell<bool>,
    /// Hosts of earlier parts.
    done: HashSet<(IpAddr, u32)>,
    /// What names resolved to in earlier parts.
    names: HashMap<String, Vec<IpAddr>>,
    /// Targets that scripts of earlier parts added.
    found: Vec<(IpAddr, u32)>,
    /// Targets that scripts add.
    additions: OnceCell<Additions>,
}

impl Head {
    /// Reads the first line of the journal at `path`.
    pub fn read(path: &Path) -> Result<Head, Error> {
        let mut lines = Lines::new(open(path, OpenOptions::new().read(true))?);
        let broken = |problem: &str| Error::Usage(format!("--resume {}: {problem}", path.display()));
        let Some((line, _)) = lines.next_whole().map_err(|error| failed("read", path, &error))? else {
            return Err(broken("it has not even a first line; begin anew with --journal"));
        };
        Head::parse(&line).map_err(|problem| broken(&problem))
    }

    fn parse(line: &str) -> Result<Head, String> {
        let line: Json = serde_json::from_str(line).map_err(|_| "it is no journal of sonde".to_owned())?;
        match line.get("journal").and_then(Json::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(format!("it has version {version}, and this program reads version {VERSION}")),
            None => return Err("it is no journal of sonde".to_owned()),
        }
        let read = || {
            let text = |name: &str| line.get(name).and_then(Json::as_str);
            let words = line.get("words")?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned));
            let parts = line.get("scan")?.as_object()?.iter();
            let parts = parts.map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
            Some(Head {
                words: words.collect::<Option<_>>()?,
                seed: text("seed")?.parse().ok()?,
                at: Timestamp(line.get("at")?.as_u64()?),
                identity: Identity::from_parts(parts.collect::<Option<_>>()?),
                shard: text("shard")?.to_owned(),
            })
        };
        read().ok_or_else(|| "its first line is damaged".to_owned())
    }

    fn line(&self) -> Json {
        let parts = self.identity.parts().map(|(name, text)| (name.to_owned(), Json::from(text)));
        json!({
            "journal": VERSION,
            "sonde": env!("CARGO_PKG_VERSION"),
            "words": self.words,
            "seed": self.seed.to_string(),
            "at": self.at.0,
            "shard": self.shard,
            "scan": parts.collect::<serde_json::Map<String, Json>>(),
        })
    }
}

/// The journal the settings ask for, and its first line: `head` for a new one, or that of the run to go on with.
pub fn begin(settings: &Settings, head: Head) -> Result<(Option<Journal>, Head), Error> {
    let Some(path) = &settings.run.journal else { return Ok((None, head)) };
    if settings.run.resume {
        let earlier = Head::read(path)?;
        let different = if earlier.shard == head.shard {
            earlier.identity.difference(&head.identity)
        } else {
            Some(format!("its shard was {}, here it is {}", earlier.shard, head.shard))
        };
        if let Some(what) = different {
            let path = path.display();
            return Err(Error::Usage(format!("--resume {path}: the journal is of another scan: {what}")));
        }
        return Ok((Some(Journal::resume(path)?), earlier));
    }
    Ok((Some(Journal::create(path, &head)?), head))
}

impl Journal {
    fn create(path: &Path, head: &Head) -> Result<Journal, Error> {
        let file = open(path, OpenOptions::new().append(true).create(true).read(true))?;
        lock(&file, path)?;
        if file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let path = path.display();
            return Err(Error::Usage(format!("--journal {path}: it exists; go on with --resume {path}, or remove it")));
        }
        let journal = Journal::of(path, file);
        journal.append(&head.line());
        if journal.failed.get() { Err(Error::File("the journal cannot be begun".to_owned())) } else { Ok(journal) }
    }

    fn of(path: &Path, file: File) -> Journal {
        Journal {
            path: path.to_owned(),
            file: RefCell::new(Some(file)),
            failed: Cell::new(false),
            done: HashSet::new(),
            names: HashMap::new(),
            found: Vec::new(),
            additions: OnceCell::new(),
        }
    }

    /// From now on the targets that scripts add are kept, too; those of earlier parts are put back.
    pub fn keep_additions(&self, additions: &Additions) {
        self.found.iter().for_each(|(addr, scope)| additions.restore(*addr, *scope));
        let _ = self.additions.set(additions.clone()); // a journal belongs to one run
    }

    fn resume(path: &Path) -> Result<Journal, Error> {
        let file = open(path, OpenOptions::new().append(true).read(true))?;
        lock(&file, path)?;
        let (mut done, mut names, mut found) = (HashSet::new(), HashMap::new(), Vec::new());
        let end = each_unit(path, &mut |unit| match unit {
            Unit::Host(host, added) => {
                done.insert((host.host.target.addr, host.host.target.scope));
                found.extend(added);
            }
            Unit::Name(name, addresses) => drop(names.insert(name, addresses)),
            Unit::Other => {}
        })?;
        // What a dying run left half written.
        file.set_len(end).map_err(|error| failed("cut off the torn end of", path, &error))?;
        Ok(Journal { done, names, found, ..Journal::of(path, file) })
    }

    /// Hands out every host that is done, in the order they were.
    pub fn restore(&self, give: &mut dyn FnMut(HostDone)) -> Result<(), Error> {
        if self.done.is_empty() {
            return Ok(());
        }
        each_unit(&self.path, &mut |unit| {
            if let Unit::Host(host, _) = unit {
                give(*host);
            }
        })
        .map(drop)
    }

    /// Hosts that earlier parts of the run have done.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether something could not be written.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Appends a line, in one write: another process sees it whole or not at all.
    fn append(&self, line: &Json) {
        let mut file = self.file.borrow_mut();
        let Some(open) = file.as_mut() else { return };
        if let Err(error) = open.write_all(format!("{line}\n").as_bytes()) {
            *file = None;
            self.failed.set(true);
            complain(&format!("write {}: {error}; the scan goes on, and cannot be resumed", self.path.display()));
        }
    }
}

impl Ledger for Journal {
    fn is_done(&self, target: &Target) -> bool {
        self.done.contains(&(target.addr, target.scope))
    }

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.names.get(name).cloned()
    }

    fn resolved(&self, name: &str, addresses: &[IpAddr]) {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        self.append(&json!({"name": name, "addresses": addresses}));
    }

    fn done(&self, done: &HostDone) {
        // Of hosts under way, too: they will be done anew, and add the same again.
        let found = self.additions.get().map(Additions::take_fresh).unwrap_or_default();
        let found: Vec<(String, u32)> = found.into_iter().map(|(addr, scope)| (addr.to_string(), scope)).collect();
        self.append(&json!({
            "host": report::host_json(&done.host),
            "rules_false": done.host.rules_false,
            "stages": report::stages_json(&done.stages),
            "trouble": done.trouble,
            "found": found,
        }));
    }
}

/// What a line tells.
enum Unit {
    /// A host that is done, and the targets that scripts added until then.
    Host(Box<HostDone>, Vec<(IpAddr, u32)>),
    /// What a name resolved to.
    Name(String, Vec<IpAddr>),
    /// The first line.
    Other,
}

/// Calls `give` with what each line tells, and returns where the last whole line ends.
fn each_unit(path: &Path, give: &mut dyn FnMut(Unit)) -> Result<u64, Error> {
    let mut lines = Lines::new(open(path, OpenOptions::new().read(true))?);
    let (mut end, mut number) = (0, 0);
    while let Some((line, after)) = lines.next_whole().map_err(|error| failed("read", path, &error))? {
        number += 1;
        match unit(&line) {
            Ok(unit) => give(unit),
            // The last line may be anything: a machine that lost its power can leave zeros with a line end.
            Err(_) if lines.is_at_end() => return Ok(end),
            Err(problem) => {
                let path = path.display();
                return Err(Error::Usage(format!("--resume {path}: line {number} is damaged: {problem}")));
            }
        }
        end = after;
    }
    Ok(end)
}

fn unit(line: &str) -> Result<Unit, String> {
    let line: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if let Some(host) = line.get("host") {
        let mut host = report::read_host(host)?;
        let counts = line.get("rules_false").and_then(Json::as_object).into_iter().flatten();
        let counts: BTreeMap<String, u64> =
            counts.filter_map(|(id, count)| Some((id.clone(), count.as_u64()?))).collect();
        host.rules_false = counts;
        let stages = report::read_stages(line.get("stages").unwrap_or(&Json::Null))?;
        let trouble = line.get("trouble").and_then(Json::as_str).map(str::to_owned);
        let found = line.get("found").and_then(Json::as_array).into_iter().flatten().map(found);
        let found = found.collect::<Option<_>>().ok_or("an added target is none")?;
        return Ok(Unit::Host(Box::new(HostDone { host, stages, trouble }), found));
    }
    if let Some(name) = line.get("name").and_then(Json::as_str) {
        let addresses = line.get("addresses").and_then(Json::as_array).into_iter().flatten();
        let addresses: Option<Vec<IpAddr>> = addresses.map(|addr| addr.as_str()?.parse().ok()).collect();
        return Ok(Unit::Name(name.to_owned(), addresses.ok_or("an address is none")?));
    }
    if line.get("journal").is_some() { Ok(Unit::Other) } else { Err("it tells nothing that is known".to_owned()) }
}

/// Address and zone.
fn found(target: &Json) -> Option<(IpAddr, u32)> {
    let scope = target.get(1)?.as_u64()?;
    Some((target.get(0)?.as_str()?.parse().ok()?, u32::try_from(scope).ok()?))
}

/// Whole lines of a file.
struct Lines {
    reader: BufReader<File>,
    at: u64,
}

impl Lines {
    fn new(file: File) -> Lines {
        Lines { reader: BufReader::new(file), at: 0 }
    }

    /// The next line that has its end, and where that is.
    fn next_whole(&mut self) -> std::io::Result<Option<(String, u64)>> {
        let mut line = Vec::new();
        (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        self.at += line.len() as u64 + 1;
        Ok(Some((String::from_utf8_lossy(&line).into_owned(), self.at)))
    }

    /// Whether no line end follows.
    fn is_at_end(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut rest);
        let back = self.reader.seek_relative(-(rest.len() as i64));
        read.is_ok() && back.is_ok() && rest.last() != Some(&b'\n')
    }
}

fn open(path: &Path, options: &OpenOptions) -> Result<File, Error> {
    options.open(path).map_err(|error| failed("open", path, &error))
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::File(format!("{doing} {}: {error}", path.display()))
}

/// Two runs in one journal would each miss what the other did.
fn lock(file: &File, path: &Path) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Usage(format!("{}: another run is writing this journal", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed("lock", path, &error)),
    }
}
