//! Many requests side by side, a bounded number at a time.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Does `work` for every item, at most `width` at a time, and returns the results in the items' order.
pub(super) async fn in_lanes<I, T, F: Future<Output = T>>(
    items: Vec<I>,
    width: usize,
    work: impl Fn(I) -> F,
) -> Vec<T> {
    let results: RefCell<Vec<Option<T>>> = RefCell::new(items.iter().map(|_| None).collect());
    let width = width.min(items.len());
    let rest = RefCell::new(items.into_iter().enumerate());
    let lane = || async {
        loop {
            let next = rest.borrow_mut().next();
            let Some((index, item)) = next else { return };
            let result = work(item).await;
            if let Some(place) = results.borrow_mut().get_mut(index) {
                *place = Some(result);
            }
        }
    };
    let mut lanes: Vec<Pin<Box<_>>> = (0..width).map(|_| Box::pin(lane())).collect();
    poll_fn(|cx| {
        lanes.retain_mut(|lane| lane.as_mut().poll(cx).is_pending());
        if lanes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.take().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, yield_now};
    use std::cell::Cell;

    #[test]
    fn results_keep_their_order_and_the_width_is_never_passed() {
        let (under_way, most) = (Cell::new(0), Cell::new(0));
        let work = |index: usize| {
            let (under_way, most) = (&under_way, &most);
            async move {
                under_way.set(under_way.get() + 1);
                most.set(most.get().max(under_way.get()));
                for _ in 0..10 - index {
                    yield_now().await; // the first takes longest
                }
                under_way.set(under_way.get() - 1);
                index * 2
            }
        };
        let results = block_on(in_lanes((0..10).collect(), 3, work));
        assert_eq!(results, (0..10).map(|index| index * 2).collect::<Vec<_>>());
        assert_eq!((most.get(), under_way.get()), (3, 0));
        assert!(block_on(in_lanes(Vec::<u8>::new(), 3, |item| async move { item })).is_empty());
    }
}
