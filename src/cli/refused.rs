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
    /// Whether a value may be glued to it: `-PS22,80`, `-g53`.
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

const CONNECT: &str = "use -sT: the connect scan finds open ports and needs no privileges";
const NO_PACKETS: &str = "leave it out: scans use ordinary connections, whose packets the system builds";
const PING: &str = "leave it out for the default discovery, or use -Pn to scan every target";
const VERSIONS: &str = "use -sC or --script: scripts report what a service says about itself";
const NO_OS: &str = "leave it out: the operating system is not detected";
const BUILT_IN: &str = "leave it out: the data is inside the program";
const RATE: &str = "use -T4, --max-parallelism or --max-sockets to go faster, --max-rate for a ceiling";
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
    row("sS", "SYN scan", CONNECT),
    row("sU", "UDP scan", "use a script that speaks the protocol; ports are scanned over TCP only"),
    row("sA", "ACK scan", CONNECT),
    row("sN", "null scan", CONNECT),
    row("sF", "FIN scan", CONNECT),
    row("sX", "Xmas scan", CONNECT),
    row("sW", "window scan", CONNECT),
    row("sM", "Maimon scan", CONNECT),
    row("sO", "IP protocol scan", CONNECT),
    row("sY", "SCTP INIT scan", CONNECT),
    row("sZ", "SCTP COOKIE-ECHO scan", CONNECT),
    glued("sI", "idle scan", CONNECT),
    glued("b", "FTP bounce scan", CONNECT),
    row("scanflags", "TCP flags of a probe", NO_PACKETS),
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
    row("A", "version, system, scripts and route together", "use -sC for the default scripts"),
    row("traceroute", "route to each host", "use traceroute(8) or mtr(8) beside the scan"),
    // Discovery.
    row("sn", "discovery without a port scan", "give a short -p list instead, for example -p 80,443 --open"),
    row("sP", "discovery without a port scan", "give a short -p list instead, for example -p 80,443 --open"),
    row("sL", "list of targets", "give the targets to a scan; each is named in the report"),
    glued("PE", "ICMP echo discovery", PING),
    glued("PP", "ICMP timestamp discovery", PING),
    glued("PM", "ICMP netmask discovery", PING),
    glued("PS", "TCP SYN discovery", PING),
    glued("PA", "TCP ACK discovery", PING),
    glued("PU", "UDP discovery", PING),
    glued("PY", "SCTP discovery", PING),
    glued("PO", "IP protocol discovery", PING),
    row("PR", "ARP discovery", PING),
    row("disable-arp-ping", "ARP discovery", "leave it out: ARP is never used for discovery"),
    row("discovery-ignore-rst", "discovery by reset", PING),
    // Targets and names.
    glued("iR", "random targets", "list the addresses you are allowed to scan, or use -iL"),
    row(
        "system-dns",
        "names from the system's resolver",
        "use --dns-servers to choose servers, or -n for no reverse names",
    ),
    row("port-ratio", "ports by frequency", "use --top-ports or -F"),
    // Packets.
    glued("f", "fragmented packets", NO_PACKETS),
    row("mtu", "fragmented packets", NO_PACKETS),
    glued("D", "decoys", NO_PACKETS),
    glued("S", "forged source address", NO_PACKETS),
    glued(
        "e",
        "choice of interface",
        "leave it out: the system's routes choose the interface; for link-local IPv6 write fe80::1%eth0",
    ),
    glued("g", "source port", NO_PACKETS),
    row("source-port", "source port", NO_PACKETS),
    row("data", "bytes added to probes", NO_PACKETS),
    row("data-string", "bytes added to probes", NO_PACKETS),
    row("data-length", "bytes added to probes", NO_PACKETS),
    row("ip-options", "IP options", NO_PACKETS),
    row("ttl", "time to live", NO_PACKETS),
    row("spoof-mac", "forged hardware address", NO_PACKETS),
    row("badsum", "wrong checksums", NO_PACKETS),
    row("adler32", "SCTP checksum", NO_PACKETS),
    row("send-eth", "sending frames", NO_PACKETS),
    row("send-ip", "sending raw packets", NO_PACKETS),
    row("proxies", "scan through proxies", "run sonde behind the proxy, or use a routed tunnel"),
    row("proxy", "scan through proxies", "run sonde behind the proxy, or use a routed tunnel"),
    row("packet-trace", "trace of every packet", "use --script-trace to see what scripts send and receive"),
    row("iflist", "list of interfaces", "use ip address and ip route"),
    // Timing.
    row("min-rate", "lowest rate", RATE),
    row("max-scan-delay", "highest adapted delay", "use --scan-delay for a fixed delay, or --max-rate"),
    glued("M", "parallelism", "use --max-parallelism"),
    row("defeat-rst-ratelimit", "ignoring limits on resets", "use --max-rate to stay below a target's limit"),
    row("defeat-icmp-ratelimit", "ignoring limits on ICMP errors", "use --max-rate to stay below a target's limit"),
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
        let error = find("sS").map(|refused| refused.error("-sSC"));
        let expected = UsageError::new("'-sSC' (SYN scan) is not available in sonde", CONNECT);
        assert_eq!(error, Some(expected));
        assert_eq!(find_glued("PS22,80").map(|refused| refused.word), Some("PS"));
        assert_eq!(find_glued("PS").map(|refused| refused.word), None);
    }
}
