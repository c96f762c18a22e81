//! Settings that can change while the endpoint runs.

use crate::time::http_date;
use http::HeaderValue;
use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The current settings. They are cheap to clone, so no lock is held while a request is served.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Replaces the tolerance of each service.
    pub(crate) tolerance: Option<Duration>,
    pub(crate) send_date: bool,
    pub(crate) date_clock: Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>,
    /// Whether a time error states only the bound.
    pub(crate) bound_only: bool,
    /// The operations that are denied to everyone.
    pub(crate) denied: HashSet<String>,
}

impl Settings {
    /// Returns the `Date` header of a response at `now`, if it has one.
    pub(crate) fn date(&self, now: SystemTime) -> Option<HeaderValue> {
        if !self.send_date {
            return None;
        }
        let text = match &self.date_clock {
            Some(date_clock) => date_clock()?,
            None => http_date(now),
        };
        HeaderValue::try_from(text).ok()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: None,
            send_date: true,
            date_clock: None,
            bound_only: false,
            denied: HashSet::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("tolerance", &self.tolerance)
            .field("send_date", &self.send_date)
            .field("bound_only", &self.bound_only)
            .field("denied", &self.denied)
            .finish_non_exhaustive()
    }
}
