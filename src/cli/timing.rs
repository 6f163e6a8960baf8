//! The timing templates `-T0` to `-T5`: what applies where the user set nothing.
//!
//! Names and figures are those nmap's users know (`reference/scan-stages.md` 3.9 of the project's research), as far as
//! a connect scan has a use for them.

use std::time::Duration;

use super::values::Fault;

/// One template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: &'static str,
    /// Wait for the first answer of a host.
    pub(super) initial: Duration,
    /// Shortest and longest adapted wait.
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
    /// Tries after the first.
    pub(super) retries: u32,
    /// Pause between two probes of one host.
    pub(super) delay: Duration,
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
    name: "normal",
    initial: ms(1_000),
    shortest: ms(100),
    longest: ms(10_000),
    retries: 10,
    delay: Duration::ZERO,
    parallelism: None,
    host: None,
    script: None,
};

const TEMPLATES: [Template; 6] = [
    Template {
        name: "paranoid",
        initial: ms(300_000),
        longest: ms(300_000),
        delay: ms(300_000),
        parallelism: Some(1),
        ..NORMAL
    },
    Template {
        name: "sneaky",
        initial: ms(15_000),
        longest: ms(15_000),
        delay: ms(15_000),
        parallelism: Some(1),
        ..NORMAL
    },
    Template { name: "polite", delay: ms(400), parallelism: Some(1), ..NORMAL },
    NORMAL,
    Template { name: "aggressive", initial: ms(500), longest: ms(1_250), retries: 6, ..NORMAL },
    Template {
        name: "insane",
        initial: ms(250),
        shortest: ms(50),
        longest: ms(300),
        retries: 2,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_numbers_and_names() {
        for (number, name) in ["paranoid", "sneaky", "polite", "normal", "aggressive", "insane"].iter().enumerate() {
            assert_eq!(template(&number.to_string()).map(|template| template.name), Ok(*name));
            assert_eq!(template(&name.to_uppercase()).map(|template| template.name), Ok(*name));
        }
        for wrong in ["", "6", "-1", "03", "+3", "fast"] {
            assert!(template(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn waits_are_in_order() {
        for template in TEMPLATES {
            assert!(template.shortest <= template.initial && template.initial <= template.longest, "{}", template.name);
        }
    }
}
