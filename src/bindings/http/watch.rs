//! The one timer of a request: an operation takes at most so long, all of them end at the deadline.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::model::Timestamp;
use crate::runtime::{Clock, Sleep};

/// Watches over the operations of one request.
///
/// A timer set for an earlier operation is left to fire early and then set anew, so the usual request arms one timer
/// however many reads it takes.
pub(super) struct Watch {
    clock: Clock,
    operation: Duration,
    deadline: Option<Timestamp>,
    /// When the running operation is over time.
    limit: Timestamp,
    timer: Option<(Timestamp, Sleep)>,
}

/// Time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUp {
    /// The operation took too long.
    Operation,
    /// The deadline of everything came.
    Deadline,
}

impl Watch {
    pub fn new(clock: &Clock, operation: Duration, deadline: Option<Timestamp>) -> Watch {
        let mut watch = Watch { clock: clock.clone(), operation, deadline, limit: Timestamp::default(), timer: None };
        watch.begin();
        watch
    }

    /// A new operation begins, or the running one made progress.
    pub fn begin(&mut self) {
        let limit = self.clock.now().plus(self.operation);
        self.limit = self.deadline.map_or(limit, |deadline| limit.min(deadline));
    }

    /// Whether the deadline has passed.
    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.clock.now() >= deadline)
    }

    /// Ready once the running operation is over time.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TimeUp> {
        loop {
            let limit = self.limit;
            let fits = self.timer.as_ref().is_some_and(|(at, _)| *at <= limit);
            if !fits {
                self.timer = Some((limit, self.clock.sleep_until(limit)));
            }
            if let Some((at, sleep)) = &mut self.timer {
                ready!(Pin::new(sleep).poll(cx));
                if *at >= limit {
                    let deadline = self.deadline.is_some_and(|deadline| limit >= deadline);
                    return Poll::Ready(if deadline { TimeUp::Deadline } else { TimeUp::Operation });
                }
            }
            self.timer = None;
        }
    }

    /// Runs `work` as one operation.
    pub async fn guard<T>(&mut self, work: impl Future<Output = T>) -> Result<T, TimeUp> {
        let mut work = pin!(work);
        self.begin();
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll(cx).map(Err),
        })
        .await
    }

    /// Runs `work`, which is somebody else's operation, until the deadline.
    pub async fn until_deadline<T>(&mut self, work: impl Future<Output = T>) -> Result<T, TimeUp> {
        match self.deadline {
            Some(deadline) => self.clock.before(deadline, work).await.map_err(|_| TimeUp::Deadline),
            None => Ok(work.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;
    use std::future::{pending, ready};

    #[test]
    fn each_operation_has_its_time_and_all_have_one_deadline() {
        let runtime = Runtime::live();
        let clock = runtime.clock();
        runtime.run(async {
            let mut watch = Watch::new(&clock, Duration::from_millis(2), None);
            assert_eq!(watch.guard(pending::<()>()).await, Err(TimeUp::Operation));
            assert_eq!(watch.guard(ready(1)).await, Ok(1));
            assert_eq!(watch.guard(pending::<()>()).await, Err(TimeUp::Operation));
            let deadline = clock.now().plus(Duration::from_millis(2));
            let mut watch = Watch::new(&clock, Duration::from_mins(1), Some(deadline));
            assert_eq!(watch.guard(pending::<()>()).await, Err(TimeUp::Deadline));
            assert!(watch.is_over());
        });
    }
}
