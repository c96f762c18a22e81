//! A barrier at which requests wait for each other.

use std::sync::Arc;
use tokio::sync::watch;

/// Requests that wait between their arrival and their verification.
///
/// [`Endpoint::hold`](crate::Endpoint::hold) releases them when all have arrived. With
/// [`Endpoint::hold_until_released`](crate::Endpoint::hold_until_released) they wait for
/// [`Hold::release`] or for the drop of the `Hold`.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
}

impl Hold {
    pub(crate) const fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Returns when all the requests have arrived, released or not, or when [`Hold::release`] was
    /// called.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn arrived(&self) {
        self.gate
            .wait_for(|progress| progress.arrived >= self.gate.expected || progress.released)
            .await;
    }

    /// Releases the requests that have arrived, and holds no others.
    pub fn release(&self) {
        self.gate
            .progress
            .send_modify(|progress| progress.released = true);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.gate.automatic {
            self.release();
        }
    }
}

/// The requests' side of a [`Hold`].
#[derive(Debug)]
pub(crate) struct Gate {
    expected: usize,
    automatic: bool,
    progress: watch::Sender<Progress>,
}

impl Gate {
    pub(crate) fn new(expected: usize, automatic: bool) -> Self {
        let released = expected == 0;
        Self {
            expected,
            automatic,
            progress: watch::Sender::new(Progress {
                arrived: 0,
                released,
            }),
        }
    }

    /// Returns at once unless this is one of the first `expected` requests.
    pub(crate) async fn pass(&self) {
        let mut held = false;
        self.progress.send_modify(|progress| {
            held = !progress.released && progress.arrived < self.expected;
            if held {
                progress.arrived += 1;
                progress.released = self.automatic && progress.arrived == self.expected;
            }
        });
        if held {
            self.wait_for(|progress| progress.released).await;
        }
    }

    async fn wait_for(&self, condition: impl FnMut(&Progress) -> bool) {
        // `wait_for` fails only without a sender, and `self` is one.
        let _ = self.progress.subscribe().wait_for(condition).await;
    }
}

#[derive(Debug)]
struct Progress {
    arrived: usize,
    released: bool,
}
