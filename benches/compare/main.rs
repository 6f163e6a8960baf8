//! `make bench`: sonde beside a bare client and nmap, against the same server, in one run.
//!
//! Prints one table. Nothing here fails because a machine is slow: a goal is printed beside its figure as met or
//! missed. A wrong result (a title that differs, a port not probed) does fail, because its figure would mean nothing.

mod bare;
mod capture;
mod crew;
mod echo;
mod figures;
mod found;
mod handshakes;
mod instances;
mod lab;
mod micro;
mod namespaces;
mod nginx;
mod overhead;
mod peers;
mod ports;
mod process;
mod recording;
mod rounds;
mod scans;
mod simulated;
mod spider;
mod start;
mod table;
mod threads;
mod titles;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use nginx::Nginx;
use process::Program;
use table::Table;

/// Hosts of 127.0.0.0/20.
const HOSTS: usize = 4096;
/// The targets of the same name.
const TARGETS: &str = "127.0.0.0/20";

/// What stops the bench: the machine lacks something, or a result is wrong.
type Failure = Box<dyn std::error::Error>;

/// One kind of work to measure, by the word that selects it on the command line.
type Section = (&'static str, fn(&Bench, &mut Table) -> Result<(), Failure>);

const SECTIONS: [Section; 18] = [
    ("titles", titles::measure),
    ("recording", recording::measure),
    ("overhead", overhead::measure),
    ("rounds", rounds::measure),
    ("ports", ports::measure),
    ("start", start::measure),
    ("memory", instances::measure),
    ("spider", spider::measure),
    ("crew", crew::measure),
    ("handshakes", handshakes::measure),
    ("micro", micro::measure),
    ("threads", threads::measure),
    ("capture", capture::measure),
    ("wire", wire::measure),
    ("scans", scans::measure),
    ("udp", scans::udp),
    ("simulated", simulated::measure),
    ("million", simulated::million),
];

/// Measured only when asked for: minutes of waiting for the kernel of the scanned machine.
const ON_REQUEST: &str = "udp";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let result = match words.split_first() {
        Some((word, rest)) if word == bare::WORD => bare::run(rest),
        _ => run(&words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), Failure> {
    if let Some(word) = words.iter().find(|word| !SECTIONS.iter().any(|(name, _)| name == word)) {
        let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("\"{word}\" is no part of this bench; there are: {}", names.join(" ")).into());
    }
    let bench = Bench::prepare()?;
    let mut table = Table::default();
    let load_before = load()?;
    let mut failed = Vec::new();
    for (name, measure) in SECTIONS {
        if (words.is_empty() && name != ON_REQUEST) || words.iter().any(|word| word == name) {
            eprintln!("measuring {name} ...");
            if let Err(failure) = measure(&bench, &mut table) {
                failed.push(format!("{name}: {failure}"));
            }
        }
    }
    println!("{table}"); // also when one part failed: the others took minutes
    println!("Load of the machine over 1, 5 and 15 minutes: {load_before} before, {} after.", load()?);
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

/// The kernel's three averages of how many threads want a core.
fn load() -> Result<String, Failure> {
    let averages = fs::read_to_string("/proc/loadavg")?;
    Ok(averages.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// What all measurements share. Server and folder are gone when it is dropped.
struct Bench {
    nginx: Nginx,
    sonde: PathBuf,
    nmap: Option<PathBuf>,
    folder: Folder,
}

impl Bench {
    fn prepare() -> Result<Bench, Failure> {
        process::raise_descriptor_limit();
        let folder = Folder::create()?;
        let nginx = Nginx::start(folder.path())?;
        let nmap = process::find("nmap");
        if nmap.is_none() {
            eprintln!("nmap is not installed: its rows are left out");
        }
        Ok(Bench { nginx, sonde: env!("CARGO_BIN_EXE_sonde").into(), nmap, folder })
    }

    /// A run of sonde; names are never looked up.
    fn sonde<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Program {
        Program::new("sonde", &self.sonde, words)
    }

    /// A run of nmap, where it is installed.
    fn nmap<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Option<Program> {
        self.nmap.as_ref().map(|path| Program::new("nmap", path, words))
    }

    /// The port of the web server, as an argument.
    fn port(&self) -> String {
        self.nginx.port().to_string()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Path of one of this bench's own scripts.
fn script(name: &str) -> String {
    format!("{}/benches/compare/scripts/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A folder of our own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Folder> {
        let path = env::temp_dir().join(format!("sonde-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} is left behind: {error}", self.0.display());
        }
    }
}
