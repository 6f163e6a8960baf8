//! What a scan is, apart from how it is run: so that shards and later parts are known to belong together.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::scripts::Chosen;
use crate::cli::Settings;
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
            ("scan", format!("{:?} {:?}", settings.scan.kinds, settings.scan.scan_flags)),
            ("discovery", format!("{:?}", settings.scan.discovery)),
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

/// The ports of each protocol that has any.
fn listed(ports: &PortSet) -> String {
    let mut text = String::new();
    for (letter, of_one) in [("T", &ports.tcp), ("U", &ports.udp), ("S", &ports.sctp), ("P", &ports.ip)] {
        if !of_one.is_empty() {
            let numbers: Vec<String> = of_one.iter().map(ToString::to_string).collect();
            let _ = write!(text, "{}{letter}:{}", if text.is_empty() { "" } else { "," }, numbers.join(","));
        }
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
