//! [`Ledger`]: which incidents there were, and which of them the log still has
//! room for.

use std::time::Duration;

use crate::incident::{Incident, Kind, Label};

/// Counts incidents and throttles their log events, by the boot clock: the wall
/// clock is the very thing that cannot be trusted here.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: [u64; Kind::COUNT],
    throttles: [Throttle; Kind::COUNT],
    /// Of those that nobody counts, so that they take no room from the others.
    inconspicuous: [Throttle; Kind::COUNT],
    last: Option<Incident>,
    services: Vec<Label>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Throttle {
    last_logged: Option<Duration>,
    suppressed: u64,
}

/// An incident on its way to the log and the metrics.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) incident: Incident,
    /// `None` if the log has no room for it; otherwise how many of its kind were
    /// left out since the last.
    pub(crate) log: Option<u64>,
    /// The service under a name that does not blow up a metric's cardinality.
    pub(crate) service: Option<Label>,
}

impl Ledger {
    /// Enters an incident at `boot`.
    pub(crate) fn enter(&mut self, incident: Incident, boot: Duration) -> Notice {
        let kind = incident.kind() as usize;
        let service = incident
            .facts()
            .service
            .clone()
            .map(|name| self.admit(name));
        let mut throttles = &mut self.inconspicuous;
        if incident.is_counted() {
            throttles = &mut self.throttles;
            if let Some(count) = self.counts.get_mut(kind) {
                *count += 1;
            }
            self.last = Some(incident.clone());
        }
        let log = throttles
            .get_mut(kind)
            .and_then(|throttle| throttle.admit(boot));
        Notice {
            incident,
            log,
            service,
        }
    }

    /// Returns how many there were of each kind, in the order of [`Kind::ALL`].
    pub(crate) const fn counts(&self) -> [u64; Kind::COUNT] {
        self.counts
    }

    pub(crate) const fn last(&self) -> Option<&Incident> {
        self.last.as_ref()
    }

    /// A metric's `service` is one of the first 64 seen, then `other`: services
    /// of proxied requests are whatever a client writes. In lower case, since
    /// `SQS` is `sqs` in a signature's scope.
    fn admit(&mut self, service: Label) -> Label {
        let service = service.into_lower_case();
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

impl Throttle {
    fn admit(&mut self, boot: Duration) -> Option<u64> {
        let is_open = self
            .last_logged
            .is_none_or(|last| boot.saturating_sub(last) >= BETWEEN_EVENTS);
        if is_open {
            self.last_logged = Some(boot);
            Some(std::mem::take(&mut self.suppressed))
        } else {
            self.suppressed += 1;
            None
        }
    }
}

/// At most one event a minute for each kind.
const BETWEEN_EVENTS: Duration = Duration::from_secs(60);
const MOST_SERVICES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Facts;

    #[test]
    fn one_event_a_minute_says_how_many_were_left_out() {
        let mut ledger = Ledger::default();
        let mut enter = |seconds: u64| {
            let incident = Incident::Skew(Facts::default());
            ledger
                .enter(incident, Duration::from_secs(1_000 + seconds))
                .log
        };
        assert_eq!(enter(0), Some(0));
        assert_eq!(enter(1), None);
        assert_eq!(enter(59), None);
        assert_eq!(enter(60), Some(2));
        assert_eq!(enter(61), None);
        assert_eq!(ledger.counts()[Kind::Skew as usize], 5);
        let other = Incident::Healed(Facts::default());
        assert_eq!(ledger.enter(other, Duration::from_secs(1_061)).log, Some(0));
    }

    #[test]
    fn a_denial_takes_no_room_from_a_wrong_key() {
        let mut ledger = Ledger::default();
        let mut enter = |is_conspicuous| {
            let facts = Facts {
                is_conspicuous,
                ..Facts::default()
            };
            ledger
                .enter(Incident::NotTheClock(facts, None), Duration::ZERO)
                .log
        };
        assert_eq!(enter(false), Some(0));
        assert_eq!(enter(false), None);
        assert_eq!(enter(true), Some(0));
    }

    #[test]
    fn the_65th_service_is_other() {
        let mut ledger = Ledger::default();
        for number in 0..70 {
            let facts = Facts {
                service: Label::new(&format!("service-{number}")),
                ..Facts::default()
            };
            let notice = ledger.enter(Incident::Skew(facts), Duration::ZERO);
            let expected = if number < 64 {
                format!("service-{number}")
            } else {
                "other".into()
            };
            assert_eq!(notice.service.unwrap().as_str(), expected);
        }
    }
}
