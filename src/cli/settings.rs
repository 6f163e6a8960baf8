//! What the command line means: a small struct for each room, resolved once.
//!
//! Expressions of targets, ports and scripts stay text; the rooms that own their grammar read them.

mod scan;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Limits, Shard};

pub use scan::{DiscoveryMode, DiscoverySettings, PingSettings, ScanSettings, TimingSettings};

/// Everything a scan is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What to scan.
    pub targets: TargetSettings,
    /// Which ports.
    pub ports: PortSettings,
    /// Name lookup.
    pub names: NameSettings,
    /// How to scan.
    pub scan: ScanSettings,
    /// What may be tried for packets.
    pub privileges: PrivilegeSettings,
    /// Which scripts, and what they may use up.
    pub scripts: ScriptSettings,
    /// What to write, and where.
    pub report: ReportSettings,
    /// The run itself: its journal, its progress.
    pub run: RunSettings,
    /// Seed of every random choice; none: taken from the system.
    pub seed: Option<u64>,
    /// Where to record the run.
    pub record: Option<PathBuf>,
    /// What arguments of scripts hold that are secret by their name does not go into the recording.
    pub record_redact: bool,
    /// The scenario that stands in the place of the network.
    pub simulate: Option<PathBuf>,
    /// Exit code 0 even if something planned was not done.
    pub allow_incomplete: bool,
    /// Remarks for the user, one line each: accepted options without effect.
    pub notes: Vec<String>,
    /// The command line as typed, quoted for a shell, beginning with `sonde`.
    pub args_line: String,
}

/// What to scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetSettings {
    /// Target expressions of the command line, none empty.
    pub specs: Vec<String>,
    /// Files with further expressions; stdin at most once.
    pub list_files: Vec<Source>,
    /// Excluded expressions, as given: comma lists in `target`'s grammar.
    pub exclude: Vec<String>,
    /// Files with excluded expressions.
    pub exclude_files: Vec<PathBuf>,
    /// Scan an address once even if several targets name it.
    pub unique: bool,
    /// Scan every address of a name.
    pub resolve_all: bool,
    /// The preferred family of a name's addresses; none: as the resolver orders them.
    pub family: Option<Family>,
    /// In random order.
    pub random_order: bool,
    /// Only this part of them.
    pub shard: Option<Shard>,
}

/// The run itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// Where what is done is kept, to go on from.
    pub journal: Option<PathBuf>,
    /// The journal holds an earlier part of this scan.
    pub resume: bool,
    /// A line of progress every so often.
    pub stats_every: Option<Duration>,
    /// Keys are read while the run lasts, where there is a terminal to read them from.
    pub keys: bool,
    /// The command line, word by word and without the program's name: a journal keeps it.
    pub words: Vec<String>,
}

/// Where a list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`
    Stdin,
    /// A file.
    File(PathBuf),
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `-4`
    V4,
    /// `-6`
    V6,
}

/// Which ports. All unset: the default selection of the scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// Port expression of `-p`; never together with `fast`.
    pub expression: Option<String>,
    /// Port expression of `--exclude-ports`.
    pub exclude: Option<String>,
    /// The most common so many, of those in `expression` if both are given; never together with `fast`.
    pub top: Option<u16>,
    /// The 100 most common.
    pub fast: bool,
    /// Ascending order was asked for.
    pub sequential: bool,
}

/// Name lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSettings {
    /// Look up the names of hosts that are up; off with `-n`.
    pub reverse: bool,
    /// Look up the names of hosts that are down as well (`-R`); implies `reverse`.
    pub reverse_down: bool,
    /// Servers to ask; empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
}

/// What may be tried for packets, and who to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrivilegeSettings {
    /// Never try for packets (`--unprivileged`); not together with `required`.
    pub forbidden: bool,
    /// Stop at once if packets are not possible (`--privileged`).
    pub required: bool,
    /// Stay root when started by sudo (`--keep-root`).
    pub keep_root: bool,
}

/// Which scripts, and what they may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSettings {
    /// Selection expressions; `-sC` has added `default`. Empty: no scripts.
    pub select: Vec<String>,
    /// Arguments as given, one text an option.
    pub args: Vec<String>,
    /// Files with arguments.
    pub args_files: Vec<PathBuf>,
    /// Directories with further scripts.
    pub dirs: Vec<PathBuf>,
    /// Show what scripts send and receive.
    pub trace: bool,
    /// What to explain: scripts, each with `@host` or `@host:port` or without.
    pub why: Vec<String>,
    /// Instances alive at once at most; none: the scheduler's own limit.
    pub max_instances: Option<u32>,
    /// Budgets of an instance.
    pub limits: Limits,
}

/// What to write, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// At least one; at most one goes to stdout; no destination twice.
    pub outputs: Vec<(Format, Destination)>,
    /// Show open ports only.
    pub open_only: bool,
    /// Show why a port has its state.
    pub reason: bool,
    /// Verbosity, at least the debug level.
    pub verbose: u8,
    /// Debug level.
    pub debug: u8,
    /// Whether text on a terminal is coloured.
    pub color: Color,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Normal,
    /// XML in nmap's shape.
    Xml,
    /// One line a host.
    Grepable,
    /// JSON Lines.
    Json,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `-`
    Stdout,
    /// A file, to be created or replaced.
    File(PathBuf),
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless the environment objects.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
