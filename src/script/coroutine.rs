//! The bridge between scripts that look sequential and futures: one stackful coroutine per script instance.
//!
//! A native that must wait hands its *future* outward and suspends; the scheduler polls futures on the main stack and
//! resumes the coroutine with word that the future is done. Inside a coroutine three things live in thread-locals, set
//! anew on every resume: whom to yield to, how deep the stack may grow, and how many operations are left in the slice.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use futures_lite::FutureExt as _;
use rhai::{Array, Dynamic, EvalAltResult, Position};

use super::nested;
use super::overflow::{Exit, Guarded};
use super::worker::ThreadId;
use crate::runtime::memory;

/// Address space of one script's stack. Memory is committed on touch: a small script uses about 13 KB of it.
const STACK_SIZE: usize = 1 << 20;
/// What must stay free below a Rhai call: one more level of script (at most about 20 KB) plus any native.
const STACK_RESERVE: usize = 256 << 10;
/// Rhai operations between two looks at the budgets; roughly half a millisecond.
pub const SLICE: i64 = 4096;
/// Stacks kept for reuse while there is nothing to do: creating one costs 3 µs, reusing one 0.05 µs. More than these are
/// kept while there is, at most as many as were ever in use, and given back by [`trim_stacks`].
const POOLED_STACKS: usize = 2048;
/// Stacks given back at a time: about 50 µs.
const TRIMMED_STACKS: usize = 16;

/// Why a script is ended from outside. Scripts cannot catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The wall-time budget is used up.
    Wall,
    /// The operations budget is used up.
    Operations,
    /// The memory budget is used up.
    Memory,
    /// Recursion is too deep for the stack.
    Stack,
    /// The host's time is used up.
    HostTimeout,
    /// The run was interrupted.
    Cancelled,
}

impl Stop {
    /// The uncatchable error that unwinds a script.
    pub(super) fn into_error(self) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(self), Position::NONE))
    }
}

/// What a coroutine wants when it yields.
pub enum Request {
    /// To give its resumer a value (coroutines of a script's own only; the engine never sees it).
    Give(Dynamic),
    /// To be resumed when the future is done.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
    /// Nothing: its slice is over.
    Slice,
}

/// What a coroutine is told when it goes on.
pub enum Resume {
    /// Go on.
    Go,
    /// Go on with these values (coroutines of a script's own only).
    Value(Array),
    /// Unwind.
    Stop(Stop),
}

type ScriptYielder = Yielder<Resume, Request>;

thread_local! {
    static YIELDER: Cell<*const ScriptYielder> = const { Cell::new(std::ptr::null()) };
    static STACK_FLOOR: Cell<usize> = const { Cell::new(0) };
    static MEMORY_LIMIT: Cell<isize> = const { Cell::new(isize::MAX) };
    static OPERATIONS_LEFT: Cell<i64> = const { Cell::new(SLICE) };
    static THREAD: Cell<ThreadId> = const { Cell::new(0) };
    /// Fibers that hold a stack.
    static ALIVE: Cell<usize> = const { Cell::new(0) };
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// A script's coroutine; `T` is what it returns.
pub struct Fiber<T: 'static> {
    coroutine: Option<Coroutine<Resume, Request, Exit, DefaultStack>>,
    /// What it returned, or the text of the panic that ended it.
    result: Rc<Cell<Option<Result<T, String>>>>,
    limit: usize,
}

/// What came of resuming a fiber.
pub enum Progress<T> {
    /// It yielded.
    Yielded(Request),
    /// It returned.
    Returned(T),
    /// It ran out of stack where it could not be unwound; what it held is leaked.
    Overflowed,
    /// A native panicked; the payload's text.
    Panicked(String),
}

impl<T: 'static> Fiber<T> {
    /// A fiber that will run `body`, which gets what the first resume says: it may be a stop. Fails when the machine
    /// grants no more stacks.
    pub fn new(body: impl FnOnce(Resume) -> T + 'static) -> std::io::Result<Fiber<T>> {
        let pooled = STACKS.with_borrow_mut(Vec::pop);
        let stack = pooled.map_or_else(|| DefaultStack::new(STACK_SIZE), Ok)?;
        let limit = stack.limit().get();
        let result = Rc::new(Cell::new(None));
        let slot = Rc::clone(&result);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &ScriptYielder, first| {
            YIELDER.set(yielder);
            // Caught here: passed on, a panic would go on unwinding its resumer's stack while the guard is still this one's.
            match catch_unwind(AssertUnwindSafe(|| body(first))) {
                Ok(value) => slot.set(Some(Ok(value))),
                Err(payload) => {
                    let Some(text) = panic_text(&*payload) else {
                        memory::guard_stack(0); // a forced unwinding goes on; its resumer sets its own guard again
                        resume_unwind(payload)
                    };
                    slot.set(Some(Err(text)));
                }
            }
            Exit::Done
        });
        ALIVE.set(ALIVE.get() + 1);
        Ok(Fiber { coroutine: Some(coroutine), result, limit })
    }

    /// Runs it until it yields or returns; also says how many operations that took. It ends itself when the memory
    /// account entered by the caller exceeds `memory_limit`.
    pub fn resume(&mut self, with: Resume, memory_limit: usize) -> (Progress<T>, u64) {
        OPERATIONS_LEFT.set(SLICE);
        let outer_limit = MEMORY_LIMIT.replace(isize::try_from(memory_limit).unwrap_or(isize::MAX));
        let progress = self.enter(with);
        MEMORY_LIMIT.set(outer_limit);
        (progress, (SLICE - OPERATIONS_LEFT.get()).max(0) as u64)
    }

    /// The same inside another fiber, on whose slice and limits it runs.
    pub(super) fn enter(&mut self, with: Resume) -> Progress<T> {
        let Some(coroutine) = &mut self.coroutine else {
            return Progress::Panicked("a finished script was resumed".to_owned());
        };
        let (outer_yielder, outer_floor) = (YIELDER.get(), STACK_FLOOR.replace(self.limit + STACK_RESERVE));
        let guarded = Guarded::enter(coroutine.trap_handler(), self.limit);
        let result = catch_unwind(AssertUnwindSafe(|| coroutine.resume(with)));
        drop(guarded);
        YIELDER.set(outer_yielder);
        STACK_FLOOR.set(outer_floor);
        let progress = match result {
            Ok(CoroutineResult::Yield(request)) => return Progress::Yielded(request),
            Ok(CoroutineResult::Return(Exit::Overflowed)) => Progress::Overflowed,
            Ok(CoroutineResult::Return(Exit::Done)) => match self.result.take() {
                Some(Ok(value)) => Progress::Returned(value),
                Some(Err(text)) => Progress::Panicked(text),
                None => Progress::Panicked("a script returned without a result".to_owned()),
            },
            Err(payload) => Progress::Panicked(panic_text(&*payload).unwrap_or_else(|| "panic".to_owned())),
        };
        self.recycle();
        progress
    }

    fn recycle(&mut self) {
        if let Some(coroutine) = self.coroutine.take().filter(Coroutine::done) {
            STACKS.with_borrow_mut(|stacks| stacks.push(coroutine.into_stack()));
        }
    }
}

impl<T: 'static> Drop for Fiber<T> {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get().saturating_sub(1));
        // One that never ran has nothing on its stack: what it holds is dropped on the stack of whoever drops it, which
        // must keep its own guard.
        if let Some(coroutine) = self.coroutine.as_mut().filter(|coroutine| coroutine.started() && !coroutine.done()) {
            // Unwinding runs on the fiber's own stack, whoever drops it.
            let _guarded = Guarded::enter(coroutine.trap_handler(), self.limit);
            coroutine.force_unwind();
        }
    }
}

/// Gives back some of the stacks beyond those worth keeping; false when there are none. For moments without work.
pub(super) fn trim_stacks() -> bool {
    STACKS.with_borrow_mut(|stacks| {
        let kept = stacks.len().saturating_sub(TRIMMED_STACKS).max(POOLED_STACKS);
        let trims = stacks.len() > kept;
        stacks.truncate(kept);
        trims
    })
}

/// What a panic says; none of one that says nothing, a forced unwinding above all.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}

/// Stacks in use: those of threads and of coroutines that have not ended, or that somebody still holds.
pub fn stacks() -> usize {
    ALIVE.get()
}

/// The script thread that runs now, or ran last.
pub fn current_thread() -> ThreadId {
    THREAD.get()
}

/// Says which thread is resumed next, by the engine.
pub(super) fn set_current_thread(id: ThreadId) {
    THREAD.set(id);
    nested::set_depth(0);
}

/// Yields to whoever resumed us and returns what they say.
pub(super) fn suspend(request: Request) -> Option<Resume> {
    let yielder = YIELDER.get();
    if yielder.is_null() {
        return None;
    }
    // SAFETY: `YIELDER` is set by the running coroutine itself (on entry, and below after each resume) and reset by
    // `Fiber::resume` when control leaves it, so a non-null pointer is the yielder of the coroutine whose stack this
    // call runs on; that yielder lives at the bottom of the same stack and so outlives this frame.
    #[allow(unsafe_code)]
    let resume = unsafe { &*yielder }.suspend(request);
    YIELDER.set(yielder);
    Some(resume)
}

/// Suspends the running script until `future` is done. The only way a native may wait.
pub fn wait<T: 'static>(future: impl Future<Output = T> + 'static) -> Result<T, Box<EvalAltResult>> {
    let slot = Rc::new(Cell::new(None));
    let filled = Rc::clone(&slot);
    let caught = AssertUnwindSafe(future).catch_unwind();
    let request = Request::Wait(Box::pin(async move { filled.set(Some(caught.await)) }));
    match suspend(request) {
        Some(Resume::Go | Resume::Value(_)) => match slot.take() {
            Some(Ok(value)) => Ok(value),
            // On the script's own stack, as if the native itself had panicked: no error, which the script could catch.
            Some(Err(payload)) => resume_unwind(payload),
            None => Err("internal error: resumed before the result was there".into()),
        },
        Some(Resume::Stop(stop)) => Err(stop.into_error()),
        None => {
            Err("this function waits, so it works only inside rules and actions, not while a file is loaded".into())
        }
    }
}

/// Gives every other runnable script a turn.
pub fn pause() -> Result<(), Box<EvalAltResult>> {
    match suspend(Request::Slice) {
        Some(Resume::Stop(stop)) => Err(stop.into_error()),
        _ => Ok(()),
    }
}

/// Charges the running script for work done by a native on its behalf, in operations.
pub fn charge(operations: usize) {
    OPERATIONS_LEFT.set(OPERATIONS_LEFT.get().saturating_sub(operations as i64));
}

/// For natives that make much in one call: an error that ends the script once it holds more memory than it may.
pub(super) fn check_memory() -> Result<(), Box<EvalAltResult>> {
    if memory::balance() > MEMORY_LIMIT.get() { Err(Stop::Memory.into_error()) } else { Ok(()) }
}

/// Rhai's progress hook, called on every operation: guards stack and memory, and ends slices.
pub fn on_operation() -> Option<Dynamic> {
    let here = 0u8;
    if (&raw const here as usize) < STACK_FLOOR.get() {
        return Some(Dynamic::from(Stop::Stack));
    }
    if memory::balance() > MEMORY_LIMIT.get() {
        return Some(Dynamic::from(Stop::Memory));
    }
    let left = OPERATIONS_LEFT.get() - 1;
    OPERATIONS_LEFT.set(left);
    if left > 0 {
        return None;
    }
    let resume = suspend(Request::Slice);
    if resume.is_none() {
        OPERATIONS_LEFT.set(SLICE); // not in a coroutine: a file being loaded
    }
    match resume {
        Some(Resume::Stop(stop)) => Some(Dynamic::from(stop)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(fiber: &mut Fiber<T>) -> Progress<T> {
        fiber.resume(Resume::Go, usize::MAX).0
    }

    #[test]
    fn a_wait_hands_its_future_out_and_brings_the_result_back() {
        let mut fiber = Fiber::new(|_| wait(async { 41 }).map(|n| n + 1)).unwrap();
        let Progress::Yielded(Request::Wait(future)) = run(&mut fiber) else { panic!("no wait") };
        futures_lite::future::block_on(future);
        let Progress::Returned(Ok(42)) = run(&mut fiber) else { panic!("no result") };
    }

    #[test]
    fn a_stop_is_an_uncatchable_error() {
        let mut fiber = Fiber::new(|_| wait(std::future::pending::<()>())).unwrap();
        assert!(matches!(run(&mut fiber), Progress::Yielded(Request::Wait(_))));
        let (Progress::Returned(Err(error)), _) = fiber.resume(Resume::Stop(Stop::Wall), usize::MAX) else {
            panic!("no error")
        };
        assert!(!error.is_catchable());
    }

    #[test]
    fn a_panic_of_a_future_is_one_of_its_native() {
        let boom = || async { std::panic::resume_unwind(Box::new("boom")) };
        let mut fiber = Fiber::new(move |_| -> bool { wait::<()>(boom()).is_err() }).unwrap();
        let Progress::Yielded(Request::Wait(future)) = run(&mut fiber) else { panic!("no wait") };
        futures_lite::future::block_on(future);
        assert!(matches!(run(&mut fiber), Progress::Panicked(text) if text == "boom"), "it was an error to be caught");
    }

    #[test]
    fn a_panic_stays_inside() {
        let mut fiber = Fiber::new(|_| -> () { std::panic::resume_unwind(Box::new("boom")) }).unwrap();
        assert!(matches!(run(&mut fiber), Progress::Panicked(text) if text == "boom"));
        assert!(matches!(run(&mut fiber), Progress::Panicked(_)), "a second resume must be harmless");
    }

    #[test]
    fn dropping_a_suspended_script_runs_its_destructors() {
        let token = Rc::new(());
        let held = Rc::clone(&token);
        let mut fiber = Fiber::new(move |_| {
            let kept = held;
            wait(std::future::pending::<()>()).is_ok() && Rc::strong_count(&kept) > 0
        })
        .unwrap();
        assert!(matches!(run(&mut fiber), Progress::Yielded(_)));
        drop(fiber);
        assert_eq!(Rc::strong_count(&token), 1);
    }

    #[test]
    fn one_that_never_ran_is_dropped_under_the_guard_of_its_dropper() {
        let held = Box::new([0u8; 100]); // freeing it is what asks the guard
        let idle = Fiber::new(move |_| held.len()).unwrap();
        let (limit, slot) = (idle.limit, Rc::new(Cell::new(Some(idle))));
        let drop_it = || {
            let slot = Rc::clone(&slot);
            Fiber::new(move |_| slot.take().map(drop).is_some()).unwrap()
        };
        // The dropper's stack must lie below the other's: that is where the wrong guard would strike.
        let mut fibers: Vec<_> = (0..64).map(|_| drop_it()).collect();
        fibers.retain(|fiber| fiber.limit < limit);
        let mut dropper = fibers.pop().expect("the kernel maps downwards");
        assert!(matches!(run(&mut dropper), Progress::Returned(true)));
    }

    #[test]
    fn stacks_beyond_those_worth_keeping_go_back_a_few_at_a_time() {
        let finished = |_| {
            let mut fiber = Fiber::new(|_| ()).unwrap();
            assert!(matches!(run(&mut fiber), Progress::Returned(())));
        };
        (0..3).for_each(finished);
        assert_eq!(STACKS.with_borrow(Vec::len), 1, "one after the other share a stack");
        let mut fibers: Vec<_> = (0..=POOLED_STACKS + TRIMMED_STACKS).map(|_| Fiber::new(|_| ()).unwrap()).collect();
        for fiber in &mut fibers {
            assert!(matches!(run(fiber), Progress::Returned(())));
        }
        let mut left = Vec::new();
        while trim_stacks() {
            left.push(STACKS.with_borrow(Vec::len));
        }
        assert_eq!(left, [POOLED_STACKS + 1, POOLED_STACKS]);
    }

    #[test]
    fn waiting_outside_a_script_is_an_error() {
        assert!(wait(async {}).is_err());
    }
}
