//! [`Throttle`]: counts events, and limits how many of them are logged.

use std::time::Duration;

use crate::event::{EventKind, Label, SkewEvent};

/// Counts events, and limits how many of them are logged. Periods are measured on the
/// monotonic clock, because the wall clock may be wrong.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    counts: [u64; EventKind::COUNT],
    windows: [Window; EventKind::COUNT],
    /// The window of events that are not counted. It is separate, so that such an event
    /// does not suppress a counted one.
    uncounted: Window,
    last: Option<SkewEvent>,
    services: Vec<Label>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    last_logged: Option<Duration>,
    suppressed: u64,
}

/// An event to emit, and how to emit it.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) event: SkewEvent,
    /// The number of events of this kind that were not logged since the last one that was.
    /// `None` if this event is not logged.
    pub(crate) log: Option<u64>,
    /// The name of the service for metrics, limited so that the number of time series stays
    /// small.
    pub(crate) service: Option<Label>,
}

impl Throttle {
    /// Counts an event that happened at `monotonic`, and decides whether it is logged.
    pub(crate) fn admit(&mut self, event: SkewEvent, monotonic: Duration) -> Notice {
        let kind = event.kind();
        let service = event.details().service.clone();
        let service = service.map(|name| self.admit_service(name));
        let mut window = &mut self.uncounted;
        if event.is_counted() {
            window = &mut self.windows[kind.index()];
            self.counts[kind.index()] += 1;
            self.last = Some(event.clone());
        }
        let log = match kind {
            // These are always logged, so that the last line of the log shows the present
            // state.
            EventKind::SkewDetected | EventKind::CorrectionCleared { .. } => Some(0),
            _ => window.admit(monotonic),
        };
        Notice {
            event,
            log,
            service,
        }
    }

    /// Returns the number of events of each kind, in the order of [`EventKind::NAMES`].
    pub(crate) const fn counts(&self) -> [u64; EventKind::COUNT] {
        self.counts
    }

    pub(crate) const fn last(&self) -> Option<&SkewEvent> {
        self.last.as_ref()
    }

    /// Returns the name of a service for metrics: one of the first 64 names, and `other`
    /// for any further one. The client of a proxy can write any name into its requests.
    fn admit_service(&mut self, service: Label) -> Label {
        if self.services.contains(&service) {
            return service;
        }
        if self.services.len() < MOST_SERVICES {
            self.services.push(service.clone());
            return service;
        }
        Label::new("other").unwrap_or(service)
    }
}

impl Window {
    fn admit(&mut self, monotonic: Duration) -> Option<u64> {
        // If the monotonic clock goes back, because a checkpoint was restored, the window
        // restarts.
        let last = self.last_logged.map(|last| last.min(monotonic));
        if last.is_some_and(|last| monotonic.saturating_sub(last) < BETWEEN_EVENTS) {
            self.last_logged = last;
            self.suppressed += 1;
            return None;
        }
        self.last_logged = Some(monotonic);
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// At most one event of each kind is logged in this period.
const BETWEEN_EVENTS: Duration = Duration::from_secs(60);
const MOST_SERVICES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClearReason, Details};

    fn event(kind: EventKind) -> SkewEvent {
        SkewEvent::new(kind, Details::default())
    }

    #[test]
    fn one_event_a_minute_says_how_many_were_left_out() {
        let mut throttle = Throttle::default();
        let mut admit = |seconds: u64| {
            let event = event(EventKind::ExpiredInTransit);
            let monotonic = Duration::from_secs(1_000 + seconds);
            throttle.admit(event, monotonic).log
        };
        assert_eq!(admit(0), Some(0));
        assert_eq!(admit(1), None);
        assert_eq!(admit(59), None);
        assert_eq!(admit(60), Some(2));
        assert_eq!(admit(61), None);
        assert_eq!(throttle.counts()[EventKind::ExpiredInTransit.index()], 5);
        let other = event(EventKind::ResendRejected);
        let other = throttle.admit(other, Duration::from_secs(1_061));
        assert_eq!(other.log, Some(0));
    }

    #[test]
    fn a_monotonic_clock_that_goes_back_restarts_the_minute() {
        let mut throttle = Throttle::default();
        let mut admit = |seconds: u64| {
            let event = event(EventKind::ExpiredInTransit);
            throttle.admit(event, Duration::from_secs(seconds)).log
        };
        assert_eq!(admit(1_000_000), Some(0));
        assert_eq!(admit(10), None);
        assert_eq!(admit(69), None);
        assert_eq!(admit(70), Some(2));
    }

    #[test]
    fn a_change_of_state_is_always_logged() {
        let mut throttle = Throttle::default();
        let reason = ClearReason::LocalClockRepaired;
        let cleared = EventKind::CorrectionCleared { reason };
        for kind in [EventKind::SkewDetected, cleared].repeat(3) {
            let notice = throttle.admit(event(kind), Duration::ZERO);
            assert_eq!(notice.log, Some(0), "{kind:?}");
        }
    }

    #[test]
    fn a_denial_does_not_suppress_the_log_line_of_a_wrong_key() {
        let mut throttle = Throttle::default();
        let mut admit = |is_counted| {
            let event = event(EventKind::NotClockSkew { cause: None }).counted_if(is_counted);
            throttle.admit(event, Duration::ZERO).log
        };
        assert_eq!(admit(false), Some(0));
        assert_eq!(admit(false), None);
        assert_eq!(admit(true), Some(0));
    }

    #[test]
    fn the_65th_service_is_other() {
        let mut throttle = Throttle::default();
        for number in 0..70 {
            let details = Details {
                service: Label::new(&format!("service-{number}")),
                ..Details::default()
            };
            let event = SkewEvent::new(EventKind::SkewDetected, details);
            let notice = throttle.admit(event, Duration::ZERO);
            let expected = if number < 64 {
                format!("service-{number}")
            } else {
                "other".into()
            };
            assert_eq!(notice.service.unwrap().as_str(), expected);
        }
    }
}
