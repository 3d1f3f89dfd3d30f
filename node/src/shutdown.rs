//! The order to stop: SIGTERM from a service manager, SIGINT from a keyboard.
//!
//! Both mean the same orderly stop: take nothing new, perform what was handled, sync, let go of the
//! lock. A kill without a word is survived too (invariant I2), but costs a look through the
//! journal's tail. Called by `runtime`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for both signals from its making on, so that none between start and first wait is lost.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Begins to listen. Must be called inside the runtime.
    ///
    /// # Errors
    /// The operating system takes no handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the order and names the signal.
    pub async fn ordered(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
