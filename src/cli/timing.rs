//! How long to wait, how often to try, how fast to send: the templates `-T0` to `-T5`, and what the user set instead.
//!
//! Names and figures of the templates are those nmap's users know (`reference/scan-stages.md` 3.9 of the project's
//! research).

use std::time::Duration;

use super::flags::Flags;
use super::resolve::Typed;
use super::settings::TimingSettings;
use super::usage::UsageError;
use super::values::{self, Fault};

/// One template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Template {
    /// The digit of `-T`.
    number: u8,
    name: &'static str,
    /// Wait for the first answer of a host.
    initial: Duration,
    /// Shortest and longest adapted wait.
    shortest: Duration,
    longest: Duration,
    /// Tries after the first.
    retries: u32,
    /// Pause between two probes of one host.
    delay: Duration,
    /// Longest pause that losses lead to: of TCP and SCTP, and of UDP.
    most_delay_tcp: Duration,
    most_delay_udp: Duration,
    /// Connections under way at most; none: as the scan finds right.
    pub(super) parallelism: Option<u32>,
    /// Time for one host.
    pub(super) host: Option<Duration>,
    /// Time for one script instance.
    pub(super) script: Option<Duration>,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const NORMAL: Template = Template {
    number: 3,
    name: "normal",
    initial: ms(1_000),
    shortest: ms(100),
    longest: ms(10_000),
    retries: 10,
    delay: Duration::ZERO,
    most_delay_tcp: ms(1_000),
    most_delay_udp: ms(1_000),
    parallelism: None,
    host: None,
    script: None,
};

const TEMPLATES: [Template; 6] = [
    Template {
        number: 0,
        name: "paranoid",
        initial: ms(300_000),
        longest: ms(300_000),
        delay: ms(300_000),
        most_delay_tcp: ms(300_000),
        most_delay_udp: ms(300_000),
        parallelism: Some(1),
        ..NORMAL
    },
    Template {
        number: 1,
        name: "sneaky",
        initial: ms(15_000),
        longest: ms(15_000),
        delay: ms(15_000),
        most_delay_tcp: ms(15_000),
        parallelism: Some(1),
        ..NORMAL
    },
    Template { number: 2, name: "polite", delay: ms(400), parallelism: Some(1), ..NORMAL },
    NORMAL,
    Template {
        number: 4,
        name: "aggressive",
        initial: ms(500),
        longest: ms(1_250),
        retries: 6,
        most_delay_tcp: ms(10),
        ..NORMAL
    },
    Template {
        number: 5,
        name: "insane",
        initial: ms(250),
        shortest: ms(50),
        longest: ms(300),
        retries: 2,
        most_delay_tcp: ms(5),
        host: Some(ms(15 * 60_000)),
        script: Some(ms(10 * 60_000)),
        ..NORMAL
    },
];

impl Default for Template {
    fn default() -> Template {
        NORMAL
    }
}

/// The template of `-T`: a digit or a name, in any case.
pub(super) fn template(text: &str) -> Result<Template, Fault> {
    let by_number = text.parse::<usize>().ok().filter(|_| text.len() == 1).and_then(|index| TEMPLATES.get(index));
    by_number.or_else(|| TEMPLATES.iter().find(|template| template.name.eq_ignore_ascii_case(text))).copied().ok_or(
        Fault {
            problem: "no timing template",
            remedy: "write 0 to 5, or paranoid, sneaky, polite, normal, aggressive, insane",
        },
    )
}

/// The pace of a scan, and the wait for a connection. What the user set stands, the template's figures make room.
pub(super) fn timing(
    typed: &Typed,
    flags: &Flags,
    template: &Template,
) -> Result<(TimingSettings, Duration), UsageError> {
    let waits = waits(typed, flags, template)?;
    let (scan_delay, max_scan_delay_tcp, max_scan_delay_udp) = delays(typed, flags, template)?;
    let min_rate = typed.value("--min-rate", flags.min_rate.as_ref(), values::rate)?;
    let max_rate = typed.value("--max-rate", flags.max_rate.as_ref(), values::rate)?;
    typed.in_order(("--min-rate", min_rate), ("--max-rate", max_rate))?;
    let retries = typed.value("--max-retries", flags.max_retries.as_ref(), values::number)?;
    let timing = TimingSettings {
        template: template.number,
        initial_rtt: waits.initial,
        min_rtt: waits.shortest,
        max_rtt: waits.longest,
        max_retries: retries.unwrap_or(template.retries),
        scan_delay,
        max_scan_delay_tcp,
        max_scan_delay_udp,
        min_rate,
        max_rate,
        defeat_rst: flags.defeat_rst_ratelimit,
        defeat_icmp: flags.defeat_icmp_ratelimit,
    };
    Ok((timing, waits.connect))
}

/// How long to wait for an answer.
struct Waits {
    connect: Duration,
    initial: Duration,
    shortest: Duration,
    longest: Duration,
}

/// `--connect-timeout` alone is the first wait of packets, too, and the other way round.
fn waits(typed: &Typed, flags: &Flags, template: &Template) -> Result<Waits, UsageError> {
    let connect = typed.time("--connect-timeout", flags.connect_timeout.as_ref())?;
    let initial = typed.time("--initial-rtt-timeout", flags.initial_rtt_timeout.as_ref())?;
    let shortest = typed.time("--min-rtt-timeout", flags.min_rtt_timeout.as_ref())?;
    let longest = typed.time("--max-rtt-timeout", flags.max_rtt_timeout.as_ref())?;
    typed.in_order(("--min-rtt-timeout", shortest), ("--max-rtt-timeout", longest))?;
    for (long, first) in [("--connect-timeout", connect), ("--initial-rtt-timeout", initial)] {
        typed.in_order(("--min-rtt-timeout", shortest), (long, first))?;
        typed.in_order((long, first), ("--max-rtt-timeout", longest))?;
    }
    let floor = shortest.unwrap_or(Duration::ZERO);
    let usual = || template.initial.max(floor).min(longest.unwrap_or(Duration::MAX));
    let chosen = initial.or(connect).unwrap_or_else(usual);
    let connect = connect.unwrap_or(chosen);
    Ok(Waits {
        connect,
        initial: chosen,
        shortest: shortest.unwrap_or_else(|| template.shortest.min(chosen).min(connect)),
        longest: longest.unwrap_or_else(|| template.longest.max(chosen).max(connect)),
    })
}

/// The pause between two probes of a host, and how long losses may make it, of TCP and of UDP.
fn delays(typed: &Typed, flags: &Flags, template: &Template) -> Result<(Duration, Duration, Duration), UsageError> {
    let delay = typed.value("--scan-delay", flags.scan_delay.as_ref(), values::time)?;
    let most = typed.value("--max-scan-delay", flags.max_scan_delay.as_ref(), values::time)?;
    typed.in_order(("--scan-delay", delay), ("--max-scan-delay", most))?;
    let chosen = delay.unwrap_or_else(|| template.delay.min(most.unwrap_or(Duration::MAX)));
    let limit = |of_template: Duration| most.unwrap_or_else(|| of_template.max(chosen));
    Ok((chosen, limit(template.most_delay_tcp), limit(template.most_delay_udp)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_numbers_and_names() {
        for (number, name) in ["paranoid", "sneaky", "polite", "normal", "aggressive", "insane"].iter().enumerate() {
            assert_eq!(template(&number.to_string()).map(|template| template.name), Ok(*name));
            assert_eq!(template(&name.to_uppercase()).map(|template| usize::from(template.number)), Ok(number));
        }
        for wrong in ["", "6", "-1", "03", "+3", "fast"] {
            assert!(template(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn waits_are_in_order() {
        for template in TEMPLATES {
            assert!(template.shortest <= template.initial && template.initial <= template.longest, "{}", template.name);
            assert!(template.delay <= template.most_delay_tcp, "{}", template.name);
        }
    }
}
