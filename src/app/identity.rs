//! What a scan is, apart from how it is run: so that shards and later parts are known to belong together.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::scripts::Chosen;
use crate::cli::{DiscoveryMode, DiscoverySettings, ScanSettings, Settings};
use crate::report;
use crate::target::{Exclude, Name, PortSet, Spec};

/// Longest text of a part that is kept as it is; of others there is a digest.
const LEGIBLE: usize = 120;

/// The parts that make a scan this one and no other, by name. Speed, reports and seed are no such parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(Vec<(String, String)>);

impl Identity {
    /// The scan `settings` ask for, with what their files and expressions came to.
    pub fn of(
        settings: &Settings,
        specs: &[Spec],
        exclude: (&Exclude, &[Name]),
        ports: &PortSet,
        chosen: &Chosen,
    ) -> Identity {
        let targets: Vec<String> = specs.iter().map(ToString::to_string).collect();
        let mut scripts: Vec<String> = Vec::new();
        for one in &chosen.selected {
            scripts.push(format!("{} {}", one.script.id, digest(&one.script.source)));
        }
        let arguments = (&settings.scripts.args, &settings.scripts.args_files);
        let names = (&settings.targets.family, settings.targets.resolve_all, settings.names.reverse);
        let parts = [
            ("targets", targets.join(" ")),
            ("excluded targets", format!("{exclude:?}")),
            ("ports", listed(ports)),
            ("kinds of scans", kinds(&settings.scan)),
            ("ways of discovery", discovery(&settings.scan.discovery)),
            ("scripts", scripts.join(", ")),
            ("script arguments", format!("{arguments:?}")),
            ("names", format!("{names:?}")),
        ];
        Identity(parts.into_iter().map(|(name, text)| (name.to_owned(), short(text))).collect())
    }

    /// The parts of a journal.
    pub fn from_parts(parts: Vec<(String, String)>) -> Identity {
        Identity(parts)
    }

    /// Name and text of each part.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// One word for all of it.
    pub fn fingerprint(&self) -> String {
        let mut all = String::new();
        for (name, text) in &self.0 {
            let _ = writeln!(all, "{name}: {text}"); // into a String, which takes everything
        }
        digest(&all)
    }

    /// What is different in `other`, by name, in words for the user.
    pub fn difference(&self, other: &Identity) -> Option<String> {
        let (name, was) = self.0.iter().find(|(name, text)| other.part(name) != Some(text))?;
        let is = other.part(name).unwrap_or("nothing");
        let legible = |text: &str| !text.contains("sha256") && text.len() <= 40;
        Some(if legible(was) && legible(is) {
            format!("its {name} were {was}, here they are {is}")
        } else {
            format!("its {name} were others")
        })
    }

    fn part(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

/// The ports, with a letter before those of a protocol unless all are of TCP.
fn listed(ports: &PortSet) -> String {
    let all = [("T:", &ports.tcp), ("U:", &ports.udp), ("S:", &ports.sctp), ("P:", &ports.ip)];
    let only_tcp = ports.count() == ports.tcp.len();
    let mut lists = Vec::new();
    for (letter, of_one) in all.into_iter().filter(|(_, of_one)| !of_one.is_empty()) {
        lists.push(format!("{}{}", if only_tcp { "" } else { letter }, report::ranges(of_one)));
    }
    lists.join(",")
}

/// The kinds of scans, and what makes their probes other ones.
fn kinds(scan: &ScanSettings) -> String {
    if scan.kinds.is_empty() {
        return "usual".to_owned();
    }
    let names: Vec<&str> = scan.kinds.iter().map(|kind| kind.name()).collect();
    let flags = scan.scan_flags.map_or_else(String::new, |flags| format!(" with flags {flags:#04x}"));
    format!("{}{flags}", names.join(", "))
}

/// How hosts are asked whether they are there.
fn discovery(settings: &DiscoverySettings) -> String {
    let mode = match settings.mode {
        DiscoveryMode::Skip | DiscoveryMode::Neither => "none",
        DiscoveryMode::List => "a list",
        DiscoveryMode::Normal | DiscoveryMode::Only if settings.pings.is_empty() => "usual",
        DiscoveryMode::Normal | DiscoveryMode::Only => "by pings",
    };
    let mut text = mode.to_owned();
    for ping in &settings.pings {
        let _ = write!(text, " {:?} {}", ping.kind, ping.ports.as_deref().unwrap_or_default());
    }
    if !settings.arp {
        text.push_str(" without ARP");
    }
    if settings.ignore_rst {
        text.push_str(" without resets");
    }
    text
}

fn short(text: String) -> String {
    if text.len() <= LEGIBLE { text } else { format!("{} characters, sha256 {}", text.len(), digest(&text)) }
}

/// Half a SHA-256, in hexadecimal.
fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    HEXLOWER.encode(digest.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(parts: &[(&str, &str)]) -> Identity {
        Identity(parts.iter().map(|(name, text)| ((*name).to_owned(), short((*text).to_owned()))).collect())
    }

    #[test]
    fn ports_have_the_letter_of_their_protocol() {
        let tcp = PortSet { tcp: vec![22, 80], ..PortSet::default() };
        assert_eq!(listed(&tcp), "22,80");
        assert_eq!(listed(&PortSet { udp: vec![53], ..tcp }), "T:22,80,U:53");
        assert_eq!(listed(&PortSet { ip: vec![1, 6], ..PortSet::default() }), "P:1,6");
    }

    #[test]
    fn a_difference_is_named() {
        let one = identity(&[("targets", "a b"), ("ports", "22")]);
        assert_eq!(one.difference(&one), None);
        let other = identity(&[("targets", "a b"), ("ports", "80")]);
        assert_eq!(one.difference(&other).as_deref(), Some("its ports were 22, here they are 80"));
        assert_ne!(one.fingerprint(), other.fingerprint());
        let long = identity(&[("targets", &"a ".repeat(200)), ("ports", "22")]);
        assert_eq!(long.difference(&one).as_deref(), Some("its targets were others"));
        assert!(long.0[0].1.starts_with("400 characters, sha256 "));
    }
}
