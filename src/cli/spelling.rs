//! How nmap's users spell the options sonde has: the words argh cannot read, and the long name each stands for.

/// A word without its dashes, and the long option it means.
pub(super) struct Spelling {
    /// `sT`, `oX`, `p`, …
    pub(super) word: &'static str,
    /// The option in [`super::flags::Flags`].
    pub(super) long: &'static str,
    /// Whether a value may be glued to it: `-p80`, `-oXfile`.
    pub(super) glued: bool,
}

const fn alone(word: &'static str, long: &'static str) -> Spelling {
    Spelling { word, long, glued: false }
}

const fn glued(word: &'static str, long: &'static str) -> Spelling {
    Spelling { word, long, glued: true }
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
    alone("sT", "--scan-connect"),
    alone("Pn", "--no-ping"),
    alone("PN", "--no-ping"),
    alone("P0", "--no-ping"),
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
        .filter(|spelling| spelling.glued)
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
