//! Who is slow, and where it stands: for a person who waits.

use super::{Instance, Role, Scheduler};
use crate::model::Timestamp;

/// A script instance that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// Script id.
    pub script: String,
    /// Whom it is for.
    pub subject: String,
    /// When it was created.
    pub started: Timestamp,
    /// File and line of its latest call of a native: where it waits, or computes since. None before the first.
    pub place: Option<(String, usize)>,
    /// Whether it waits; else it computes, or would like to.
    pub waits: bool,
}

impl Scheduler {
    /// The instances that were created first, the oldest first; at most `most`.
    pub fn slowest(&self, most: usize) -> Vec<Slow> {
        let (running, waiting) = (self.0.running.borrow(), self.0.waiting.borrow());
        let waiting = waiting.values().map(|instance| (instance, instance.future.is_some()));
        let all = running.iter().map(|instance| (instance, instance.future.is_some())).chain(waiting);
        let mut base: Vec<(&Instance, bool)> = all.filter(|(one, _)| matches!(one.role, Role::Base(_))).collect();
        base.sort_by_key(|(instance, _)| (instance.context.started, instance.id));
        base.into_iter().take(most).map(|(instance, waits)| slow(instance, waits)).collect()
    }

    /// Jobs not yet created.
    pub fn planned(&self) -> usize {
        self.0.planned.borrow().len()
    }
}

fn slow(instance: &Instance, waits: bool) -> Slow {
    let context = &instance.context;
    Slow {
        script: context.job.script.id.clone(),
        subject: context.job.subject.clone(),
        started: context.started,
        place: context.place(),
        waits,
    }
}
