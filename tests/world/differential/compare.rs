//! What "worse" means: the same scenario, call by call.

use std::fmt;

use super::net::Sent;
use super::play::{Correction, Played};
use super::scenario::{End, Scenario};
use crate::clocks::{DAY, MINUTE, SECOND};
use crate::fate::DateFault;
use crate::site::Verdict;

/// How an integration was worse.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: (Correction, Worse),
    line: usize,
    ours: Played,
    other: (Correction, Played),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Worse {
    /// A call is lost that the SDK alone keeps.
    Lost,
    /// A call has more than one request rejected for its time, and the SDK alone fewer.
    RejectedTwice,
    /// A call has more than one request signed by a worse time than the local clock's.
    WorseThanLocal,
    /// A signature is wrong that the SDK alone makes right.
    WrongSignature,
}

/// Returns the first way in which an integration is worse, if any is.
pub(super) fn failure_of(scenario: &Scenario) -> Option<Failure> {
    let others = [Correction::Sdk, Correction::None].map(|other| (other, scenario.play(other)));
    Correction::OURS.into_iter().find_map(|correction| {
        let ours = scenario.play(correction);
        let others = others
            .iter()
            .map(|(other, played)| (*other, played.as_slice()));
        worse(scenario, correction, &ours, others)
    })
}

fn worse<'a>(
    scenario: &Scenario,
    correction: Correction,
    ours: &[Played],
    mut others: impl Iterator<Item = (Correction, &'a [Played])>,
) -> Option<Failure> {
    let failure = |call: usize, worse, other| Failure {
        kind: (correction, worse),
        line: ours[call].line,
        ours: ours[call].clone(),
        other,
    };
    others.find_map(|(other, theirs)| {
        (0..ours.len()).find_map(|call| {
            let (our, their) = (&ours[call], &theirs[call]);
            let has_wrong_key = scenario.call(our.line).end == End::WrongKey;
            let is_worse = |count: fn(&Played) -> usize| count(our) > count(their).max(1);
            let worse = if our.lost() > their.lost() && !is_excused(scenario, ours, call) {
                Worse::Lost
            } else if is_worse(Played::rejected) {
                Worse::RejectedTwice
            } else if !has_wrong_key && is_worse(Played::wrong_signatures) {
                Worse::WrongSignature
            } else if our.worse_than_local() > 1 {
                Worse::WorseThanLocal
            } else {
                return None;
            };
            Some(failure(call, worse, (other, their.clone())))
        })
    })
}

/// Returns whether one of the named exceptions lets a call be lost.
fn is_excused(scenario: &Scenario, ours: &[Played], call: usize) -> bool {
    let line = scenario.call(ours[call].line);
    let sent = &ours[call].sent;
    line.cancel.is_some() || sent.iter().any(Sent::is_excepted)
}

impl Sent {
    fn is_excepted(&self) -> bool {
        // The machine was suspended, or its clock was set, between sending and the
        // response, and its clock is wrong as well (guarantee 2).
        let is_wrong = self.error.abs().max(self.local_error_after.abs()) > 2 * MINUTE;
        // The clock does not follow a `Date` more than 7 days forward, and no message more
        // than 400.
        let limit = if self.has_date_only {
            7 * DAY
        } else {
            400 * DAY
        };
        let is_beyond_limit = self.local_error < -limit + MINUTE;
        // Of two different `Date`s neither counts; the SDK takes the first.
        let has_two_dates = self.has_date_only && self.date == DateFault::Doubled;
        // What is on its way for longer than the service tolerates fails if it is signed by
        // a correct clock as well.
        let is_rejected = self.verdict == Verdict::Rejected;
        (self.is_disturbed && is_wrong)
            || (is_rejected && (is_beyond_limit || has_two_dates || self.is_late))
    }
}

impl Played {
    /// Returns how many requests of one call, at most, were rejected because they were
    /// signed by a wrong time. A clock that is set again meanwhile is wrong again.
    fn rejected(&self) -> usize {
        self.most_of(|sent| {
            let is_heard = sent.verdict == Verdict::Rejected && sent.is_delivered;
            is_heard && !sent.is_late && !sent.is_disturbed && sent.error.abs() > 2 * MINUTE
        })
    }

    fn wrong_signatures(&self) -> usize {
        self.most_of(|sent| sent.verdict == Verdict::WrongSignature)
    }

    fn worse_than_local(&self) -> usize {
        self.most_of(|sent| {
            let is_heard = sent.verdict != Verdict::Unseen && sent.is_delivered;
            let is_wrong = sent.error.abs() > 2 * MINUTE;
            is_heard && is_wrong && sent.error.abs() > sent.local_error.abs() + 5 * SECOND
        })
    }

    fn most_of(&self, counts: impl Fn(&Sent) -> bool) -> usize {
        let counted: Vec<_> = self.sent.iter().filter(|sent| counts(sent)).collect();
        let of = |operation: &str| {
            let same = counted.iter().filter(|sent| sent.operation == operation);
            same.count()
        };
        counted
            .iter()
            .map(|sent| of(&sent.operation))
            .max()
            .unwrap_or(0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} in line {}", self.kind, self.line)?;
        write!(f, "  ours: {}", self.ours)?;
        let (other, played) = &self.other;
        write!(f, "\n  {other:?}: {played}")
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            match outcome {
                Ok(()) => write!(f, "kept; ")?,
                Err(error) => write!(f, "lost, {:.90}; ", error)?,
            }
        }
        for sent in &self.sent {
            write!(f, "\n    {sent}")?;
        }
        Ok(())
    }
}
