//! Answers kept for their time to live, bounded in number.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::message::{Answer, Question};
use crate::model::Timestamp;

/// Answers kept at most.
const CAPACITY: usize = 8192;
/// Larger answers are used but not kept.
const MAX_RECORDS: usize = 64;
/// Bounds of the time an answer is kept: short ones would be asked again for every host of a scan, and a scan must not
/// trust an answer for days.
const MIN_TTL: Duration = Duration::from_secs(5);
const MAX_TTL: Duration = Duration::from_hours(1);
const MAX_NEGATIVE_TTL: Duration = Duration::from_mins(5);

#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Question, Entry>,
    /// Insertion order: the oldest goes first when the cache is full.
    order: VecDeque<(u64, Question)>,
    next_serial: u64,
}

struct Entry {
    serial: u64,
    expires: Timestamp,
    answer: Answer,
}

impl Cache {
    /// The answer to `question`, unless it has expired.
    pub fn get(&self, question: &Question, now: Timestamp) -> Option<Answer> {
        self.entries.get(question).filter(|entry| now < entry.expires).map(|entry| entry.answer.clone())
    }

    /// Keeps `answer` for its time to live.
    pub fn insert(&mut self, question: Question, answer: Answer, now: Timestamp) {
        if answer.data.len() > MAX_RECORDS {
            return;
        }
        while self.order.len() >= CAPACITY {
            let Some((serial, oldest)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|entry| entry.serial == serial) {
                self.entries.remove(&oldest);
            }
        }
        let longest = if answer.data.is_empty() { MAX_NEGATIVE_TTL } else { MAX_TTL };
        let ttl = Duration::from_secs(u64::from(answer.ttl)).clamp(MIN_TTL, longest);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.order.push_back((serial, question.clone()));
        self.entries.insert(question, Entry { serial, expires: now.plus(ttl), answer });
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Finding, RecordKind};
    use super::super::name::DomainName;
    use super::*;

    fn question(index: usize) -> Question {
        Question { name: DomainName::parse(&format!("host{index}.example")).unwrap(), kind: RecordKind::A }
    }

    fn nothing(ttl: u32) -> Answer {
        Answer { finding: Finding::NoSuchName, data: Vec::new(), ttl }
    }

    #[test]
    fn answers_live_between_the_bounds() {
        let mut cache = Cache::default();
        let at = |seconds: u64| Timestamp(seconds * 1_000_000_000);
        for (ttl, lives) in [(0, 5), (60, 60), (90_000, 300)] {
            cache.insert(question(1), nothing(ttl), at(0));
            assert!(cache.get(&question(1), at(lives - 1)).is_some(), "{ttl}");
            assert!(cache.get(&question(1), at(lives)).is_none(), "{ttl}");
        }
    }

    #[test]
    fn the_oldest_answer_makes_room() {
        let mut cache = Cache::default();
        for index in 0..=CAPACITY {
            cache.insert(question(index), nothing(60), Timestamp(0));
        }
        assert!(cache.get(&question(0), Timestamp(0)).is_none());
        assert!(cache.get(&question(1), Timestamp(0)).is_some());
        assert_eq!((cache.entries.len(), cache.order.len()), (CAPACITY, CAPACITY));
    }
}
