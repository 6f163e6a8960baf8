//! From what was typed to what it means: values parsed, templates applied, conflicts refused.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Limits;

use super::flags::Flags;
use super::normalise::{Role, Word};
use super::operation;
use super::settings::{
    Color, Destination, Family, Format, NameSettings, PortSettings, PrivilegeSettings, ReportSettings, ScriptSettings,
    Settings, Source, TargetSettings,
};
use super::spelling::canonical;
use super::timing::{self, Template};
use super::usage::{UsageError, quote};
use super::values::{self, Fault};
use super::{Command, ScriptHelp, ScriptTest};
use super::{discovery, scanning};

/// Where cases of scripts are, unless said.
const CASES: &str = "testdata/scripts";

/// Gives the flags their meaning. `words` are those the flags were read from; messages take the user's spelling from
/// them.
pub(super) fn resolve(words: &[Word], flags: &Flags, args_line: String) -> Result<Command, UsageError> {
    let typed = Typed { words };
    if !flags.script_help.is_empty() {
        return script_help(&typed, flags).map(Command::ScriptHelp);
    }
    if flags.interface_list {
        return interface_list(&typed, flags);
    }
    if flags.script_test {
        return script_test(&typed, flags).map(Command::ScriptTest);
    }
    if flags.script_test_dir.is_some() || flags.script_test_accept {
        return Err(UsageError::new("cases of scripts are named without --script-test", "add --script-test"));
    }
    if flags.replay_lenient {
        return Err(UsageError::new("--replay-lenient is for replays", "name the recording with --replay <file>"));
    }
    if flags.merge {
        return operation::merge(&typed, flags).map(Command::Merge);
    }
    if let Some(resume) = operation::resume(&typed, flags)? {
        return Ok(resume);
    }
    if flags.replay_faults.is_some() {
        return Err(UsageError::new("--replay-faults is for replays", "name the recording with --replay <file>"));
    }
    if flags.record_redact && flags.record.is_none() {
        return Err(UsageError::new("--record-redact is for recordings", "name the file with --record <file>"));
    }
    typed.not_both(("--record", flags.record.is_some()), ("--simulate", flags.simulate.is_some()))?;
    let template = typed.value("--timing", flags.timing.as_ref(), timing::template)?.unwrap_or_default();
    let targets = targets(&typed, flags)?;
    let scripts = scripts(&typed, flags, &template)?;
    let nothing_named = targets.specs.is_empty() && targets.list_files.is_empty();
    if nothing_named && scripts.select.is_empty() {
        if flags.script_updatedb {
            return Ok(Command::Notice(format!("{UPDATEDB}\n")));
        }
        let remedy = if flags.resume.is_some() {
            "give --resume alone to go on as before, or with the whole command line to change some of it"
        } else {
            "name hosts, addresses or networks, or a list with -iL <file>"
        };
        return Err(UsageError::new("no targets given", remedy));
    }
    let report = report(&typed, flags)?;
    let settings = Settings {
        ports: ports(&typed, flags)?,
        names: names(&typed, flags)?,
        scan: scanning::scan(&typed, flags, &template)?,
        privileges: privileges(&typed, flags)?,
        run: operation::run(&typed, flags, &report)?,
        seed: typed.value("--seed", flags.seed.as_ref(), values::seed)?,
        record: typed.value("--record", flags.record.as_ref(), file)?,
        record_redact: flags.record_redact,
        simulate: typed.value("--simulate", flags.simulate.as_ref(), file)?,
        allow_incomplete: flags.allow_incomplete,
        notes: notes(&typed, flags, &scripts, &report)?,
        targets,
        scripts,
        report,
        args_line,
    };
    Ok(Command::Run(Box::new(settings)))
}

/// The user's own spelling of the options.
pub(super) struct Typed<'a> {
    pub(super) words: &'a [Word],
}

impl Typed<'_> {
    /// How the user wrote the option last, or its usual spelling.
    pub(super) fn spelled(&self, long: &str) -> String {
        let written = self.words.iter().rev().find(|word| word.role == Role::Option && word.text == long);
        written.map_or_else(|| canonical(long), |word| word.typed.clone())
    }

    pub(super) fn wrong(&self, long: &str, value: &str, fault: Fault) -> UsageError {
        UsageError::new(format!("{} {}: {}", self.spelled(long), quote(value), fault.problem), fault.remedy)
    }

    /// The value of an option, parsed.
    pub(super) fn value<T>(
        &self,
        long: &str,
        text: Option<&String>,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>, UsageError> {
        text.map(|text| parse(text).map_err(|fault| self.wrong(long, text, fault))).transpose()
    }

    pub(super) fn time(&self, long: &str, text: Option<&String>) -> Result<Option<Duration>, UsageError> {
        self.value(long, text, values::positive_time)
    }

    /// A value that must not be empty.
    pub(super) fn text(&self, long: &str, text: Option<&String>) -> Result<Option<String>, UsageError> {
        self.value(long, text, not_empty)
    }

    /// Values that must not be empty.
    fn texts(&self, long: &str, texts: &[String]) -> Result<Vec<String>, UsageError> {
        texts.iter().map(|text| not_empty(text).map_err(|fault| self.wrong(long, text, fault))).collect()
    }

    /// Names of files that are not stdin.
    pub(super) fn files(&self, long: &str, texts: &[String]) -> Result<Vec<PathBuf>, UsageError> {
        texts.iter().map(|text| file(text).map_err(|fault| self.wrong(long, text, fault))).collect()
    }

    /// Refuses two options that contradict each other.
    pub(super) fn not_both(
        &self,
        (one, has_one): (&str, bool),
        (other, has_other): (&str, bool),
    ) -> Result<(), UsageError> {
        if has_one && has_other {
            return Err(self.contradiction(one, other, None));
        }
        Ok(())
    }

    /// The error of two options that contradict each other; the remedy is to leave out one of them, unless there is a
    /// better one.
    pub(super) fn contradiction(&self, one: &str, other: &str, remedy: Option<&str>) -> UsageError {
        let (mut first, mut second) = (self.spelled(one), self.spelled(other));
        if first == second {
            (first, second) = (canonical(one), canonical(other)); // both are letters of one word, such as `-nR`
        }
        let usual = || format!("leave out {first} or {second}");
        let remedy = remedy.map_or_else(usual, str::to_owned);
        UsageError::new(format!("{first} and {second} contradict each other"), remedy)
    }

    /// Refuses a lower bound above the upper one, when the user gave both.
    pub(super) fn in_order<T: PartialOrd>(
        &self,
        least: (&str, Option<T>),
        most: (&str, Option<T>),
    ) -> Result<(), UsageError> {
        if let (Some(low), Some(high)) = (least.1, most.1)
            && low > high
        {
            let (least, most) = (self.spelled(least.0), self.spelled(most.0));
            return Err(UsageError::new(format!("{least} is above {most}"), format!("lower {least} or raise {most}")));
        }
        Ok(())
    }
}

fn not_empty(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault { problem: "the value is empty", remedy: "write a value, or leave the option out" });
    }
    Ok(text.to_owned())
}

pub(super) fn file(text: &str) -> Result<PathBuf, Fault> {
    match not_empty(text)?.as_str() {
        "-" => Err(Fault { problem: "stdin cannot be used here", remedy: "write a file name; only -iL reads stdin" }),
        name => Ok(PathBuf::from(name)),
    }
}

fn script_help(typed: &Typed, flags: &Flags) -> Result<ScriptHelp, UsageError> {
    let json_to_file = flags.output_json.iter().any(|name| name != "-");
    if json_to_file || writes_text_files(flags) {
        return Err(UsageError::new(
            format!("{} writes to stdout only", typed.spelled("--script-help")),
            "use --json for JSON, and the shell's > for a file",
        ));
    }
    Ok(ScriptHelp {
        select: typed.texts("--script-help", &flags.script_help)?,
        dirs: typed.files("--script-dir", &flags.script_dir)?,
        json: flags.json || !flags.output_json.is_empty(),
    })
}

/// Whether a report other than JSON Lines was asked for.
fn writes_text_files(flags: &Flags) -> bool {
    let names = [&flags.output_normal, &flags.output_xml, &flags.output_grepable, &flags.output_all];
    names.iter().any(|names| !names.is_empty())
}

fn interface_list(typed: &Typed, flags: &Flags) -> Result<Command, UsageError> {
    if flags.json || !flags.output_json.is_empty() || writes_text_files(flags) {
        return Err(UsageError::new(
            format!("{} writes text to stdout only", typed.spelled("--iflist")),
            "use the shell's > for a file",
        ));
    }
    Ok(Command::InterfaceList)
}

fn script_test(typed: &Typed, flags: &Flags) -> Result<ScriptTest, UsageError> {
    let (cases, select) = (flags.script_test_dir.as_ref(), &flags.targets);
    Ok(ScriptTest {
        select: typed.texts("--script-test", select)?,
        cases: typed.value("--script-test-dir", cases, file)?.unwrap_or_else(|| CASES.into()),
        dirs: typed.files("--script-dir", &flags.script_dir)?,
        accept: flags.script_test_accept,
    })
}

fn targets(typed: &Typed, flags: &Flags) -> Result<TargetSettings, UsageError> {
    typed.not_both(("--ipv4", flags.ipv4), ("--ipv6", flags.ipv6))?;
    if flags.targets.iter().any(|spec| spec.trim().is_empty()) {
        return Err(UsageError::new("a target is empty", "check the quotes and variables of the command line"));
    }
    let lists = typed.texts("--input-list", &flags.input_list)?;
    if lists.iter().filter(|name| *name == "-").count() > 1 {
        let what = format!("{} - is given twice", typed.spelled("--input-list"));
        return Err(UsageError::new(what, "read stdin once"));
    }
    let source = |name: String| if name == "-" { Source::Stdin } else { Source::File(name.into()) };
    Ok(TargetSettings {
        specs: flags.targets.clone(),
        list_files: lists.into_iter().map(source).collect(),
        exclude: typed.texts("--exclude", &flags.exclude)?,
        exclude_files: typed.files("--excludefile", &flags.exclude_file)?,
        unique: flags.unique,
        resolve_all: flags.resolve_all,
        family: match (flags.ipv4, flags.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        },
        random_order: flags.randomize_hosts,
        shard: typed.value("--shard", flags.shard.as_ref(), values::shard)?,
    })
}

fn ports(typed: &Typed, flags: &Flags) -> Result<PortSettings, UsageError> {
    discovery::no_ports_asked(typed, flags)?;
    let expression = typed.text("--ports", flags.ports.as_ref())?;
    let top = typed.value("--top-ports", flags.top_ports.as_ref(), values::port_count)?;
    typed.not_both(("--fast", flags.fast), ("--ports", expression.is_some()))?;
    typed.not_both(("--fast", flags.fast), ("--top-ports", top.is_some()))?;
    let exclude = typed.text("--exclude-ports", flags.exclude_ports.as_ref())?;
    Ok(PortSettings { expression, exclude, top, fast: flags.fast, sequential: flags.sequential })
}

fn names(typed: &Typed, flags: &Flags) -> Result<NameSettings, UsageError> {
    typed.not_both(("--no-reverse", flags.no_reverse), ("--reverse-all", flags.reverse_all))?;
    let servers = typed.value("--dns-servers", flags.dns_servers.as_ref(), values::servers)?;
    Ok(NameSettings {
        reverse: !flags.no_reverse,
        reverse_down: flags.reverse_all,
        dns_servers: servers.unwrap_or_default(),
    })
}

fn scripts(typed: &Typed, flags: &Flags, template: &Template) -> Result<ScriptSettings, UsageError> {
    let mut select = typed.texts("--script", &flags.script)?;
    if flags.script_default {
        select.insert(0, "default".to_owned());
    }
    Ok(ScriptSettings {
        select,
        args: typed.texts("--script-args", &flags.script_args)?,
        args_files: typed.files("--script-args-file", &flags.script_args_file)?,
        dirs: typed.files("--script-dir", &flags.script_dir)?,
        trace: flags.script_trace,
        why: typed.texts("--why", &flags.why)?,
        max_instances: typed.value("--max-script-instances", flags.max_script_instances.as_ref(), values::positive)?,
        limits: limits(typed, flags, template)?,
    })
}

fn privileges(typed: &Typed, flags: &Flags) -> Result<PrivilegeSettings, UsageError> {
    typed.not_both(("--privileged", flags.privileged), ("--unprivileged", flags.unprivileged))?;
    Ok(PrivilegeSettings { forbidden: flags.unprivileged, required: flags.privileged, keep_root: flags.keep_root })
}

fn limits(typed: &Typed, flags: &Flags, template: &Template) -> Result<Limits, UsageError> {
    let usual = Limits::default();
    let size = |long, text: &Option<String>| typed.value(long, text.as_ref(), values::size);
    let in_memory = |long, text: &Option<String>| {
        let fits = |text: &str| {
            let too_large = Fault { problem: "too large for this machine", remedy: "write a smaller size" };
            values::size(text).and_then(|bytes| usize::try_from(bytes).map_err(|_| too_large))
        };
        typed.value(long, text.as_ref(), fits)
    };
    // A hasty template shortens the usual budget; it never lengthens it.
    let wall = template.script.map_or(usual.wall, |time| time.min(usual.wall));
    Ok(Limits {
        wall: typed.time("--script-timeout", flags.script_timeout.as_ref())?.unwrap_or(wall),
        operations: typed
            .value("--script-max-operations", flags.script_max_operations.as_ref(), values::count)?
            .unwrap_or(usual.operations),
        memory: in_memory("--script-max-memory", &flags.script_max_memory)?.unwrap_or(usual.memory),
        output: in_memory("--script-max-output", &flags.script_max_output)?.unwrap_or(usual.output),
        bytes: size("--script-max-bytes", &flags.script_max_bytes)?.unwrap_or(usual.bytes),
        packets: typed
            .value("--script-max-packets", flags.script_max_packets.as_ref(), values::count)?
            .unwrap_or(usual.packets),
        sockets: typed
            .value("--script-max-sockets", flags.script_max_sockets.as_ref(), values::positive)?
            .unwrap_or(usual.sockets),
        operation_timeout: typed
            .time("--script-operation-timeout", flags.script_operation_timeout.as_ref())?
            .unwrap_or(usual.operation_timeout),
    })
}

pub(super) fn report(typed: &Typed, flags: &Flags) -> Result<ReportSettings, UsageError> {
    Ok(ReportSettings {
        outputs: outputs(typed, flags)?,
        open_only: flags.open,
        reason: flags.reason,
        verbose: flags.verbose.max(flags.debug),
        debug: flags.debug,
        color: typed.value("--color", flags.color.as_ref(), color)?.unwrap_or_default(),
    })
}

fn color(text: &str) -> Result<Color, Fault> {
    match text {
        "auto" => Ok(Color::Auto),
        "always" => Ok(Color::Always),
        "never" => Ok(Color::Never),
        _ => Err(Fault { problem: "no choice of colour", remedy: "write auto, always or never" }),
    }
}

/// The reports, in the order of their options' kinds. Text goes to stdout unless another report does.
fn outputs(typed: &Typed, flags: &Flags) -> Result<Vec<(Format, Destination)>, UsageError> {
    let mut outputs: Vec<(Format, Destination)> = Vec::new();
    let kinds = [
        (Format::Normal, "--output-normal", &flags.output_normal),
        (Format::Xml, "--output-xml", &flags.output_xml),
        (Format::Grepable, "--output-grepable", &flags.output_grepable),
        (Format::Json, "--output-json", &flags.output_json),
    ];
    for (format, long, names) in kinds {
        for name in typed.texts(long, names)? {
            outputs.push((format, if name == "-" { Destination::Stdout } else { Destination::File(name.into()) }));
        }
    }
    if flags.json {
        outputs.push((Format::Json, Destination::Stdout));
    }
    for base in typed.texts("--output-all", &flags.output_all)? {
        if base == "-" {
            let fault = Fault {
                problem: "four reports cannot share stdout",
                remedy: "write a base name, or use -oX - or --json",
            };
            return Err(typed.wrong("--output-all", &base, fault));
        }
        let endings =
            [(Format::Normal, "nmap"), (Format::Xml, "xml"), (Format::Grepable, "gnmap"), (Format::Json, "jsonl")];
        outputs.extend(endings.map(|(format, ending)| (format, Destination::File(format!("{base}.{ending}").into()))));
    }
    distinct(&outputs)?;
    if !outputs.iter().any(|(_, destination)| *destination == Destination::Stdout) {
        outputs.insert(0, (Format::Normal, Destination::Stdout));
    }
    Ok(outputs)
}

fn distinct(outputs: &[(Format, Destination)]) -> Result<(), UsageError> {
    for (position, (_, destination)) in outputs.iter().enumerate() {
        if outputs.iter().skip(position + 1).any(|(_, other)| other == destination) {
            return Err(match destination {
                Destination::Stdout => {
                    UsageError::new("two reports go to stdout", "give all but one of them a file name")
                }
                Destination::File(name) => UsageError::new(
                    format!("two reports go to the file {}", quote(&name.to_string_lossy())),
                    "give each a file of its own",
                ),
            });
        }
    }
    Ok(())
}

/// What `--script-updatedb` is answered with.
const UPDATEDB: &str = "--script-updatedb is not needed: scripts are read anew at every start";

/// Remarks on options that are accepted and change nothing.
fn notes(
    typed: &Typed,
    flags: &Flags,
    scripts: &ScriptSettings,
    report: &ReportSettings,
) -> Result<Vec<String>, UsageError> {
    let least = typed.value("--min-hostgroup", flags.min_hostgroup.as_ref(), values::positive)?;
    let most = typed.value("--max-hostgroup", flags.max_hostgroup.as_ref(), values::positive)?;
    typed.in_order(("--min-hostgroup", least), ("--max-hostgroup", most))?;
    let mut notes = Vec::new();
    if least.or(most).is_some() {
        let long = if least.is_some() { "--min-hostgroup" } else { "--max-hostgroup" };
        notes.push(format!("{} has no effect: hosts are not grouped, each moves on by itself", typed.spelled(long)));
    }
    if flags.ping_arp {
        let arp = typed.spelled("--ping-arp");
        notes.push(format!("{arp} is not needed: hosts on a local link are asked by ARP or neighbour solicitation"));
    }
    if flags.script_updatedb {
        notes.push(UPDATEDB.to_owned());
    }
    let idle = [
        ("--script-args", !scripts.args.is_empty()),
        ("--script-args-file", !scripts.args_files.is_empty()),
        ("--script-trace", scripts.trace),
        ("--why", !scripts.why.is_empty()),
    ];
    if let Some((long, _)) = idle.iter().find(|(_, given)| *given && scripts.select.is_empty()) {
        notes.push(format!("{} has no effect: no script is chosen; use -sC or --script", typed.spelled(long)));
    }
    let dated = |name: &str| {
        ["%H", "%M", "%S", "%m", "%d", "%y", "%Y", "%T", "%R", "%D"].iter().any(|part| name.contains(part))
    };
    for (_, destination) in &report.outputs {
        if let Destination::File(name) = destination
            && dated(&name.to_string_lossy())
        {
            notes.push(format!(
                "the file name {} is used as it stands: no date is put in",
                quote(&name.to_string_lossy())
            ));
            break;
        }
    }
    Ok(notes)
}
