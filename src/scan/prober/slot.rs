//! One question of a job: where it is, and how often it was asked.

use crate::scan::probe::TIMING_PING;

/// One question. Times are microseconds since the job began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// When it was asked last, and the time before.
    pub(super) sent: u32,
    pub(super) before: u32,
    /// How often it was asked.
    pub(super) tries: u8,
    /// So many of these prove nothing: the host had used up its answers.
    pub(super) excused: u8,
    pub(super) stage: Stage,
    /// Number of its verdict.
    pub(super) verdict: u8,
}

/// Where a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    #[default]
    New,
    Young,
    Old,
    Waiting,
    Decided,
}

impl Slot {
    /// The number the next try goes out with: tries with the same number share a local port.
    pub(super) fn next_number(&self) -> u8 {
        self.tries % TIMING_PING
    }

    /// The newest try that went out with `number`; none if there is none yet. Without a number it is the last.
    pub(super) fn try_of(&self, number: Option<u8>) -> Option<u8> {
        let last = self.tries.checked_sub(1)?;
        let Some(number) = number else { return Some(last) };
        let back = (last % TIMING_PING + TIMING_PING).checked_sub(number)? % TIMING_PING;
        last.checked_sub(back)
    }

    /// Tries that count. What was asked as often as can be counted is never asked again.
    pub(super) fn counted(&self) -> u32 {
        if self.tries == u8::MAX { u32::MAX } else { (self.tries - self.excused.min(self.tries)).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_round() {
        let slot = |tries| Slot { tries, ..Slot::default() };
        assert_eq!((slot(0).next_number(), slot(14).next_number(), slot(15).next_number()), (0, 14, 0));
        assert_eq!(
            [Some(0), Some(2), Some(3), None].map(|number| slot(3).try_of(number)),
            [Some(0), Some(2), None, Some(2)]
        );
        assert_eq!([0, 1, 2, 14].map(|number| slot(17).try_of(Some(number))), [Some(15), Some(16), Some(2), Some(14)]);
        assert_eq!((slot(0).try_of(None), slot(0).try_of(Some(0))), (None, None));
    }

    #[test]
    fn excused_tries_do_not_count() {
        let slot = |tries, excused| Slot { tries, excused, ..Slot::default() }.counted();
        assert_eq!([slot(3, 0), slot(3, 2), slot(255, 250)], [3, 1, u32::MAX]);
    }
}
