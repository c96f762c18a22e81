//! A queue whose messages are hidden for a while after they were received.
//!
//! Visibility and waiting use Tokio's time. The server's clock may jump in a test.

use crate::lock::lock;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A standard queue. It keeps the order, since it is small.
#[derive(Debug)]
pub(crate) struct Queue {
    visibility: Duration,
    messages: Mutex<Messages>,
    arrival: Notify,
}

impl Queue {
    /// Makes an empty queue with its default visibility timeout.
    pub(crate) fn new(visibility: Duration) -> Self {
        Self {
            visibility,
            messages: Mutex::default(),
            arrival: Notify::new(),
        }
    }

    /// Adds a message and wakes the calls that wait for one.
    pub(crate) fn send(&self, id: String, body: String, delay: Duration) {
        let message = Message {
            id,
            body,
            visible_from: after(Instant::now(), delay),
            receives: 0,
        };
        lock(&self.messages).add(message);
        self.arrival.notify_waiters();
    }

    /// Takes up to `most` messages, waiting up to `wait` for the first.
    ///
    /// The messages stay hidden for `visibility`, or for the queue's default.
    pub(crate) async fn receive(
        &self,
        most: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Vec<Received> {
        let visibility = visibility.unwrap_or(self.visibility);
        let deadline = after(Instant::now(), wait);
        loop {
            // Registered before the look, so that a message sent after the look wakes it.
            let arrival = self.arrival.notified();
            let now = Instant::now();
            let (taken, next_visible) = {
                let mut messages = lock(&self.messages);
                (
                    messages.take(most, visibility, now),
                    messages.next_visible(),
                )
            };
            if !taken.is_empty() || now >= deadline {
                return taken;
            }
            let wake = next_visible.map_or(deadline, |visible| visible.min(deadline));
            tokio::select! {
                () = arrival => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Deletes the message that was received with this handle.
    ///
    /// As at AWS, a handle deletes nothing, without an error, if its message was deleted or
    /// received again. Returns `None` if the text is no handle.
    pub(crate) fn delete(&self, receipt_handle: &str) -> Option<()> {
        let (number, receives) = receipt_handle.split_once('-')?;
        let (number, receives) = (number.parse().ok()?, receives.parse().ok()?);
        lock(&self.messages).delete(number, receives);
        Some(())
    }
}

/// A received message.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) receipt_handle: String,
}

#[derive(Debug)]
struct Message {
    id: String,
    body: String,
    visible_from: Instant,
    receives: u32,
}

/// Messages in the order in which they arrived.
#[derive(Debug, Default)]
struct Messages {
    sent: u64,
    present: BTreeMap<u64, Message>,
}

impl Messages {
    fn add(&mut self, message: Message) {
        self.sent += 1;
        self.present.insert(self.sent, message);
    }

    fn take(&mut self, most: usize, visibility: Duration, now: Instant) -> Vec<Received> {
        self.present
            .iter_mut()
            .filter(|(_, message)| message.visible_from <= now)
            .take(most)
            .map(|(number, message)| {
                message.visible_from = after(now, visibility);
                message.receives += 1;
                Received {
                    id: message.id.clone(),
                    body: message.body.clone(),
                    receipt_handle: format!("{number}-{}", message.receives),
                }
            })
            .collect()
    }

    fn next_visible(&self) -> Option<Instant> {
        self.present
            .values()
            .map(|message| message.visible_from)
            .min()
    }

    fn delete(&mut self, number: u64, receives: u32) {
        if self
            .present
            .get(&number)
            .is_some_and(|message| message.receives == receives)
        {
            self.present.remove(&number);
        }
    }
}

/// Adds a duration, unless the sum is out of range.
fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration).unwrap_or(start)
}
