//! What a scan found, read from its grepable report, which sonde and nmap write alike.

use std::collections::BTreeMap;
use std::fmt;

/// How many hosts there are of each kind: `"22/open 80/closed, 998 filtered"`, or `"up"` where no ports were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(BTreeMap<String, usize>);

impl Found {
    /// What there is to find: so many hosts that are all alike.
    pub fn alike(hosts: usize, kind: &str) -> Found {
        Found(BTreeMap::from([(kind.to_owned(), hosts)]))
    }

    /// Reads a report. A host with ports has two lines, one that it is up and one of its ports.
    pub fn read(report: &str) -> Found {
        let mut kinds: BTreeMap<&str, String> = BTreeMap::new();
        for line in report.lines() {
            let mut fields = line.split('\t');
            let Some(host) = fields.next().and_then(|field| field.strip_prefix("Host: ")) else { continue };
            let (mut ports, mut ignored) = (String::new(), String::new());
            for field in fields {
                match field.split_once(": ") {
                    Some(("Ports", list)) => ports = states(list),
                    Some(("Ignored State", rest)) => ignored = most(rest),
                    Some(("Status", "Up")) => "up".clone_into(&mut ports),
                    _ => field.clone_into(&mut ports),
                }
            }
            let kind = [ports, ignored].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            kinds.insert(host, kind); // the line of the ports comes later
        }
        let mut counts = BTreeMap::new();
        for kind in kinds.into_values() {
            *counts.entry(kind).or_default() += 1;
        }
        Found(counts)
    }
}

/// `22/open/tcp//ssh///, 80/closed/tcp//http///` as `22/open 80/closed`.
fn states(list: &str) -> String {
    let port = |entry: &str| entry.trim().splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    list.split(',').map(port).filter(|port| !port.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `filtered (998)` as `998 filtered`.
fn most(ignored: &str) -> String {
    match ignored.trim_end().trim_end_matches(')').split_once(" (") {
        Some((state, count)) => format!("{count} {state}"),
        None => ignored.to_owned(),
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "no host");
        }
        let kinds: Vec<String> = self.0.iter().map(|(kind, hosts)| format!("{hosts} x {kind}")).collect();
        write!(f, "{}", kinds.join("; "))
    }
}
