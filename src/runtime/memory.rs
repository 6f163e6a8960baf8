//! Memory accounts: how many bytes whoever is running now has allocated and not freed.
//!
//! The allocator adds every allocation to the account entered on this thread. An account is entered around each resume
//! of a script, so its budget covers what its natives allocate too. Memory freed under another account is credited
//! there: an account may drift, but a script that hoards is seen.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Stack a call of the system allocator may need; measured below 4 KB.
const ALLOCATOR_STACK: usize = 24 << 10;

thread_local! {
    static STACK_LIMIT: Cell<usize> = const { Cell::new(0) };
    static BALANCE: Cell<isize> = const { Cell::new(0) };
}

/// The system allocator, counted.
pub struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Tells the allocator where the guard page of the current stack begins (0: none of ours) and returns what it was
/// told before. It then never starts work it might have to abandon half-way: near the end of the stack it touches the
/// guard page at once.
pub fn guard_stack(limit: usize) -> usize {
    STACK_LIMIT.with(|known| known.replace(limit))
}

#[inline]
fn ensure_stack() {
    let here = 0u8;
    let limit = STACK_LIMIT.try_with(Cell::get).unwrap_or(0);
    if (&raw const here as usize) < limit + ALLOCATOR_STACK && limit != 0 {
        // SAFETY: the address lies in the guard page, so this faults, which is the point; nothing is read.
        #[allow(unsafe_code)]
        unsafe {
            std::ptr::read_volatile(limit as *const u8);
        }
    }
}

fn add(bytes: isize) {
    ensure_stack();
    // `try_with`: allocations happen while a thread's locals are torn down, too.
    let _ = BALANCE.try_with(|balance| balance.set(balance.get().wrapping_add(bytes)));
}

// SAFETY: every method forwards to `System` with the arguments it was given, so the contract of `GlobalAlloc` holds
// exactly as it does there; counting touches only a thread-local cell and neither allocates nor unwinds.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller upholds the contract for `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: `pointer` came from `System` with this `layout`, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller upholds the contract for `layout`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add(new_size as isize - layout.size() as isize);
        // SAFETY: `pointer` came from `System` with this `layout`, and `new_size` is valid, as the caller promises.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Bytes allocated and not freed on this thread since the account was entered, plus what it held before.
pub fn balance() -> isize {
    BALANCE.with(Cell::get)
}

/// Enters the account that holds `bytes` and returns what the one before held.
pub fn enter(bytes: isize) -> isize {
    BALANCE.with(|balance| balance.replace(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_sees_what_is_kept() {
        let before = enter(0);
        let kept = vec![0u8; 100_000];
        let held = balance();
        drop(kept);
        let after = balance();
        enter(before);
        assert!((100_000..101_000).contains(&held), "{held}");
        assert!(after < 1_000, "{after}");
    }
}
