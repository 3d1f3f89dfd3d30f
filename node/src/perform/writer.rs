//! The store's own thread: the only place where the disk is waited for.
//!
//! Work goes in over one bounded channel and is done in order, so what is read later sees what was
//! written earlier. When the channel closes, the thread does what it has taken, drops the store
//! (which lets go of its lock) and ends.

use std::{io, thread};

use tokio::sync::{mpsc, oneshot};

use crate::store::Store;

/// Work waiting for the thread. Full: whoever brings more waits.
const WORK: usize = 64;

type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// The thread has ended, and with it the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store's thread has ended by itself; start the node again, and look at the log above")]
pub struct Gone;

/// A running store thread.
pub struct Writer {
    work: mpsc::Sender<Work>,
    ended: oneshot::Receiver<()>,
}

/// Work that the thread has taken.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<T>);

impl<T> Pending<T> {
    /// Waits until it is done.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn done(self) -> Result<T, Gone> {
        self.0.await.map_err(|_| Gone)
    }

    /// The same, for whoever waits for several things at once and may stop waiting in between.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn poll_done(&mut self) -> Result<T, Gone> {
        (&mut self.0).await.map_err(|_| Gone)
    }
}

impl Writer {
    /// Gives the store its thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(mut store: Box<dyn Store>) -> io::Result<Self> {
        let (work, mut taken) = mpsc::channel::<Work>(WORK);
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(work) = taken.blocking_recv() {
                work(store.as_mut());
            }
            drop(store);
            // Nobody waits when the node ends in haste.
            let _ = end.send(());
        })?;
        Ok(Self { work, ended })
    }

    /// Hands over work and waits until the thread has room for it, not until it is done.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Result<Pending<T>, Gone> {
        let (done, pending) = oneshot::channel();
        let work: Work = Box::new(move |store| drop(done.send(work(store))));
        self.work.send(work).await.map_err(|_| Gone)?;
        Ok(Pending(pending))
    }

    /// Has work done and waits for it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        self.begin(work).await?.done().await
    }

    /// Ends the thread and waits until the store is closed.
    pub async fn close(self) {
        drop(self.work);
        let _ = self.ended.await;
    }
}
