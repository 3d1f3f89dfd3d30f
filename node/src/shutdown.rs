//! Orders to the process: to stop, by SIGTERM from a service manager or SIGINT from a keyboard; to
//! read again what may change while it runs, by SIGHUP.
//!
//! The first two mean the same orderly stop: take nothing new, perform what was handled, sync, let go of the
//! lock. A kill without a word is survived too (invariant I2), but costs a look through the
//! journal's tail. Called by `runtime`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop; by this signal.
    Stop(&'static str),
    /// Read addresses and documents again.
    Reread,
}

/// Listens for the signals from its making on, so that none between start and first wait is lost.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next order.
    pub async fn ordered(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Order::Stop("SIGINT"),
            _ = self.hangup.recv() => Order::Reread,
        }
    }
}
