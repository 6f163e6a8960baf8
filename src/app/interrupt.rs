//! SIGINT and SIGTERM: the first ends the run in good order, the second at once.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_io::Async;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::terminal;
use crate::error::{Error, ExitCode};

/// Listens for the signals from its creation on.
pub struct Interrupt {
    signals: Async<UnixStream>,
}

impl Interrupt {
    /// Starts listening.
    pub fn listen() -> Result<Interrupt, Error> {
        let failed = |error: std::io::Error| Error::Internal(format!("listen for signals: {error}"));
        let (receiver, sender) = UnixStream::pair().map_err(failed)?;
        // Set by the first signal: the next one ends the process.
        let armed = Arc::new(AtomicBool::new(false));
        terminal::restore_on_second_signal(&armed).map_err(failed)?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, ExitCode::Interrupted as i32, Arc::clone(&armed))
                .map_err(failed)?;
            // After what looks at it: the first signal sets it, also when the loop is stuck and never hears of it.
            signal_hook::flag::register(signal, Arc::clone(&armed)).map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, sender.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(Interrupt { signals: Async::new(receiver).map_err(failed)? })
    }

    /// Resolves at the first signal.
    pub async fn first(&self) {
        let mut byte = [0];
        // A failing pipe would mean no signals any more; then the run simply goes on to its end.
        if self.signals.read_with(|mut signals| signals.read(&mut byte)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
