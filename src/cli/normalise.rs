//! nmap's habits, rewritten into the words argh reads.
//!
//! `-sTC -p80 -vv --max_retries=2` becomes `--scan-connect --script-default --ports 80 --verbose --verbose
//! --max-retries 2`. The order of the readings is that of `getopt_long_only`, which nmap's users have in their
//! fingers: the exact word, the long name with one dash or two, its unambiguous beginning, then glued short forms.
//! An option sonde refuses, or does not know, ends here with its remedy; argh sees only what it can read.

use std::collections::BTreeSet;
use std::ffi::OsString;

use argh::{ArgsInfo, FlagInfoKind, Optionality};

use super::flags::Flags;
use super::refused::{self, REFUSED};
use super::spelling::{self, COUNTED, Glued, HIGHEST_COUNT, SPELLINGS};
use super::usage::{UsageError, quote};
use crate::model::nearest::nearest;

/// How many candidates an ambiguous beginning lists.
const LISTED: usize = 6;

/// More switches than this in one word are not a habit but rubbish.
const BUNDLED: usize = 16;

/// Shortest all-lowercase word after one dash that is taken for a mistyped long name before a glued short form.
const LONG_LOOKING: usize = 5;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A long option, `--ports`.
    Option,
    /// The value of the option before it.
    Value,
    /// A target.
    Target,
}

/// One word for argh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As argh reads it.
    pub text: String,
    /// As the user spelled it, for messages; of a glued form the option alone (`-p` of `-p80`).
    pub typed: String,
    /// What it is.
    pub role: Role,
}

/// One option of the command line, read but not yet given its value.
struct Meant {
    long: &'static str,
    typed: String,
    value: Option<String>,
}

impl Meant {
    fn new(long: &'static str, typed: &str) -> Meant {
        Meant { long, typed: typed.to_owned(), value: None }
    }
}

/// A reading of a word: none, or its options, or the reason why they cannot be had.
type Reading = Option<Result<Vec<Meant>, UsageError>>;

/// Rewrites the arguments, without the program's name. `-h` and `-V` end the reading: nothing after them matters.
pub fn normalise(args: &[OsString]) -> Result<Vec<Word>, UsageError> {
    let args = utf8(args)?;
    let known = Known::new();
    let mut words = Vec::with_capacity(args.len());
    let mut once = BTreeSet::new();
    let mut rest = args.iter().copied().peekable();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            words.extend(rest.by_ref().map(target));
        } else if arg == "-" {
            return Err(UsageError::new("'-' is no target", "write -iL - to read targets from stdin"));
        } else if arg.starts_with('-') {
            for meant in known.read(arg)? {
                let option = known.option(meant.long);
                if option.is_some_and(|option| option.once) && !once.insert(meant.long) {
                    return Err(twice(&meant.typed));
                }
                let stop = matches!(meant.long, "--help" | "--version");
                let takes_value = option.is_some_and(|option| option.value.is_some());
                let (typed, value) = (meant.typed, meant.value);
                words.push(Word { text: meant.long.to_owned(), typed: typed.clone(), role: Role::Option });
                if stop {
                    return Ok(words);
                }
                if takes_value {
                    let value = match value {
                        Some(value) => value,
                        None => known.value(meant.long, &typed, rest.next())?,
                    };
                    words.push(Word { typed: value.clone(), text: value, role: Role::Value });
                }
            }
        } else {
            words.push(target(arg));
        }
    }
    Ok(words)
}

fn target(text: &str) -> Word {
    Word { text: text.to_owned(), typed: text.to_owned(), role: Role::Target }
}

fn twice(typed: &str) -> UsageError {
    UsageError::new(
        format!("{} is given twice", quote(typed)),
        "give it once; lists are joined with commas, as in -p 22,80",
    )
}

fn utf8(args: &[OsString]) -> Result<Vec<&str>, UsageError> {
    args.iter()
        .enumerate()
        .map(|(index, arg)| {
            arg.to_str().ok_or_else(|| {
                UsageError::new(
                    format!("argument {} is not valid UTF-8: {}", index + 1, quote(&arg.to_string_lossy())),
                    "write it in UTF-8; a file with another name must be renamed or linked first",
                )
            })
        })
        .collect()
}

/// One supported option, as [`Flags`] declares it.
struct Known {
    options: Vec<Declared>,
}

struct Declared {
    long: &'static str,
    /// The name of its value, if it takes one.
    value: Option<&'static str>,
    /// Whether a second one is an error.
    once: bool,
}

impl Known {
    fn new() -> Known {
        let options = Flags::get_args_info()
            .flags
            .iter()
            .map(|flag| {
                let value = match flag.kind {
                    FlagInfoKind::Option { arg_name } => Some(arg_name),
                    FlagInfoKind::Switch => None,
                };
                let once = value.is_some() && flag.optionality != Optionality::Repeating;
                Declared { long: flag.long, value, once }
            })
            .collect();
        Known { options }
    }

    fn option(&self, long: &str) -> Option<&Declared> {
        self.options.iter().find(|option| option.long == long)
    }

    /// The value of an option that did not bring its own: the next argument, unless that is an option itself.
    fn value(&self, long: &str, typed: &str, next: Option<&str>) -> Result<String, UsageError> {
        let name = self.option(long).and_then(|option| option.value).unwrap_or("value");
        let remedy = format!("write {typed} <{name}>");
        match next {
            None => Err(UsageError::new(format!("{} needs a value", quote(typed)), remedy)),
            Some(next) if self.is_option(next) => Err(UsageError::new(
                format!("{} needs a value, but the option {} follows", quote(typed), quote(next)),
                format!("{remedy}, or {long}={next} if that is meant"),
            )),
            Some(next) => Ok(next.to_owned()),
        }
    }

    /// Whether the word is exactly an option. `-4` and `-6` are not: they are ranges of ports as well.
    fn is_option(&self, word: &str) -> bool {
        match word.strip_prefix("--") {
            Some(name) => self.option(word).is_some() || refused::find(name).is_some(),
            None => word.strip_prefix('-').is_some_and(|short| {
                short.starts_with(|first: char| first.is_ascii_alphabetic())
                    && (spelling::find(short).is_some() || refused::find(short).is_some_and(refused::Refused::is_short))
            }),
        }
    }

    /// The options one argument stands for. It begins with a dash and is neither `-` nor `--`.
    fn read(&self, arg: &str) -> Result<Vec<Meant>, UsageError> {
        let double = arg.starts_with("--");
        let body = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).unwrap_or(arg);
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let typed = arg.get(..arg.len() - body.len() + name.len()).unwrap_or(arg);
        let reading = exact_word(name, typed, double).or_else(|| self.exact_long(name, typed));
        let reading = reading.or_else(|| if double { None } else { scan_letters(body, arg) });
        if reading.is_none() && !double && is_miscased(body) {
            return Err(self.unknown(name, typed));
        }
        if let Some(meant) = reading.or_else(|| self.beginning(name, typed)) {
            return self.with_value(meant?, value);
        }
        let glued = if double || self.looks_long(body) { None } else { bundle(body, arg) };
        glued.unwrap_or_else(|| Err(self.unknown(name, typed)))
    }

    /// Gives the value after `=` to the one option it can belong to.
    fn with_value(&self, mut meant: Vec<Meant>, value: Option<&str>) -> Result<Vec<Meant>, UsageError> {
        let (Some(value), Some(last)) = (value, meant.last_mut()) else { return Ok(meant) };
        if self.option(last.long).is_none_or(|option| option.value.is_none()) {
            let what = format!("{} takes no value", quote(&last.typed));
            return Err(UsageError::new(what, format!("write {} alone", last.typed)));
        }
        last.value = Some(value.to_owned());
        Ok(meant)
    }

    /// `--script`, `-script`, `--max_retries`.
    fn exact_long(&self, name: &str, typed: &str) -> Reading {
        let dashed = name.replace('_', "-");
        if let Some(option) = self.options.iter().find(|option| bare(option.long) == dashed) {
            return Some(Ok(vec![Meant::new(option.long, typed)]));
        }
        let refused = refused::find(&dashed).filter(|refused| !refused.is_short())?;
        Some(Err(refused.error(typed)))
    }

    /// `--script-a`, if only one known option begins so.
    fn beginning(&self, name: &str, typed: &str) -> Reading {
        let dashed = name.replace('_', "-");
        if dashed.is_empty() || (dashed.chars().count() == 1 && !typed.starts_with("--")) {
            return None;
        }
        let supported = self.options.iter().map(|option| bare(option.long));
        let refused = REFUSED.iter().filter(|refused| !refused.is_short()).map(|refused| refused.word);
        let candidates: Vec<&str> = supported.chain(refused).filter(|long| long.starts_with(&dashed)).collect();
        match candidates.as_slice() {
            [] => None,
            [only] => self.exact_long(only, typed),
            several => {
                let listed: Vec<String> = several.iter().take(LISTED).map(|long| format!("--{long}")).collect();
                let more = if several.len() > LISTED { ", …" } else { "" };
                let remedy = format!("write one of {}{more}", listed.join(", "));
                Some(Err(UsageError::new(format!("{} could be several options", quote(typed)), remedy)))
            }
        }
    }

    /// Whether `-exclued` is a slip in a long name rather than `-e` with a glued value.
    fn looks_long(&self, body: &str) -> bool {
        body.len() >= LONG_LOOKING
            && body.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && nearest(body, self.options.iter().map(|option| bare(option.long))).is_some()
    }

    fn unknown(&self, name: &str, typed: &str) -> UsageError {
        let what = format!("unknown option {}", quote(typed));
        let wanted = if typed.starts_with("--") || name.chars().count() >= LONG_LOOKING {
            format!("--{}", name.replace('_', "-"))
        } else {
            format!("-{name}")
        };
        let longs = self.options.iter().map(|option| option.long.to_owned());
        let shorts = SPELLINGS.iter().map(|spelling| format!("-{}", spelling.word));
        let refused = REFUSED.iter().map(refused::Refused::spelled);
        let candidates: Vec<String> = longs.chain(shorts).chain(refused).collect();
        let remedy = match nearest(&wanted, candidates.iter().map(String::as_str)) {
            None => "no option has a name near it".to_owned(),
            Some(near) => match REFUSED.iter().find(|refused| refused.spelled() == near) {
                Some(refused) => format!("if {near} is meant: {}", refused.remedy),
                None => format!("did you mean {near}?"),
            },
        };
        UsageError::new(what, remedy)
    }
}

fn bare(long: &str) -> &str {
    long.trim_start_matches('-')
}

/// `-sc` for `-sC`, `-pn` for `-Pn`: neither the beginning of a long name nor port "n".
fn is_miscased(body: &str) -> bool {
    body.len() == 2
        && body.bytes().all(|byte| byte.is_ascii_alphabetic())
        && SPELLINGS.iter().any(|spelling| spelling.word.eq_ignore_ascii_case(body))
}

/// `-sT`, `-oX`, `-n`; with two dashes (`--oX`) if it has two letters.
fn exact_word(name: &str, typed: &str, double: bool) -> Reading {
    if double && name.chars().count() < 2 {
        return None;
    }
    if let Some(spelling) = spelling::find(name) {
        let empty = (spelling.glued == Glued::Only).then(String::new);
        return Some(Ok(vec![Meant { value: empty, ..Meant::new(spelling.long, typed) }]));
    }
    let refused = refused::find(name).filter(|refused| refused.is_short())?;
    Some(Err(refused.error(typed)))
}

/// `-sTC` is `-sT -sC`: every letter must make a scan option. The first refused one answers for the word.
fn scan_letters(body: &str, typed: &str) -> Reading {
    let letters = body.strip_prefix('s').filter(|letters| (1..=BUNDLED).contains(&letters.len()))?;
    let mut meant = Vec::new();
    let mut refusal = None;
    for letter in letters.chars() {
        let word = format!("s{letter}");
        if let Some(spelling) = spelling::find(&word) {
            meant.push(Meant::new(spelling.long, &format!("-{word}")));
        } else {
            let refused = refused::find(&word)?;
            refusal.get_or_insert_with(|| {
                let shown = if letters.len() == 1 { typed.to_owned() } else { format!("-{word} in {typed}") };
                refused.error(&shown)
            });
        }
    }
    Some(refusal.map_or(Ok(meant), Err))
}

/// `-vv`, `-d3`: the letter repeated, or followed by a number.
fn counted(body: &str, typed: &str) -> Reading {
    let letter = body.chars().next()?;
    let (_, long) = COUNTED.iter().find(|(counted, _)| *counted == letter)?;
    let rest = body.get(letter.len_utf8()..)?;
    let count = if rest.chars().all(|other| other == letter) {
        body.chars().count()
    } else if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        rest.parse().unwrap_or(usize::MAX)
    } else {
        return None;
    };
    if count > HIGHEST_COUNT {
        let what = format!("{} is too high a level", quote(typed));
        return Some(Err(UsageError::new(what, format!("write -{letter}{HIGHEST_COUNT} at most"))));
    }
    Some(Ok((0..count).map(|_| Meant::new(long, typed)).collect()))
}

/// `-p80`, `-oXfile`, `-T4`; refused ones as well: `-PS22`, `-g53`.
fn glued(body: &str, typed: &str) -> Reading {
    if let Some((spelling, value)) = spelling::find_glued(body) {
        let option = format!("-{}", spelling.word);
        let value = Some(value.strip_prefix('=').unwrap_or(value).to_owned());
        return Some(Ok(vec![Meant { long: spelling.long, typed: option, value }]));
    }
    refused::find_glued(body).map(|refused| Err(refused.error(typed)))
}

/// Short options in one word, as getopt reads them: `-nF`, `-nvp80`. Switches may stand anywhere, a value ends it.
fn bundle(body: &str, typed: &str) -> Reading {
    let mut rest = body;
    let mut meant = Vec::new();
    while let Some(letter) = rest.chars().next() {
        let whole = exact_word(rest, typed, false)
            .or_else(|| scan_letters(rest, typed))
            .or_else(|| counted(rest, typed))
            .or_else(|| glued(rest, typed));
        if let Some(reading) = whole {
            return Some(reading.map(|last| {
                meant.extend(last);
                meant
            }));
        }
        if meant.len() > BUNDLED {
            return None;
        }
        let (first, others) = rest.split_at(letter.len_utf8());
        match exact_word(first, typed, false)? {
            Ok(switch) => meant.extend(switch),
            Err(refusal) => return Some(Err(refusal)),
        }
        rest = others;
    }
    None
}

#[cfg(test)]
mod tests;
