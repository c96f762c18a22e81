//! The finding about the local clock.

use std::time::{Duration, SystemTime};

use aws_clock_skew::ClockOffset;
use aws_clock_skew::diagnosis::Origin;

use super::asking::{Range, Server};

/// The state of the local clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    /// It agrees with all servers.
    Correct(Range),
    /// It is off by less than every service of AWS tolerates.
    Tolerated(Range),
    /// It is off by more, with this probable origin.
    Rejected(Range, Origin),
    /// The servers disagree.
    Contradictory,
    /// No server answered.
    Silent,
}

/// How fast the offset grows, in parts per million.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Drift(i64);

impl Drift {
    /// Returns zero if both ranges fit an offset that does not grow.
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
                0 => Self::Correct(range),
                distance if distance < TOLERANCE => Self::Tolerated(range),
                _ => {
                    let offset = ClockOffset::from_millis(range.middle());
                    Self::Rejected(range, Origin::of(offset, wall))
                }
            },
            _ => Self::Contradictory,
        }
    }

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Correct(_) | Self::Tolerated(_) => 0,
            Self::Rejected(..) => 1,
            Self::Contradictory | Self::Silent => 2,
        }
    }

    /// The finding in sentences, with the result in the last one.
    pub(crate) fn lines(self, drift: Option<Drift>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Self::Tolerated(range) | Self::Rejected(range, _) = self {
            let offset = ClockOffset::from_millis(range.middle());
            lines.push(format!(
                "The local clock is {offset} (± {} ms).",
                range.margin()
            ));
        }
        if let Some(Drift(ppm)) = drift.filter(|drift| drift.0 != 0) {
            lines.push(format!(
                "The offset grows by {ppm} ppm: the clock drifts, so NTP is probably not running."
            ));
        }
        if let Self::Rejected(_, origin) = self {
            lines.push(origin.to_string());
        }
        if let Self::Tolerated(_) | Self::Rejected(..) = self {
            lines.push(format!("To set it: {}", command(std::env::consts::OS)));
        }
        lines.push(self.result().to_owned());
        lines
    }

    const fn result(self) -> &'static str {
        match self {
            Self::Correct(_) => "The local clock is correct.",
            Self::Tolerated(_) => {
                "AWS accepts requests signed with the local clock: services tolerate 5 minutes or more."
            }
            Self::Rejected(range, _) if range.distance() < LARGEST_TOLERANCE => {
                "Some services of AWS reject requests signed with the local clock: their tolerance \
                 is 5 minutes, that of others 15."
            }
            Self::Rejected(..) => "AWS rejects requests signed with the local clock.",
            Self::Contradictory => "The servers disagree, so the offset cannot be determined.",
            Self::Silent => "No server answered, so the offset cannot be determined.",
        }
    }
}

/// Returns the command that sets the clock of a system.
fn command(system: &str) -> &'static str {
    match system {
        "windows" => "w32tm /resync",
        "macos" => "sudo sntp -sS time.apple.com",
        _ => {
            "sudo chronyc makestep, or sudo timedatectl set-ntp true; in WSL: wsl --shutdown; \
             in Docker Desktop: restart it"
        }
    }
}

/// The tolerance of every service of AWS and the largest of one, in milliseconds.
const TOLERANCE: i64 = 5 * 60_000;
const LARGEST_TOLERANCE: i64 = 15 * 60_000;
