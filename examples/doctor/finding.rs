//! What is to be made of the answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::ClockOffset;

use super::asking::{Range, Server};

/// What is wrong with the clock, if anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    Right(Range),
    /// By less than any service minds.
    Off(Range),
    /// Calls are rejected.
    Wrong(Range, Likely),
    Contradictory,
    Silent,
}

/// Where an error comes from, by its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Likely {
    TimeZone,
    NoBattery,
    Sleep,
    NoNtp,
}

/// How fast the error grows, in parts per million.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Drift(i64);

impl Drift {
    /// Zero if no drift is needed to explain both.
    pub(crate) fn between(before: Range, after: Range, apart: Duration) -> Self {
        let grown = if after.low > before.high {
            after.low - before.high
        } else if after.high < before.low {
            after.high - before.low
        } else {
            0
        };
        let apart = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(grown.saturating_mul(1_000_000) / apart)
    }
}

impl Finding {
    pub(crate) fn of(servers: &[Server], common: Option<Range>, wall: SystemTime) -> Self {
        if servers.iter().all(|server| server.answers == 0) {
            return Self::Silent;
        }
        let disagrees = servers
            .iter()
            .any(|server| server.answers > 0 && server.range.is_none());
        match common {
            Some(range) if !disagrees => match range.distance() {
                0 => Self::Right(range),
                distance if distance < TOLERABLE => Self::Off(range),
                _ => Self::Wrong(range, Likely::of(range, wall)),
            },
            _ => Self::Contradictory,
        }
    }

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Right(_) | Self::Off(_) => 0,
            Self::Wrong(..) => 1,
            Self::Contradictory | Self::Silent => 2,
        }
    }

    pub(crate) fn in_words(self, drift: Option<Drift>) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Self::Right(_) | Self::Contradictory | Self::Silent => {}
            Self::Off(range) | Self::Wrong(range, _) => {
                let off_by = ClockOffset::from_millis(range.middle());
                let margin = range.margin();
                lines.push(format!(
                    "This machine's clock is {off_by}, give or take {margin} ms."
                ));
            }
        }
        if let Some(Drift(ppm)) = drift.filter(|drift| drift.0 != 0) {
            lines.push(format!(
                "The error grows by {ppm} ms in 1,000 s, so the clock drifts: NTP does not run."
            ));
        }
        if let Self::Wrong(_, likely) = self {
            lines.push(likely.in_words().to_owned());
            lines.push(format!("To set it: {}", remedy(std::env::consts::OS)));
        }
        lines.push(
            match self {
                Self::Right(_) => "The clock is right.",
                Self::Off(_) => "Calls to AWS succeed by this clock.",
                Self::Wrong(..) => "Calls to AWS are rejected by this clock.",
                Self::Contradictory => "The servers contradict each other, so nobody can tell.",
                Self::Silent => "No server answered, so nobody can tell.",
            }
            .to_owned(),
        );
        lines
    }
}

impl Likely {
    fn of(range: Range, wall: SystemTime) -> Self {
        let off_by = range.middle().abs();
        // Time zones are whole quarters of an hour, the farthest of them 14 h.
        let rest = off_by % QUARTER;
        let from_quarter = rest.min(QUARTER - rest);
        if wall < UNIX_EPOCH + YEAR_2020 {
            Self::NoBattery
        } else if (QUARTER..=14 * 4 * QUARTER).contains(&off_by) && from_quarter < MINUTE {
            Self::TimeZone
        } else if off_by >= 24 * 4 * QUARTER {
            Self::Sleep
        } else {
            Self::NoNtp
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::TimeZone => {
                "Likely: a time zone. Somebody took local time for UTC: two systems on one \
                 machine, a hardware clock in local time, a clock set by hand."
            }
            Self::NoBattery => {
                "Likely: no battery behind the hardware clock. The machine started in its \
                 factory's year, and no NTP has answered since."
            }
            Self::Sleep => {
                "Likely: a long sleep. A snapshot was restored, a virtual machine paused, a \
                 laptop woke up; or the battery of the hardware clock is dead."
            }
            Self::NoNtp => {
                "Likely: no NTP. Nothing has set the clock for long (UDP port 123 blocked), or \
                 the machine was paused."
            }
        }
    }
}

fn remedy(system: &str) -> &'static str {
    match system {
        "windows" => "w32tm /resync",
        "macos" => "sudo sntp -sS time.apple.com",
        _ => {
            "sudo chronyc makestep, or sudo timedatectl set-ntp true; in WSL: wsl --shutdown; \
             in Docker Desktop: restart it"
        }
    }
}

/// Less than half of the smallest tolerance of any service, 5 minutes.
const TOLERABLE: i64 = 120_000;
const MINUTE: i64 = 60_000;
const QUARTER: i64 = 15 * MINUTE;
/// 2020-01-01T00:00:00Z
const YEAR_2020: Duration = Duration::from_secs(1_577_836_800);
