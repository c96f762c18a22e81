//! Rows of the first table that are scenarios: what a user's settings, or a caller who
//! gives up, do to a correction.

use std::time::Duration;

use super::play::Correction;
use super::scenario::{Call, Cancel, End, Host, Keys, Line, Scenario, Setting};
use super::year::{Counts, usual, with_static_keys};
use crate::arm::Arm;
use crate::clocks::{DAY, Event, HOUR, MINUTE, millis};
use crate::fate::Fate;
use crate::row;

/// A row: its name, and its scenario.
pub(crate) struct Row(pub(crate) &'static str, fn() -> Vec<Line>);

pub(crate) const ROWS: [Row; 10] = [
    Row(
        "the caller gives up after 1 s, round trips of 0.7 s",
        || {
            let mut call = call();
            call.fates = vec![Fate::of(Duration::from_millis(700)); 3];
            call.cancel = Some(Cancel::After(Duration::from_secs(1)));
            [vec![behind()], calls(20, &call)].concat()
        },
    ),
    Row("an attempt time-out of 1 s, round trips of 0.7 s", || {
        let mut call = call();
        call.fates = vec![Fate::of(Duration::from_millis(700)); 6];
        let timeout = Setting::AttemptTimeout(Duration::from_secs(1));
        [vec![Line::Setting(timeout), behind()], calls(20, &call)].concat()
    }),
    Row("40 tenants with keys of their own", || {
        let mut call = call();
        (call.count, call.has_tenants) = (40, true);
        [vec![behind()], calls(3, &call)].concat()
    }),
    Row(
        "credentials that can be loaded once, clock set 2 days ahead",
        || {
            let keys = Setting::Keys(Keys::Once {
                valid: millis(6 * HOUR),
            });
            let set = Line::Clock(Event::IsSet(2 * DAY));
            [
                vec![Line::Setting(keys)],
                calls(10, &call()),
                vec![set],
                calls(10, &call()),
            ]
            .concat()
        },
    ),
    Row(
        "a checkpoint is restored, monotonic clock 10 h back",
        || {
            let restored = Line::Clock(Event::Restores(millis(10 * HOUR)));
            [
                vec![behind()],
                calls(10, &call()),
                vec![restored],
                calls(10, &call()),
            ]
            .concat()
        },
    ),
    Row("clock repaired with the request on its way", || {
        let mut repaired = call();
        repaired.fates = vec![Fate::between([Event::IsSet(0)], [])];
        [
            vec![behind()],
            calls(10, &call()),
            calls(1, &repaired),
            calls(9, &call()),
        ]
        .concat()
    }),
    Row(
        "suspended for 3 h with the first request on its way",
        || {
            let mut suspended = call();
            let event = Event::Suspends {
                time: millis(3 * HOUR),
                is_counted: true,
            };
            suspended.fates = vec![Fate::between([event], [])];
            [vec![behind()], calls(1, &suspended), calls(9, &call())].concat()
        },
    ),
    Row(
        "correct clock, a cache returns another client's clock skew error",
        || {
            let mut cached = call();
            cached.end = End::Cached;
            [calls(1, &cached), calls(5, &call())].concat()
        },
    ),
    Row(
        "correct clock, a validation error quotes a clock skew error",
        || {
            let mut quotes = call();
            quotes.end = End::Quotes;
            [calls(1, &quotes), calls(5, &call())].concat()
        },
    ),
    Row(
        "correct clock, AWS and a server that is 9 h ahead, in turns",
        || {
            let mut site = Host::Other.site();
            site.ahead = 9 * HOUR;
            let mut other = call();
            other.host = Host::Other;
            let mut lines = vec![Line::Host(Host::Other, vec![site])];
            for _ in 0..10 {
                lines.extend(calls(1, &call()));
                lines.extend(calls(1, &other));
            }
            lines
        },
    ),
];

/// The same call so many times, one a minute.
fn calls(count: usize, call: &Call) -> Vec<Line> {
    let pair = [Line::Call(call.clone()), Line::Wait(millis(MINUTE))];
    pair.iter().cycle().take(2 * count).cloned().collect()
}

fn behind() -> Line {
    Line::Clock(Event::IsSet(-20 * MINUTE))
}

fn call() -> Call {
    usual(Host::Sqs)
}

impl Row {
    pub(crate) fn played_by(&self, arm: Arm) -> row::End {
        let correction = match arm {
            Arm::Signing => Correction::Sign,
            Arm::Below => Correction::Below,
            Arm::Install => Correction::Install,
            Arm::Configure => Correction::Configure,
            Arm::Apply => Correction::Apply,
            Arm::Both => Correction::Both,
            Arm::SdkAlone => Correction::Sdk,
            Arm::Nobody => Correction::None,
        };
        let mut lines = (self.1)();
        if arm == Arm::Configure {
            lines.insert(0, Line::Setting(Setting::NoRetries));
        }
        let mut scenario = Scenario(lines);
        if arm == Arm::Below {
            scenario = with_static_keys(&scenario);
        }
        let counts = Counts::of(&scenario.play(correction));
        row::End {
            calls: counts.calls,
            failed: counts.lost,
            rejected: counts.rejected,
            sent: counts.sent,
            ..row::End::default()
        }
    }
}
