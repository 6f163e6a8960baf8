//! SIGINT and SIGTERM: the first ends the run in good order, the second at once.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_io::Async;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, ExitCode};

/// Listens for the signals from its creation on.
pub struct Interrupt {
    signals: Async<UnixStream>,
    /// Set once the first signal was seen: the next one ends the process.
    armed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts listening.
    pub fn listen() -> Result<Interrupt, Error> {
        let failed = |error: std::io::Error| Error::Internal(format!("listen for signals: {error}"));
        let (receiver, sender) = UnixStream::pair().map_err(failed)?;
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, ExitCode::Interrupted as i32, Arc::clone(&armed))
                .map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, sender.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(Interrupt { signals: Async::new(receiver).map_err(failed)?, armed })
    }

    /// Resolves at the first signal.
    pub async fn first(&self) {
        let mut byte = [0];
        // A failing pipe would mean no signals any more; then the run simply goes on to its end.
        if self.signals.read_with(|mut signals| signals.read(&mut byte)).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.armed.store(true, Ordering::SeqCst);
    }
}
