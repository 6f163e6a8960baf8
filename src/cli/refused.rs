//! Options of nmap and of other scanners that sonde knows and does not have: each is refused by name, with what to
//! write instead. A silent or half-true acceptance would make a scan lie.

use super::usage::{UsageError, quote};

/// One refused option.
pub(super) struct Refused {
    /// The word without its dashes.
    pub(super) word: &'static str,
    /// What the option is, a few words.
    pub(super) what: &'static str,
    /// What to do instead, one line.
    pub(super) remedy: &'static str,
    /// Whether a value may be glued to it: `-sIzombie`, `-iR100`.
    pub(super) glued: bool,
}

impl Refused {
    /// Two letters or fewer, or nmap's mixed case: written with a single dash.
    pub(super) fn is_short(&self) -> bool {
        self.word.len() <= 2
    }

    /// The word with its dashes.
    pub(super) fn spelled(&self) -> String {
        format!("{}{}", if self.is_short() { "-" } else { "--" }, self.word)
    }

    /// The answer to a user who typed it as `typed`.
    pub(super) fn error(&self, typed: &str) -> UsageError {
        UsageError::new(format!("{} ({}) is not available in sonde", quote(typed), self.what), self.remedy)
    }
}

const fn row(word: &'static str, what: &'static str, remedy: &'static str) -> Refused {
    Refused { word, what, remedy, glued: false }
}

const fn glued(word: &'static str, what: &'static str, remedy: &'static str) -> Refused {
    Refused { word, what, remedy, glued: true }
}

const DIRECT: &str = "use -sS, or -sT where no privileges are to be had: both ask the host itself";
const WHOLE: &str = "leave it out: probes are sent whole, in one packet each";
const OWN: &str = "leave it out: probes come from the addresses this machine has";
const ROUTED: &str = "leave it out: the route to a host decides how packets leave; -e chooses the interface";
const BYTES: &str = "use --data-length for random bytes";
const VERSIONS: &str = "use -sC or --script: scripts report what a service says about itself";
const NO_OS: &str = "leave it out: the operating system is not detected";
const BUILT_IN: &str = "leave it out: the data is inside the program";
const STYLE: &str = "leave it out: the XML names no style sheet; apply one with xsltproc";
const NO_LOOP: &str = "leave it out: sonde has one event loop and no choice of engines";

/// The refused option of exactly this word (no dashes).
pub(super) fn find(word: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|refused| refused.word == word)
}

/// The refused option that `body` begins with and that takes the rest as its value; two letters before one.
pub(super) fn find_glued(body: &str) -> Option<&'static Refused> {
    REFUSED
        .iter()
        .filter(|refused| refused.glued && body.len() > refused.word.len() && body.starts_with(refused.word))
        .max_by_key(|refused| refused.word.len())
}

/// Every refused option.
pub(super) const REFUSED: &[Refused] = &[
    // Scan techniques.
    glued("sI", "idle scan", DIRECT),
    glued("b", "FTP bounce scan", DIRECT),
    // Detection.
    row("sV", "version detection", VERSIONS),
    row("sR", "RPC scan", VERSIONS),
    row("version-intensity", "version detection", VERSIONS),
    row("version-light", "version detection", VERSIONS),
    row("version-all", "version detection", VERSIONS),
    row("version-trace", "version detection", "use --script-trace to see what scripts send and receive"),
    row("allports", "version detection of every port", VERSIONS),
    row("O", "operating system detection", NO_OS),
    row("osscan-limit", "operating system detection", NO_OS),
    row("osscan-guess", "operating system detection", NO_OS),
    row("fuzzy", "operating system detection", NO_OS),
    row("max-os-tries", "operating system detection", NO_OS),
    row("A", "version, system, scripts and route together", "use -sC --traceroute for the scripts and the route"),
    // Targets and names.
    glued("iR", "random targets", "list the addresses you are allowed to scan, or use -iL"),
    row(
        "system-dns",
        "names from the system's resolver",
        "use --dns-servers to choose servers, or -n for no reverse names",
    ),
    row("port-ratio", "ports by frequency", "use --top-ports or -F"),
    // Packets.
    glued("f", "fragmented packets", WHOLE),
    row("mtu", "fragmented packets", WHOLE),
    glued("D", "decoys", OWN),
    glued("S", "forged source address", OWN),
    row("data", "bytes added to probes", BYTES),
    row("data-string", "bytes added to probes", BYTES),
    row("ip-options", "IP options", "leave it out: probes carry no IP options"),
    row("spoof-mac", "forged hardware address", OWN),
    row("adler32", "SCTP checksum", "leave it out: SCTP packets carry the CRC32c of RFC 9260"),
    row("send-eth", "sending frames", ROUTED),
    row("send-ip", "sending raw packets", ROUTED),
    row("proxies", "scan through proxies", "run sonde behind the proxy, or use a routed tunnel"),
    row("proxy", "scan through proxies", "run sonde behind the proxy, or use a routed tunnel"),
    // Timing.
    glued("M", "parallelism", "use --max-parallelism"),
    row("nsock-engine", "choice of event engine", NO_LOOP),
    // Output and data.
    row("append-output", "adding to existing files", "write to a new file and join them afterwards"),
    row("oS", "script kiddie output", "use -oN for text, -oJ for JSON Lines"),
    row("oM", "machine output", "use -oG for the grepable form, -oJ for JSON Lines"),
    row("oH", "HTML output", "use -oX and convert the XML"),
    row("log-errors", "errors in the report", "leave it out: errors are part of every report; progress goes to stderr"),
    row("stylesheet", "XML style sheet", STYLE),
    row("webxml", "XML style sheet", STYLE),
    row("no-stylesheet", "XML style sheet", STYLE),
    row("deprecated-xml-osclass", "old XML elements", "leave it out: -oX writes the current elements"),
    row("datadir", "data directory", "use --script-dir to add scripts; other data is inside the program"),
    row("servicedb", "service name file", BUILT_IN),
    row("versiondb", "service probe file", BUILT_IN),
    row("release-memory", "freeing memory at the end", "leave it out: memory is freed as each host is done"),
    // Habits from other scanners.
    row("rate", "rate, as in masscan", "use --max-rate"),
    row("rl", "rate, as in naabu", "use --max-rate"),
    row("list", "list of targets, as in naabu", "use -iL"),
    row("no-color", "plain text", "use --color never"),
    row("silent", "results only", "leave it out: stdout carries results only"),
    row("config", "configuration file", "give options on the command line; a shell alias can hold them"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_line_of_remedy_and_one_word() {
        for refused in REFUSED {
            assert!(!refused.what.is_empty() && !refused.what.contains('\n'), "{}", refused.word);
            assert!(!refused.remedy.is_empty() && !refused.remedy.contains('\n'), "{}", refused.word);
            assert_eq!(REFUSED.iter().filter(|other| other.word == refused.word).count(), 1, "{}", refused.word);
        }
    }

    #[test]
    fn a_refusal_names_the_option_as_typed() {
        let error = find("sV").map(|refused| refused.error("-sVC"));
        let expected = UsageError::new("'-sVC' (version detection) is not available in sonde", VERSIONS);
        assert_eq!(error, Some(expected));
        assert_eq!(find_glued("sIzombie").map(|refused| refused.word), Some("sI"));
        assert_eq!(find_glued("sI").map(|refused| refused.word), None);
    }
}
