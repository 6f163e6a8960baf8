//! How nmap's users spell the options sonde has: the words argh cannot read, and the long name each stands for.

/// A word without its dashes, and the long option it means.
pub(super) struct Spelling {
    /// `sT`, `oX`, `p`, …
    pub(super) word: &'static str,
    /// The option in [`super::flags::Flags`].
    pub(super) long: &'static str,
    /// Whether a value may be glued to it.
    pub(super) glued: Glued,
}

/// Whether a value may be glued to a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Glued {
    /// It takes none: `-n`.
    Never,
    /// Glued, or as the next word: `-p80`, `-p 80`.
    Or,
    /// Glued or not at all, which is the empty value: `-PS22`, `-PS`.
    Only,
}

const fn alone(word: &'static str, long: &'static str) -> Spelling {
    Spelling { word, long, glued: Glued::Never }
}

const fn glued(word: &'static str, long: &'static str) -> Spelling {
    Spelling { word, long, glued: Glued::Or }
}

const fn list(word: &'static str, long: &'static str) -> Spelling {
    Spelling { word, long, glued: Glued::Only }
}

/// Every short word of a supported option. The first spelling of an option is the one messages and help use.
pub(super) const SPELLINGS: &[Spelling] = &[
    glued("iL", "--input-list"),
    alone("4", "--ipv4"),
    alone("6", "--ipv6"),
    alone("rH", "--randomize-hosts"),
    alone("n", "--no-reverse"),
    alone("R", "--reverse-all"),
    glued("p", "--ports"),
    alone("F", "--fast"),
    alone("r", "--sequential"),
    alone("sS", "--scan-syn"),
    alone("sT", "--scan-connect"),
    alone("sU", "--scan-udp"),
    alone("sA", "--scan-ack"),
    alone("sW", "--scan-window"),
    alone("sM", "--scan-maimon"),
    alone("sN", "--scan-null"),
    alone("sF", "--scan-fin"),
    alone("sX", "--scan-xmas"),
    alone("sO", "--scan-protocols"),
    alone("sY", "--scan-sctp-init"),
    alone("sZ", "--scan-sctp-cookie"),
    alone("sn", "--ping-only"),
    alone("sP", "--ping-only"),
    alone("sL", "--list-only"),
    alone("Pn", "--no-ping"),
    alone("PN", "--no-ping"),
    alone("P0", "--no-ping"),
    alone("PE", "--ping-echo"),
    alone("PP", "--ping-timestamp"),
    alone("PM", "--ping-mask"),
    list("PS", "--ping-syn"),
    list("PA", "--ping-ack"),
    list("PU", "--ping-udp"),
    list("PY", "--ping-sctp"),
    list("PO", "--ping-protocol"),
    alone("PR", "--ping-arp"),
    glued("e", "--interface"),
    glued("g", "--source-port"),
    alone("sC", "--script-default"),
    glued("T", "--timing"),
    glued("oN", "--output-normal"),
    glued("oX", "--output-xml"),
    glued("oG", "--output-grepable"),
    glued("oJ", "--output-json"),
    glued("oA", "--output-all"),
    alone("v", "--verbose"),
    alone("d", "--debug"),
    alone("V", "--version"),
    alone("h", "--help"),
];

/// Switches that count: `-vv` and `-v2` are `-v -v`. The letter, and the option.
pub(super) const COUNTED: &[(char, &str)] = &[('v', "--verbose"), ('d', "--debug")];

/// The highest verbosity or debug level.
pub(super) const HIGHEST_COUNT: usize = 10;

/// The spelling a message shows for `long`: nmap's word where there is one.
pub(super) fn canonical(long: &str) -> String {
    match SPELLINGS.iter().find(|spelling| spelling.long == long) {
        Some(spelling) => format!("-{}", spelling.word),
        None => long.to_owned(),
    }
}

/// The supported spelling of exactly this word.
pub(super) fn find(word: &str) -> Option<&'static Spelling> {
    SPELLINGS.iter().find(|spelling| spelling.word == word)
}

/// The spelling that `body` begins with and that takes the rest as its value; two letters before one.
pub(super) fn find_glued(body: &str) -> Option<(&'static Spelling, &str)> {
    SPELLINGS
        .iter()
        .filter(|spelling| spelling.glued != Glued::Never)
        .filter_map(|spelling| body.strip_prefix(spelling.word).map(|rest| (spelling, rest)))
        .filter(|(_, rest)| !rest.is_empty())
        .max_by_key(|(spelling, _)| spelling.word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glued_words_are_found_longest_first() {
        let split = |body| find_glued(body).map(|(spelling, rest)| (spelling.long, rest));
        assert_eq!(split("p80"), Some(("--ports", "80")));
        assert_eq!(split("p-"), Some(("--ports", "-")));
        assert_eq!(split("oXfile"), Some(("--output-xml", "file")));
        assert_eq!(split("oX"), None);
        assert_eq!(split("n1"), None);
    }

    #[test]
    fn words_are_spelled_once() {
        for spelling in SPELLINGS {
            let same = SPELLINGS.iter().filter(|other| other.word == spelling.word).count();
            assert_eq!(same, 1, "{}", spelling.word);
        }
        assert_eq!(canonical("--scan-connect"), "-sT");
        assert_eq!(canonical("--script"), "--script");
    }
}
