//! The terminal of the run: one line on stderr that is drawn anew in place, and keys instead of lines from stdin.
//!
//! Whatever changes the terminal's mode puts it back: at the run's end, when a panic unwinds, and in the signal handlers
//! that end or stop the process where nothing unwinds.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::low_level;

/// Width where the terminal does not tell.
const WIDTH: usize = 80;

/// The line on stderr is drawn and must go before anything else is printed.
static DRAWN: AtomicBool = AtomicBool::new(false);
/// The terminal's mode before the run changed it.
static SAVED: OnceLock<Termios> = OnceLock::new();
/// The terminal is in the run's mode.
static RAW: AtomicBool = AtomicBool::new(false);

/// Whether stderr is a terminal that can redraw a line.
pub fn can_redraw() -> bool {
    io::stderr().is_terminal() && !super::outputs::is_dumb()
}

/// Columns of the terminal behind stderr.
pub fn width() -> usize {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => WIDTH,
    }
}

/// Draws `text` in place of the line drawn before. Only for a terminal.
pub fn draw(text: &str) {
    DRAWN.store(true, Ordering::Relaxed);
    let _ = write!(io::stderr().lock(), "\r\x1b[K{text}"); // nobody is left to tell
}

/// Takes the drawn line away, if there is one.
pub fn erase() {
    if DRAWN.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}

/// Whether keys can be read: stdin is a terminal, and it is ours at the moment.
pub fn in_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Keys come one by one and unseen, until this is dropped.
pub struct Raw(());

impl Raw {
    /// Changes the mode of stdin's terminal. Ctrl-C stays a signal.
    pub fn enter() -> io::Result<Raw> {
        if SAVED.get().is_none() {
            let _ = SAVED.set(tcgetattr(stdin())?); // the same, if somebody was faster
            hook(SIGQUIT, || {
                restore();
                let _ = low_level::emulate_default_handler(SIGQUIT); // does not return
            })?;
            hook(SIGTSTP, || {
                restore();
                let _ = low_level::emulate_default_handler(SIGTSTP);
                // Here the process goes on.
                let _ = change();
            })?;
        }
        change()?;
        Ok(Raw(()))
    }

    /// Changes the mode again, if it was put back while the process was stopped.
    pub fn again() {
        if !RAW.load(Ordering::SeqCst) {
            let _ = change(); // without it keys come line by line
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the mode back before the process is ended by a second SIGINT or SIGTERM: one that comes when `armed` is set.
/// Must be called before whatever ends it is registered.
pub fn restore_on_second_signal(armed: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        let armed = Arc::clone(armed);
        hook(signal, move || {
            if armed.load(Ordering::SeqCst) {
                restore();
            }
        })?;
    }
    Ok(())
}

fn change() -> rustix::io::Result<()> {
    let Some(mut mode) = SAVED.get().cloned().filter(|_| in_foreground()) else { return Ok(()) };
    mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(stdin(), OptionalActions::Now, &mode)?;
    RAW.store(true, Ordering::SeqCst);
    Ok(())
}

/// Puts the mode back. In the background the terminal is somebody else's, and its mode too.
fn restore() {
    if RAW.swap(false, Ordering::SeqCst)
        && in_foreground()
        && let Some(mode) = SAVED.get()
    {
        let _ = tcsetattr(stdin(), OptionalActions::Now, mode); // the terminal may have gone
    }
}

fn hook(signal: i32, action: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    // SAFETY: `low_level::register` asks that the action be async-signal-safe. The actions of this file load and store
    // atomics (`OnceLock::get` is one load), clone a `Termios`, which is plain data without allocation, and make system
    // calls through rustix, which are bare `ioctl`s without locks or allocation; `emulate_default_handler` is documented
    // as async-signal-safe. None of them panics, takes a lock, or touches thread-locals.
    #[allow(unsafe_code)]
    unsafe { low_level::register(signal, action) }.map(drop)
}
