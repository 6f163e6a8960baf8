//! The last guard of a script's stack: its guard page.
//!
//! Rhai frees, measures and copies nested values by recursion, where no hook of ours runs. A value nested a hundred
//! thousand deep therefore runs into the guard page, which would end the process. Instead the fault ends that script:
//! its coroutine returns [`Exit::Overflowed`] at once, and what it held is leaked, which its memory budget bounds.
//!
//! The fault can be abandoned safely because it never strikes inside the allocator, which makes sure of enough stack
//! before it starts ([`memory::guard_stack`]), and because a script's stack holds nothing but Rhai's and our own frames.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;

use corosensei::trap::{CoroutineTrapHandler, TrapHandlerRegs};

use crate::runtime::memory;

/// How a coroutine ended, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It returned.
    Done,
    /// It ran into its guard page.
    Overflowed,
}

thread_local! {
    static RUNNING: Cell<Option<CoroutineTrapHandler<Exit>>> = const { Cell::new(None) };
}

static INSTALL: Once = Once::new();
static mut PREVIOUS: MaybeUninit<libc::sigaction> = MaybeUninit::uninit();

/// Marks a coroutine as running while it lives, and restores the one before.
pub(super) struct Guarded {
    outer: Option<CoroutineTrapHandler<Exit>>,
    outer_limit: usize,
}

impl Guarded {
    /// Guards the coroutine of `handler`, whose guard page begins at `limit`.
    pub fn enter(handler: CoroutineTrapHandler<Exit>, limit: usize) -> Guarded {
        INSTALL.call_once(install);
        Guarded { outer: RUNNING.replace(Some(handler)), outer_limit: memory::guard_stack(limit) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        RUNNING.set(self.outer);
        memory::guard_stack(self.outer_limit);
    }
}

fn install() {
    // SAFETY: the structures are zeroed, which is a valid `sigaction`, before the fields that matter are set; the
    // handler has the signature `SA_SIGINFO` asks for; `PREVIOUS` is written here, once, before any fault can reach
    // `on_fault`, and only read afterwards. std has given every thread an alternate signal stack.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGSEGV, &raw const action, (&raw mut PREVIOUS).cast());
    }
}

extern "C" fn on_fault(signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid `ucontext_t` to an `SA_SIGINFO` handler. The stack pointer is checked to lie in
    // the coroutine that is running, as `setup_trap_handler` demands, and the registers it returns are all written
    // back. Abandoning the frames is sound for the reasons in the head of this file: they hold no lock, and what they
    // own is leaked. A fault that is not ours goes to the handler before us by faulting again.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        match RUNNING.get().filter(|running| running.stack_ptr_in_bounds(stack_pointer(context))) {
            Some(running) => resume_at(context, &running.setup_trap_handler(|| Exit::Overflowed)),
            None => {
                libc::sigaction(signal, (&raw const PREVIOUS).cast(), ptr::null_mut());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn stack_pointer(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize
}

#[cfg(target_arch = "x86_64")]
fn resume_at(context: &mut libc::ucontext_t, registers: &TrapHandlerRegs) {
    let slots = [
        (libc::REG_RIP, registers.rip),
        (libc::REG_RSP, registers.rsp),
        (libc::REG_RBP, registers.rbp),
        (libc::REG_RDI, registers.rdi),
        (libc::REG_RSI, registers.rsi),
    ];
    for (slot, value) in slots {
        context.uc_mcontext.gregs[slot as usize] = value as i64;
    }
}

#[cfg(target_arch = "aarch64")]
fn stack_pointer(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.sp as usize
}

#[cfg(target_arch = "aarch64")]
fn resume_at(context: &mut libc::ucontext_t, registers: &TrapHandlerRegs) {
    let machine = &mut context.uc_mcontext;
    machine.pc = registers.pc;
    machine.sp = registers.sp;
    machine.regs[0] = registers.x0;
    machine.regs[1] = registers.x1;
    machine.regs[29] = registers.x29;
    machine.regs[30] = registers.lr;
}
